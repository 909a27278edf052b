/**
 * Whether a file fits a slot as it is: one clause a rule, judged on the device as the worker judges its own file.
 *
 * What only the worker can see (the face, the background, the ink) is `not_checked`, never passed.
 */

import { number, t } from "./i18n.js";
import { byteBounds, formatWords, kbWords, pixelBounds, pixelWords, sourceOf } from "./rule-book.js";

/** @typedef {import("./rule-book.js").Slot} Slot */
/** @typedef {import("./rule-book.js").Source} Source */
/** @typedef {import("./file-facts.js").FileFacts} FileFacts */
/** @typedef {"pass" | "fail" | "advice" | "not_checked"} Verdict */

/**
 * @typedef {object} Clause
 * @property {string} clause
 * @property {Verdict} verdict
 * @property {string} wanted in the person's words
 * @property {string | null} measured in the person's words
 * @property {string | null} [exact] the same to the byte, and in both readings of KB
 * @property {string | null} todo what to do about it
 * @property {Source | null} source
 */

/** @typedef {{ clauses: Clause[], fits: boolean, usable: boolean }} Judgement */

const KB_1024 = 1024;
const KB_1000 = 1000;
const NOTHING = Object.freeze({ width: null, height: null, colour: null, dpi: null, trailing: 0, orientation: 1 });
const DPI_TOLERANCE = 0.5;
const FILENAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/;

/** Bytes as people say them: "155.3 KB", "1.9 MB". @param {number} bytes */
export function sizeWords(bytes) {
  const kb = bytes / KB_1024;
  return kb < 1_000 ? `${number(kb, 1)} KB` : `${number(kb / KB_1024, 1)} MB`;
}

/** Bytes in both readings: "199.6 KB (204,424 bytes; 204.4 where 1 KB is 1,000)". @param {number} bytes */
export function bytesWords(bytes) {
  return t("measured.bytes", {
    kb: number(bytes / KB_1024, 1),
    kb_1000: number(bytes / KB_1000, 1),
    bytes: number(bytes),
  });
}

/**
 * Judge a file.
 *
 * @param {FileFacts} whole
 * @param {Slot} slot
 * @param {string} filename
 * @returns {Judgement} `fits`: the portal should take the file as it is; `usable`: a file can be made from it
 */
export function judge(whole, slot, filename) {
  // What a damaged file's headers promise is not what it holds.
  const facts = whole.broken ? { ...whole, ...NOTHING } : whole;
  const clauses = [
    format(facts, slot),
    bytes(facts, slot),
    pixels(facts, slot),
    aspect(facts, slot),
    dpi(facts, slot),
    colour(facts, slot),
    compression(facts, slot),
    metadata(facts),
    orientation(facts),
    name(slot, filename),
    ...unseen(slot),
  ].filter((clause) => clause !== null);
  return {
    clauses,
    fits: clauses.every((clause) => clause.verdict !== "fail"),
    usable: isUsable(facts),
  };
}

/** Whether a file can be made from it. @param {FileFacts} facts */
export function isUsable(facts) {
  return facts.format !== "unknown" && facts.bytes > 0;
}

/**
 * @param {string} clause
 * @param {Verdict} verdict
 * @param {string} wanted
 * @param {string | null} measured
 * @param {Source | null} [source]
 * @param {string | null} [todo]
 * @returns {Clause}
 */
function made(clause, verdict, wanted, measured, source = null, todo = null) {
  return {
    clause,
    verdict,
    wanted,
    measured,
    source,
    todo: verdict === "pass" || verdict === "not_checked" ? null : todo,
  };
}

