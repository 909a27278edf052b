/**
 * One portal: which of its files will it be, or all of them.
 */

import { h } from "./dom.js";
import { advise, has, t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";
import { slotName, slotSummary } from "./rule-book.js";
import { back, oldRules, pathOf, portalOf } from "./view.js";

/** Portals that take a photo of the person themselves, with the device's camera. */
const LIVE_PHOTO = Object.freeze([
  "ssc",
  "rrb",
  "neet-2026",
  "jee-main-2026",
  "cuet-ug-2026",
  "ugc-net-2026",
  "csir-net-2026",
  "upsc-2026",
  "nda-cds-2026",
  "ibps",
  "sbi",
]);

/** @param {import("./view.js").App} app @param {string} name @returns {import("./view.js").View} */
export function portalView(app, name) {
  const portal = portalOf(app, name);
  return {
    title: portal.name,
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h(
          "div",
          { class: "stack tight" },
          back("/", t("home.back")),
          h("h1", null, portal.name),
          h("p", { class: "lead" }, t("portal.which")),
        ),
        ...oldRules(portal, advise),
        h(
          "ul",
          { class: "list" },
          portal.slots.map((slot) =>
            h(
              "li",
              null,
              h(
                "a",
                { class: "line", href: `#${pathOf(portal, slot)}` },
                h("span", { class: "badge" }, kindIcon(slot.kind)),
                h(
                  "span",
                  { class: "grow stack tight" },
                  h("strong", null, slotName(slot.slot)),
                  has(`slot.what.${slot.slot}`) && h("span", { class: "small" }, t(`slot.what.${slot.slot}`)),
                  h("span", { class: "small quiet" }, slotSummary(slot)),
                ),
                icon("next"),
              ),
            ),
          ),
        ),
        h(
          "ul",
          { class: "list" },
          portal.slots.length > 1 &&
            app.config.isWhole &&
            h("li", null, wayLine(`#/a/${portal.portal}`, "list", t("portal.all"), t("portal.all.what"))),
          app.config.isOwn &&
            LIVE_PHOTO.includes(portal.portal) &&
            h(
              "li",
              null,
              wayLine(`#/p/${portal.portal}/rehearse`, "camera", t("portal.rehearse"), t("portal.rehearse.what")),
            ),
        ),
      ),
    ],
  };
}

/** @param {string} href @param {"list" | "camera"} name @param {string} title @param {string} what */
function wayLine(href, name, title, what) {
  return h(
    "a",
    { class: "line", href },
    h("span", { class: "badge" }, icon(name)),
    h("span", { class: "grow stack tight" }, h("strong", null, title), h("span", { class: "small quiet" }, what)),
    icon("next"),
  );
}
