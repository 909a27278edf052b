/**
 * From the desktop to the phone: this address as a QR code. It holds the portal and slot, and nothing of the person.
 */

import { h, svg } from "./dom.js";
import { t } from "./i18n.js";
import { more } from "./view.js";
import { encode } from "./qr.js";

/** @returns {HTMLElement} */
export function handOff() {
  const place = h("div", { class: "stack" }, h("p", { class: "quiet" }, t("phone.what")));
  const details = more(t("phone.title"), place);
  details.addEventListener("toggle", () => {
    if (!details.open || place.querySelector("svg")) return;
    const address = location.origin + location.pathname + location.hash;
    place.append(
      qrCode(address, t("phone.alt", { address })),
      h("p", { class: "small quiet" }, address),
      h("p", { class: "small quiet" }, t("phone.finish")),
    );
  });
  return details;
}

/** @param {string} text @param {string} label */
export function qrCode(text, label) {
  const { data, size } = /** @type {{ data: boolean[][], size: number }} */ (encode(text));
  const path = data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join("");
  return h(
    "div",
    { class: "qr", role: "img", "aria-label": label },
    svg(
      "svg",
      { viewBox: `0 0 ${size} ${size}`, "shape-rendering": "crispEdges", "aria-hidden": "true" },
      svg("path", { d: path }),
    ),
  );
}
