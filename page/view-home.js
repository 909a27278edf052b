/**
 * The first view: what will you upload today, and where.
 */

import { announce, fill, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";
import { slotName, slotSummary } from "./rule-book.js";
import { search } from "./search.js";
import { note, pathOf } from "./view.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./rule-book.js").Portal} Portal */
/** @typedef {import("./rule-book.js").Slot} Slot */

const FIRST = 8;

/** @param {App} app @returns {import("./view.js").View} */
export function homeView(app) {
  const results = h("div", { class: "stack", id: "results" });
  const input = h("input", {
    class: "input large",
    type: "search",
    id: "search",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    enterkeyhint: "search",
    placeholder: t("home.placeholder"),
    "aria-describedby": "search-help",
    "aria-controls": "results",
    oninput: () => show(),
  });
  let isWhole = false;
  const show = () => {
    const found = search(app.portals, input.value);
    const words = input.value.trim();
    const few = words || isWhole ? found : found.slice(0, FIRST);
    fill(
      results,
      words ? null : h("h2", null, t("home.often")),
      found.length === 0
        ? nothing(app)
        : h(
            "ul",
            { class: "list" },
            few.map((one) => h("li", null, words && one.slots.length <= 3 ? slotLines(one) : portalLine(one.portal))),
          ),
      few.length < found.length &&
        h(
          "button",
          {
            class: "button full",
            type: "button",
            onclick: () => (
              (isWhole = true),
              show(),
              /** @type {HTMLElement | null} */ (results.querySelectorAll("a")[FIRST])?.focus()
            ),
          },
          t("home.all", { count: number(found.length) }),
        ),
    );
    if (words) announce(t("home.found", { count: number(found.length) }));
  };
  show();
  return {
    title: t("brand"),
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h("div", { class: "stack tight" }, ...homeHead()),
        h(
          "form",
          {
            class: "field",
            role: "search",
            onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), results.querySelector("a")?.focus()),
          },
          h("label", { for: "search" }, t("home.question")),
          h("div", { class: "search" }, icon("search"), input),
          h("p", { class: "small quiet", id: "search-help" }, t("home.help")),
        ),
        !app.config.isWhole && onlyPreflight(app),
        results,
        app.config.isOwn &&
          h(
            "ul",
            { class: "list" },
            h("li", null, wayLine("#/p/ssc/rehearse", "camera", t("home.rehearse"), t("home.rehearse.what"))),
          ),
      ),
    ],
  };
}

/** What the page is for. */
export function homeHead() {
  return [h("h1", null, t("home.title")), h("p", { class: "lead" }, t("home.lead"))];
}

/** @param {{ portal: Portal, slots: Slot[] }} found */
function slotLines({ portal, slots }) {
  return slots.map((slot) =>
    h(
      "a",
      { class: "line", href: `#${pathOf(portal, slot)}` },
      h("span", { class: "badge" }, kindIcon(slot.kind)),
      h(
        "span",
        { class: "grow stack tight" },
        h("strong", null, `${slotName(slot.slot)} · ${portal.name}`),
        h("span", { class: "small quiet" }, slotSummary(slot)),
      ),
      icon("next"),
    ),
  );
}

/** @param {Portal} portal */
function portalLine(portal) {
  const names = portal.slots.map(({ slot }) => slotName(slot));
  const words =
    names.length > 3
      ? t("home.slots.more", { first: names.slice(0, 3).join(" · "), count: number(names.length - 3) })
      : names.join(" · ");
  return wayLine(`#/p/${portal.portal}`, null, portal.name, words);
}

/** @param {string} href @param {"camera" | null} name @param {string} title @param {string} what */
function wayLine(href, name, title, what) {
  return h(
    "a",
    { class: "line", href },
    name && h("span", { class: "badge" }, icon(name)),
    h("span", { class: "grow stack tight" }, h("strong", null, title), h("span", { class: "small quiet" }, what)),
    icon("next"),
  );
}

/** @param {App} app */
function nothing(app) {
  const other = app.portals.find(({ portal }) => portal === "college-generic");
  return note(
    "info",
    t("home.nothing"),
    other ? h("p", null, t("home.nothing.else"), " ", h("a", { href: `#/p/${other.portal}` }, other.name)) : null,
  );
}

/** Where the whole page is, on a host that others share. @param {App} app */
function onlyPreflight(app) {
  const { wholeAt } = app.config;
  return note(
    "info",
    t("shared_host.title"),
    h("p", null, t("shared_host.why")),
    wholeAt ? h("p", null, h("a", { href: wholeAt }, t("shared_host.whole"))) : null,
  );
}
