/**
 * A whole application: several files of one portal, what is still missing, and one ZIP of all.
 */

import { choose, draftId, draftOf } from "./drafts.js";
import { announce, fill, h } from "./dom.js";
import { advise, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { consentFields } from "./consent.js";
import { fetched } from "./on-demand.js";
import { readability } from "./picker.js";
import { draftState, orderState, placeOf } from "./places.js";
import { problemOf } from "./stops.js";
import { problemNote } from "./problems.js";
import { save } from "./result.js";
import { slotName, slotSummary, takesPages } from "./rule-book.js";
import { signInFields } from "./sign-in.js";
import { change, keepFirst, kept } from "./storage.js";
import { creditsOf, noRoom, orderOf } from "./view-make.js";
import { back, MissingError, note, oldRules, pathOf, portalOf, untilLeft } from "./view.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./places.js").Place} Place */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {{ id: string, slots: string[] }} Application `slots`: that are wanted. Which order is of which slot, the orders say themselves. */

/** What a screen reader is told of. @type {readonly string[]} */
const TOLD = ["completed", "failed", "stopped"];

/** @param {App} app @param {string} name @returns {Promise<import("./view.js").View>} */
export async function applicationView(app, name) {
  const portal = portalOf(app, name);
  if (!app.config.isWhole) throw new MissingError("application");
  const id = `application/${portal.portal}`;
  /** @type {Application} */
  let plan = (await kept("drafts", id)) ?? {
    id,
    slots: portal.slots.filter(({ slot }) => ["photo", "signature"].includes(slot)).map(({ slot }) => slot),
  };
  const list = h("ul", { class: "list" });
  const head = h("div", { class: "stack" });
  const form = h("div", { class: "stack" });
  const heading = h("h2", { tabindex: "-1" });
  const foot = h("section", { class: "card stack", "aria-live": "off" }, heading, head, form);
  /** @type {Order[]} */
  let orders = [];
  /** @type {Map<string, import("./drafts.js").Draft | null>} */
  let drafts = new Map();
  /** The states of orders that are known, by their ids. @type {Map<string, string>} */
  const states = new Map();
  /** What went wrong with what was asked for last. @type {Node | null} */
  let trouble = null;
  let isStarting = false;
  let isZipping = false;
  const leaving = untilLeft();

  const reading = readability();
  /** @param {string} name @param {boolean} isWanted */
  const want = async (name, isWanted) => {
    const wanted = (/** @type {Application} */ { slots }) => ({
      id,
      slots: [...slots.filter((one) => one !== name), ...(isWanted ? [name] : [])],
    });
    try {
      await keepFirst("drafts", plan);
      plan = (await change("drafts", id, wanted)) ?? wanted(plan); // another tab may have ticked another one
    } catch {
      plan = wanted(plan); // a full device
    }
    await show();
  };

  let turn = 0;
  const show = async () => {
    const mine = ++turn;
    const found = await Promise.all([
      app.orders.ofPortal(portal.portal),
      Promise.all(
        portal.slots.map(async (slot) => /** @type {const} */ ([slot.slot, await draftOf(app, draftId(portal, slot))])),
      ),
    ]);
    if (mine !== turn) return; // a newer drawing knows more
    [orders, drafts] = [found[0], new Map(found[1])];
    for (const { id, state } of orders) states.set(id, state);
    draw();
    if (app.credits === null && offer().ready.length > 0 && app.auth?.session) void limits(mine);
  };
  /** The account's limits, which say more of what is chosen. @param {number} mine */
  const limits = async (mine) => {
    await creditsOf(app, foot);
    if (mine === turn) draw(true);
  };

  const placesNow = () =>
    portal.slots
      .filter(({ slot }) => plan.slots.includes(slot))
      .map((slot) => placeOf(app, slot, orders, drafts.get(slot.slot) ?? null));

  /** What can be made now, and for whom: whoever agrees to it agrees to `terms`. */
  const offer = () => {
    const user = app.auth?.session?.user ?? null;
    const ready = placesNow().filter(({ isReady }) => isReady);
    return { user, ready, terms: ready.length && `${ready.length}/${user?.id}/${user?.is_anonymous}` };
  };

  /** @param {boolean} [isAsked] whether the service was asked for the credits, also where it did not say */
  const draw = (isAsked = false) => {
    const focused = document.activeElement?.id;
    const places = placesNow();
    fill(
      list,
      portal.slots.map((slot) => h("li", null, row(slot, places.find((place) => place.slot === slot) ?? null))),
    );
    fill(head, ...summary(places));
    if (!isStarting) drawForm(isAsked);
    if (focused && document.activeElement?.id !== focused)
      document.getElementById(focused)?.focus({ preventScroll: true });
  };
  let [drawnTerms, drawn] = ["", ""];
  /** Where it says the same as before it stays: somebody may be typing. @param {boolean} isAsked */
  const drawForm = (isAsked) => {
    const { user, ready, terms } = offer();
    if (String(terms) !== drawnTerms) fill(form);
    drawnTerms = String(terms);
    form.hidden = ready.length === 0;
    if (user !== null && app.credits === null && !isAsked) return;
    const says = `${terms} ${app.credits}`;
    if (says === drawn && form.hasChildNodes()) return;
    drawn = says;
    if (ready.length === 0) return;
    fill(
      form,
      user === null
        ? signInFields(app, () => void show().then(toHead))
        : consentFields({
            credits: app.credits,
            isGuest: user.is_anonymous === true,
            cost: ready.length,
            words: t("application.make", { count: number(ready.length) }),
            onStart: () => start(terms),
          }),
    );
  };
  const toHead = () => heading.focus();

  /** @param {string | number} agreed */
  const start = async (agreed) => {
    const { user, ready, terms } = offer();
    // Another tab may have signed in somebody else, or ordered one of them.
    if (isStarting || user === null || terms !== agreed) return show();
    isStarting = true;
    trouble = null;
    for (const { slot, draft, stopped } of ready) {
      if (!draft) continue;
      try {
        // Not where another tab has ordered or changed it: what there is by now is shown.
        const isBegun = await app.orders.begin(orderOf(portal, slot, draft, user.id, id), draft);
        app.drafts.delete(draft.id);
        if (isBegun) for (const { id } of stopped) void app.orders.cancel(id).catch(() => undefined);
      } catch {
        trouble = noRoom(); // and the next may be smaller
      }
    }
    isStarting = false;
    app.credits = null;
    await show();
    toHead();
  };

  /** @param {import("./rule-book.js").Slot} slot @param {Place | null} place null where it is not wanted */
  const row = (slot, place) => {
    const box = h("input", {
      type: "checkbox",
      id: `want-${slot.slot}`,
      checked: place !== null,
      onchange: () => want(slot.slot, box.checked),
    });
    const input = h("input", {
      type: "file",
      accept: "image/*,application/pdf",
      id: `pick-${slot.slot}`,
      class: "heard",
      multiple: takesPages(slot),
      onchange: async () => {
        const files = [...(input.files ?? [])];
        if (files.length === 0) return;
        input.value = ""; // the same file can be chosen again
        if (!(await reading.isReady())) {
          trouble = reading.node;
          return draw();
        }
        await choose(app, draftId(portal, slot), files);
        await show();
      },
    });
    const { order, later, draft } = place ?? { order: null, later: null, draft: null };
    const said = place ? [order && orderState(slot, order), draft || !order ? draftState(place) : null] : [];
    const link = (/** @type {string} */ to, /** @type {string} */ words, /** @type {string} */ step) =>
      h(
        "a",
        { class: `button ${step === "look" ? "" : "bare"}`, id: `${step}-${slot.slot}`, href: `#${to}` },
        words,
        h("span", { class: "heard" }, ` ${slotName(slot.slot)}`),
      );
    return h(
      "div",
      { class: "line slot-row" },
      h(
        "label",
        { class: "choice grow" },
        box,
        h(
          "span",
          { class: "stack tight" },
          h("strong", null, slotName(slot.slot)),
          h("span", { class: "small quiet" }, slotSummary(slot)),
          said.flatMap((state) => [
            state && h("span", { class: `state ${state.look}` }, state.icon, state.words),
            state?.todo && h("span", { class: "small" }, state.todo),
          ]),
        ),
      ),
      place &&
        h(
          "span",
          { class: "row" },
          !place.isOpen &&
            h(
              "span",
              { class: "drop-line" },
              input,
              h(
                "label",
                { class: "button", for: `pick-${slot.slot}` },
                icon("file"),
                t(draft || order ? "application.other" : "application.pick"),
                h("span", { class: "heard" }, ` ${slotName(slot.slot)}`),
              ),
            ),
          order && link(`/o/${order.id}`, t("application.look"), "look"),
          later && link(`/o/${later.id}`, orderState(slot, later).words, "later"),
          draft && link(pathOf(portal, slot), t("application.check"), "check"),
        ),
    );
  };

  /** @param {Place[]} places that are wanted */
  const summary = (places) => {
    const done = places.filter(({ isMade }) => isMade);
    const missing = places.filter(({ isMissing }) => isMissing).map(({ slot }) => slotName(slot.slot));
    const counted = t("application.done", { done: number(done.length), of: number(places.length) });
    if (heading.textContent !== counted) heading.textContent = counted;
    return [
      missing.length > 0
        ? h("p", null, t("application.missing", { names: missing.join(", ") }))
        : places.length > 0 && h("p", null, t("application.nothing_missing")),
      done.length > 0 &&
        h(
          "button",
          {
            class: "button main full",
            id: "zip",
            type: "button",
            "aria-disabled": isZipping && "true",
            onclick: () => zip(done.flatMap(({ order }) => order ?? [])),
          },
          icon("download"),
          t("application.zip", { count: number(done.length) }),
        ),
      trouble,
    ];
  };

  /** @param {Order[]} done */
  const zip = async (done) => {
    if (isZipping) return;
    isZipping = true;
    trouble = null;
    draw();
    try {
      const { zipOf } = /** @type {typeof import("./zip.js")} */ (await fetched(new URL("./zip.js", import.meta.url)));
      const { zip, gone } = await zipOf(app.client, done, () => app.auth?.session?.user.id);
      for (const { id, job_id } of gone) await app.orders.forgetDeleted(id, job_id ?? "");
      if (gone.length > 0) {
        const words = t("application.gone", { names: gone.map(({ slot }) => slotName(slot)).join(", ") });
        announce(words, "alert");
        trouble = note("warn", words);
      } else save(zip, `${portal.portal}.zip`);
    } catch (error) {
      trouble = problemNote(app, problemOf(error));
      announce(t("problem.title"), "alert");
    }
    isZipping = false;
    await show();
  };

  leaving.push(
    app.orders.watch(portal.portal, ({ order, isGone }) => {
      const before = states.get(order.id);
      if (before === order.state && !isGone) return;
      states.set(order.id, order.state);
      const slot = portal.slots.find(({ slot }) => slot === order.slot);
      if (slot && before && !isGone && plan.slots.includes(slot.slot) && TOLD.includes(order.state))
        announce(`${slotName(slot.slot)}: ${orderState(slot, order).words}`);
      void show();
    }),
  );
  await show();
  return {
    title: t("application.title", { portal: portal.name }),
    leave: leaving.leave,
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h(
          "div",
          { class: "stack tight" },
          back(`/p/${portal.portal}`, portal.name),
          h("h1", null, t("application.title", { portal: portal.name })),
          h("p", { class: "lead" }, t("application.lead")),
        ),
        ...oldRules(portal, advise),
        list,
        foot,
      ),
    ],
  };
}
