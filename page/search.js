/**
 * Finding a slot by words of the form and the file, in English or Hindi.
 */

import { formatWords, slotName } from "./rule-book.js";

/** @typedef {import("./rule-book.js").Portal} Portal */
/** @typedef {import("./rule-book.js").Slot} Slot */

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
