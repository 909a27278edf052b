/**
 * The rule book as `GET /portals` gives it: what a slot asks for, in numbers, and finding a slot by words.
 */

import { has, number, t } from "./i18n.js";

/**
 * @typedef {{ source_url: string, source_kind: string, checked_on: string, confidence: "high" | "medium" | "low", note?: string | null }} Source
 */

/**
 * The rules of one slot; what is absent is not checked.
 *
 * @typedef {object} Slot
 * @property {string} slot
 * @property {"photo" | "signature" | "thumb" | "document" | "auto"} kind
 * @property {number} [target_width]
 * @property {number} [target_height]
 * @property {number} [min_width]
 * @property {number} [max_width]
 * @property {number} [min_height]
 * @property {number} [max_height]
 * @property {number} [width_mm]
 * @property {number} [height_mm]
 * @property {number} [aspect_min]
 * @property {number} [aspect_max]
 * @property {number} [target_dpi]
 * @property {number} [min_kb]
 * @property {number} [max_kb]
 * @property {("jpeg" | "png" | "pdf")[]} [formats]
 * @property {"jpeg" | "png" | "pdf"} output_format
 * @property {string} filename_pattern
 * @property {"any" | "light" | "white"} background
 * @property {"required" | "prefer" | "off"} face
 * @property {[number, number]} [face_ratio]
 * @property {[number, number]} [eye_line]
 * @property {"forbidden" | "allowed"} [background_edit]
 * @property {"none" | "allowed" | "required"} [caption]
 * @property {"forbidden" | "allowed"} [text_layer]
 * @property {"any" | "clear" | "none"} [glasses]
 * @property {number} [signatures]
 * @property {"rgb" | "gray" | "bw"} color
 * @property {number} [max_compression_ratio]
 * @property {string} [valid_to]
 * @property {Record<string, Source>} sources
 */

/**
 * @typedef {object} Portal
 * @property {string} portal
 * @property {string} name
 * @property {string} version
 * @property {string[]} aliases
 * @property {string[]} warnings
 * @property {{ code: string, parameters: Record<string, string | number> }[]} advice
 * @property {Slot[]} slots
 */

/** @typedef {{ minWidth: number, maxWidth: number, minHeight: number, maxHeight: number }} PixelBounds */

const MM_PER_INCH = 25.4;
const MOST_PX = 20_000;

/** Portals that most people look for, first on the list. */
const POPULAR = [
  "neet-2026",
  "jee-main-2026",
  "ssc",
  "upsc-2026",
  "ibps",
  "sbi",
  "cuet-ug-2026",
  "passport-india",
  "rrb",
  "pan-protean",
];

/** Other words that people use. */
const SYNONYMS = Object.freeze({
  photo: ["photo", "photograph", "picture", "image", "pic", "selfie", "passport size", "फोटो", "तस्वीर", "छवि"],
  signature: ["signature", "sign", "signs", "हस्ताक्षर", "साइन", "सिग्नेचर"],
  thumb: ["thumb", "thumbprint", "impression", "fingerprint", "अंगूठा", "अंगूठे", "निशान"],
  document: [
    "document",
    "certificate",
    "marksheet",
    "mark sheet",
    "scan",
    "proof",
    "दस्तावेज़",
    "प्रमाणपत्र",
    "प्रमाण पत्र",
    "अंकतालिका",
    "अंकपत्र",
    "मार्कशीट",
  ],
});
const PORTAL_WORDS = Object.freeze({
  "neet-2026": "नीट medical mbbs nta",
  "jee-main-2026": "जेईई engineering nta iit",
  "jee-advanced-2026": "जेईई एडवांस iit",
  "upsc-2026": "यूपीएससी ias ips civil services सिविल सेवा",
  "nda-cds-2026": "एनडीए army navy",
  ssc: "एसएससी cgl chsl mts gd constable",
  ibps: "आईबीपीएस bank बैंक po clerk rrb",
  sbi: "एसबीआई bank बैंक po clerk",
  "bank-recruitment": "bank बैंक",
  rrb: "रेलवे railway ntpc alp group d",
  "cuet-ug-2026": "सीयूईटी university nta",
  "ctet-2026": "सीटेट teacher शिक्षक",
  "gate-2026": "गेट engineering",
  "passport-india": "पासपोर्ट passport seva",
  "pan-protean": "पैन pan card nsdl",
  "pan-utiitsl": "पैन pan card uti",
  "aadhaar-update": "आधार aadhar adhar uidai",
  "voter-id": "वोटर मतदाता epic election",
  sarathi: "लाइसेंस driving licence license dl",
  nsp: "छात्रवृत्ति scholarship",
  digilocker: "डिजीलॉकर",
  "college-generic": "कॉलेज university school any other अन्य",
  "us-visa": "america अमेरिका visa वीज़ा",
  "ugc-net-2026": "यूजीसी नेट nta",
});

