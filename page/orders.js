/**
 * Orders under way on this device: each is run to its job's end, kept at every step, and resumed after a drop.
 *
 * One tab runs an order (Web Locks); the others show it (BroadcastChannel). The machine itself is in `order.js`.
 */

import { after, canResume, ENDED } from "./order.js";
import { calledOff, jobFor } from "./asking.js";
import { delivered } from "./delivery.js";
import { NotFoundError, UnauthenticatedError } from "./rythmiq.js";
import { isMissing, problemOf, remedyOf } from "./stops.js";
import { all, change, forget, keep, keepInstead, kept } from "./storage.js";

/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./order.js").Event} Event */
/** @typedef {import("./rythmiq.js").JobView} JobView */
/** @typedef {{ order: Order, view: JobView | null, isGone?: boolean }} Sight `isGone`: deleted in another tab */
/** @typedef {(event: Event, line?: { id: string, [name: string]: unknown } | null) => Promise<void>} Step `line`: of the history */

const OFFLINE = "offline";
const PASSING = ["offline", "busy"];
const END = "end";

/** The order is forgotten, has ended, or is being cancelled: no step is taken any more. */
class GoneError extends Error {}

export class Orders {
  /**
   * @param {import("./rythmiq.js").Client} client
   * @param {() => string | null} whose the id of whoever is signed in
   */
  constructor(client, whose) {
    this.#client = client;
    this.#whose = whose;
    this.#channel.onmessage = async ({ data }) => {
      if (data === END) return this.#endOwn();
      if (data.id) return (this.#letGo(data.id), this.#show(data, true)); // it is deleted
      const order = await kept("orders", data);
      if (order) this.#show(order);
      if (order === null || order.leaving || ENDED.includes(order.state)) this.#letGo(data);
    };
    addEventListener("online", () => void this.resumeAll());
    addEventListener("offline", () => this.#endOwn(OFFLINE));
  }

  #client;
  #whose;
  #channel = new BroadcastChannel("rythmiq.orders");
  /** @type {Map<string, JobView>} */
  #views = new Map();
  /** @type {Map<string, Set<(sight: Sight) => void>>} */
  #watchers = new Map();
  /** @type {Map<string, { control: AbortController, asks: boolean, done: Promise<void> }>} */
  #running = new Map();

  /**
   * Begin an order.
   *
   * @param {Order} order
   * @param {{ id: string, mark?: string } | null} [draft] that it is made of: gone in the same moment, or a reload between
   *   would order it twice
   * @returns {Promise<boolean>} false where another tab has ordered or changed the draft meanwhile
   */
  async begin(order, draft = null) {
    if (draft === null) await keep("orders", { ...order });
    else {
      if (!(await keepInstead("orders", { ...order }, "drafts", draft.id, draft.mark))) return false;
      draft.mark = order.id; // it is not ordered again, also where it had none: the device had no room for it
    }
    this.#told(order);
    void this.run(order.id);
    return true;
  }

  /**
   * Be told of an order, now and at each change; or of each change of a portal's orders, by its name.
   *
   * @param {string} id
   * @param {(sight: Sight) => void} watcher
   * @returns {() => void} stops it
   */
  watch(id, watcher) {
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(watcher));
    void kept("orders", id).then((order) => order && watcher({ order, view: this.#views.get(id) ?? null }));
    return () => watchers.delete(watcher);
  }

  /** The order that a job belongs to, if this device began it. @param {string} jobId @returns {Promise<Order | null>} */
  async ofJob(jobId) {
    return (await all("orders")).find((order) => order.job_id === jobId || order.id === jobId) ?? null;
  }

  /** The orders of a portal, but for those of somebody else than who is signed in. @param {string} name @returns {Promise<Order[]>} */
  async ofPortal(name) {
    return (await all("orders")).filter((order) => order.portal === name && !this.#isOthers(order));
  }

  /** Go on with everything that can go on: after a reload, or when the network is back. */
  async resumeAll() {
    for (const order of await all("orders")) if (this.goesOn(order)) void this.run(order.id);
  }

  /** Whether an order goes on by itself, without anything that a person does to it. @param {Order} order */
  goesOn(order) {
    if (ENDED.includes(order.state)) return false;
    if (order.leaving) return true;
    // Or it would be whoever signs in next who pays for it.
    if (order.user_id === null && order.job_id === null && !order.asked) return false;
    const kind = order.problem?.kind ?? "refused";
    const waits = PASSING.includes(kind) || (kind === "sign-in" && order.user_id === this.#whose());
    return (order.state !== "stopped" || waits) && canResume(order);
  }

  /** Whether an order is of somebody else than who is signed in. @param {Order} order */
  #isOthers({ user_id }) {
    const whose = this.#whose();
    return user_id !== null && whose !== null && whose !== user_id;
  }

  /**
   * Run an order to its end. Where another tab runs it, wait for that one, and go on if it went away before it came to an
   * end: so does the page that was here before a reload, for a moment.
   *
   * @param {string} id
   * @param {boolean} [byHand] whether the person asks for it
   */
  async run(id, byHand = false) {
    if (this.#running.has(id)) return;
    const control = new AbortController();
    const { signal } = control;
    const done = exclusively(lockOf(id), signal, (waited) => this.#drive(id, signal, waited, byHand)).catch((error) => {
      if (!(error instanceof GoneError)) throw error;
    });
    this.#running.set(id, { control, asks: false, done });
    await done.finally(() => this.#running.delete(id));
  }

  /**
   * @param {string} id
   * @param {AbortSignal} signal
   * @param {boolean} waited whether another tab ran it until now
   * @param {boolean} byHand
   */
  async #drive(id, signal, waited, byHand) {
    if (signal.aborted) return;
    /** @type {Order | null} */
    let order = await kept("orders", id);
    if (order?.leaving && byHand) order = await this.#change(id, (found) => ({ ...found, leaving: false }));
    else if (order?.leaving) {
      // The page that cancels it did not come to the end of that; where this one does not either, another try will.
      if ((await this.#settled(id).catch(() => null)) !== false) return;
      order = await kept("orders", id);
    }
    if (order === null || ENDED.includes(order.state)) return;
    // The other tab's person was told why; but a page that is reloaded sees its own requests fail, and tells nobody.
    if (waited && order.state === "stopped" && !PASSING.includes(order.problem?.kind ?? "refused")) return;
    const step = async (/** @type {Event} */ event, /** @type {Parameters<Step>[1]} */ line = null) => {
      // Whoever signs in meanwhile takes no step of it: what was under way would be theirs, and not found.
      if (event.type !== "stop" && this.#isOthers(/** @type {Order} */ (order))) throw signedOut();
      const next = after(/** @type {Order} */ (order), event);
      const now = await this.#change(id, ({ leaving = false }) => ({ ...next, leaving }), line);
      if (now === null || now.leaving) throw new GoneError();
      order = next;
    };
    // A tab that was closed in mid-step left its state behind: begin from what is done.
    if (order.state !== "stopped") order = { ...order, state: "stopped" };
    // Of what was not signed yet nothing is anybody's: it goes on as whoever signs in for it.
    const isOpen = order.user_id === null || (!order.asked && order.parts.every(({ upload }) => upload === null));
    if (byHand && this.#whose() !== null && order.user_id !== this.#whose() && isOpen)
      order = { ...order, user_id: this.#whose() };
    for (let again = 0; ; again += 1) {
      try {
        if (again === 0) await step({ type: "resume" });
        if (order.job_id === null) await this.#order(() => /** @type {Order} */ (order), step, signal);
        await this.#follow(() => /** @type {Order} */ (order), step, signal);
        return;
      } catch (thrown) {
        if (thrown instanceof GoneError || (signal.aborted && signal.reason !== OFFLINE)) return;
        const error = this.#isOthers(order) ? signedOut() : thrown;
        const remedy = again === 0 && order.job_id === null ? remedyOf(error) : null;
        if (remedy !== null && canResume(after(order, remedy))) await step(remedy);
        else {
          await step({
            type: "stop",
            problem: signal.aborted ? { kind: "offline" } : remedy === null ? problemOf(error) : { kind: "lost" },
          });
          return;
        }
      }
    }
  }

  /**
   * Deliver what has not arrived, and create the job.
   *
   * @param {() => Order} now
   * @param {Step} step
   * @param {AbortSignal} signal
   */
  async #order(now, step, signal) {
    const unheard = await delivered(this.#client, now, step, (order) => this.#show(order), signal);
    await step({ type: "create" });
    const order = now();
    const run = this.#running.get(order.id);
    if (run) run.asks = order.master !== null;
    const accepted = await jobFor(this.#client, order, { signal }).catch((error) => {
      throw unheard !== null && isMissing(error) ? unheard : error;
    });
    await step(
      { type: "accepted", job_id: accepted.job_id },
      {
        id: accepted.job_id,
        order: order.id,
        portal: order.portal,
        portal_name: order.portal_name,
        slot: order.slot,
        created_at: order.created_at,
        status: "processing",
      },
    );
    if (run) run.asks = false;
  }

  /**
   * Watch the job to its end.
   *
   * @param {() => Order} now
   * @param {Step} step
   * @param {AbortSignal} signal
   */
  async #follow(now, step, signal) {
    const jobId = now().job_id;
    if (jobId === null) throw new Error("the order has no job");
    for await (const view of this.#client.watch(jobId, { signal })) {
      this.#views.set(now().id, view);
      if (view.status === "completed" || view.status === "failed") {
        const line = await kept("history", jobId);
        const { status, conforms } = view;
        await step(
          { type: status, conforms },
          line && { ...line, status, conforms, filename: view.receipt?.document.filename },
        );
      } else this.#show(now());
    }
  }

  /**
   * Cancel an order: what has not begun costs nothing, what runs cannot be cancelled any more.
   *
   * Where the service is not to be had, the order stops and stays marked: it is cancelled as soon as the service can be
   * asked, unless its person goes on with it by hand.
   *
   * @param {string} id
   * @returns {Promise<boolean | null>} whether it is cancelled; null where it is not on this device any more
   */
  async cancel(id) {
    if ((await this.#change(id, (found) => ({ ...found, leaving: true }))) !== null) {
      this.#letGo(id);
      await this.#running.get(id)?.done.catch(() => undefined);
      await exclusively(lockOf(id), null, async () => void (await this.#settled(id)));
    }
    /** @type {Order | null} */
    const order = await kept("orders", id);
    if (order !== null && !ENDED.includes(order.state)) void this.run(id); // what has begun is shown to its end
    return order && order.state === "cancelled";
  }

  /**
   * Come to the end of a cancelling. Only whoever has the order's lock may, so that no step is under way. Where it cannot
   * be told whether it was in time, the order stops and the error is thrown.
   *
   * @param {string} id
   * @returns {Promise<boolean>} whether it is cancelled
   */
  async #settled(id) {
    /** @type {Order | null} */
    const order = await kept("orders", id);
    if (order === null || ENDED.includes(order.state)) return order?.state === "cancelled";
    let isOff = false;
    try {
      if (this.#isOthers(order) && (order.asked || order.job_id !== null)) throw signedOut();
      isOff = await calledOff(this.#client, order);
    } catch (error) {
      if (error instanceof NotFoundError && order.job_id !== null) {
        await this.forgetDeleted(id, order.job_id); // by another device, at its end
        return false;
      }
      await this.#change(id, (found) => after(found, { type: "stop", problem: problemOf(error) }));
      throw error;
    }
    await this.#change(id, (found) => (isOff ? after(found, { type: "cancel" }) : { ...found, leaving: false }));
    if (isOff && order.job_id !== null) await forget("history", order.job_id);
    return isOff;
  }

  /**
   * End what this tab does for an order. Not so where a job is asked for that only its answer names: that is awaited.
   *
   * @param {string} id
   */
  #letGo(id) {
    const run = this.#running.get(id);
    if (run && !run.asks) run.control.abort();
  }

  /**
   * Forget an order whose job was deleted; only that is remembered, so that its address says so later, too.
   *
   * @param {string} id
   * @param {string} jobId
   */
  async forgetDeleted(id, jobId) {
    this.#letGo(id);
    const order = await kept("orders", id);
    await keep("history", { id: jobId, order: id, deleted_at: Date.now() });
    await forget("orders", id);
    if (order) this.#channel.postMessage(order);
  }

  /** Whether the person deleted the order or job of that id from this device. @param {string} id */
  async wasDeleted(id) {
    return (await all("history")).some(({ id: job, order, deleted_at }) => deleted_at && (job === id || order === id));
  }

  /** Let go of every order that this tab or another runs: whoever forgets everything must not find it kept again. */
  endAll() {
    this.#channel.postMessage(END);
    this.#endOwn();
  }

  /** @param {string} [reason] */
  #endOwn(reason) {
    this.#running.forEach(({ control }) => control.abort(reason));
  }

  /**
   * Change an order that has not ended, unless it is gone.
   *
   * @param {string} id
   * @param {(found: Order) => Order} update
   * @param {Parameters<Step>[1]} [line]
   * @returns {Promise<Order | null>} null where nothing was changed
   */
  async #change(id, update, line = null) {
    const mayChange = (/** @type {Order} */ found) => (ENDED.includes(found.state) ? null : update(found));
    const order = await change("orders", id, mayChange, "history", line);
    if (order) this.#told(order);
    return order;
  }

  /** Tell this tab and the others. @param {Order} order */
  #told(order) {
    this.#channel.postMessage(order.id);
    this.#show(order);
  }

  /** @param {Order} order @param {boolean} [isGone] */
  #show(order, isGone = false) {
    const sight = { order, view: this.#views.get(order.id) ?? null, isGone };
    for (const id of [order.id, order.portal]) for (const watcher of this.#watchers.get(id) ?? []) watcher(sight);
  }
}

/** The refusal of whoever is signed in as somebody else. */
function signedOut() {
  const problem = { status: 401, code: "UNAUTHENTICATED", errors: [], retryAfterS: null, requestId: null };
  return new UnauthenticatedError("the order is another account's", problem);
}

/** @param {string} id */
function lockOf(id) {
  return `rythmiq.order.${id}`;
}

/**
 * Do it while no other tab does.
 *
 * @param {string} name
 * @param {AbortSignal | null} signal ends the wait
 * @param {(waited: boolean) => Promise<void>} act
 */
async function exclusively(name, signal, act) {
  if (!navigator.locks) return act(false);
  const isFree = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock !== null) await act(false);
    return lock !== null;
  });
  if (isFree || signal?.aborted) return;
  await navigator.locks
    .request(name, signal ? { signal } : {}, () => act(true))
    .catch((error) => {
      if (!signal?.aborted) throw error;
    });
}
