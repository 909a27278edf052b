/**
 * A job until its end: watching it by long polls, and cancelling it.
 */

import { ConflictError, InvalidRequestError, UnreachableError, WaitTimeoutError } from "./errors.js";
import { now, sleep } from "./transfer.js";

const LONG_POLL_S = 10;
const DEFAULT_PAUSE_MS = 2000;
const CANCEL_LOOKS = 5;

/**
 * @typedef {import("./calls.js").Calls} Calls
 * @typedef {import("./transfer.js").Answer} Answer
 * @typedef {import("./types.js").Abortable} Abortable
 * @typedef {import("./types.js").JobView} JobView
 */

/**
 * `Client.watch`.
 *
 * @param {Calls} calls
 * @param {string} jobId
 * @param {{ timeoutMs?: number, untilEnded?: boolean } & Abortable} terms
 * @returns {AsyncGenerator<JobView, void, void>}
 */
export async function* watched(calls, jobId, { timeoutMs = Infinity, untilEnded = false, signal } = {}) {
  const endsAt = now() + timeoutMs;
  const path = `/jobs/${encodeURIComponent(jobId)}`;
  let [etag, shown, mostHoldS] = ["", "", LONG_POLL_S];
  let holdS = untilEnded ? Math.min(mostHoldS, timeoutMs / 1000) : 0;
  for (;;) {
    const began = now();
    const query = holdS ? `?wait=${+holdS.toFixed(3)}${untilEnded ? "&until=ended" : ""}` : "";
    /** @type {Answer} */
    let answer;
    try {
      /** @type {Record<string, string>} */
      const headers = etag ? { "If-None-Match": etag } : {};
      answer = await calls.answer("GET", path + query, { headers, signal, extraMs: holdS * 1000 });
    } catch (error) {
      if (!holdS || !(error instanceof InvalidRequestError)) throw error;
      holdS = mostHoldS = 0; // this service does not hold a poll for as long
      continue;
    }
    const changed = answer.status !== 304 && answer.headers.get("etag") !== etag;
    if (answer.status !== 304) {
      const view = /** @type {JobView} */ (answer.json());
      etag = answer.headers.get("etag") ?? "";
      const seen = [view.status, view.stage, view.attempt, view.queue_position].join();
      if (seen !== shown) {
        shown = seen;
        yield view;
      }
      if (view.status === "completed" || view.status === "failed") return;
    }
    const retryAfterMs = answer.retryAfterS === null ? DEFAULT_PAUSE_MS : answer.retryAfterS * 1000;
    const pauseMs = changed && mostHoldS > 0 ? 0 : Math.max(0, retryAfterMs - (now() - began));
    if (now() + pauseMs >= endsAt) throw new WaitTimeoutError("the job has not ended in the given time", jobId);
    holdS = Math.min(mostHoldS, (endsAt - now() - pauseMs) / 1000);
    await sleep(pauseMs, signal);
  }
}

/**
 * `Client.cancel`.
 *
 * @param {import("./client.js").Client} client
 * @param {Calls} calls
 * @param {string} jobId
 * @param {Abortable} call
 * @returns {Promise<boolean>}
 */
export async function cancelled(client, calls, jobId, { signal }) {
  /** @type {UnreachableError | null} */
  let lost = null;
  for (let look = 0; look < CANCEL_LOOKS; look += 1) {
    const view = await client.job(jobId, { signal });
    if (view.status !== "pending") return lost !== null && view.error?.code === "EXECUTOR_CANCELLED";
    try {
      await calls.json("DELETE", `/jobs/${encodeURIComponent(jobId)}`, { signal, once: true });
      return true;
    } catch (error) {
      if (error instanceof ConflictError) return false; // it began meanwhile
      if (!(error instanceof UnreachableError)) throw error;
      lost = error; // it may be cancelled: look first, since a second DELETE removes
    }
  }
  throw lost ?? new UnreachableError("the job could not be cancelled", { jobId });
}
