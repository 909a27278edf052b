/**
 * One order: sealing and sending with progress, its stages live, and what came of it.
 */

import { announce, fill, h } from "./dom.js";
import { hour, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { failureWords, problemNote } from "./problems.js";
import { kept } from "./storage.js";
import { canResume, isStuck } from "./order.js";
import { resultNodes } from "./result.js";
import { slotName } from "./rule-book.js";
import { signInFields } from "./sign-in.js";
import { back, MissingError, note, untilLeft } from "./view.js";
import { problemOf } from "./stops.js";

/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./rythmiq.js").JobView} JobView */

const STAGES = Object.freeze(["fetch", "decode", "quality", "enhance", "ocr", "schema", "upload"]);

/** @param {import("./view.js").App} app @param {string} id of an order of this device, or of a job @returns {Promise<import("./view.js").View>} */
export async function orderView(app, id) {
  if (await app.orders.wasDeleted(id)) throw new MissingError("deleted");
  /** @type {Order | null} */
  const found = (await kept("orders", id)) ?? (await app.orders.ofJob(id));
  /** @type {JobView | null} */
  let seen = null;
  /** @type {Order} */
  let order;
  if (found) order = found;
  else ({ order, view: seen } = await orderOfJob(app, id));
  const place = h("div", { class: "stack loose" });
  const heading = h("h1", { tabindex: "-1" });
  // Why it was not cancelled: what is above it is drawn anew when the order goes on.
  const late = h("p", { role: "alert", class: "small" });
  const leaving = untilLeft();
  let shown = "";
  let said = "";

  const ended = async (
    /** @type {"completed" | "failed"} */ state,
    /** @type {Order} */ current,
    /** @type {JobView | null} */ view,
  ) => {
    try {
      if (!place.hasChildNodes()) fill(place, h("p", { class: "quiet" }, t("result.opening")));
      const whole = view?.status === state ? view : await app.client.job(current.job_id ?? id);
      fill(place, ...(state === "completed" ? resultNodes(app, current, whole, leaving) : [failed(current, whole)]));
    } catch (error) {
      const problem = problemOf(error);
      const again = () => app.again();
      addEventListener("online", again, { once: true });
      leaving.push(() => removeEventListener("online", again));
      fill(
        place,
        problem.kind === "sign-in" ? signInCard(app, problem, again) : problemNote(app, problem, againButton(again)),
      );
    }
  };
  const show = async (/** @type {Order} */ current, /** @type {JobView | null} */ view) => {
    const state = current.state;
    heading.textContent = titleOf(current, view);
    if (said !== heading.textContent) announce((said = heading.textContent));
    if (state === "completed" || state === "failed") {
      late.textContent = "";
      if (shown !== state) await ended((shown = state), current, view);
    } else {
      const key = `${state}/${view?.stage}/${view?.status}/${current.problem?.kind}/${view?.queue_position}`;
      if (shown === key && state === "sending") return progress(place, current);
      if (shown === key) return;
      shown = key;
      fill(place, ...underWay(app, current, view, late));
      progress(place, current);
    }
  };
  if (found)
    leaving.push(
      app.orders.watch(order.id, ({ order, view, isGone }) => (isGone ? app.again() : void show(order, view))),
    );
  await show(order, seen);
  if (found && app.orders.goesOn(order)) void app.orders.run(order.id);

  return {
    title: `${slotName(order.slot)} · ${order.portal_name}`,
    wide: true,
    leave: leaving.leave,
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h(
          "div",
          { class: "stack tight" },
          order.application
            ? back(whereFrom(order), t("application.back"))
            : back(whereFrom(order), `${slotName(order.slot)} · ${order.portal_name}`),
          heading,
        ),
        place,
        late,
      ),
    ],
  };
}

/**
 * A job that another device began, as an order that shows it.
 *
 * @param {import("./view.js").App} app
 * @param {string} jobId
 * @returns {Promise<{ order: Order, view: JobView }>}
 */