/** The cap and the floor in bytes that hold in both readings of KB. @param {Slot} slot */
export function byteBounds(slot) {
  return {
    least: slot.min_kb === undefined ? null : Math.ceil(slot.min_kb * 1024),
    most: slot.max_kb === undefined ? null : Math.floor(slot.max_kb * 1000),
  };
}

/**
 * The pixel sizes that the slot takes, inclusive; null when it names none.
 *
 * @param {Slot} slot
 * @returns {PixelBounds | null}
 */
export function pixelBounds(slot) {
  if (slot.target_width !== undefined && slot.target_height !== undefined)
    return exactly(slot.target_width, slot.target_height);
  if (slot.width_mm !== undefined && slot.height_mm !== undefined && slot.target_dpi !== undefined) {
    const px = (/** @type {number} */ mm) =>
      roundHalfEven((mm / MM_PER_INCH) * /** @type {number} */ (slot.target_dpi));
    return exactly(px(slot.width_mm), px(slot.height_mm));
  }
  const { min_width, max_width, min_height, max_height } = slot;
  if ([min_width, max_width, min_height, max_height].every((value) => value === undefined)) return null;
  return {
    minWidth: min_width ?? 1,
    maxWidth: max_width ?? MOST_PX,
    minHeight: min_height ?? 1,
    maxHeight: max_height ?? MOST_PX,
  };
}

/** As Python rounds, so that page and worker agree. @param {number} value */
function roundHalfEven(value) {
  const whole = Math.floor(value);
  if (value - whole === 0.5) return whole % 2 === 0 ? whole : whole + 1;
  return Math.round(value);
}

/**
 * @param {number} width
 * @param {number} height
 * @returns {PixelBounds}
 */
function exactly(width, height) {
  return { minWidth: width, maxWidth: width, minHeight: height, maxHeight: height };
}

/**
 * Width over height of the frame that the slot wants; null where any shape does.
 *
 * @param {Slot} slot
 */
export function frameRatio(slot) {
  const bounds = pixelBounds(slot);
  if (bounds && bounds.minWidth === bounds.maxWidth && bounds.minHeight === bounds.maxHeight)
    return bounds.minWidth / bounds.minHeight;
  if (slot.aspect_min !== undefined && slot.aspect_max !== undefined) return (slot.aspect_min + slot.aspect_max) / 2;
  if (bounds && bounds.maxWidth < MOST_PX && bounds.maxHeight < MOST_PX) return bounds.maxWidth / bounds.maxHeight;
  return null;
}

/** The first source among several rules. @param {Slot} slot @param {...string} rules @returns {Source | null} */
export function sourceOf(slot, ...rules) {
  for (const rule of rules) {
    const found = slot.sources[rule];
    if (found) return found;
  }
  return null;
}

/** "10 to 200 KB", "at most 40 KB" or nothing. @param {Slot} slot */
export function kbWords(slot) {
  const { min_kb, max_kb } = slot;
  if (min_kb !== undefined && max_kb !== undefined)
    return t("rule.kb.range", { least: number(min_kb, 1), most: number(max_kb, 1) });
  if (max_kb !== undefined) return t("rule.kb.most", { most: number(max_kb, 1) });
  return min_kb === undefined ? "" : t("rule.kb.least", { least: number(min_kb, 1) });
}

/** "3.5 x 4.5 cm", "200 x 230 px" or nothing. @param {Slot} slot */
export function sizeWords(slot) {
  if (slot.width_mm !== undefined && slot.height_mm !== undefined) {
    return t("rule.size.cm", { width: number(slot.width_mm / 10, 2), height: number(slot.height_mm / 10, 2) });
  }
  const bounds = pixelBounds(slot);
  return bounds ? pixelWords(bounds) : "";
}

/** @param {PixelBounds} bounds */
export function pixelWords({ minWidth, maxWidth, minHeight, maxHeight }) {
  if (minWidth === maxWidth && minHeight === maxHeight)
    return t("rule.px.exact", { width: minWidth, height: minHeight });
  if (maxWidth >= MOST_PX && maxHeight >= MOST_PX) return t("rule.px.least", { width: minWidth, height: minHeight });
  if (minWidth <= 1 && minHeight <= 1) return t("rule.px.most", { width: maxWidth, height: maxHeight });
  return t("rule.px.range", {
    least_width: minWidth,
    least_height: minHeight,
    most_width: maxWidth,
    most_height: maxHeight,
  });
}

