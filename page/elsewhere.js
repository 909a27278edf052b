/**
 * The same picture for other portals: new jobs on the master that the worker keeps, without another upload.
 */

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { nameOf, newOrder } from "./order.js";
import { slotName, slotSummary } from "./rule-book.js";
import { more } from "./view.js";

/**
 * @param {import("./view.js").App} app
 * @param {import("./order.js").Order} order
 * @param {import("./rythmiq.js").JobView} view
 * @returns {HTMLElement | null}
 */
export function elsewhere(app, order, view) {
  const master = view.artifacts?.["master_path"];
  const own = app.portals.find(({ portal }) => portal === view.portal)?.slots.find(({ slot }) => slot === view.slot);
  if (!master || !own) return null;
  const others = app.portals.flatMap((portal) =>
    portal.slots
      .filter((slot) => slot.kind === own.kind && !(portal.portal === view.portal && slot.slot === view.slot))
      .map((slot) => ({ portal, slot })),
  );
  /** @type {Set<string>} */
  const chosen = new Set();
  const started = h("ul", { class: "stack tight" });
  const button = h("button", {
    class: "button main",
    type: "button",
    hidden: true,
    onclick: async () => {
      const picked = others.filter(({ portal, slot }) => chosen.has(`${portal.portal}/${slot.slot}`));
      chosen.clear();
      button.hidden = true;
      for (const box of list.querySelectorAll("input")) box.checked = false;
      for (const { portal, slot } of picked) {
        const next = newOrder({
          id: crypto.randomUUID(),
          portal: portal.portal,
          portal_name: portal.name,
          slot: slot.slot,
          version: portal.version,
          files: [],
          master,
          name: nameOf(order, view.receipt?.document.filename),
          size: order.size ?? null,
          user_id: order.user_id,
          now: Date.now(),
        });
        await app.orders.begin(next);
        started.append(
          h("li", null, h("a", { class: "line", href: `#/o/${next.id}` }, `${slotName(slot.slot)} · ${portal.name}`)),
        );
      }
      app.credits = null;
    },
  });
  const list = h(
    "ul",
    { class: "scroll", tabindex: "0", "aria-label": t("elsewhere.title") },
    others.map(({ portal, slot }) => {
      const box = h("input", {
        type: "checkbox",
        onchange: () => {
          const key = `${portal.portal}/${slot.slot}`;
          if (box.checked) chosen.add(key);
          else chosen.delete(key);
          button.hidden = chosen.size === 0;
          button.textContent = t("elsewhere.make", { count: number(chosen.size) });
        },
      });
      return h(
        "li",
        null,
        h(
          "label",
          { class: "choice" },
          box,
          h(
            "span",
            { class: "stack tight" },
            h("span", null, `${portal.name} · ${slotName(slot.slot)}`),
            h("span", { class: "small quiet" }, slotSummary(slot)),
          ),
        ),
      );
    }),
  );
  return h(
    "section",
    { class: "card stack", "aria-labelledby": "elsewhere" },
    h("h2", { id: "elsewhere" }, t("elsewhere.title")),
    h("p", { class: "quiet" }, t("elsewhere.what")),
    more(t("elsewhere.open"), h("div", { class: "stack" }, list, button, started)),
  );
}
