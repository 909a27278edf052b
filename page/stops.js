/**
 * What stops an order, and what makes a second try worth while.
 */

import { ClientError, ConflictError, NotFoundError, RefusedError, UnreachableError } from "./rythmiq.js";

/** @typedef {import("./order.js").Problem} Problem */

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
export function remedyOf(error) {
  if (isMissing(error)) return { type: "unsent" };
  return error instanceof NotFoundError && error.code === "NOT_FOUND" ? { type: "lapsed" } : null;
}

/** Whether the store has not what a job should be made of. @param {unknown} error */
export function isMissing(error) {
  return error instanceof ConflictError && error.code === "OBJECT_MISSING";
}
