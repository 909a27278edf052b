/**
 * A whole application: several files of one portal, what is still missing, and one ZIP of all.
 */

import { MIME_TYPES, choose, draftId, draftOf, sizeOf } from "./drafts.js";
import { announce, fill, h } from "./dom.js";
import { advise, number, t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";
import { consentFields } from "./consent.js";
import { ENDED, newOrder } from "./order.js";
import { fetched } from "./on-demand.js";
import { readability } from "./picker.js";
import { problemOf } from "./stops.js";
import { problemNote } from "./problems.js";
import { save } from "./result.js";
import { slotName, slotSummary, takesPages } from "./rule-book.js";
import { signInFields } from "./sign-in.js";
import { change, keepFirst, kept } from "./storage.js";
import { judge } from "./verdicts.js";
import { creditsOf } from "./view-make.js";
import { back, MissingError, oldRules, pathOf, portalOf, untilLeft } from "./view.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./rule-book.js").Slot} Slot */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {{ id: string, slots: string[] }} Application `slots`: that are wanted. Which order is of which slot, the orders say themselves. */

/** How an order ends without a file. @type {readonly string[]} */
const LOST = ["failed", "cancelled"];

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
  const foot = h("section", { class: "card stack", "aria-live": "off" });
  /** @type {Map<string, Order>} */
  let orders = new Map();
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
  let drawing = 0;
  const show = async () => {
    const turn = ++drawing;
    const [found, drafts] = await Promise.all([
      app.orders.ofApplication(id),
      Promise.all(
        portal.slots.map(async (slot) => /** @type {const} */ ([slot.slot, await draftOf(app, draftId(portal, slot))])),
      ).then((each) => new Map(each)),
    ]);
    if (turn !== drawing) return; // a newer drawing knows more
    // A file that is chosen once its order has ended is to be made in that one's place.
    orders = standing(found.filter(({ slot, state }) => !ENDED.includes(state) || !drafts.get(slot)?.files.length));
    const focused = document.activeElement?.id;
    fill(
      list,
      portal.slots.map((slot) => h("li", null, row(slot, drafts.get(slot.slot) ?? null))),
    );
    fill(foot, ...(await summary(drafts)));
    if (focused) document.getElementById(focused)?.focus();
  };

  /** @param {Slot} slot @param {import("./drafts.js").Draft | null} draft */
  const row = (slot, draft) => {
    const isWanted = plan.slots.includes(slot.slot);
    const order = orders.get(slot.slot);
    const box = h("input", {
      type: "checkbox",
      id: `want-${slot.slot}`,
      checked: isWanted,
      onchange: () => want(slot.slot, box.checked),
    });
    const state = stateWords(slot, draft, order);
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
        if (!(await reading.isReady())) return input.closest("li")?.append(reading.node);
        await choose(app, draftId(portal, slot), files);
        await show();
      },
    });
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
          isWanted && h("span", { class: `state ${state.look}` }, state.icon, state.words),
        ),
      ),
      isWanted &&
        h(
          "span",
          { class: "row" },
          (!order || ENDED.includes(order.state)) &&
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
          (order || draft) &&
            h(
              "a",
              order
                ? { class: "button", href: `#/o/${order.id}` }
                : { class: "button bare", href: `#${pathOf(portal, slot)}` },
              t(order ? "application.look" : "application.check"),
              h("span", { class: "heard" }, ` ${slotName(slot.slot)}`),
            ),
        ),
    );
  };

  /** @param {Map<string, import("./drafts.js").Draft | null>} drafts */
  const summary = async (drafts) => {
    const wanted = portal.slots.filter(({ slot }) => plan.slots.includes(slot));
    const done = wanted.filter(({ slot }) => orders.get(slot)?.state === "completed");
    const ready = wanted.filter(({ slot }) => !orders.has(slot) && (drafts.get(slot)?.files.length ?? 0) > 0);
    const missing = wanted.filter(({ slot }) => {
      const order = orders.get(slot);
      return order ? LOST.includes(order.state) : !drafts.get(slot)?.files.length;
    });
    const head = [
      h("h2", { tabindex: "-1" }, t("application.done", { done: number(done.length), of: number(wanted.length) })),
      missing.length > 0
        ? h("p", null, t("application.missing", { names: missing.map(({ slot }) => slotName(slot)).join(", ") }))
        : wanted.length > 0 && h("p", null, t("application.nothing_missing")),
      done.length > 0 && zipButton(done.map(({ slot }) => /** @type {Order} */ (orders.get(slot)))),
    ];
    if (ready.length === 0) return head;
    if (!app.auth?.session) return [...head, ...signInFields(app, () => void show())];
    return [
      ...head,
      ...consentFields({
        credits: await creditsOf(app, foot),
        isGuest: app.auth.session.user.is_anonymous === true,
        cost: ready.length,
        words: t("application.make", { count: number(ready.length) }),
        onStart: async () => {
          for (const slot of ready) {
            const draft = drafts.get(slot.slot);
            if (!draft) continue;
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
              application: id,
              user_id: app.auth?.session?.user.id ?? null,
              now: Date.now(),
            });
            app.drafts.delete(draft.id);
            await app.orders.begin(order, draft); // not where another tab has ordered or changed it: shown as it is by now
          }
          app.credits = null;
          await show();
          foot.querySelector("h2")?.focus();
        },
      }),
    ];
  };

  /** @param {Order[]} done */
  const zipButton = (done) => {
    const button = h(
      "button",
      {
        class: "button main full",
        type: "button",
        onclick: async () => {
          button.setAttribute("aria-disabled", "true");
          try {
            const files = [];
            for (const order of done) {
              const view = await app.client.job(order.job_id ?? "");
              files.push({
                name: view.receipt?.document.filename ?? order.slot,
                content: await app.client.download(view, "document"),
              });
            }
            const { zip } = /** @type {typeof import("./zip.js")} */ (
              await fetched(new URL("./zip.js", import.meta.url))
            );
            save(zip(files), `${portal.portal}.zip`);
          } catch (error) {
            button.after(problemNote(app, problemOf(error)) ?? "");
            announce(t("problem.title"), "alert");
          }
          button.removeAttribute("aria-disabled");
        },
      },
      icon("download"),
      t("application.zip", { count: number(done.length) }),
    );
    return button;
  };

  leaving.push(
    app.orders.watch(id, ({ order }) => {
      const shown = orders.get(order.slot);
      if (shown?.id !== order.id || shown.state !== order.state) void show();
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

/**
 * The order that stands for each slot: the last one, but a file that is made is not lost to a later try that came to nothing.
 *
 * @param {Order[]} orders
 */
function standing(orders) {
  const rank = (/** @type {Order} */ { state, created_at }) => (LOST.includes(state) ? 0 : created_at);
  const lastly = [...orders].sort((one, other) => rank(one) - rank(other) || one.created_at - other.created_at);
  return new Map(lastly.map((order) => [order.slot, order]));
}

/** @param {Slot} slot @param {import("./drafts.js").Draft | null} draft @param {Order | undefined} order */
function stateWords(slot, draft, order) {
  if (order) {
    const look =
      order.state === "completed" ? "good" : order.state === "failed" || order.state === "stopped" ? "bad" : "quiet";
    return {
      look,
      words: t(`order.${order.state}`),
      icon: look === "good" ? icon("pass") : look === "bad" ? icon("fail") : kindIcon(slot.kind),
    };
  }
  const [first] = draft?.files ?? [];
  if (!draft || !first) return { look: "quiet", words: t("application.state.missing"), icon: icon("not_checked") };
  if (draft.files.length > 1)
    return {
      look: "quiet",
      words: t("application.state.pages", { count: draft.files.length }),
      icon: icon("document"),
    };
  return judge(first.facts, slot, first.file.name).fits
    ? { look: "good", words: t("check.fits"), icon: icon("pass") }
    : { look: "quiet", words: t("application.state.make"), icon: kindIcon(slot.kind) };
}
