/**
 * Lists of clauses in the person's words: of the preflight, and of a receipt.
 */

import { h } from "./dom.js";
import { has, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { more, sourceLine } from "./view.js";
import { bytesWords } from "./verdicts.js";

/** @typedef {import("./verdicts.js").Clause} Clause */

const ORDER = Object.freeze({ fail: 0, advice: 1, pass: 2, not_checked: 3 });

/**
 * The list: what is wrong or doubtful is there to see, the rest a tap away.
 *
 * @param {Clause[]} clauses
 */
export function clauseList(clauses) {
  const sorted = [...clauses].sort((one, other) => ORDER[one.verdict] - ORDER[other.verdict]);
  const of = (/** @type {Clause["verdict"][]} */ ...verdicts) =>
    sorted.filter(({ verdict }) => verdicts.includes(verdict));
  const [open, good, unseen] = [of("fail", "advice"), of("pass"), of("not_checked")];
  return h(
    "div",
    { class: "stack tight" },
    open.length > 0 && lines(open),
    good.length > 0 && more(t("clause.pass", { count: number(good.length) }), lines(good)),
    unseen.length > 0 && more(t("clause.not_checked", { count: number(unseen.length) }), lines(unseen)),
  );
}

/** @param {Clause[]} clauses */
function lines(clauses) {
  return h(
    "ul",
    { class: "clauses" },
    clauses.map((clause) =>
      h(
        "li",
        { class: clause.verdict },
        icon(clause.verdict),
        h(
          "div",
          { class: "stack tight" },
          h(
            "strong",
            null,
            clauseName(clause.clause),
            h("span", { class: "heard" }, `: ${t(`verdict.${clause.verdict}`)}`),
          ),
          clause.measured !== null && h("span", { class: "measured" }, clause.measured),
          clause.exact && more(t("clause.exact"), h("p", { class: "small" }, clause.exact)),
          h("span", { class: "small quiet" }, t("clause.wanted", { wanted: clause.wanted })),
          clause.todo && h("p", null, clause.todo),
          sourceLine(clause.source),
        ),
      ),
    ),
  );
}

/** @param {string} name */
export function clauseName(name) {
  return has(`clause.${name}`) ? t(`clause.${name}`) : name;
}

/**
 * A receipt's clauses as the page shows them.
 *
 * @param {import("./rythmiq.js").Clause[]} clauses
 * @returns {Clause[]}
 */
export function ofReceipt(clauses) {
  return clauses.map(({ clause, verdict, wanted, measured, source, page }) => ({
    clause,
    verdict: /** @type {Clause["verdict"]} */ (verdict),
    wanted: words(String(wanted)),
    measured:
      measured === null || measured === undefined
        ? null
        : (page ? `${t("clause.page", { page })} ` : "") + words(String(measured)),
    todo: null,
    source: source ?? null,
  }));
}

/**
 * What the worker says of a measure, in the person's language: phrases are known by their shape, numbers are kept. What is
 * not known stays as it is.
 *
 * @param {string} phrase
 * @returns {string}
 */
export function words(phrase) {
  const upload = /^(.+), on the upload$/.exec(phrase);
  if (upload) return t("receipt.on_upload", { what: words(upload[1] ?? "") });
  if (has(`words.${phrase}`)) return t(`words.${phrase}`);
  const bytes = /^(\d+) bytes$/.exec(phrase);
  if (bytes) return bytesWords(Number(bytes[1]));
  for (const [pattern, key, names] of PHRASES) {
    const match = pattern.exec(phrase);
    if (match) return t(key, Object.fromEntries(names.map((name, index) => [name, localised(match[index + 1] ?? "")])));
  }
  const parts = phrase.split(", ");
  return parts.length > 1 ? parts.map(words).join(", ") : phrase;
}

/** @param {string} text */
function localised(text) {
  return /^\d{5,}$/.test(text) ? number(Number(text)) : text;
}

/** @type {readonly [RegExp, string, string[]][]} */
const PHRASES = [
  [
    /^([\d.]+) to ([\d.]+) KB \((\d+) to (\d+) bytes\)$/,
    "receipt.bytes.range",
    ["least", "most", "least_bytes", "most_bytes"],
  ],
  [/^at most ([\d.]+) KB \((\d+) bytes\)$/, "receipt.bytes.most", ["most", "most_bytes"]],
  [/^at least ([\d.]+) KB \((\d+) bytes\)$/, "receipt.bytes.least", ["least", "least_bytes"]],
  [/^(\d+) x (\d+) px$/, "rule.px.exact", ["width", "height"]],
  [
    /^(\d+) x (\d+) px \(([\d.]+) x ([\d.]+) mm at (\d+) DPI\)$/,
    "receipt.pixels.mm",
    ["width", "height", "width_mm", "height_mm", "dpi"],
  ],
  [
    /^(\d+) x (\d+) px to (\d+) x (\d+) px$/,
    "rule.px.range",
    ["least_width", "least_height", "most_width", "most_height"],
  ],
  [/^([\d.]+) DPI$/, "measured.dpi", ["dpi"]],
  [/^width over height ([\d.]+) to ([\d.]+)$/, "wanted.aspect", ["least", "most"]],
  [/^width over height from ([\d.]+)$/, "wanted.aspect.least", ["least"]],
  [/^lightness (\d+) of 100, colour (\d+)$/, "receipt.background", ["lightness", "colour"]],
  [/^lightness (\d+) of 100, colour (\d+), not plain$/, "receipt.background.busy", ["lightness", "colour"]],
  [/^(\d+) faces$/, "receipt.face.several", ["count"]],
  [/^(\d+) people on the upload$/, "receipt.people.several", ["count"]],
  [/^head (\d+)% to (\d+)% of the height$/, "wanted.face_size", ["least", "most"]],
  [/^about (\d+)%$/, "receipt.about", ["percent"]],
  [/^(\d+)% of the width beside the middle$/, "receipt.beside", ["percent"]],
  [/^head upright, up to (\d+) degrees$/, "receipt.upright", ["degrees"]],
  [/^leans by (\d+) degrees$/, "receipt.leans", ["degrees"]],
  [/^turned (\d+) degrees aside, (\d+) up or down$/, "receipt.turned", ["aside", "up"]],
  [/^text read with confidence (\d+)% or more$/, "receipt.legible", ["percent"]],
  [/^about (\d+)% read$/, "receipt.read", ["percent"]],
  [/^(\d+) signatures, one below the other$/, "receipt.signature.several", ["count"]],
  [/^eyes (\d+)% to (\d+)% of the height above the lower edge$/, "receipt.eyes.wanted", ["least", "most"]],
  [/^eyes at (\d+)%$/, "receipt.eyes.at", ["percent"]],
  [/^edges up to ([\d.]+) px$/, "receipt.edges.wanted", ["px"]],
  [/^edges on the face up to ([\d.]+) px$/, "receipt.edges.wanted", ["px"]],
  [/^edges ([\d.]+) px wide (?:at|on a face of) (\d+) px$/, "receipt.edges", ["px", "side"]],
  [/^at most ([\d.]+):1$/, "wanted.compression", ["most"]],
  [/^(\d+) bytes after the end$/, "measured.trailing", ["bytes"]],
  [/^about (\d+)% and the head is cut off$/, "receipt.about.cut", ["percent"]],
  [/^(\d+) lines run into the border$/, "receipt.lines.cut", ["count"]],
  [/^(\d+) lines or parts of lines not read$/, "receipt.lines.unread", ["count"]],
  [/^(\d+) lines of writing$/, "receipt.lines", ["count"]],
];
