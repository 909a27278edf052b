/**
 * The account and what this device knows: credits, files made here, signing out, forgetting everything.
 */

import { accountData } from "./account-data.js";
import { forgetConsent } from "./consent.js";
import { announce, fill, h } from "./dom.js";
import { moment, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { ENDED } from "./order.js";
import { slotName } from "./rule-book.js";
import { signInFields } from "./sign-in.js";
import { all, forgetEverything } from "./storage.js";
import { creditsOf } from "./view-make.js";
import { back, MissingError, note, untilLeft } from "./view.js";

const MOST = 50;
const LOOK_MS = 10_000;
const STATES = Object.freeze({ pending: "running", processing: "running", completed: "completed", failed: "failed" });

/** @param {import("./view.js").App} app @returns {Promise<import("./view.js").View>} */
export async function deviceView(app) {
  if (!app.auth) throw new MissingError("device");
  const account = h("section", { class: "card stack", "aria-labelledby": "account" });
  const data = h("div", { class: "stack" });
  const show = async () => {
    const session = app.auth?.session ?? null;
    if (session === null)
      return fill(account, h("div", { id: "account", class: "stack" }, ...signInFields(app, () => void show())));
    fill(
      data,
      accountData(app, () => {
        here = others = [];
        list();
        void show();
      }),
    );
    const credits = h("p", null, t("device.credits.asking"));
    const guest = session.user.is_anonymous === true;
    fill(
      account,
      h("h2", { id: "account" }, t("device.account")),
      h("p", null, guest ? t("device.guest") : t("device.as", { email: session.user.email ?? "" })),
      credits,
      guest && h("div", { class: "stack" }, ...signInFields(app, () => void show(), true)),
      h(
        "div",
        null,
        h(
          "button",
          {
            class: "button",
            type: "button",
            onclick: async () => {
              await app.auth?.signOut();
              announce(t("device.signed_out"));
              app.again();
            },
          },
          t("device.sign_out"),
        ),
      ),
    );
    void look();
    const available = await creditsOf(app, account);
    credits.textContent =
      available === null ? t("device.credits.unknown") : t("device.credits", { count: number(available) });
  };
  const history = h("div", { class: "stack" });
  let here = await ordersHere();
  /** @type {any[]} */
  let others = [];
  const list = () => {
    const ours = new Set(here.map(({ job_id }) => job_id));
    const lines = [...here, ...others.filter(({ id }) => !ours.has(id))];
    lines.sort((one, other) => other.created_at - one.created_at);
    const focused = history.contains(document.activeElement) && document.activeElement?.getAttribute("href");
    fill(
      history,
      lines.length === 0
        ? h("p", { class: "quiet" }, t("device.history.none"))
        : h(
            "ul",
            { class: "list" },
            lines.map((line) => h("li", null, lineOf(line))),
          ),
    );
    if (focused) /** @type {HTMLElement | null} */ (history.querySelector(`a[href="${focused}"]`))?.focus();
  };
  list();
  const leaving = untilLeft();
  // What is still under way is followed, so that its line says what has come of it.
  for (const { id, state } of here.filter(({ state }) => !ENDED.includes(state))) {
    let shown = state;
    leaving.push(
      app.orders.watch(id, async ({ order, isGone }) => {
        if (order.state === shown && !isGone) return;
        shown = order.state;
        here = await ordersHere();
        list();
      }),
    );
  }
  /** What other devices of the account made. */
  const elsewhere = async () => {
    const found = [];
    const ours = new Set(here.map(({ job_id }) => job_id));
    for await (const job of app.client.jobs({ pageSize: 50 })) {
      if (!ours.has(job.job_id)) {
        const name = app.portals.find(({ portal }) => portal === job.portal)?.name ?? job.portal;
        found.push({
          id: job.job_id,
          portal_name: name,
          slot: job.slot ?? "",
          created_at: Date.parse(job.created_at),
          state: STATES[job.status],
        });
      }
      if (found.length >= MOST) break;
    }
    others = found;
    list();
  };
  let clock = 0;
  let isLeft = false;
  /** Look there now, whenever somebody comes back to the page, and as long as something is under way there. */
  const look = async () => {
    clearTimeout(clock);
    if (document.hidden || !app.auth?.session) return;
    await elsewhere().catch(() => undefined);
    clearTimeout(clock);
    if (!isLeft && others.some(({ state }) => state === "running")) clock = setTimeout(look, LOOK_MS);
  };
  document.addEventListener("visibilitychange", look);
  leaving.push(() => {
    isLeft = true;
    clearTimeout(clock);
    document.removeEventListener("visibilitychange", look);
  });
  const forget = h(
    "button",
    {
      class: "button",
      type: "button",
      onclick: async () => {
        if (forget.dataset["sure"] !== "yes") {
          forget.dataset["sure"] = "yes";
          forget.replaceChildren(icon("trash"), t("device.forget.sure"));
          return;
        }
        app.orders.endAll();
        await app.auth?.signOut(); // or the account's list would stand here again
        await forgetEverything();
        forgetConsent();
        app.drafts.clear();
        announce(t("device.forgotten"));
        app.again();
      },
    },
    icon("trash"),
    t("device.forget"),
  );
  void show();
  const news = app.news;
  app.news = null;
  return {
    title: t("device.title"),
    leave: leaving.leave,
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h("div", { class: "stack tight" }, back("/", t("home.back")), h("h1", null, t("device.title"))),
        news && note("good", news),
        account,
        h(
          "section",
          { class: "stack", "aria-labelledby": "history" },
          h("h2", { id: "history" }, t("device.history")),
          history,
          h("p", { class: "small quiet" }, t("device.history.what")),
          h("div", null, forget),
        ),
        data,
      ),
    ],
  };
}

/** The orders of this device, each with the name of the file that came of it. @returns {Promise<any[]>} */
async function ordersHere() {
  const known = new Map((await all("history")).map((line) => [line.order, line]));
  return (await all("orders")).map((order) => ({ ...order, filename: known.get(order.id)?.filename }));
}

/** @param {{ id: string, filename?: string, slot: string, portal_name: string, created_at: number, state: string }} line */
function lineOf(line) {
  const what = `${slotName(line.slot)} · ${line.portal_name}`;
  return h(
    "a",
    { class: "line", href: `#/o/${line.id}` },
    h(
      "span",
      { class: "grow stack tight" },
      h("strong", null, line.filename ?? what),
      h("span", { class: "small quiet" }, `${what} · ${moment(line.created_at)} · ${t(`order.${line.state}`)}`),
    ),
    icon("next"),
  );
}
