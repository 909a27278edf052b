/**
 * From a checked file to an order: sign in, consent, start.
 */

import { MIME_TYPES, draftId, draftOf, obstacleTo, sizeOf } from "./drafts.js";
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
    const user = app.auth?.session?.user;
    const credits = user ? await creditsOf(app, step) : null;
    const obstacle = obstacleTo(app, draft);
    if (obstacle !== null) {
      return [
        note("bad", obstacle[0], h("p", null, obstacle[1])),
        h("a", { class: "button", href: `#${pathOf(portal, slot)}` }, t("order.choose_again")),
      ];
    }
    if (!user) return signInFields(app, () => void show(true));
    return consentFields({
      credits,
      isGuest: user.is_anonymous === true,
      cost: 1,
      words: t("consent.start"),
      onStart: async () => {
        // Another tab may have signed out or somebody else in, who agreed to nothing.
        if (app.auth?.session?.user.id !== user.id) return show(true);
        const here = location.hash;
        const order = orderOf(portal, slot, draft, user.id);
        const isBegun = await app.orders.begin(order, draft).catch(() => null);
        if (isBegun === null) return step.before(noRoom());
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
 * A draft as an order of whoever agreed to it.
 *
 * @param {import("./view.js").Portal} portal
 * @param {import("./view.js").Slot} slot
 * @param {import("./drafts.js").Draft} draft
 * @param {string} user_id
 * @param {string | null} [application]
 */
export function orderOf(portal, slot, draft, user_id, application = null) {
  return newOrder({
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
    application,
    user_id,
    now: Date.now(),
  });
}

/** That the device could not keep an order, which is said at once. */
export function noRoom() {
  document.getElementById("no-room")?.remove();
  announce(t("make.no_room"), "alert");
  const said = note("bad", t("make.no_room"), h("p", null, t("make.no_room.todo")));
  said.id = "no-room";
  return said;
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
    document.getElementById("credits-unknown")?.remove(); // one is enough
    try {
      const { credits, limits } = await app.client.account();
      app.credits = credits.available;
      app.maxBytes = limits["max_upload_bytes"] ?? null;
      app.maxPages = limits["max_pages"] ?? null;
    } catch (error) {
      announce(t("problem.title"), "alert");
      const unknown = problemNote(app, problemOf(error)) ?? note("bad", t("problem.title"));
      unknown.id = "credits-unknown";
      step.before(unknown);
    }
  }
  return app.credits;
}
