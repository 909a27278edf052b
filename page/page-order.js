/**
 * Pages in their order: dragged, or moved by buttons and keys.
 */

import { announce, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";

/**
 * The list of pages.
 *
 * @param {File[]} files
 * @param {(file: File) => HTMLElement} pictureOf the same picture each time: a new one would be blank until it is read
 * @param {(order: number[]) => Promise<void>} onChange the new order, as places in the old one; a page that is left out is
 *   removed; draws the list anew
 */
export function sheets(files, pictureOf, onChange) {
  let dragged = -1;
  const whole = files.map((_, index) => index);
  const moved = async (/** @type {number} */ from, /** @type {number} */ to) => {
    if (to < 0 || to >= files.length || from === to) return;
    const order = [...whole];
    order.splice(to, 0, ...order.splice(from, 1));
    announce(t("pages.moved", { page: number(from + 1), place: number(to + 1) }));
    await onChange(order);
  };
  const byArrow = async (/** @type {number} */ from, /** @type {number} */ to) => {
    await moved(from, to);
    focusArrow(to, to < from);
  };
  return h(
    "ol",
    { class: "pages" },
    files.map((file, index) => {
      const name = t("pages.page", { page: number(index + 1), of: number(files.length) });
      const button = (
        /** @type {"back" | "next" | "search" | "trash"} */ sign,
        /** @type {string} */ label,
        /** @type {() => void} */ act,
        off = false,
      ) =>
        h(
          "button",
          {
            class: "button bare square",
            type: "button",
            "aria-label": `${label}: ${name}`,
            disabled: off,
            onclick: act,
          },
          icon(sign),
        );
      const larger = button("search", t("pages.larger"), () => {
        larger.setAttribute("aria-pressed", String(item.classList.toggle("wide")));
      });
      larger.setAttribute("aria-pressed", "false");
      const item = h(
        "li",
        {
          class: "sheet",
          draggable: "true",
          ondragstart: (/** @type {DragEvent} */ event) => {
            dragged = index;
            event.dataTransfer?.setData("text/plain", String(index));
          },
          ondragover: (/** @type {DragEvent} */ event) => {
            if (dragged < 0) return;
            event.preventDefault();
            item.classList.add("over");
          },
          ondragleave: () => item.classList.remove("over"),
          ondrop: (/** @type {DragEvent} */ event) => {
            if (dragged < 0) return;
            event.preventDefault();
            void moved(dragged, index);
          },
        },
        h("div", { onclick: () => larger.click() }, pictureOf(file)),
        h("span", { class: "small" }, name),
        h(
          "div",
          { class: "row" },
          button("back", t("pages.earlier"), () => void byArrow(index, index - 1), index === 0),
          button("next", t("pages.later"), () => void byArrow(index, index + 1), index === files.length - 1),
          larger,
          button("trash", t("pages.remove"), () => void onChange(whole.filter((place) => place !== index))),
        ),
      );
      return item;
    }),
  );
}

/** Keep the focus on a page that was moved: on the arrow that was used, at either end on the other one. @param {number} place @param {boolean} earlier */
function focusArrow(place, earlier) {
  const [back, next] = document.querySelectorAll(`.sheet:nth-child(${place + 1}) button`);
  const used = /** @type {HTMLButtonElement | undefined} */ (earlier ? back : next);
  /** @type {HTMLButtonElement | undefined} */ (used?.disabled ? (earlier ? next : back) : used)?.focus();
}
