/**
 * A whole application: several files of one portal, what is still missing, and one ZIP of all.
 */

import { choose, draftId, draftOf, sizeOf } from "./drafts.js";
import { MIME_TYPES } from "./file-facts.js";
import { announce, fill, h } from "./dom.js";
import { advise, number, t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";
import { consentFields } from "./consent.js";
import { newOrder } from "./order.js";
import { problemOf } from "./stops.js";
import { problemNote } from "./problems.js";
import { save } from "./result.js";
import { slotName, slotSummary, takesPages } from "./rule-book.js";
import { signInFields } from "./sign-in.js";
import { keep, kept } from "./storage.js";
import { judge } from "./verdicts.js";
import { creditsOf } from "./view-make.js";
import { back, MissingError, oldRules, pathOf, portalOf, untilLeft } from "./view.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./rule-book.js").Slot} Slot */
/** @typedef {{ id: string, slots: string[], orders: Record<string, string> }} Application */

/** @param {App} app @param {string} name @returns {Promise<import("./view.js").View>} */
export async function applicationView(app, name) {
  const portal = portalOf(app, name);
  if (!app.config.isWhole) throw new MissingError("application");
  const id = `application/${portal.portal}`;
  /** @type {Application} */
  const plan = (await kept("drafts", id)) ?? {
    id,
    slots: portal.slots.filter(({ slot }) => ["photo", "signature"].includes(slot)).map(({ slot }) => slot),
    orders: {},
  };
  const list = h("ul", { class: "list" });
  const foot = h("section", { class: "card stack", "aria-live": "off" });
  /** @type {Map<string, import("./order.js").Order>} */
  const orders = new Map();
  const leaving = untilLeft();

  const follow = async () => {
    for (const [slot, orderId] of Object.entries(plan.orders)) {
      const order = await kept("orders", orderId);
      if (!order) {
        delete plan.orders[slot];
        continue;
      }
      orders.set(slot, order);
      leaving.push(
        app.orders.watch(orderId, (sight) => {
          const before = orders.get(slot)?.state;
          orders.set(slot, sight.order);
          if (before !== sight.order.state) void show();
        }),
      );
    }
  };
  let drawing = 0;
  const show = async () => {
    const turn = ++drawing;
    const drafts = new Map(
      await Promise.all(
        portal.slots.map(async (slot) => /** @type {const} */ ([slot.slot, await draftOf(app, draftId(portal, slot))])),
      ),
    );
    if (turn !== drawing) return; // a newer drawing knows more
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
      onchange: async () => {
        plan.slots = box.checked ? [...plan.slots, slot.slot] : plan.slots.filter((one) => one !== slot.slot);
        await keep("drafts", { ...plan });
        await show();
      },
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
        await choose(app, draftId(portal, slot), files);
        delete plan.orders[slot.slot];
        orders.delete(slot.slot);
        await keep("drafts", { ...plan });
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
        (order
          ? h(
              "a",
              { class: "button", href: `#/o/${order.id}` },
              t("application.look"),
              h("span", { class: "heard" }, ` ${slotName(slot.slot)}`),
            )
          : h(
              "span",
              { class: "row" },
              h(
                "span",
                { class: "drop-line" },
                input,
                h(
                  "label",
                  { class: "button", for: `pick-${slot.slot}` },
                  icon("file"),
                  t(draft ? "application.other" : "application.pick"),
                  h("span", { class: "heard" }, ` ${slotName(slot.slot)}`),
                ),
              ),
              draft &&
                h(
                  "a",
                  { class: "button bare", href: `#${pathOf(portal, slot)}` },
                  t("application.check"),
                  h("span", { class: "heard" }, ` ${slotName(slot.slot)}`),
                ),
            )),
    );
  };

  /** @param {Map<string, import("./drafts.js").Draft | null>} drafts */
  const summary = async (drafts) => {
    const wanted = portal.slots.filter(({ slot }) => plan.slots.includes(slot));
    const done = wanted.filter(({ slot }) => orders.get(slot)?.state === "completed");
    const ready = wanted.filter(({ slot }) => !orders.has(slot) && (drafts.get(slot)?.files.length ?? 0) > 0);
    const missing = wanted.filter(({ slot }) => !orders.has(slot) && !drafts.get(slot)?.files.length);
    const head = [
      h("h2", { tabindex: "-1" }, t("application.done", { done: number(done.length), of: number(wanted.length) })),
      missing.length > 0
        ? h("p", null, t("application.missing", { names: missing.map(({ slot }) => slotName(slot)).join(", ") }))
        : wanted.length > 0 && h("p", null, t("application.nothing_missing")),
      done.length > 0 &&
        zipButton(done.map(({ slot }) => /** @type {import("./order.js").Order} */ (orders.get(slot)))),
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
            plan.orders[slot.slot] = order.id;
            orders.set(slot.slot, order);
            await keep("drafts", { ...plan });
            app.drafts.delete(draft.id);
            if (await app.orders.begin(order, draft)) continue;
            delete plan.orders[slot.slot]; // another tab has ordered or changed it: shown as it is by now
            orders.delete(slot.slot);
            await keep("drafts", { ...plan });
          }
          app.credits = null;
          await follow();
          await show();
          foot.querySelector("h2")?.focus();
        },
      }),
    ];
  };

  /** @param {import("./order.js").Order[]} done */
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
              await import(new URL("./zip.js", import.meta.url).href)
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

  await follow();
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

/** @param {Slot} slot @param {import("./drafts.js").Draft | null} draft @param {import("./order.js").Order | undefined} order */
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
