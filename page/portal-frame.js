/**
 * The frame that a portal wants: its edge, between which two ovals the head has to be, where the eyes, and the middle.
 *
 * Drawn over the finished photo and in the camera alike. A rule that the portal does not state is not drawn.
 */

import { svg } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {import("./rule-book.js").Slot} Slot */

const HEADROOM = 0.42; // of the space that the head leaves, how much is above it: as the worker frames
const EYES = 0.5; // of the head's height, from its top
const HEAD_WIDTH = 0.74; // of its height
const USUAL_SHARE = 0.74;

/**
 * The oval of a head that fills this share of the frame's height, in shares of the frame's height.
 *
 * @param {Slot | null} slot
 * @param {number} share
 * @returns {{ cy: number, ry: number, rx: number }} `cy` from the frame's top
 */
export function headOval(slot, share) {
  const [low, high] = slot?.eye_line ?? [];
  const top = low === undefined || high === undefined ? (1 - share) * HEADROOM : 1 - (low + high) / 2 - share * EYES;
  return { cy: top + share / 2, ry: share / 2, rx: (share * HEAD_WIDTH) / 2 };
}

/** The share that a head should have. @param {Slot | null} slot */
export function wantedShare(slot) {
  return slot?.face_ratio ? (slot.face_ratio[0] + slot.face_ratio[1]) / 2 : USUAL_SHARE;
}

/**
 * The frame over a finished picture, and what it means in words.
 *
 * @param {Slot} slot
 * @param {{ width: number, height: number }} size of the picture
 * @returns {{ drawn: SVGElement, words: string[] }}
 */
export function portalFrame(slot, { width, height }) {
  const middle = width / 2;
  const ovals = (slot.face_ratio ?? []).map((share) => {
    const { cy, ry, rx } = headOval(slot, share);
    return line("ellipse", { cx: middle, cy: cy * height, rx: rx * height, ry: ry * height });
  });
  const eyes = (slot.eye_line ?? []).map((share) => {
    const y = (1 - share) * height;
    return line("path", { d: `M0 ${y}H${width}` });
  });
  const percent = (/** @type {[number, number]} */ [least, most]) => ({
    least: Math.round(least * 100),
    most: Math.round(most * 100),
  });
  return {
    drawn: svg(
      "svg",
      { class: "wanted", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      line("rect", { width, height, class: "edge" }),
      slot.centring === "centred" && line("path", { d: `M${middle} 0V${height}` }),
      eyes.flat(),
      ovals.flat(),
    ),
    words: [
      slot.face_ratio ? t("guide.head", percent(slot.face_ratio)) : "",
      slot.eye_line ? t("guide.eyes", percent(slot.eye_line)) : "",
      slot.centring === "centred" ? t("guide.middle") : "",
    ].filter(Boolean),
  };
}

/** A line that is seen on light and on dark. @param {string} tag @param {Record<string, unknown>} shape */
function line(tag, shape) {
  return ["halo", "stroke"].map((look) => svg(tag, { ...shape, class: `${look} ${shape["class"] ?? ""}` }));
}
