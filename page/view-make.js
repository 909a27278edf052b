/**
 * From a checked file to an order: sign in, consent, start.
 */

import { MIME_TYPES, draftId, draftOf, sizeOf } from "./drafts.js";
import { announce, fill, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { newOrder } from "./order.js";
import { problemOf } from "./stops.js";
import { problemNote } from "./problems.js";
import { consentFields } from "./consent.js";
import { signInFields } from "./sign-in.js";
import { back, note, pathOf, portalOf, slotOf, slotTitle } from "./view.js";

/** @param {import("./view.js").App} app @param {string} portalName @param {string} slotName @returns {Promise<import("./view.js").View>} */
export async function makeView(app, portalName, slotName) {
  const portal = portalOf(app, portalName);
  const slot = slotOf(portal, slotName);
  const id = draftId(portal, slot);
  const draft = await draftOf(app, id);
  const title = slotTitle(portal, slot);
  if (draft === null || draft.files.length === 0) {
    return {
      title,
      nodes: [
        h(
          "div",
          { class: "stack" },
          back(pathOf(portal, slot), title),
          h("h1", null, t("make.no_file")),
          h("a", { class: "button main", href: `#${pathOf(portal, slot)}` }, t("make.choose")),
        ),
      ],
    };
  }
  const step = h("section", { class: "card stack", "aria-live": "off" });
  const show = async (moved = false) => {
    fill(step, ...(await stepOf()));
    if (moved) step.querySelector("h2")?.focus();
  };
  const stepOf = async () => {
    if (!app.auth?.session) return signInFields(app, () => void show(true));
    const credits = await creditsOf(app, step);
    const bytes = draft.files.reduce((sum, { file }) => sum + file.size, 0);
    if (app.maxBytes !== null && bytes > app.maxBytes) {
      return [
        note(
          "bad",
          t("make.too_large"),
          h(
            "p",
            null,
            t("make.too_large.todo", { most: number(app.maxBytes / 1_000_000, 1), has: number(bytes / 1_000_000, 1) }),
          ),
        ),
        h("a", { class: "button", href: `#${pathOf(portal, slot)}` }, t("order.choose_again")),
      ];
    }
    return consentFields({
      credits,
      isGuest: app.auth.session.user.is_anonymous === true,
      cost: 1,
      words: t("consent.start"),
      onStart: async () => {
        const here = location.hash;
        const order = newOrder({
          id: crypto.randomUUID(),
          portal: portal.portal,
          portal_name: portal.name,
          slot: slot.slot,
          version: portal.version,
          files: draft.files.map(({ file, facts }) => ({
            name: file.name || slot.slot,
            mime: MIME_TYPES[facts.format],
            file,
          })),
          size: sizeOf(draft),
          options: draft.options,
          user_id: app.auth?.session?.user.id ?? null,
          now: Date.now(),
        });
        const isBegun = await app.orders.begin(order, draft);
        app.credits = null;
        app.drafts.delete(id);
        if (!isBegun) return app.again(); // it shows what there is by now
        // Whoever went back meanwhile is where they want to be: the order goes on without being looked at.
        if (location.hash === here) location.replace(`#/o/${order.id}`);
      },
    });
  };
  await show();
  return {
    title,
    enter: () => /** @type {HTMLElement | null} */ (step.querySelector("#email"))?.focus({ preventScroll: true }),
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h(
          "div",
          { class: "stack tight" },
          back(pathOf(portal, slot), title),
          h("h1", null, t("make.title")),
          h(
            "p",
            { class: "lead" },
            draft.files.length > 1
              ? t("make.pages", { count: number(draft.files.length) })
              : (draft.files[0]?.file.name ?? ""),
          ),
        ),
        step,
      ),
    ],
  };
}

/**
 * The credits of the account; null where the service does not say, which `step` then shows.
 *
 * @param {import("./view.js").App} app
 * @param {HTMLElement} step
 * @returns {Promise<number | null>}
 */
export async function creditsOf(app, step) {
  if (app.credits === null) {
    try {
      const { credits, limits } = await app.client.account();
      app.credits = credits.available;
      app.maxBytes = limits["max_upload_bytes"] ?? null;
    } catch (error) {
      announce(t("problem.title"), "alert");
      step.before(problemNote(app, problemOf(error)) ?? note("bad", t("problem.title")));
    }
  }
  return app.credits;
}
