/**
 * What views share: their shape, what they know, and pieces that several of them show.
 */

import { h } from "./dom.js";
import { day, t } from "./i18n.js";
import { icon } from "./icons.js";
import { slotName } from "./rule-book.js";

/** @typedef {import("./rule-book.js").Portal} Portal */
/** @typedef {import("./rule-book.js").Slot} Slot */

/**
 * What every view is given.
 *
 * @typedef {object} App
 * @property {import("./config.js").PageConfig} config
 * @property {import("./session.js").Auth | null} auth null where the page does preflight only
 * @property {import("./rythmiq.js").Client} client
 * @property {import("./orders.js").Orders} orders
 * @property {Portal[]} portals
 * @property {number | null} credits of the account, once known
 * @property {number | null} maxBytes of all files of a job, once known
 * @property {number | null} maxPages of a job, once known
 * @property {boolean} signInFailed somebody came back from Google without being signed in; said where they sign in
 * @property {Map<string, import("./drafts.js").Draft>} drafts by portal and slot
 * @property {string | null} news said once at the top of the next list of files
 * @property {(path: string) => void} go
 * @property {() => void} again draws the view anew
 */

/**
 * @typedef {object} View
 * @property {string} title
 * @property {(Node | string)[]} nodes
 * @property {boolean} [wide]
 * @property {() => void} [enter] once it is in the document
 * @property {() => void} [leave] before another one is shown
 */

/**
 * @typedef {object} Leaving what is to be done once a view is left
 * @property {(act: () => void) => void} push an act; done at once where the view is left already, as by what still loads
 * @property {() => void} leave
 */

/** @returns {Leaving} */
export function untilLeft() {
  /** @type {(() => void)[] | null} */
  let acts = [];
  return {
    push: (act) => void (acts === null ? act() : acts.push(act)),
    leave: () => {
      acts?.forEach((act) => act());
      acts = null;
    },
  };
}

/** Something of the rule book or of this device is not there; "deleted": the person did that. */
export class MissingError extends Error {}

/** The portal of that name, or of that alias. @param {App} app @param {string} name @returns {Portal} */
export function portalOf(app, name) {
  const found = app.portals.find(({ portal, aliases }) => portal === name || aliases.includes(name));
  if (!found) throw new MissingError("portal");
  return found;
}

/** A slot of a portal. @param {Portal} portal @param {string} name @returns {Slot} */
export function slotOf(portal, name) {
  const found = portal.slots.find(({ slot }) => slot === name);
  if (!found) throw new MissingError("slot");
  return found;
}

/** The way back. @param {string} path @param {string} words */
export function back(path, words) {
  return h(
    "nav",
    { "aria-label": t("frame.back") },
    h("a", { class: "button bare small", href: `#${path}` }, icon("back"), words),
  );
}

/**
 * A note with an icon.
 *
 * @param {"good" | "bad" | "warn" | "info"} kind
 * @param {string | HTMLElement} title a heading where the focus goes to it
 * @param {...(Node | string | null | false)} rest
 */
export function note(kind, title, ...rest) {
  const name = /** @type {const} */ ({ good: "pass", bad: "fail", warn: "advice", info: "info" })[kind];
  return h(
    "div",
    { class: `note ${kind}` },
    icon(name),
    h("div", { class: "stack tight" }, typeof title === "string" ? h("strong", null, title) : title, ...rest),
  );
}

/** Something that opens. @param {string} summary @param {...Node} inside */
export function more(summary, ...inside) {
  return h("details", null, h("summary", null, icon("next"), summary), ...inside);
}

/** Where a number comes from, and when that was looked at. @param {import("./rule-book.js").Source | null} source */
export function sourceLine(source) {
  if (source === null) return null;
  return h(
    "p",
    { class: "source" },
    `${t(`source.${source.source_kind}`)} · `,
    h(
      "a",
      { href: source.source_url, rel: "noopener noreferrer nofollow", target: "_blank" },
      hostOf(source.source_url),
      h("span", { class: "heard" }, ` ${t("source.new_tab")}`),
    ),
    ` · ${t("source.checked", { day: day(source.checked_on) })}`,
    source.confidence === "low" ? ` · ${t("source.low")}` : null,
  );
}

/** @param {string} address */
function hostOf(address) {
  try {
    return new URL(address).hostname.replace(/^www\./, "");
  } catch {
    return address;
  }
}

/** The rules of a portal that is past its date, in the person's language. @param {Portal} portal @param {(advice: any, fallback?: string) => string} advise */
export function oldRules(portal, advise) {
  return portal.advice.map((advice, index) =>
    note("warn", t("portal.old"), h("p", null, advise(advice, portal.warnings[index]))),
  );
}

/** "Photo for NEET (UG) 2026". @param {Portal} portal @param {Slot} slot */
export function slotTitle(portal, slot) {
  return t("slot.title", { slot: slotName(slot.slot), portal: portal.name });
}

/** An address of the page for this portal and slot. @param {Portal} portal @param {Slot} slot @param {string} [step] */
export function pathOf(portal, slot, step) {
  return `/p/${portal.portal}/${slot.slot}${step ? `/${step}` : ""}`;
}
