/**
 * Calls of one service: with its token, and repeated where that is safe.
 */

import { own } from "./bytes.js";
import { ClientError, UnexpectedAnswerError, UnreachableError, refusal } from "./errors.js";
import { Stall, now, sleep, stopIfAborted, transfer } from "./transfer.js";

/**
 * @typedef {import("./transfer.js").Answer} Answer
 * @typedef {import("./types.js").OnProgress} OnProgress
 * @typedef {import("./types.js").SignedUpload} SignedUpload
 * @typedef {import("./types.js").Token} Token
 * @typedef {{
 *   body?: Record<string, unknown> | undefined, headers?: Record<string, string>, signal?: AbortSignal | undefined,
 *   open?: boolean, once?: boolean, extraMs?: number,
 * }} CallOptions
 * @typedef {{
 *   authorised?: boolean, once?: boolean, headers?: Record<string, string>, signal?: AbortSignal | undefined,
 *   extraMs?: number, body?: string | Blob | Uint8Array | FormData | undefined, onProgress?: OnProgress | undefined,
 *   maxBytes?: number, mayBeKept?: boolean,
 * }} ExchangeOptions
 * @typedef {{
 *   token?: Token | null, root?: boolean, timeoutMs?: number, retryForMs?: number, tries?: number,
 *   backoffMs?: [number, number],
 * }} CallsOptions what a client is told beside its address
 */

/** The calls of one client. */
export class Calls {
  #api;
  /** @type {Token | null} */
  #token;
  #timeoutMs;
  #retryForMs;
  #tries;
  #backoffMs;

  /**
   * @param {string} baseUrl
   * @param {CallsOptions} options
   */
  constructor(baseUrl, options) {
    const { token = null, root = false, timeoutMs = 30_000, retryForMs = 60_000, tries = 6 } = options;
    const url = new URL(baseUrl);
    const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
    const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isHere);
    if (!isSafe || url.username || url.search || url.hash) {
      throw new TypeError("the service's address is https://host[:port][/path]; plain http is for this machine only");
    }
    const trimmed = (url.origin + url.pathname).replace(/\/+$/, "");
    this.#api = root || trimmed.endsWith("/api") ? trimmed : `${trimmed}/api`;
    this.#token = token;
    this.#timeoutMs = timeoutMs;
    this.#retryForMs = retryForMs;
    this.#tries = tries;
    this.#backoffMs = options.backoffMs ?? [500, 8_000];
  }

  /** The base of `/jobs`. */
  get apiUrl() {
    return this.#api;
  }

  /**
   * What a call answers, as JSON.
   *
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  async json(method, path, options) {
    return (await this.answer(method, path, options)).json();
  }

  /**
   * What a call answers: a success, or 304.
   *
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   */
  async answer(method, path, { body, headers = {}, ...options } = {}) {
    const answer = await this.exchange(method, this.#api + path, {
      ...options,
      authorised: !options.open,
      mayBeKept: options.open ?? false, // the rule book, as long as the service says
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });
    if (answer.isSuccess || answer.status === 304) return answer;
    throw refusal(answer);
  }

  /**
   * What the store answers to an upload.
   *
   * @param {SignedUpload} signed
   * @param {Blob | Uint8Array} content
   * @param {OnProgress | undefined} onProgress
   * @param {AbortSignal | undefined} signal
   */
  stored(signed, content, onProgress, signal) {
    /** @type {Blob | Uint8Array | FormData} */
    let body = content;
    if (signed.method === "POST") {
      body = new FormData();
      for (const [name, value] of Object.entries(signed.fields)) body.append(name, value);
      body.append("file", content instanceof Blob ? content : new Blob([own(content)]));
    }
    return this.exchange(signed.method, signed.url, { headers: signed.headers, body, onProgress, signal });
  }

  /**
   * Sends, and repeats until a repetition would not change the answer: a success, a redirect or a refusal.
   *
   * @param {string} method
   * @param {string} url
   * @param {ExchangeOptions} options
   * @returns {Promise<Answer>}
   */
  async exchange(method, url, { authorised = false, once = false, headers = {}, signal, extraMs = 0, ...rest }) {
    const endsAt = now() + this.#retryForMs;
    const [firstMs, mostMs] = this.#backoffMs;
    let renewed = false;
    for (let tries = 1, repeats = 0; ; repeats += 1) {
      const token = authorised ? await tokenOf(this.#token) : null;
      const sent = { ...headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
      const stall = new Stall(this.#timeoutMs, signal);
      /** @type {Answer | null} */
      let answer = null;
      let reason = "the service does not answer";
      try {
        answer = await transfer(method, url, { ...rest, headers: sent, stall, extraMs });
      } catch (error) {
        stopIfAborted(signal);
        if (error instanceof ClientError) throw error;
        if (once) throw new UnreachableError(String(error));
        reason = String(error instanceof Error ? error.message : error);
      } finally {
        stall.end();
      }
      if (answer?.status === 401 && authorised && typeof this.#token === "function" && !renewed) {
        renewed = true;
        continue;
      }
      if (answer !== null && (once || !mayPass(answer))) return answer;
      let pauseMs = answer === null || answer.retryAfterS === null ? null : answer.retryAfterS * 1000;
      if (pauseMs === null) {
        tries += 1;
        // Jitter: the clients of a service that comes back should not all return at once.
        pauseMs = Math.min(mostMs, firstMs * 2 ** repeats) * (0.5 + jitter() / 2);
        if (tries > this.#tries) pauseMs = Infinity;
      }
      if (now() + pauseMs >= endsAt) {
        if (answer !== null) throw refusal(answer);
        throw new UnreachableError(reason);
      }
      await sleep(pauseMs, signal);
    }
  }
}

/**
 * Whether a repetition may succeed.
 *
 * @param {Answer} answer
 */
function mayPass(answer) {
  if (answer.status === 429) return answer.retryAfterS !== null;
  if (answer.status === 503) return answer.retryAfterS !== null || !answer.isProblem; // else NOT_CONFIGURED, which lasts
  return answer.status >= 500;
}

/**
 * An answer that has this field.
 *
 * @param {any} answer
 * @param {string} kind
 * @param {string} field
 */
export function shaped(answer, kind, field) {
  if (answer === null || typeof answer !== "object" || !(field in answer)) {
    throw new UnexpectedAnswerError(`the answer is not a ${kind}`);
  }
  return answer;
}

/** @param {Token | null} token */
async function tokenOf(token) {
  return typeof token === "function" ? await token() : token;
}

/** A share from 0 to 1. */
function jitter() {
  return (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) / 255;
}
