/**
 * The pages of a finished PDF, to be looked at: the service embeds each as a JPEG, byte for byte and in their order.
 */

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";

const PICTURE = /<<[^<>]*\/DCTDecode[^<>]*>>\s*stream\r?\n/g;
const LENGTH = /\/Length\s+(\d+)/;

/**
 * The JPEGs of a PDF, in the order of the file.
 *
 * @param {Uint8Array<ArrayBuffer>} pdf
 * @returns {Uint8Array<ArrayBuffer>[]}
 */
export function jpegsOf(pdf) {
  const text = new TextDecoder("latin1").decode(pdf); // a character a byte
  const found = [];
  PICTURE.lastIndex = 0;
  for (let match = PICTURE.exec(text); match; match = PICTURE.exec(text)) {
    const start = PICTURE.lastIndex;
    const length = Number(LENGTH.exec(match[0])?.[1] ?? 0);
    found.push(pdf.subarray(start, start + length));
    PICTURE.lastIndex = start + length; // what looks like a dictionary within a picture is none
  }
  return found;
}

/**
 * Every page of a finished PDF, larger by a tap; null where they are not found.
 *
 * @param {Blob} document
 * @param {number} count how many there are
 * @param {import("./view.js").Leaving} leaving
 * @returns {Promise<HTMLElement | null>}
 */
export async function finishedPages(document, count, leaving) {
  const jpegs = jpegsOf(new Uint8Array(await document.arrayBuffer()));
  if (jpegs.length !== count) return null;
  return h(
    "section",
    { class: "stack", "aria-labelledby": "finished-pages" },
    h("h2", { id: "finished-pages" }, t("result.pages")),
    h(
      "ol",
      { class: "pages" },
      jpegs.map((jpeg, index) => {
        const src = URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
        leaving.push(() => URL.revokeObjectURL(src));
        const name = t("pages.page", { page: number(index + 1), of: number(count) });
        const larger = h(
          "button",
          {
            class: "button bare square",
            type: "button",
            "aria-label": `${t("pages.larger")}: ${name}`,
            "aria-pressed": "false",
            onclick: () => larger.setAttribute("aria-pressed", String(item.classList.toggle("wide"))),
          },
          icon("search"),
        );
        const item = h(
          "li",
          { class: "sheet" },
          h("img", { class: "thumb", src, alt: "", decoding: "async", onclick: () => larger.click() }),
          h("span", { class: "small" }, name),
          h("div", { class: "row" }, larger),
        );
        return item;
      }),
    ),
  );
}
