/**
 * Before and after, with a slider between them.
 */

import { h } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @param {string | null} before address of a picture
 * @param {string | null} after
 * @param {import("./rythmiq.js").ReceiptDocument} file
 */
export function comparison(before, after, file) {
  const size = t("rule.px.exact", { width: file["width_px"], height: file["height_px"] });
  if (after === null) return h("p", { class: "quiet" }, t("result.no_picture"));
  const made = h("img", { src: after, alt: t("compare.after.alt", { size }), decoding: "async" });
  if (before === null) return h("figure", { class: "compare" }, made);
  const old = h("img", { src: before, alt: t("compare.before.alt"), decoding: "async" });
  const knob = h("span", { class: "knob" });
  const slider = h("input", {
    type: "range",
    min: "0",
    max: "100",
    value: "50",
    "aria-label": t("compare.slider"),
    oninput: () => place(Number(slider.value)),
  });
  const place = (/** @type {number} */ share) => {
    old.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    made.style.clipPath = `inset(0 0 0 ${share}%)`;
    knob.style.left = `${share}%`;
    slider.setAttribute("aria-valuetext", t("compare.value", { share: Math.round(share) }));
  };
  const frame = h(
    "div",
    { class: "compare" },
    made,
    old,
    h("span", { class: "tag left" }, t("compare.before")),
    h("span", { class: "tag right" }, t("compare.after")),
    knob,
  );
  const follow = (/** @type {PointerEvent} */ event) => {
    const box = frame.getBoundingClientRect();
    const share = Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100));
    slider.value = String(share);
    place(share);
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
  place(50);
  return h(
    "figure",
    { class: "stack tight" },
    frame,
    slider,
    h("figcaption", { class: "small quiet" }, t("compare.caption", { size })),
  );
}
