/**
 * Orders under way on this device: each is run to its job's end, kept at every step, and resumed after a drop.
 *
 * One tab runs an order (Web Locks); the others show it (BroadcastChannel). The machine itself is in `order.js`.
 */

import { after, canResume, ENDED } from "./order.js";
import {
  ClientError,
  ConflictError,
  NotFoundError,
  OVERHEAD_BYTES,
  RefusedError,
  UnreachableError,
} from "./rythmiq.js";
import { sealedFor } from "./sealing.js";
import { all, forget, keep, keepInstead, kept } from "./storage.js";

/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./order.js").Event} Event */
/** @typedef {import("./order.js").Problem} Problem */
/** @typedef {import("./rythmiq.js").JobView} JobView */
/** @typedef {{ order: Order, view: JobView | null }} Sight */

const OFFLINE = "offline";
const PASSING = ["offline", "busy"];
const END = "end";

export class Orders {
  /** @param {import("./rythmiq.js").Client} client */
  constructor(client) {
    this.#client = client;
    this.#channel.onmessage = async ({ data }) => {
      if (data === END) return this.#endOwn();
      const order = await kept("orders", data);
      if (order) this.#show(order);
    };
    addEventListener("online", () => void this.resumeAll());
    addEventListener("offline", () => this.#running.forEach((control) => control.abort(OFFLINE)));
  }

  #client;
  #channel = new BroadcastChannel("rythmiq.orders");
  /** @type {Map<string, JobView>} */
  #views = new Map();
  /** @type {Map<string, Set<(sight: Sight) => void>>} */
  #watchers = new Map();
  /** @type {Map<string, AbortController>} */
  #running = new Map();

  /**
   * Begin an order.
   *
   * @param {Order} order
   * @param {string | null} [draft] that it is made of: gone in the same moment, or a reload between would order it twice
   */
  async begin(order, draft = null) {
    if (draft === null) await this.#keep(order);
    else {
      await keepInstead("orders", { ...order }, "drafts", draft);
      this.#told(order);
    }
    void this.run(order.id);
  }

  /**
   * Be told of an order, now and at each change.
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

  /** Go on with everything that can go on: after a reload, or when the network is back. */
  async resumeAll() {
    for (const order of /** @type {Order[]} */ (await all("orders"))) {
      const waits = order.state !== "stopped" || order.problem?.kind === "offline" || order.problem?.kind === "busy";
      if (!ENDED.includes(order.state) && waits && canResume(order)) void this.run(order.id);
    }
  }

