/**
 * Consent in plain words, before the first file leaves the device: who sees what, and for how long.
 */

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { note } from "./view.js";

const KEPT = "rythmiq.consent";
// Of the words that are agreed to, in both languages: whoever agreed to others is asked anew. A test computes it.
const TERMS = "bc84b59c";
const WORDS = Object.freeze(["encrypted", "worker", "kept", "delete"]);

/**
 * The fields, with the button that starts.
 *
 * @param {{ credits: number | null, isGuest: boolean, cost: number, words: string, onStart: () => Promise<void> }} what
 * @returns {Node[]}
 */
export function consentFields({ credits, isGuest, cost, words, onStart }) {
  const given = consented();
  const agree = h("input", {
    type: "checkbox",
    id: "agree",
    checked: given,
    required: true,
    onchange: () => wrong.toggleAttribute("hidden", agree.checked),
  });
  const wrong = h("p", { class: "note bad", role: "alert", hidden: true }, t("consent.needed"));
  let started = false;
  const poor = credits !== null && credits < cost;
  const start = h(
    "button",
    { class: "button main full", type: "submit", id: "start", disabled: poor },
    icon("lock"),
    words,
  );
  return [
    h("h2", { tabindex: "-1" }, t("consent.title")),
    h(
      "ul",
      { class: "stack tight" },
      WORDS.map((key) => h("li", { class: "row-top" }, icon("pass"), h("span", null, t(`consent.${key}`)))),
    ),
    poor
      ? note(
          "warn",
          t("problem.no-credit.title"),
          h("p", null, isGuest ? t("problem.no-credit.guest") : t("problem.no-credit.todo")),
        )
      : h(
          "p",
          { class: "quiet" },
          credits === null
            ? t("consent.cost", { cost: number(cost) })
            : t("consent.cost.of", { cost: number(cost), credits: number(credits) }),
        ),
    h(
      "form",
      {
        class: "stack",
        novalidate: true,
        onsubmit: async (/** @type {Event} */ event) => {
          event.preventDefault();
          if (!agree.checked) {
            wrong.hidden = false;
            return agree.focus();
          }
          if (started) return; // a double tap is one order
          started = true;
          start.setAttribute("aria-disabled", "true");
          remember();
          try {
            await onStart();
          } finally {
            started = false;
            start.removeAttribute("aria-disabled");
          }
        },
      },
      h("label", { class: "choice" }, agree, h("span", null, t("consent.agree"))),
      wrong,
      start,
    ),
    h("p", { class: "small quiet" }, h("a", { href: "#/privacy" }, t("consent.more"))),
  ];
}

function consented() {
  try {
    return localStorage.getItem(KEPT) === TERMS;
  } catch {
    return false;
  }
}

/** Ask the next person anew. */
export function forgetConsent() {
  try {
    localStorage.removeItem(KEPT);
  } catch {
    /* nothing was kept */
  }
}

function remember() {
  try {
    localStorage.setItem(KEPT, TERMS);
  } catch {
    /* asked again next time */
  }
}
