/**
 * An address that shows nothing, or a view that could not be made.
 */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { MissingError } from "./view.js";

/** @param {import("./view.js").App} app @param {unknown} error null: there is no such view @returns {import("./view.js").View} */
export function problemView(app, error) {
  const isMissing = error === null || error instanceof MissingError;
  if (!isMissing) reportError(error);
  const key = isMissing ? (error?.message === "deleted" ? "deleted" : "missing") : "broken";
  return {
    title: t(`${key}.title`),
    nodes: [
      h(
        "div",
        { class: "stack" },
        h("h1", null, t(`${key}.title`)),
        h("p", { class: "lead" }, t(`${key}.todo`)),
        h(
          "div",
          { class: "row" },
          h("a", { class: "button main", href: "#/" }, t("missing.home")),
          !isMissing && h("button", { class: "button", type: "button", onclick: () => app.again() }, t("again")),
        ),
      ),
    ],
  };
}