/** @param {FileFacts} facts @param {Slot} slot */
function format(facts, slot) {
  const holds = /** @type {string[]} */ (slot.formats ?? [slot.output_format]).includes(facts.format) && !facts.broken;
  const named = facts.format === "unknown" ? t("measured.format.unknown") : t(`format.${facts.format}`);
  const todo =
    facts.format === "unknown" ? t("todo.format.unknown") : facts.broken ? t("todo.format.broken") : t("todo.format");
  const source = sourceOf(slot, "formats", "output_format");
  if (holds && facts.format === "jpeg" && !facts.jfif) {
    return made("format", "advice", formatWords(slot), t("measured.format.no_jfif"), source, t("todo.format.no_jfif"));
  }
  return made(
    "format",
    holds ? "pass" : "fail",
    formatWords(slot),
    facts.broken ? t("measured.format.broken", { format: named }) : named,
    source,
    todo,
  );
}

/** @param {FileFacts} facts @param {Slot} slot */
function bytes(facts, slot) {
  const { least, most } = byteBounds(slot);
  if (least === null && most === null) return null;
  const source = sourceOf(slot, "max_kb", "min_kb");
  const at = (/** @type {Verdict} */ verdict, /** @type {string} */ todo) => ({
    ...made("bytes", verdict, kbWords(slot), sizeWords(facts.bytes), source, todo),
    exact: bytesWords(facts.bytes),
  });
  if (most !== null && facts.bytes > most) {
    const inOneReading = facts.bytes <= Number(slot.max_kb) * KB_1024;
    return inOneReading ? at("fail", t("todo.bytes.border")) : at("fail", t("todo.bytes.large"));
  }
  if (least !== null && facts.bytes < least) {
    const inOneReading = facts.bytes >= Number(slot.min_kb) * KB_1000;
    return inOneReading ? at("fail", t("todo.bytes.border")) : at("fail", t("todo.bytes.small"));
  }
  return at("pass", "");
}

/** @param {FileFacts} facts @param {Slot} slot */
function pixels(facts, slot) {
  const bounds = pixelBounds(slot);
  if (bounds === null) return null;
  const source = sourceOf(slot, "target_width", "min_width", "max_width", "width_mm", "min_height", "max_height");
  let wanted = pixelWords(bounds);
  if (slot.width_mm !== undefined) {
    wanted = t("wanted.pixels.mm", {
      pixels: wanted,
      width: slot.width_mm,
      height: Number(slot.height_mm),
      dpi: Number(slot.target_dpi),
    });
  }
  if (facts.width === null || facts.height === null) return made("pixels", "not_checked", wanted, null, source);
  const { width, height } = facts;
  const holds =
    width >= bounds.minWidth && width <= bounds.maxWidth && height >= bounds.minHeight && height <= bounds.maxHeight;
  const todo = width < bounds.minWidth || height < bounds.minHeight ? t("todo.pixels.small") : t("todo.pixels.large");
  return made("pixels", holds ? "pass" : "fail", wanted, t("rule.px.exact", { width, height }), source, todo);
}

/** @param {FileFacts} facts @param {Slot} slot */
function aspect(facts, slot) {
  if (slot.aspect_min === undefined && slot.aspect_max === undefined) return null;
  const [low, high] = [slot.aspect_min ?? 0, slot.aspect_max ?? Infinity];
  const wanted =
    high === Infinity
      ? t("wanted.aspect.least", { least: number(low, 2) })
      : t("wanted.aspect", { least: number(low, 2), most: number(high, 2) });
  const source = sourceOf(slot, "aspect_min", "aspect_max");
  if (!facts.width || !facts.height) return made("aspect", "not_checked", wanted, null, source);
  const value = facts.width / facts.height;
  return made(
    "aspect",
    value >= low && value <= high ? "pass" : "fail",
    wanted,
    number(value, 2),
    source,
    t("todo.aspect"),
  );
}

/** @param {FileFacts} facts @param {Slot} slot */
function dpi(facts, slot) {
  if (slot.target_dpi === undefined || facts.format === "pdf") return null;
  const holds =
    facts.dpi !== null && Math.abs(facts.dpi - slot.target_dpi) <= (facts.format === "jpeg" ? 0 : DPI_TOLERANCE);
  const measured = facts.dpi === null ? t("measured.dpi.none") : t("measured.dpi", { dpi: number(facts.dpi, 1) });
  return made(
    "dpi",
    holds ? "pass" : "fail",
    t("measured.dpi", { dpi: slot.target_dpi }),
    measured,
    sourceOf(slot, "target_dpi"),
    t("todo.dpi"),
  );
}