  /**
   * Run an order to its end. Where another tab runs it, wait for that one, and go on if it went away before it came to an
   * end: so does the page that was here before a reload, for a moment.
   *
   * @param {string} id
   */
  async run(id) {
    if (this.#running.has(id)) return;
    const control = new AbortController();
    this.#running.set(id, control);
    try {
      await exclusively(`rythmiq.order.${id}`, control.signal, (waited) => this.#drive(id, control.signal, waited));
    } finally {
      this.#running.delete(id);
    }
  }

  /** @param {string} id @param {AbortSignal} signal @param {boolean} waited whether another tab ran it until now */
  async #drive(id, signal, waited) {
    /** @type {Order | null} */
    let order = await kept("orders", id);
    if (order === null || ENDED.includes(order.state)) return;
    // The other tab's person was told why; but a page that is reloaded sees its own requests fail, and tells nobody.
    if (waited && order.state === "stopped" && !PASSING.includes(order.problem?.kind ?? "refused")) return;
    const step = async (/** @type {Event} */ event) => {
      order = after(/** @type {Order} */ (order), event);
      await this.#keep(order);
    };
    // A tab that was closed in mid-step left its state behind: begin from what is done.
    if (order.state !== "stopped") order = { ...order, state: "stopped" };
    await step({ type: "resume" });
    for (let again = 0; ; again += 1) {
      try {
        if (order.job_id === null) await this.#deliver(() => /** @type {Order} */ (order), step, signal);
        await this.#follow(() => /** @type {Order} */ (order), step, signal);
        return;
      } catch (error) {
        if (signal.aborted && signal.reason !== OFFLINE) return;
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
   * Sign, seal and upload each part that has not arrived, and create the job.
   *
   * @param {() => Order} now
   * @param {(event: Event) => Promise<void>} step
   * @param {AbortSignal} signal
   */
  async #deliver(now, step, signal) {
    /** @type {Map<number, import("./rythmiq.js").UploadAnswer>} */
    const signed = new Map();
    /** @type {UnreachableError | null} */
    let unheard = null;
    const waiting = () => now().parts.flatMap((part, index) => (part.sent ? [] : [{ part, index }]));
    if (waiting().length > 0) {
      await step({ type: "seal" });
      for (const { part, index } of waiting()) {
        const upload = part.upload
          ? await this.#client.signAgain(part.upload.job_id, { signal }).catch(unlessClaimed)
          : await this.#client.announce(plainOf(part), { filename: part.name, mimeType: part.mime, signal });
        if (upload === null) {
          await step({ type: "arrived", part: index });
          continue;
        }
        signed.set(index, upload);
        await step({ type: "signed", part: index, upload: { job_id: upload.job_id, raw_path: upload.raw_path } });
        if (part.sealed === null && part.file !== null)
          await step({ type: "sealed", part: index, sealed: await sealedFor(part.file, upload) });
      }
      await step({ type: "send" });
      const total = now().parts.reduce((sum, part) => sum + part.size + OVERHEAD_BYTES, 0);
      let arrived = now().parts.reduce((sum, part) => sum + (part.sent ? part.size + OVERHEAD_BYTES : 0), 0);
      for (const { part, index } of waiting()) {
        const upload = signed.get(index);
        if (upload === undefined || part.sealed === null) throw new Error("a part is not sealed");
        const onProgress = (/** @type {number} */ sent) =>
          this.#show(after(now(), { type: "progress", sent: arrived + sent, total }));
        try {
          await this.#client.put(upload, part.sealed, { onProgress, signal });
        } catch (error) {
          // It may have arrived all the same: answers get lost, and a store's refusal of a second try may be none that a
          // page can read. The service looks itself when the job is created.
          if (signal.aborted || !(error instanceof UnreachableError)) throw error;
          unheard = error;
          continue;
        }
        arrived += part.size + OVERHEAD_BYTES;
        await step({ type: "progress", sent: arrived, total });
        await step({ type: "arrived", part: index });
      }
    }
    await step({ type: "create" });
    const order = now();
    const paths = order.parts.map((part) => part.upload?.raw_path ?? "");
    const [first] = order.parts;
    const accepted = await this.#client
      .createJob({
        portal: order.portal,
        slot: order.slot,
        portalVersion: order.version,
        ...(order.master !== null
          ? { rawPath: order.master }
          : paths.length > 1
            ? { rawPaths: paths }
            : { rawPath: paths[0] ?? "" }),
        ...(first && { mimeType: first.mime }),
        originalFilename: first?.name ?? order.name ?? undefined,
        options: order.options,
        idempotencyKey: order.id,
        signal,
      })
      .catch((error) => {
        throw unheard !== null && isMissing(error) ? unheard : error;
      });
    await step({ type: "accepted", job_id: accepted.job_id });
    await keep("history", {
      id: accepted.job_id,
      order: order.id,
      portal: order.portal,
      portal_name: order.portal_name,
      slot: order.slot,
      created_at: order.created_at,
      status: "processing",
    });
  }

  /**
   * Watch the job to its end.
   *
   * @param {() => Order} now
   * @param {(event: Event) => Promise<void>} step
   * @param {AbortSignal} signal
   */
  async #follow(now, step, signal) {
    const jobId = now().job_id;
    if (jobId === null) throw new Error("the order has no job");
    for await (const view of this.#client.watch(jobId, { signal })) {
      this.#views.set(now().id, view);
      if (view.status === "completed" || view.status === "failed") {
        const line = await kept("history", jobId);
        if (line)
          await keep("history", {
            ...line,
            status: view.status,
            conforms: view.conforms,
            filename: view.receipt?.document.filename,
          });
        await step({ type: view.status });
      } else this.#show(now());
    }
  }

  /**
   * Cancel an order: what has not begun costs nothing, what runs cannot be cancelled any more.
   *
   * @param {string} id
   * @returns {Promise<boolean>} whether it is cancelled
   */
  async cancel(id) {
    /** @type {Order | null} */
    const order = await kept("orders", id);
    if (order === null || ENDED.includes(order.state)) return false;
    if (order.job_id !== null && !(await this.#client.cancel(order.job_id))) return false;
    this.#running.get(id)?.abort();
    await this.#keep(after(order, { type: "cancel" }));
    if (order.job_id !== null) await forget("history", order.job_id);
    return true;
  }

  /**
   * Forget an order whose job was deleted; only that is remembered, so that its address says so later, too.
   *
   * @param {string} id
   * @param {string} jobId
   */
  async forgetDeleted(id, jobId) {
    this.#running.get(id)?.abort();
    await keep("history", { id: jobId, order: id, deleted_at: Date.now() });
    await forget("orders", id);
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

  #endOwn() {
    this.#running.forEach((control) => control.abort());
  }

  /** @param {Order} order */
  async #keep(order) {
    await keep("orders", { ...order });
    this.#told(order);
  }

  /** Tell this tab and the others. @param {Order} order */
  #told(order) {
    this.#channel.postMessage(order.id);
    this.#show(order);
  }

  /** @param {Order} order */
  #show(order) {
    for (const watcher of this.#watchers.get(order.id) ?? [])
      watcher({ order, view: this.#views.get(order.id) ?? null });
  }
}

/**
 * What stops an order, as the page explains it.
 *
 * @param {unknown} error
 * @returns {Problem}
 */
export function problemOf(error) {
  if (error instanceof RefusedError) {
    const kind =
      { UNAUTHENTICATED: "sign-in", SIGN_IN_REQUIRED: "guest", NO_CREDIT: "no-credit", DAILY_LIMIT: "limit" }[
        error.code
      ] ?? (error.status === 429 ? "busy" : "refused");
    return {
      kind: /** @type {Problem["kind"]} */ (kind),
      code: error.code,
      detail: error.message,
      ...(error.retryAfterS !== null && { again_at: Date.now() + error.retryAfterS * 1_000 }),
    };
  }
  if (error instanceof UnreachableError)
    return { kind: navigator.onLine ? "busy" : "offline", code: error.code, detail: error.message };
  if (error instanceof ClientError) return { kind: "refused", code: error.code, detail: error.message };
  if (error instanceof TypeError || (error instanceof DOMException && error.name !== "QuotaExceededError"))
    return { kind: "offline" };
  return { kind: "lost", detail: error instanceof Error ? error.message : String(error) };
}

/**
 * What makes a second try worth while: the store has lost an upload, or the service no longer knows it.
 *
 * @param {unknown} error
 * @returns {{ type: "unsent" } | { type: "lapsed" } | null}
 */
function remedyOf(error) {
  if (isMissing(error)) return { type: "unsent" };
  return error instanceof NotFoundError && error.code === "NOT_FOUND" ? { type: "lapsed" } : null;
}

/** Whether the store has not what a job should be made of. @param {unknown} error */
function isMissing(error) {
  return error instanceof ConflictError && error.code === "OBJECT_MISSING";
}

/**
 * Nothing to sign: the job was created after all, and its answer was lost. Creating it again finds it.
 *
 * @param {unknown} error
 * @returns {null}
 */
function unlessClaimed(error) {
  if (error instanceof ConflictError && error.code === "UPLOAD_CLAIMED") return null;
  throw error;
}

/** @param {import("./order.js").Part} part @returns {Blob} */
function plainOf(part) {
  if (part.file === null) throw new Error("the file is not on this device any more");
  return part.file;
}

/**
 * Do it while no other tab does.
 *
 * @param {string} name
 * @param {AbortSignal} signal ends the wait
 * @param {(waited: boolean) => Promise<void>} act
 */
async function exclusively(name, signal, act) {
  if (!navigator.locks) return act(false);
  const isFree = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock !== null) await act(false);
    return lock !== null;
  });
  if (isFree || signal.aborted) return;
  await navigator.locks
    .request(name, { signal }, () => act(true))
    .catch((error) => {
      if (!signal.aborted) throw error;
    });
}
