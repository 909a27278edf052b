/**
 * Signing in: an e-mail address and its code, Google, or as a guest.
 */

import { announce, fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { AuthError } from "./session.js";

const CODE_DIGITS = 6; // of Supabase Auth, unless a project asks for more: those press the button

/**
 * The fields; `onDone` is called once somebody is signed in.
 *
 * @param {import("./view.js").App} app
 * @param {() => void} onDone
 * @param {boolean} [linking] a guest is given an e-mail address
 * @returns {Node[]}
 */
export function signInFields(app, onDone, linking = false) {
  const auth = app.auth;
  if (auth === null) return [];
  const place = h("div", { class: "stack" });
  const wrong = h("p", { class: "note bad", role: "alert", hidden: true });
  const said = (/** @type {string} */ words) => {
    wrong.textContent = words;
    wrong.hidden = words === "";
  };
  const busy = async (/** @type {HTMLButtonElement} */ button, /** @type {() => Promise<void>} */ act) => {
    if (button.getAttribute("aria-disabled") === "true") return; // a code that is sent by itself is sent once
    said("");
    button.setAttribute("aria-disabled", "true");
    try {
      await act();
    } catch (error) {
      said(wordsOf(error));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };

  const askEmail = (/** @type {string} */ value = "") => {
    const email = h("input", {
      class: "input",
      type: "email",
      id: "email",
      autocomplete: "email",
      inputmode: "email",
      required: true,
      value,
    });
    const button = h("button", { class: "button main full", type: "submit" }, t("signin.send"));
    fill(
      place,
      h("h2", { tabindex: "-1" }, linking ? t("signin.link") : t("signin.title")),
      h("p", { class: "quiet" }, linking ? t("signin.link.why") : t("signin.why")),
      h(
        "form",
        {
          class: "stack",
          onsubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            void busy(button, async () => {
              const address = email.value.trim();
              await (linking ? auth.link(address) : auth.sendCode(address));
              askCode(address);
            });
          },
        },
        h("div", { class: "field" }, h("label", { for: "email" }, t("signin.email")), email),
        button,
      ),
      wrong,
      !linking && h("div", { class: "stack tight" }, google, app.config.guestCredits > 0 && guestButton()),
    );
  };
  const google = h(
    "button",
    { class: "button full", type: "button", hidden: true, onclick: () => void auth.withGoogle() },
    t("signin.google"),
  );
  void auth.hasGoogle().then((has) => google.toggleAttribute("hidden", !has));
  const guestButton = () => {
    const button = h(
      "button",
      {
        class: "button full",
        type: "button",
        onclick: () =>
          void busy(button, async () => {
            await auth.asGuest();
            onDone();
          }),
      },
      t("signin.guest"),
    );
    return button;
  };
  const askCode = (/** @type {string} */ address) => {
    const code = h("input", {
      class: "input code",
      id: "code",
      inputmode: "numeric",
      autocomplete: "one-time-code",
      maxlength: "10",
      required: true,
      "aria-describedby": "code-help",
      oninput: () => digits().length === CODE_DIGITS && form.requestSubmit(),
    });
    const digits = () => code.value.replace(/\D/g, "");
    const button = h("button", { class: "button main full", type: "submit" }, t("signin.enter"));
    const form = h(
      "form",
      {
        class: "stack",
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          void busy(button, async () => {
            await (linking ? auth.verifyLink(address, digits()) : auth.verify(address, digits()));
            announce(t("signin.done"));
            onDone();
          });
        },
      },
      h("div", { class: "field" }, h("label", { for: "code" }, t("signin.code")), code),
      button,
    );
    fill(
      place,
      h("h2", { tabindex: "-1" }, t("signin.code.title")),
      h("p", { class: "quiet", id: "code-help" }, t("signin.code.sent", { email: address })),
      form,
      wrong,
      h(
        "button",
        { class: "button bare", type: "button", onclick: () => (said(""), askEmail(address)) },
        t("signin.other"),
      ),
    );
    code.focus();
  };
  askEmail();
  if (app.signInFailed) said(t("signin.failed"));
  app.signInFailed = false;
  return [place];
}

/** @param {unknown} error */
function wordsOf(error) {
  if (!(error instanceof AuthError)) return t("problem.offline.title");
  if (error.status === 429) return t("signin.wrong.often");
  if (error.code === "otp_expired" || error.status === 403) return t("signin.wrong.code");
  if (error.code === "anonymous_provider_disabled") return t("signin.wrong.guest");
  if (error.code === "email_exists") return t("signin.wrong.taken");
  if (error.status === 400 || error.status === 422) return t("signin.wrong.email");
  return t("signin.failed");
}
