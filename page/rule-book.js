/**
 * The rule book as `GET /portals` gives it: what a slot asks for, in numbers and in words.
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
 * @property {"any" | "centred"} [centring]
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
function sizeWords(slot) {
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
