/**
 * What there is of an account: to take along as a file, and to erase for good.
 */

import { forgetConsent } from "./consent.js";
import { announce, fill, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { problemOf } from "./stops.js";
import { problemNote } from "./problems.js";
import { save } from "./result.js";
import { RefusedError, UnreachableError } from "./rythmiq.js";
import { all, forgetEverything } from "./storage.js";
import { note } from "./view.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./rythmiq.js").AccountErased} Erased */

/**
 * @param {App} app
 * @param {() => void} onErased draws anew what showed the account
 * @returns {HTMLElement}
 */
export function accountData(app, onErased) {
  const place = h("section", { class: "card stack", "aria-labelledby": "data" });
  const trouble = h("div", { class: "stack" });

  const offer = () =>
    fill(
      place,
      h("h2", { id: "data" }, t("data.title")),
      h("p", { class: "quiet" }, t("data.export.what")),
      h("div", { class: "row" }, exportButton(app, trouble), eraseButton),
      trouble,
    );
  const eraseButton = h(
    "button",
    { class: "button bare danger", type: "button", onclick: () => ask() },
    icon("trash"),
    t("data.erase"),
  );

  const ask = () => {
    fill(trouble);
    const heading = h("h2", { id: "data", tabindex: "-1" }, t("data.erase.sure"));
    const keep = () => (offer(), eraseButton.focus());
    fill(
      place,
      heading,
      h("p", { id: "data-what" }, t("data.erase.what")),
      trouble,
      h(
        "div",
        { class: "row" },
        yesButton(),
        h("button", { class: "button", type: "button", onclick: keep }, t("data.erase.no")),
      ),
    );
    heading.focus();
  };

  const yesButton = () => {
    const yes = h(
      "button",
      {
        class: "button danger",
        type: "button",
        "aria-describedby": "data-what",
        onclick: async () => {
          if (yes.getAttribute("aria-disabled")) return;
          yes.setAttribute("aria-disabled", "true");
          fill(trouble);
          try {
            await erased(await app.client.eraseAccount());
          } catch (error) {
            if (error instanceof RefusedError && error.code === "ACCOUNT_ERASED") await erased(null);
            else if (error instanceof UnreachableError) fill(trouble, note("warn", t("data.erase.unclear")));
            else fill(trouble, problemNote(app, problemOf(error)));
            if (trouble.firstChild) announce(trouble.textContent ?? "", "alert");
          } finally {
            yes.removeAttribute("aria-disabled");
          }
        },
      },
      icon("trash"),
      t("data.erase.yes"),
    );
    return yes;
  };

  const erased = async (/** @type {Erased | null} */ receipt) => {
    app.orders.endAll();
    await app.auth?.signOut();
    await forgetEverything();
    forgetConsent();
    app.drafts.clear();
    fill(place, ...receiptNodes(receipt));
    onErased();
    place.querySelector("h2")?.focus();
  };

  offer();
  return place;
}

/** @param {App} app @param {HTMLElement} trouble */
function exportButton(app, trouble) {
  const button = h(
    "button",
    {
      class: "button",
      type: "button",
      onclick: async () => {
        if (button.getAttribute("aria-disabled")) return;
        button.setAttribute("aria-disabled", "true");
        fill(trouble);
        announce(t("data.export.busy"));
        try {
          const jobs = [];
          const { credits, entries, limits } = await app.client.account();
          for await (const job of app.client.jobs()) jobs.push(job);
          const { id, email } = app.auth?.session?.user ?? {};
          const whole = { account: { id, email, credits, limits }, entries, jobs, this_device: await all("history") };
          saveJson(whole, "rythmiq-one-account.json");
        } catch (error) {
          fill(trouble, problemNote(app, problemOf(error)));
          announce(t("problem.title"), "alert");
        } finally {
          button.removeAttribute("aria-disabled");
        }
      },
    },
    icon("download"),
    t("data.export"),
  );
  return button;
}

/** What is left of an account: the receipt. @param {Erased | null} receipt null where it was erased before */
function receiptNodes(receipt) {
  const title = t(receipt ? "data.erased" : "data.erased.already");
  announce(title);
  return [
    h("h2", { id: "data", tabindex: "-1" }, title),
    receipt &&
      note(
        "good",
        t("data.erased.receipt", { id: receipt.receipt_id }),
        h("p", null, t("data.erased.keep")),
        h("p", null, t("data.erased.what", { jobs: number(receipt.jobs), uploads: number(receipt.uploads) })),
      ),
    receipt &&
      h(
        "div",
        null,
        h(
          "button",
          {
            class: "button",
            type: "button",
            onclick: () => saveJson(receipt, `rythmiq-one-erased-${receipt.receipt_id}.json`),
          },
          icon("download"),
          t("data.erased.save"),
        ),
      ),
  ];
}

/** @param {object} content @param {string} name */
function saveJson(content, name) {
  save(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }), name);
}