async function orderOfJob(app, jobId) {
  if (!app.auth?.session) throw new MissingError("order");
  const view = await app.client.job(jobId).catch((error) => {
    if (error instanceof Error && "status" in error && error.status === 404) throw new MissingError("job");
    throw error;
  });
  const state = view.status === "completed" || view.status === "failed" ? view.status : "running";
  /** @type {Order} */
  const order = {
    id: jobId,
    portal: view.portal,
    portal_name: app.portals.find(({ portal }) => portal === view.portal)?.name ?? view.portal,
    slot: view.slot ?? "",
    version: view.portal_version,
    parts: [],
    master: null,
    options: {},
    state,
    job_id: jobId,
    sent_bytes: 0,
    total_bytes: 0,
    problem: null,
    application: null,
    user_id: app.auth.session.user.id,
    created_at: Date.parse(view.created_at),
  };
  const isNew = (await app.orders.ofJob(jobId)) === null && !(await app.orders.wasDeleted(jobId));
  if (state === "running" && isNew) await app.orders.begin(order);
  return { order, view };
}

/** @param {Order} order @param {JobView | null} view */
function titleOf(order, view) {
  if (order.state === "running") return t(view?.status === "processing" ? "order.processing" : "order.pending");
  const pages = view?.conforms === false ? 1 : Number(view?.receipt?.document["pages"] ?? 1);
  if (order.state === "completed" && pages > 1) return t("order.completed.pages", { count: number(pages) });
  if (order.state === "completed")
    return t(view && view.conforms === false ? "order.completed.but" : "order.completed");
  return t(`order.${order.state}`);
}

/** @param {import("./view.js").App} app @param {Order} order @param {JobView | null} view @param {HTMLElement} late @returns {(Node | null)[]} */
function underWay(app, order, view, late) {
  if (order.state === "stopped") return [stopped(app, order, late)];
  if (order.state === "cancelled")
    return [
      note(
        "info",
        t("order.cancelled.what"),
        h("p", null, h("a", { class: "button", href: `#${whereFrom(order)}` }, t("order.begin_again"))),
      ),
    ];
  const meter = h("progress", { class: "meter", max: "1", value: "0", "aria-label": t("order.sent") });
  const early = order.state !== "running";
  const isPhoto = app.portals.some(
    ({ portal, slots }) =>
      portal === order.portal && slots.some(({ slot, kind }) => slot === order.slot && kind === "photo"),
  );
  return [
    h(
      "div",
      { class: "card stack" },
      early
        ? h(
            "div",
            { class: "stack tight" },
            h("p", null, t(`order.${order.state}.what`)),
            meter,
            h("p", { class: "small quiet", id: "sent" }),
          )
        : stageList(view, isPhoto, isPaper(app, order)),
      h("p", { class: "small quiet" }, t(early ? "order.leave.early" : "order.leave")),
      (early || view?.status !== "processing") && cancelButton(app, order, late),
    ),
  ];
}

/** Whether there is text to read. @param {import("./view.js").App} app @param {Order} order */
function isPaper(app, order) {
  const slots = app.portals.find(({ portal }) => portal === order.portal)?.slots ?? [];
  return !["photo", "signature", "thumb"].includes(slots.find(({ slot }) => slot === order.slot)?.kind ?? "");
}

/** @param {JobView | null} view @param {boolean} isPhoto @param {boolean} withText whether text is read */
function stageList(view, isPhoto, withText) {
  const stages = STAGES.filter((stage) => withText || stage !== "ocr");
  const reached = Math.max(0, STAGES.indexOf(view?.stage ?? "fetch"));
  const at = view?.status === "processing" ? stages.findIndex((stage) => STAGES.indexOf(stage) >= reached) : -1;
  return h(
    "div",
    { class: "stack tight" },
    view?.queue_position ? h("p", null, t("order.queue", { place: number(view.queue_position) })) : null,
    view?.expected_start_at
      ? h("p", { class: "quiet" }, t("order.expected", { when: hour(view.expected_start_at) }))
      : null,
    (view?.attempt ?? 0) > 1
      ? h("p", { class: "quiet" }, t("order.attempt", { attempt: number(view?.attempt ?? 0) }))
      : null,
    h(
      "ol",
      { class: "stages" },
      stages.map((stage, index) => {
        const state = index < at ? "done" : index === at ? "now" : "later";
        return h(
          "li",
          { class: state, "aria-current": state === "now" && "step" },
          h("span", { class: "dot" }, state === "done" && icon("pass")),
          h(
            "span",
            null,
            t(stage === "quality" && !isPhoto ? "stage.quality.paper" : `stage.${stage}`),
            h("span", { class: "heard" }, ` ${t(`stage.is.${state}`)}`),
          ),
        );
      }),
    ),
  );
}

