/**
 * One HTTP request, and the clock that ends it when nothing moves.
 */

import { UnexpectedAnswerError, UnreachableError } from "./errors.js";
import { concat, own } from "./bytes.js";

/** @typedef {import("./types.js").OnProgress} OnProgress */

const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
/** Where nothing tells how far an upload is, it may be as slow as 8 KB a second. */
const SLOWEST_BYTES_A_MS = 8;

/** An HTTP answer. */
export class Answer {
  /**
   * @param {number} status
   * @param {Headers} headers
   * @param {Uint8Array<ArrayBuffer>} body
   */
  constructor(status, headers, body) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    const seconds = headers.get("retry-after") ?? "";
    this.retryAfterS = /^\d+$/.test(seconds) ? Number(seconds) : null;
    this.requestId = headers.get("x-request-id");
    this.isSuccess = status >= 200 && status < 300;
    this.isProblem = (headers.get("content-type") ?? "").startsWith("application/problem+json");
  }

  /** @returns {any} */
  json() {
    if (!this.body.length) return null;
    try {
      return JSON.parse(new TextDecoder().decode(this.body));
    } catch {
      throw new UnexpectedAnswerError("the answer is not JSON");
    }
  }
}

/**
 * One request. XMLHttpRequest where a browser's progress is wanted, since fetch tells none of an upload.
 *
 * @param {string} method
 * @param {string} url
 * @param {{
 *   headers: Record<string, string>, body?: string | Blob | Uint8Array | FormData | undefined,
 *   onProgress?: OnProgress | undefined, stall: Stall, extraMs: number, maxBytes?: number, mayBeKept?: boolean,
 * }} request
 * @returns {Promise<Answer>}
 */
export async function transfer(method, url, request) {
  const { headers, body, onProgress, stall, extraMs, mayBeKept = false, maxBytes = MAX_ANSWER_BYTES } = request;
  if (onProgress && typeof XMLHttpRequest !== "undefined") {
    stall.arm(extraMs); // nothing may come of it at all, not even a first progress
    return observed(method, url, headers, body, onProgress, stall);
  }
  const total = body instanceof Blob ? body.size : body instanceof Uint8Array ? body.length : 0;
  const content = body instanceof Uint8Array ? own(body) : body;
  stall.arm(extraMs + total / SLOWEST_BYTES_A_MS);
  const response = await fetch(url, {
    method,
    headers,
    ...(content !== undefined && { body: content }),
    signal: stall.signal,
    cache: mayBeKept ? "default" : "no-store",
    credentials: "omit",
    redirect: "manual",
    referrerPolicy: "no-referrer",
  });
  if (onProgress && response.ok) onProgress(total, total);
  if (!response.body)
    return new Answer(response.status, response.headers, new Uint8Array(await response.arrayBuffer()));
  const chunks = [];
  const reader = response.body.getReader();
  for (let size = 0; ;) {
    stall.arm();
    const { done, value } = await reader.read();
    if (done) return new Answer(response.status, response.headers, concat(...chunks));
    chunks.push(value);
    size += value.length;
    if (size > maxBytes) {
      await reader.cancel();
      throw new UnreachableError("the answer is longer than any that the service gives");
    }
  }
}

/**
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {string | Blob | Uint8Array | FormData | undefined} body
 * @param {OnProgress} onProgress
 * @param {Stall} stall
 * @returns {Promise<Answer>}
 */
function observed(method, url, headers, body, onProgress, stall) {
  return new Promise((resolve, reject) => {
    stopIfAborted(stall.signal);
    const request = new XMLHttpRequest();
    stall.signal.addEventListener("abort", () => request.abort(), { once: true });
    request.open(method, url);
    request.responseType = "arraybuffer";
    for (const [name, value] of Object.entries(headers)) {
      // The browser sets it itself, and refuses to be told.
      if (name.toLowerCase() !== "content-length") request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => {
      stall.arm();
      onProgress(event.loaded, event.total);
    };
    request.onload = () => {
      const found = new Headers();
      for (const line of request
        .getAllResponseHeaders()
        .trim()
        .split(/[\r\n]+/)) {
        const [name, ...value] = line.split(": ");
        if (name) found.append(name, value.join(": "));
      }
      resolve(new Answer(request.status, found, new Uint8Array(request.response)));
    };
    request.onerror = () => reject(new TypeError("the network failed"));
    request.onabort = () => reject(stall.signal.reason ?? named("AbortError", "it was given up"));
    request.send(body instanceof Uint8Array ? own(body) : (body ?? null));
  });
}

/**
 * An error of this name: not every place that has fetch has DOMException.
 *
 * @param {string} name
 * @param {string} message
 */
function named(name, message) {
  return Object.assign(new Error(message), { name });
}

/** @param {AbortSignal | undefined} signal */
export function stopIfAborted(signal) {
  if (signal?.aborted) throw signal.reason ?? named("AbortError", "it was given up");
}

/** Ends a transfer when nothing has moved for a while, or when the caller gives up. */
export class Stall {
  #control = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #quietMs;
  #given;
  #stop = () => this.#control.abort(this.#given?.reason);

  /**
   * @param {number} quietMs
   * @param {AbortSignal | undefined} given the caller's
   */
  constructor(quietMs, given) {
    this.#quietMs = quietMs;
    this.#given = given;
    given?.addEventListener("abort", this.#stop, { once: true });
    if (given?.aborted) this.#stop();
  }

  /** What ends the transfer. */
  get signal() {
    return this.#control.signal;
  }

  /**
   * Something has moved; wait from now on.
   *
   * @param {number} [extraMs] more than usual
   */
  arm(extraMs = 0) {
    clearTimeout(this.#timer);
    const timeout = named("TimeoutError", "nothing moves any more");
    this.#timer = setTimeout(() => this.#control.abort(timeout), this.#quietMs + extraMs);
  }

  /** The transfer is over. */
  end() {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener("abort", this.#stop);
  }
}

export function now() {
  return performance.now();
}

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    stopIfAborted(signal);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
