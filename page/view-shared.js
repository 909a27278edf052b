/**
 * A photo that another app shared with this one: for which portal and slot is it?
 */

import { choose, draftId } from "./drafts.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";
import { readability, thumbnail } from "./picker.js";
import { slotName, slotSummary } from "./rule-book.js";
import { search } from "./search.js";
import { all, forget } from "./storage.js";
import { pathOf } from "./view.js";

/** @param {import("./view.js").App} app @returns {Promise<import("./view.js").View>} */
export async function sharedView(app) {
  const shared = (await all("shared")).at(-1);
  if (!shared)
    return {
      title: t("shared.title"),
      nodes: [
        h(
          "div",
          { class: "stack" },
          h("h1", null, t("shared.none")),
          h("a", { class: "button main", href: "#/" }, t("missing.home")),
        ),
      ],
    };
  /** @type {File[]} */
  const files = shared.files;
  const [first] = files;
  const picture = first ? thumbnail(first, t("check.picture")) : null;
  const list = h("ul", { class: "list" });
  const reading = readability();
  const input = h("input", { class: "input", type: "search", id: "search", oninput: () => show() });
  const show = () =>
    list.replaceChildren(
      ...search(app.portals, input.value)
        .slice(0, 12)
        .flatMap(({ portal, slots }) => slots.map((slot) => h("li", null, line(portal, slot)))),
    );
  /** @param {import("./rule-book.js").Portal} portal @param {import("./rule-book.js").Slot} slot */
  const line = (portal, slot) => {
    const button = h(
      "button",
      {
        class: "line plain",
        type: "button",
        onclick: async () => {
          if (!(await reading.isReady())) return button.after(reading.node);
          await choose(app, draftId(portal, slot), files);
          await forget("shared", shared.id);
          app.go(pathOf(portal, slot));
        },
      },
      h("span", { class: "badge" }, kindIcon(slot.kind)),
      h(
        "span",
        { class: "grow stack tight" },
        h("strong", null, `${slotName(slot.slot)} · ${portal.name}`),
        h("span", { class: "small quiet" }, slotSummary(slot)),
      ),
      icon("next"),
    );
    return button;
  };
  show();
  return {
    title: t("shared.title"),
    leave: () => picture?.leave(),
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h("h1", null, t("shared.title")),
        picture?.node ?? "",
        h("div", { class: "field" }, h("label", { for: "search" }, t("home.question")), input),
        list,
      ),
    ],
  };
}
