/**
 * Before and after, with a slider between them, and the frame that the portal wants over what is after.
 */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { portalFrame } from "./portal-frame.js";

/**
 * @param {string | null} before address of a picture
 * @param {string | null} after
 * @param {import("./rythmiq.js").ReceiptDocument} file
 * @param {import("./rule-book.js").Slot | null} slot whose frame is drawn
 */
export function comparison(before, after, file, slot) {
  const [width, height] = [Number(file["width_px"]), Number(file["height_px"])];
  const size = t("rule.px.exact", { width, height });
  if (after === null) return h("p", { class: "quiet" }, t("result.no_picture"));
  const made = h("img", { src: after, alt: t("compare.after.alt", { size }), decoding: "async" });
  const wanted = slot?.kind === "photo" ? portalFrame(slot, { width, height }) : null;
  const frame = h("div", { class: "compare" }, made, wanted?.drawn ?? null);
  const figure = h("figure", { class: "stack tight" }, frame);
  if (before !== null) figure.append(slider(frame, before, [made, ...(wanted ? [wanted.drawn] : [])]));
  figure.append(
    wanted
      ? h("figcaption", null, frameChoice(wanted.drawn, [t("compare.size", { size }), ...wanted.words]))
      : h("figcaption", { class: "small quiet" }, t(before === null ? "compare.size" : "compare.caption", { size })),
  );
  return figure;
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
    checked: true,
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
 * The picture before, laid over a part of what is after.
 *
 * @param {HTMLElement} frame
 * @param {string} before
 * @param {(HTMLElement | SVGElement)[]} after
 */
function slider(frame, before, after) {
  const old = h("img", { src: before, alt: t("compare.before.alt"), decoding: "async" });
  const knob = h("span", { class: "knob" });
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
    knob.style.left = `${share}%`;
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
  frame.append(
    old,
    h("span", { class: "tag left" }, t("compare.before")),
    h("span", { class: "tag right" }, t("compare.after")),
    knob,
  );
  place(50);
  return range;
}
