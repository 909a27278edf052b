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

/** What people say for a word of ours: whole words, in a query as in the names of the rule book. */
const SAID = Object.freeze({
  photo: [
    "photograph",
    "photos",
    "picture",
    "image",
    "pic",
    "selfie",
    "dp",
    "passport size",
    "passport size photo",
    "passport size photograph",
    "फोटो",
    "फ़ोटो",
    "तस्वीर",
    "छवि",
  ],
  signature: ["sign", "signs", "signatures", "dastakhat", "हस्ताक्षर", "दस्तखत", "साइन", "सिग्नेचर"],
  thumb: ["thumbprint", "thumb print", "impression", "fingerprint", "angutha", "अंगूठा", "अंगूठे", "निशान"],
  document: ["scan", "proof", "दस्तावेज़", "डॉक्यूमेंट"],
  marksheet: [
    "marks",
    "marksheets",
    "mark sheet",
    "marks sheet",
    "mark list",
    "mark card",
    "marks card",
    "markscard",
    "statement of marks",
    "ank patra",
    "अंकपत्र",
    "अंक पत्र",
    "अंकतालिका",
    "अंक तालिका",
    "मार्कशीट",
    "मार्क शीट",
  ],
  certificate: ["certificates", "praman patra", "प्रमाणपत्र", "प्रमाण पत्र", "सर्टिफिकेट"],
  category: ["caste", "jati", "श्रेणी", "जाति", "obc"],
  pwd: ["pwbd", "disability", "disabled", "divyang", "विकलांग", "विकलांगता", "दिव्यांग", "दिव्यांगता"],
  identity: ["id", "पहचान"],
  aadhaar: ["aadhar", "adhar", "adhaar", "आधार"],
  class: ["std", "standard", "कक्षा"],
  "10th": [
    ...["x", "xth", "tenth", "class 10", "class 10th", "class x", "10th class", "10 class", "x class", "matric"],
    ...["high school", "sslc", "दसवीं", "दसवी", "10वीं", "10वी", "कक्षा 10", "हाईस्कूल", "हाई स्कूल", "मैट्रिक"],
  ],
  "12th": [
    ...["xii", "xiith", "twelfth", "class 12", "class 12th", "class xii", "12th class", "12 class", "xii class"],
    ...["intermediate", "hsc", "बारहवीं", "बारहवी", "12वीं", "12वी", "कक्षा 12", "इंटर", "इंटरमीडिएट"],
  ],
});
/** What else the files of a kind are called. */
const KINDS = Object.freeze({
  photo: "photo",
  signature: "signature",
  thumb: "thumb",
  document: "document certificate marksheet",
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
 * Portals with the slots that answer a search, best first; without words, popular ones first. Where no slot answers
 * every word, the slots that answer most of them; a form's name is worth two.
 *
 * @param {Portal[]} portals
 * @param {string} query
 * @returns {{ portal: Portal, slots: Slot[] }[]}
 */
export function search(portals, query) {
  const words = ours(query)
    .split(" ")
    .filter((word) => word && !FILLERS.has(word));
  if (words.length === 0) return inOrder(portals).map((portal) => ({ portal, slots: portal.slots }));
  const scored = portals.flatMap((portal) => {
    const ofPortal = both(
      [
        portal.name,
        portal.portal,
        ...portal.aliases,
        PORTAL_WORDS[/** @type {keyof typeof PORTAL_WORDS} */ (portal.portal)] ?? "",
      ].join(" "),
    );
    return portal.slots.map((slot) => ({ portal, slot, ...score(words, ofPortal, nameOf(slot), wordsOf(slot)) }));
  });
  const isAnswered = scored.some(({ isWhole }) => isWhole);
  const most = Math.max(1, ...scored.map(({ hits }) => hits));
  const answers = scored.filter(({ isWhole, hits }) => (isAnswered ? isWhole : hits === most));
  const found = portals.flatMap((portal) => {
    const own = answers.filter((answer) => answer.portal === portal);
    const best = Math.max(...own.map(({ sum }) => sum));
    return own.length === 0
      ? []
      : [{ portal, best, slots: own.filter(({ sum }) => sum === best).map(({ slot }) => slot) }];
  });
  const order = new Map(inOrder(portals).map((portal, place) => [portal.portal, place]));
  found.sort(
    (one, other) =>
      other.best - one.best || (order.get(one.portal.portal) ?? 0) - (order.get(other.portal.portal) ?? 0),
  );
  return found;
}

const FILLERS = new Set(
  (
    "for to the a an of in on my our i me is want need make please upload kb size form file daughter son " +
    "के लिए की का को में से है और मेरा मेरी मेरे बेटी बेटे अपलोड फॉर्म फ़ॉर्म"
  )
    .normalize("NFC")
    .split(" "),
);

/** @param {Portal[]} portals */
function inOrder(portals) {
  const rank = (/** @type {Portal} */ { portal }) =>
    POPULAR.includes(portal) ? POPULAR.indexOf(portal) : POPULAR.length;
  return [...portals].sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}

/**
 * How well a slot answers the words: found in the portal's words, or in the slot's, or as a number of kilobytes.
 *
 * @param {string[]} words
 * @param {string} ofPortal
 * @param {string} ofName of the slot, which counts more than what its kind is called as well
 * @param {string} ofSlot
 */
function score(words, ofPortal, ofName, ofSlot) {
  const none = { sum: 0, hits: 0, isWhole: false };
  const another = (/** @type {string} */ one, /** @type {string} */ other) =>
    words.includes(one) && !words.includes(other) && matched(ofName, other) === 3;
  if (another("10th", "12th") || another("12th", "10th")) return none;
  return words.reduce(
    ({ sum, hits, isWhole }, word) => {
      const portal = matched(ofPortal, word);
      const value = Math.max(portal * 2, matched(ofName, word) * 1.5, matched(ofSlot, word));
      return { sum: sum + value, hits: hits + (portal === 3 ? 2 : Math.sign(value)), isWhole: isWhole && value > 0 };
    },
    { ...none, isWhole: true },
  );
}

/** 3 for a whole word, 2 for the beginning of one that is no number, 0. @param {string} text @param {string} word */
function matched(text, word) {
  const padded = ` ${text} `;
  if (padded.includes(` ${word} `)) return 3;
  return !/^\d+$/.test(word) && padded.includes(` ${word}`) ? 2 : 0;
}

/** @param {Slot} slot */
function nameOf(slot) {
  return both(`${slot.slot} ${slotName(slot.slot)}`);
}

/** @param {Slot} slot */
function wordsOf(slot) {
  const kind = KINDS[/** @type {keyof typeof KINDS} */ (slot.kind)] ?? "";
  const kb = [slot.min_kb, slot.max_kb]
    .filter((value) => value !== undefined)
    .flatMap((value) => [`${value}`, `${value}kb`]);
  const name = both([slot.slot, slotName(slot.slot), formatWords(slot), kind, ...kb].join(" "));
  const said = name.split(" ").flatMap((word) => SAID[/** @type {keyof typeof SAID} */ (word)] ?? []);
  return `${name} ${plain(said.join(" "))}`; // so that the beginning of another word finds it as well
}

/** The words as they stand, and as ours. @param {string} text */
function both(text) {
  return `${plain(text)} ${ours(text)}`;
}

/** @type {Map<string, string>} */
const OURS = new Map(Object.entries(SAID).flatMap(([our, said]) => said.map((words) => [plain(words), our])));
const ANY = new RegExp(
  `(^| )(${[...OURS.keys()].sort((one, other) => other.length - one.length).join("|")})(?= |$)`,
  "gu",
);

/** With our words in place of others. @param {string} text */
function ours(text) {
  return plain(text).replace(ANY, (_, before, said) => `${before}${OURS.get(said)}`);
}

/** @param {string} text */
function plain(text) {
  return text
    .normalize("NFC")
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, " ")
    .trim();
}
