/**
 * Who sees what, and for how long.
 */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { back } from "./view.js";

const PARTS = Object.freeze(["device", "sent", "seen", "kept", "minors", "account", "delete"]);

/** @returns {import("./view.js").View} */
export function privacyView() {
  return {
    title: t("frame.privacy"),
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h("div", { class: "stack tight" }, back("/", t("home.back")), h("h1", null, t("frame.privacy"))),
        ...PARTS.map((part) =>
          h(
            "section",
            { class: "stack tight" },
            h("h2", null, t(`privacy.${part}`)),
            h("p", null, t(`privacy.${part}.text`)),
          ),
        ),
      ),
    ],
  };
}
