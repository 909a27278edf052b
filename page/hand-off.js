/**
 * From the desktop to the phone: this address as a QR code. It holds the portal and slot, and nothing of the person.
 */

import { h, svg } from "./dom.js";
import { t } from "./i18n.js";
import { fetched } from "./on-demand.js";
import { more } from "./view.js";

/** @returns {HTMLElement} */
export function handOff() {
  const place = h("div", { class: "stack" }, h("p", { class: "quiet" }, t("phone.what")));
  const details = more(t("phone.title"), place);
  details.classList.add("no-touch");
  details.addEventListener("toggle", () => {
    if (!details.open || place.childElementCount > 1) return;
    const address = location.origin + location.pathname + location.hash;
    const line = h("p", { class: "small quiet" }, address);
    place.append(line, h("p", { class: "small quiet" }, t("phone.finish")));
    void picture(address, t("phone.alt", { address })).then(
      (code) => code && line.before(code),
      () => undefined, // without a network there is the address
    );
  });
  return details;
}

/** The code with its quiet edge; nothing where the address is too long for one. @param {string} text @param {string} label */
async function picture(text, label) {
  const { qrCode } = /** @type {typeof import("./qr.js")} */ (await fetched(new URL("./qr.js", import.meta.url)));
  const grid = qrCode(text);
  if (grid === null) return null;
  const path = grid.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  const size = grid.length + 2;
  return h(
    "div",
    { class: "qr", role: "img", "aria-label": label },
    svg(
      "svg",
      { viewBox: `-1 -1 ${size} ${size}`, "shape-rendering": "crispEdges", "aria-hidden": "true" },
      svg("path", { d: path }),
    ),
  );
}