/** @param {HTMLElement} place @param {Order} order */
function progress(place, order) {
  const meter = place.querySelector("progress");
  const words = place.querySelector("#sent");
  if (!meter || !words || !order.total_bytes) return;
  meter.value = order.sent_bytes / order.total_bytes;
  words.textContent = t("order.sent.of", {
    sent: number(order.sent_bytes / 1024),
    total: number(order.total_bytes / 1024),
  });
}

/** @param {import("./view.js").App} app @param {Order} order @param {HTMLElement} late */
function stopped(app, order, late) {
  /** @type {import("./order.js").Problem | null} */
  const problem = canResume(order) ? order.problem : { kind: "lost" };
  const kind = problem?.kind;
  const run = () => void app.orders.run(order.id, true);
  if (kind === "sign-in") return signInCard(app, problem, run);
  if ((kind === "guest" || kind === "no-credit") && app.auth?.session?.user.is_anonymous)
    return signInCard(app, problem, run, true);
  return h(
    "div",
    { class: "stack" },
    problemNote(app, problem, isStuck(order) ? chooseAgain(order) : againButton(run)),
    cancelButton(app, order, late),
  );
}

/**
 * What is in the way, and signing in, which takes it out.
 *
 * @param {import("./view.js").App} app
 * @param {import("./order.js").Problem | null} problem
 * @param {() => void} onDone
 * @param {boolean} [linking]
 */
function signInCard(app, problem, onDone, linking = false) {
  return h("div", { class: "card stack" }, problemNote(app, problem), ...signInFields(app, onDone, linking));
}

/** Where its file was chosen. @param {Order} order */
function whereFrom({ application, portal, slot }) {
  return application ? `/a/${portal}` : `/p/${portal}/${slot}`;
}

/** @param {Order} order */
function chooseAgain(order) {
  return h("p", null, h("a", { class: "button", href: `#${whereFrom(order)}` }, t("order.choose_again")));
}

/** @param {() => void} act */
function againButton(act) {
  return h("p", null, h("button", { class: "button main", type: "button", onclick: act }, t("order.go_on")));
}

/** @param {import("./view.js").App} app @param {Order} order @param {HTMLElement} late where it is said that it was too late */
function cancelButton(app, order, late) {
  const button = h(
    "button",
    {
      class: "button bare",
      type: "button",
      onclick: async () => {
        button.setAttribute("aria-disabled", "true");
        late.textContent = "";
        try {
          const isOff = await app.orders.cancel(order.id);
          if (isOff === null) return app.again(); // forgotten or deleted meanwhile
          if (!isOff) late.textContent = t("order.cancel.late");
        } catch (error) {
          late.textContent = t(`problem.${problemOf(error).kind}.title`);
        }
        button.removeAttribute("aria-disabled");
      },
    },
    t("order.cancel"),
  );
  return h("div", null, button);
}

/** @param {Order} order @param {JobView | null} view */
function failed(order, view) {
  const words = failureWords(view?.error ?? null);
  return h(
    "div",
    { class: "stack" },
    note(
      "bad",
      words.title,
      h("p", null, words.todo),
      h("p", null, t(view?.charged ? "failed.charged" : "failed.free")),
    ),
    h("div", { class: "row" }, h("a", { class: "button main", href: `#${whereFrom(order)}` }, t("order.choose_again"))),
    h("p", { class: "small quiet" }, t("failed.code", { code: words.code, job: order.job_id ?? "" })),
  );
}