/** The formats that the portal takes, as words. @param {Slot} slot */
export function formatWords(slot) {
  return (slot.formats ?? [slot.output_format])
    .map((name) => ({ jpeg: "JPG", png: "PNG", pdf: "PDF" })[name] ?? name)
    .join(", ");
}

/** The name of a slot in the person's words. @param {string} slot */
export function slotName(slot) {
  const key = `slot.${slot}`;
  if (has(key)) return t(key);
  const words = slot.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** One line about a slot: format, size, kilobytes. @param {Slot} slot */
export function slotSummary(slot) {
  return [formatWords(slot), kbWords(slot), sizeWords(slot)].filter(Boolean).join(" · ");
}

/** Whether the slot's file is a PDF, into which several photos may go. @param {Slot} slot */
export function takesPages(slot) {
  return slot.output_format === "pdf" || (slot.formats ?? []).includes("pdf");
}

/**
 * Portals with the slots that answer a search, best first; without words, popular ones first.
 *
 * @param {Portal[]} portals
 * @param {string} query
 * @returns {{ portal: Portal, slots: Slot[] }[]}
 */
export function search(portals, query) {
  const words = plain(query)
    .split(" ")
    .filter((word) => word && !FILLERS.has(word));
  if (words.length === 0) return inOrder(portals).map((portal) => ({ portal, slots: portal.slots }));
  const found = portals.flatMap((portal) => {
    const ofPortal = plain(
      [
        portal.name,
        portal.portal,
        ...portal.aliases,
        PORTAL_WORDS[/** @type {keyof typeof PORTAL_WORDS} */ (portal.portal)] ?? "",
      ].join(" "),
    );
    const scored = portal.slots.map((slot) => ({ slot, score: score(words, ofPortal, nameOf(slot), wordsOf(slot)) }));
    const best = Math.max(...scored.map(({ score: value }) => value));
    if (best === 0) return [];
    return [{ portal, best, slots: scored.filter(({ score: value }) => value === best).map(({ slot }) => slot) }];
  });
  const order = new Map(inOrder(portals).map((portal, place) => [portal.portal, place]));
  found.sort(
    (one, other) =>
      other.best - one.best || (order.get(one.portal.portal) ?? 0) - (order.get(other.portal.portal) ?? 0),
  );
  return found;
}

const FILLERS = new Set([
  "for",
  "to",
  "the",
  "a",
  "of",
  "in",
  "my",
  "upload",
  "kb",
  "size",
  "form",
  "के",
  "लिए",
  "की",
  "का",
]);

/** @param {Portal[]} portals */
function inOrder(portals) {
  const rank = (/** @type {Portal} */ { portal }) =>
    POPULAR.includes(portal) ? POPULAR.indexOf(portal) : POPULAR.length;
  return [...portals].sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}

/**
 * Every word has to be found: in the portal's words, or in the slot's, or as a number of kilobytes.
 *
 * @param {string[]} words
 * @param {string} ofPortal
 * @param {string} ofName of the slot, which counts more than what its kind is called as well
 * @param {string} ofSlot
 */
function score(words, ofPortal, ofName, ofSlot) {
  let sum = 0;
  for (const word of words) {
    const value = Math.max(matched(ofPortal, word) * 2, matched(ofName, word) * 1.5, matched(ofSlot, word));
    if (value === 0) return 0;
    sum += value;
  }
  return sum;
}

/** 3 for a whole word, 2 for the beginning of one, 0. @param {string} text @param {string} word */
function matched(text, word) {
  const padded = ` ${text} `;
  if (padded.includes(` ${word} `)) return 3;
  return padded.includes(` ${word}`) ? 2 : 0;
}

/** @param {Slot} slot */
function nameOf(slot) {
  return plain(`${slot.slot} ${slotName(slot.slot)}`);
}

/** @param {Slot} slot */
function wordsOf(slot) {
  const kind = /** @type {readonly string[]} */ (SYNONYMS[/** @type {keyof typeof SYNONYMS} */ (slot.kind)] ?? []);
  const kb = [slot.min_kb, slot.max_kb]
    .filter((value) => value !== undefined)
    .flatMap((value) => [`${value}`, `${value}kb`]);
  return plain([slot.slot, slotName(slot.slot), formatWords(slot), ...kind, ...kb].join(" "));
}

/** @param {string} text */
function plain(text) {
  return text
    .normalize("NFC")
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, " ")
    .trim();
}
