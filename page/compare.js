/**
 * Before and after, with a slider between them, and the frame that the portal wants over what is after.
 */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { placeBehind } from "./one-scale.js";
import { portalFrame } from "./portal-frame.js";

const TAG_SHARE = 25; // percent: a side that is narrower than its label shows none

/**
 * The pictures, and the choice to draw the frame over them (null where there is none to draw).
 *
 * @param {string | null} before address of a picture
 * @param {string | null} after
 * @param {import("./rythmiq.js").Receipt} receipt
 * @param {import("./rule-book.js").Slot | null} slot whose frame is drawn
 * @param {[number, number] | null} sent size of the upload, upright
 * @returns {{ pictures: HTMLElement, choice: HTMLElement | null }}
 */
export function comparison(before, after, receipt, slot, sent) {
  const [width, height] = [Number(receipt.document["width_px"]), Number(receipt.document["height_px"])];
  if (after === null) return { pictures: h("p", { class: "quiet" }, t("result.no_picture")), choice: null };
  const size = t("rule.px.exact", { width, height });
  const made = picture(after, t("compare.after.alt", { size }));
  const wanted = slot?.kind === "photo" ? portalFrame(slot, { width, height }) : null;
  wanted?.drawn.classList.add("off");
  const frame = h("div", { class: "compare" }, made, wanted?.drawn ?? null);
  if (width && height) frame.style.setProperty("--shape", String(width / height));
  const pictures = h("figure", { class: "stack tight" }, frame);
  if (before !== null) {
    const behind = slot?.kind === "photo" ? placeBehind(receipt, sent) : null;
    pictures.append(slider(frame, pictureBefore(before, behind), [made, ...(wanted ? [wanted.drawn] : [])]));
  }
  return {
    pictures,
    choice: wanted && frameChoice(wanted.drawn, [t("compare.size", { size }), ...wanted.words]),
  };
}

/** A picture that is no thing to drag: the browser's own drag of it would end the slide. @param {string} src @param {string} alt */
function picture(src, alt) {
  return h("img", { src, alt, decoding: "async", draggable: "false" });
}

/**
 * Whether the frame is drawn, and what it means.
 *
 * @param {SVGElement} drawn
 * @param {string[]} words
 */
function frameChoice(drawn, words) {
  const box = h("input", {
    type: "checkbox",
    onchange: () => drawn.classList.toggle("off", !box.checked),
  });
  return h(
    "label",
    { class: "choice" },
    box,
    h(
      "span",
      { class: "stack tight" },
      h("span", null, t("guide.show")),
      h("span", { class: "small quiet" }, words.join(" ")),
    ),
  );
}

/**
 * The picture before: where it lies behind what is after, else as a whole.
 *
 * @param {string} before
 * @param {import("./one-scale.js").Place | null} behind
 */
function pictureBefore(before, behind) {
  const image = picture(before, t("compare.before.alt"));
  if (behind !== null) {
    const percent = (/** @type {number} */ share) => `${share * 100}%`;
    const [width, height] = [percent(behind.width), percent(behind.height)];
    Object.assign(image.style, { left: percent(behind.left), top: percent(behind.top), width, height });
    image.style.rotate = `${behind.turn}deg`;
    image.style.transformOrigin = `${percent(behind.x)} ${percent(behind.y)}`;
  }
  return h("div", { class: "old" }, image);
}

/**
 * The picture before, laid over a part of what is after.
 *
 * @param {HTMLElement} frame
 * @param {HTMLElement} old
 * @param {(HTMLElement | SVGElement)[]} after
 */
function slider(frame, old, after) {
  const tags = [
    h("span", { class: "tag left" }, t("compare.before")),
    h("span", { class: "tag right" }, t("compare.after")),
  ];
  const range = h("input", {
    type: "range",
    min: "0",
    max: "100",
    value: "50",
    "aria-label": t("compare.slider"),
    oninput: () => place(Number(range.value)),
  });
  const place = (/** @type {number} */ share) => {
    old.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    for (const element of after) element.style.clipPath = `inset(0 0 0 ${share}%)`;
    frame.style.setProperty("--share", `${share}%`);
    tags.forEach((tag, index) => tag.classList.toggle("off", (index === 0 ? share : 100 - share) < TAG_SHARE));
    range.setAttribute("aria-valuetext", t("compare.value", { share: Math.round(share) }));
  };
  const follow = (/** @type {PointerEvent} */ event) => {
    const box = frame.getBoundingClientRect();
    const share = Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100));
    range.value = String(share);
    place(share);
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
  frame.append(old, ...tags, h("span", { class: "seam" }), h("span", { class: "knob" }));
  place(50);
  return range;
}
