/**
 * The page's icons: one path each, drawn in the text's colour, invisible to screen readers.
 */

import { svg } from "./dom.js";

const PATHS = Object.freeze({
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm4.8 11.3L20 20",
  next: "m9 5 7 7-7 7",
  back: "m15 5-7 7 7 7",
  up: "m6 15 6-6 6 6",
  down: "m6 9 6 6 6-6",
  pass: "M5 12.5 10 17.5 19.5 7",
  fail: "M6 6 18 18M18 6 6 18",
  advice: "M12 7v7M12 17.5v.01M12 3 22 20H2L12 3Z",
  not_checked: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18ZM8 12h8",
  info: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18Zm0-10v6m0-9v.01",
  camera: "M4 8h3l2-3h6l2 3h3v11H4V8Zm8 8a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z",
  file: "M6 3h8l4 4v14H6V3Zm8 0v4h4",
  photo: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 9c.6-4 4-6 8-6s7.400 2 8 6",
  signature: "M3 17c3 0 5-11 8-11 2 0 0 7 2 7s2-3 4-3 1 4 4 4M3 21h18",
  thumb: "M12 3a5 5 0 0 0-5 5v7a5 5 0 0 0 10 0V8a5 5 0 0 0-5-5Zm0 4v8M9.500 9v6m5-6v6",
  document: "M6 3h8l4 4v14H6V3Zm3 8h6m-6 4h6",
  download: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  share: "M12 15V4m-4 4 4-4 4 4M6 12H4v8h16v-8h-2",
  print: "M7 9V3h10v6M7 18H4v-8h16v8h-3M7 15h10v6H7v-6Z",
  trash: "M4 7h16M9 7V4h6v3m-8 0 1 14h8l1-14",
  lock: "M6 11h12v10H6V11Zm2 0V8a4 4 0 0 1 8 0v3",
  phone: "M8 2h8a1 1 0 0 1 1 1v18a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1Zm3 17h2",
  turn: "M4 4v6h6M5 10a8 8 0 1 1-1 5",
  list: "M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-8 9c.6-4 4-6 8-6s7.400 2 8 6",
  globe: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18ZM3 12h18M12 3c3 3 3 15 0 18-3-3-3-15 0-18Z",
});

/**
 * An icon.
 *
 * @param {keyof typeof PATHS} name
 */
export function icon(name) {
  return svg(
    "svg",
    {
      class: "icon",
      viewBox: "0 0 24 24",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": "2",
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
      "aria-hidden": "true",
      focusable: "false",
    },
    svg("path", { d: PATHS[name] }),
  );
}

/** The icon of a slot by its kind. @param {string} kind */
export function kindIcon(kind) {
  return icon(kind === "photo" || kind === "signature" || kind === "thumb" ? kind : "document");
}

/** The mark of the house: a frame that is met. */
export function mark() {
  return svg(
    "svg",
    { viewBox: "0 0 32 32", "aria-hidden": "true", focusable: "false" },
    svg("rect", { width: "32", height: "32", rx: "9", fill: "var(--accent)" }),
    svg("path", {
      d: "M9 13V9h4M19 9h4v4M23 19v4h-4M13 23H9v-4",
      fill: "none",
      stroke: "var(--on-accent)",
      "stroke-width": "2",
      "stroke-linecap": "round",
      opacity: ".6",
    }),
    svg("path", {
      d: "m12 16.500 3 3 5.500-6.500",
      fill: "none",
      stroke: "var(--on-accent)",
      "stroke-width": "2.500",
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    }),
  );
}