/** @param {FileFacts} facts @param {Slot} slot */
function colour(facts, slot) {
  const wanted = t(`colour.${slot.color}`);
  const source = sourceOf(slot, "color");
  if (facts.colour === null || slot.color === "bw") return made("colour", "not_checked", wanted, null, source);
  return made(
    "colour",
    facts.colour === slot.color ? "pass" : "fail",
    wanted,
    t(`colour.${facts.colour}`),
    source,
    t("todo.colour"),
  );
}

/** @param {FileFacts} facts @param {Slot} slot */
function compression(facts, slot) {
  if (slot.max_compression_ratio === undefined || !facts.width || !facts.height) return null;
  const ratio = (facts.width * facts.height * 3) / facts.bytes;
  return made(
    "compression_ratio",
    ratio <= slot.max_compression_ratio ? "pass" : "fail",
    t("wanted.compression", { most: slot.max_compression_ratio }),
    `${number(ratio, 1)}:1`,
    sourceOf(slot, "max_compression_ratio"),
    t("todo.compression"),
  );
}

/** @param {FileFacts} facts */
function metadata(facts) {
  const found = [...facts.metadata];
  if (facts.trailing > 0) found.push(t("measured.trailing", { bytes: number(facts.trailing) }));
  if (facts.gps) return made("metadata", "advice", t("wanted.metadata"), t("measured.gps"), null, t("todo.gps"));
  const verdict = facts.trailing > 0 ? "fail" : found.length > 0 ? "advice" : "pass";
  return made(
    "metadata",
    verdict,
    t("wanted.metadata"),
    found.length > 0 ? found.join(", ") : t("measured.none"),
    null,
    t("todo.metadata"),
  );
}

/** @param {FileFacts} facts */
function orientation(facts) {
  if (facts.orientation === 1) return null;
  return made("orientation", "advice", t("wanted.orientation"), t("measured.orientation"), null, t("todo.orientation"));
}

/** @param {Slot} slot @param {string} filename */
function name(slot, filename) {
  const source = sourceOf(slot, "filename_pattern");
  if (!slot.filename_pattern.includes("{")) {
    const stem = filename.replace(/\.[^.]*$/, "");
    const holds = slot.filename_pattern === filename || slot.filename_pattern === stem;
    return made("filename", holds ? "pass" : "fail", slot.filename_pattern, filename, source, t("todo.filename"));
  }
  return made(
    "filename",
    FILENAME.test(filename) ? "pass" : "advice",
    t("wanted.filename"),
    filename,
    source,
    t("todo.filename"),
  );
}

/** What the portal wants of the picture itself, which only the worker can measure. @param {Slot} slot */
function unseen(slot) {
  /** @type {Clause[]} */
  const clauses = [];
  const add = (/** @type {string} */ clause, /** @type {string} */ wanted, /** @type {string[]} */ ...rules) =>
    clauses.push(made(clause, "not_checked", wanted, null, sourceOf(slot, ...rules)));
  if (slot.background !== "any") add("background", t(`wanted.background.${slot.background}`), "background");
  if (slot.kind === "photo" && slot.face !== "off") add("face", t("wanted.face"), "face");
  if (slot.face_ratio)
    add(
      "face_size",
      t("wanted.face_size", {
        least: Math.round(slot.face_ratio[0] * 100),
        most: Math.round(slot.face_ratio[1] * 100),
      }),
      "face_ratio",
    );
  if (slot.glasses && slot.glasses !== "any") add("glasses", t(`wanted.glasses.${slot.glasses}`), "glasses");
  if (slot.kind === "signature") add("ink", t("wanted.ink"), "signatures");
  if (slot.kind === "thumb") add("ink", t("wanted.ink.thumb"), "kind");
  if (slot.caption === "required") add("name_date_strip", t("wanted.caption"), "caption");
  return clauses;
}
