// @ts-check
/**
 * The client of Rythmiq One, without dependencies: for browsers, Node >= 20, and React Native with a WebCrypto polyfill.
 *
 *     import { Client } from "./rythmiq.js";
 *
 *     const rythmiq = new Client("https://.../api/v1/web/fn-1234", { token });
 *     const job = await rythmiq.submit(file, { portal: "neet-2026", slot: "photo" });
 *     await rythmiq.wait(job.job_id);
 *     const documentBytes = await rythmiq.download(job.job_id, "document");
 *
 * Files are sealed (RQE1) before the upload and opened after the download: the object store sees ciphertext only. Calls
 * are repeated where that is safe, and no job is charged twice: an interrupted submit goes on with the `jobId` of its
 * error. What the API answers has the API's own names (`job_id`), what the client takes and adds is camelCase.
 */

const MAGIC = [0x52, 0x51, 0x45, 0x31];
const SUITE = 2;
const HEADER_BYTES = 108;
const TAG_BYTES = 16;
/** What sealing adds to a file. */
export const OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;
const LONG_POLL_S = 10;
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
const DEFAULT_PAUSE_MS = 2000;
const CANCEL_LOOKS = 5;
/** Where nothing tells how far an upload is, it may be as slow as 8 KB a second. */
const SLOWEST_BYTES_A_MS = 8;
const utf8 = new TextEncoder();

/**
 * @typedef {"document" | "preview" | "before" | "output" | "text"} JobFile
 * @typedef {"pending" | "processing" | "completed" | "failed"} JobStatus
 * @typedef {{ pointer: string, code: string, detail: string }} FieldError
 * @typedef {{ format: "RQE1", kid: number, data_key: string, wrapped_key: string }} UploadKey
 * @typedef {{ method: "PUT" | "POST", url: string, headers: Record<string, string>, fields: Record<string, string> }} SignedUpload
 * @typedef {{ job_id: string, raw_path: string, upload: SignedUpload, expires_at: string, encryption: UploadKey | null }} UploadAnswer
 * @typedef {{ self: string, preview?: string | null, before?: string | null, document?: string | null, output?: string | null, text?: string | null }} JobLinks
 * @typedef {{ code: string, parameters: Record<string, string | number> }} Advice
 * @typedef {{ code: string, message: string, advice?: string, stage?: string | null, retryable?: boolean, detail?: Record<string, unknown> }} JobError
 * @typedef {{ filename: string, mime_type: string, bytes: number, sha256: string, [name: string]: any }} ReceiptDocument
 * @typedef {{ clause: string, verdict: string, [name: string]: any }} Clause
 * @typedef {{ document: ReceiptDocument, clauses?: Clause[], [name: string]: any }} Receipt
 * @typedef {{
 *   job_id: string, status: JobStatus, stage: string | null, attempt: number,
 *   portal: string, slot: string | null, portal_version: string, document_id: string | null,
 *   quality_score: number | null, warnings: string[], advice: Advice[],
 *   error: JobError | null, charged?: boolean, metrics: Record<string, any> | null, receipt: Receipt | null, conforms: boolean | null,
 *   artifacts: Record<string, string> | null, hashes?: Record<string, string> | null, links: JobLinks,
 *   encryption: { kid: number, data_key: string } | null,
 *   queue_position: number | null, expected_start_at: string | null, created_at: string, expires_at: string | null,
 * }} JobView
 * @typedef {{ job_id: string, status: JobStatus, links: JobLinks }} JobAccepted
 * @typedef {{
 *   job_id: string, status: JobStatus, stage: string | null, attempt: number, portal: string, slot: string | null,
 *   portal_version: string, quality_score: number | null, conforms: boolean | null, error_code: string | null,
 *   created_at: string, links: JobLinks,
 * }} JobItem
 * @typedef {{ credits: { available: number, reserved: number }, entries: any[], limits: Record<string, any> }} Account
 * @typedef {{ receipt_id: string, jobs: number, uploads: number, objects: number }} AccountErased
 * @typedef {Record<string, any>} Portal
 * @typedef {string | (() => string | Promise<string>)} Token
 * @typedef {(sentBytes: number, totalBytes: number) => void} OnProgress
 * @typedef {Blob | ArrayBuffer | Uint8Array} FileContent
 * @typedef {{ signal?: AbortSignal | undefined }} Abortable
 */

// --- RQE1 ----------------------------------------------------------------------------------------------------------

/** An object does not open; `reason` is not_encrypted, malformed, unknown_kid, wrong_key or tampered. */
export class DecryptionError extends Error {
  /** @param {"not_encrypted" | "malformed" | "unknown_kid" | "wrong_key" | "tampered"} reason */
  constructor(reason) {
    super(reason);
    this.name = "DecryptionError";
    this.reason = reason;
  }
}

/**
 * The fields of the 108 bytes before the ciphertext.
 *
 * @param {Uint8Array} data
 */
export function parseHeader(data) {
  if (!MAGIC.every((byte, at) => data[at] === byte)) throw new DecryptionError("not_encrypted");
  if (data.length < OVERHEAD_BYTES) throw new DecryptionError("malformed");
  const [suite = 0, flags = 0, high = 0, low = 0] = data.subarray(4, 8);
  const kid = high * 256 + low;
  if (suite !== SUITE || flags > 1 || kid === 0) throw new DecryptionError("malformed");
  return {
    service: flags === 1,
    kid,
    wrappedKey: data.subarray(8, 48),
    salt: data.subarray(48, 64),
    nonce: data.subarray(64, 76),
    commitment: data.subarray(76, HEADER_BYTES),
  };
}

/**
 * Seals a file for one storage key; it opens nowhere else.
 *
 * @param {Uint8Array} plaintext
 * @param {{
 *   storageKey: string, dataKey: Uint8Array, kid: number, wrappedKey: Uint8Array, service?: boolean,
 *   salt?: Uint8Array, nonce?: Uint8Array,
 * }} terms `kid` and `wrappedKey` go into the header as they are; `salt` and `nonce` are random unless a test vector
 *   gives them.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function seal(plaintext, terms) {
  const { storageKey, dataKey, kid, wrappedKey, service = false } = terms;
  const salt = terms.salt ?? crypto.getRandomValues(new Uint8Array(16));
  const nonce = terms.nonce ?? crypto.getRandomValues(new Uint8Array(12));
  const sizes = [dataKey.length, wrappedKey.length, salt.length, nonce.length].join();
  if (sizes !== "32,40,16,12" || !Number.isInteger(kid) || kid < 1 || kid > 65535) {
    throw new RangeError("a key, kid, salt or nonce has the wrong size");
  }
  const { key, commitment } = await derive(dataKey, salt, storageKey);
  const head = Uint8Array.from([...MAGIC, SUITE, service ? 1 : 0, kid >> 8, kid & 255]);
  const header = concat(head, wrappedKey, salt, nonce, commitment);
  const algorithm = { name: "AES-GCM", iv: own(nonce), additionalData: associated(header, storageKey) };
  return concat(header, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, own(plaintext))));
}

/**
 * Opens an object that stands at `storageKey`.
 *
 * @param {Uint8Array} data
 * @param {{ storageKey: string, dataKey: Uint8Array, service?: boolean }} terms
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {DecryptionError}
 */
export async function open(data, { storageKey, dataKey, service = false }) {
  const header = parseHeader(data);
  if (header.service !== service) throw new DecryptionError("malformed");
  const { key, commitment } = await derive(dataKey, header.salt, storageKey);
  let different = 0; // no early way out: the time tells nothing
  commitment.forEach((byte, at) => (different |= byte ^ (header.commitment[at] ?? 256)));
  if (different) throw new DecryptionError("wrong_key");
  const algorithm = { name: "AES-GCM", iv: own(header.nonce), additionalData: associated(data, storageKey) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, own(data.subarray(HEADER_BYTES))));
  } catch {
    throw new DecryptionError("tampered");
  }
}

/**
 * @param {Uint8Array} dataKey
 * @param {Uint8Array} salt
 * @param {string} storageKey
 */
async function derive(dataKey, salt, storageKey) {
  const material = await crypto.subtle.importKey("raw", own(dataKey), "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: own(salt), info: utf8.encode(storageKey) };
  const okm = new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, 512));
  const key = await crypto.subtle.importKey("raw", okm.subarray(0, 32), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, commitment: okm.subarray(32) };
}

/**
 * @param {Uint8Array} header
 * @param {string} storageKey
 */
function associated(header, storageKey) {
  return concat(header.subarray(0, 6), header.subarray(48, HEADER_BYTES), utf8.encode(storageKey));
}

/**
 * @param {...Uint8Array} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * The same bytes as what WebCrypto's types ask for; shared memory is nobody's here.
 *
 * @param {Uint8Array} data
 * @returns {Uint8Array<ArrayBuffer>}
 */
function own(data) {
  return /** @type {Uint8Array<ArrayBuffer>} */ (data);
}

/**
 * Base64 with padding as bytes.
 *
 * @param {string} text
 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

// --- errors --------------------------------------------------------------------------------------------------------

/**
 * Something went wrong; its message is a sentence for a person.
 *
 * `code` is a word for a program: of docs/errors.md, or UNREACHABLE, UNEXPECTED_ANSWER, STORE_REFUSED, FILE_MISSING,
 * NOT_OPENED, WAIT_TIMEOUT. `jobId` is the job it is about, once there is one: whoever submits again gives it, and is
 * not charged twice.
 */
export class ClientError extends Error {
  /**
   * @param {string} message
   * @param {string} code
   * @param {{ requestId?: string | null, jobId?: string | null }} [about]
   */
  constructor(message, code, { requestId = null, jobId = null } = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.requestId = requestId;
    this.jobId = jobId;
  }
}

/** Nobody answers, or only 429 and 5xx, for as long as repeating made sense. */
export class UnreachableError extends ClientError {
  /**
   * @param {string} message
   * @param {{ code?: string, requestId?: string | null, jobId?: string | null }} [about]
   */
  constructor(message, { code = "UNREACHABLE", ...about } = {}) {
    super(message, code, about);
  }
}

/** What answers is not this service. */
export class UnexpectedAnswerError extends ClientError {
  /** @param {string} message */
  constructor(message) {
    super(message, "UNEXPECTED_ANSWER");
  }
}

/** The service refuses the call: a problem document of RFC 9457. */
export class RefusedError extends ClientError {
  /**
   * @param {string} message
   * @param {{ status: number, code: string, errors: FieldError[], retryAfterS: number | null, requestId: string | null }} problem
   */
  constructor(message, { status, code, errors, retryAfterS, requestId }) {
    super(message, code, { requestId });
    this.status = status;
    this.errors = errors;
    this.retryAfterS = retryAfterS;
  }
}
/** The token is missing, wrong or over. */
export class UnauthenticatedError extends RefusedError {}
/** No credit is left. */
export class NoCreditError extends RefusedError {}
/** There is no such thing, or it is somebody else's. */
export class NotFoundError extends RefusedError {}
/** It cannot be done in the state that the upload or the job is in. */
export class ConflictError extends RefusedError {}
/** Too many jobs or calls; `retryAfterS` says how long to wait. */
export class TooManyJobsError extends RefusedError {}
/** The request itself is wrong; `errors` has JSON pointers to the fields. */
export class InvalidRequestError extends RefusedError {}

/** The object store refuses an upload or a download. */
export class StoreRefusedError extends ClientError {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message, "STORE_REFUSED");
    this.status = status;
  }
}

/** The job has no such file, or not yet. */
export class FileMissingError extends ClientError {
  /**
   * @param {string} message
   * @param {string} jobId
   */
  constructor(message, jobId) {
    super(message, "FILE_MISSING", { jobId });
  }
}

/** A download does not open, or is not the file of the receipt. */
export class UnopenedError extends ClientError {
  /**
   * @param {string} message
   * @param {string} jobId
   */
  constructor(message, jobId) {
    super(message, "NOT_OPENED", { jobId });
  }
}

/** The job ended `failed`; `view.charged` says whether it cost its credit. */
export class JobFailedError extends ClientError {
  /** @param {JobView} view */
  constructor(view) {
    super(view.error?.message ?? "the job failed", view.error?.code ?? "INTERNAL_ERROR", { jobId: view.job_id });
    this.view = view;
    this.advice = view.error?.advice ?? "";
    this.stage = view.error?.stage ?? view.stage;
    this.retryable = view.error?.retryable ?? false;
  }
}

/** The time is up and the job goes on: wait again with its id. */
export class WaitTimeoutError extends ClientError {
  /**
   * @param {string} message
   * @param {string} jobId
   */
  constructor(message, jobId) {
    super(message, "WAIT_TIMEOUT", { jobId });
  }
}

/** @type {Record<number, typeof RefusedError>} */
const KINDS = {
  401: UnauthenticatedError,
  402: NoCreditError,
  404: NotFoundError,
  409: ConflictError,
  429: TooManyJobsError,
};

// --- the client ----------------------------------------------------------------------------------------------------

/** One account's client. */
export class Client {
  /** @type {string} */
  #api;
  /** @type {Token | null} */
  #token;
  #timeoutMs;
  #retryForMs;
  #tries;
  #backoffMs;
  #maxFileBytes;

  /**
   * @param {string} baseUrl the service's address, with or without its `/api`; https, or http to this machine. Where
   *   the API has an origin of its own (`/jobs` at its root), give `{ root: true }`.
   * @param {{
   *   token?: Token | null, root?: boolean, timeoutMs?: number, retryForMs?: number, tries?: number,
   *   backoffMs?: [number, number], maxFileBytes?: number,
   * }} [options] `token` is the account's JWT, or a function that returns a fresh one and is called again after a 401;
   *   `timeoutMs` is how long nothing may move; `retryForMs` is how long a call is repeated while the service says when.
   */
  constructor(baseUrl, options = {}) {
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
    this.#maxFileBytes = options.maxFileBytes ?? MAX_FILE_BYTES;
  }

  /** The base of `/jobs`. */
  get apiUrl() {
    return this.#api;
  }

  // --- uploads and jobs ---

  /**
   * Seals and uploads a file, or several as the pages of one PDF, and creates their job.
   *
   * @param {FileContent | FileContent[]} files
   * @param {{
   *   portal: string, slot?: string, portalVersion?: string, options?: Record<string, unknown>, filename?: string,
   *   mimeType?: string, encrypted?: boolean, jobId?: string | null, onProgress?: OnProgress, signal?: AbortSignal,
   * }} order `filename` and `mimeType` are of the first file; `jobId` is that of an interrupted submit, to resume it.
   * @returns {Promise<JobAccepted>}
   */
  async submit(files, order) {
    const { portal, slot, portalVersion, options, encrypted = true, jobId = null, onProgress, signal } = order;
    const contents = Array.isArray(files) ? files : [files];
    const [first, ...others] = contents;
    if (first === undefined) throw new TypeError("there is no file to submit");
    const filename = order.filename ?? nameOf(first);
    const mimeType = order.mimeType || typeOf(first);
    /** @type {UploadAnswer} */
    let upload;
    try {
      upload =
        jobId === null
          ? await this.announce(first, { filename, mimeType, encrypted, signal })
          : await this.signAgain(jobId, { signal });
    } catch (error) {
      if (jobId === null || !(error instanceof ConflictError) || error.code !== "UPLOAD_CLAIMED") throw error;
      const view = await this.job(jobId, { signal }); // it was created after all
      return { job_id: view.job_id, status: view.status, links: { self: view.links.self } };
    }
    try {
      const total = contents.reduce((sum, content) => sum + sizeOf(content) + OVERHEAD_BYTES, 0);
      let sent = 0;
      /** @type {OnProgress} */
      const report = (sentBytes) => onProgress?.(sent + sentBytes, total);
      sent += await this.upload(upload, first, { encrypted, onProgress: report, signal });
      const paths = [upload.raw_path];
      for (const page of others) {
        // Pages that an interrupted submit uploaded are not known any more; they expire.
        const target = await this.announce(page, { encrypted, signal });
        sent += await this.upload(target, page, { encrypted, onProgress: report, signal });
        paths.push(target.raw_path);
      }
      return await this.createJob({
        ...(others.length ? { rawPaths: paths } : { rawPath: upload.raw_path }),
        portal,
        slot,
        portalVersion,
        options,
        mimeType,
        originalFilename: filename,
        idempotencyKey: upload.job_id,
        signal,
      });
    } catch (error) {
      if (error instanceof ClientError) error.jobId = upload.job_id;
      throw error;
    }
  }

  /**
   * Announces one file: the answer says where it goes, and holds its key. Its `job_id` becomes the job's.
   *
   * @param {FileContent} content
   * @param {{ filename?: string, mimeType?: string, encrypted?: boolean } & Abortable} [about]
   * @returns {Promise<UploadAnswer>}
   */
  announce(content, { filename = nameOf(content), mimeType = typeOf(content), encrypted = true, signal } = {}) {
    const body = { filename, mime_type: mimeType, size_bytes: sizeOf(content), encrypted };
    return this.#signed(body, signal);
  }

  /**
   * Signs one's own unclaimed upload again, under the same key.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @returns {Promise<UploadAnswer>}
   */
  signAgain(jobId, { signal } = {}) {
    return this.#signed({ encrypted: true, job_id: jobId }, signal);
  }

  /**
   * @param {Record<string, unknown>} body
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<UploadAnswer>}
   */
  async #signed(body, signal) {
    return shaped(await this.#call("POST", "/uploads", { body, signal }), "UploadAnswer", "upload");
  }

  /**
   * Seals a file for its upload, as it goes to the store.
   *
   * @param {UploadAnswer} upload
   * @param {FileContent} content
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async seal(upload, content) {
    return sealFor(upload, await bytesOf(content));
  }

  /**
   * Seals and uploads a file; signs again once when the signature has expired meanwhile.
   *
   * @param {UploadAnswer} upload
   * @param {FileContent} content
   * @param {{ encrypted?: boolean, onProgress?: OnProgress | undefined } & Abortable} [call] `encrypted: false` is for a
   *   service that takes plaintext.
   * @returns {Promise<number>} bytes uploaded
   */
  async upload(upload, content, { encrypted = true, ...call } = {}) {
    const isOpen = upload.encryption === null && !encrypted;
    const sealed = isOpen ? await bytesOf(content) : await this.seal(upload, content);
    await this.put(upload, sealed, call);
    return sealed.length;
  }

  /**
   * Uploads what is sealed already; signs again once when the signature has expired meanwhile.
   *
   * @param {UploadAnswer} upload
   * @param {Blob | Uint8Array} sealed
   * @param {{ onProgress?: OnProgress | undefined } & Abortable} [call]
   */
  async put(upload, sealed, { onProgress, signal } = {}) {
    let { status } = await this.#stored(upload.upload, sealed, onProgress, signal);
    if (status === 403) {
      const again = await this.signAgain(upload.job_id, { signal });
      ({ status } = await this.#stored(again.upload, sealed, onProgress, signal));
    }
    // 412: the object exists. The key is this upload's alone, so an earlier try of ours, whose answer was lost, made it.
    if (status !== 412 && (status < 200 || status > 299)) {
      throw new StoreRefusedError(`the store answered ${status} to the upload`, status);
    }
  }

  /**
   * Creates a job from what is stored: one's own uploads, `artifacts.master_path` of an earlier job, or a URL.
   *
   * @param {{
   *   portal: string, slot?: string | undefined, portalVersion?: string | undefined, rawPath?: string,
   *   rawPaths?: string[], artifactUrl?: string, mimeType?: string | undefined, originalFilename?: string | undefined,
   *   options?: Record<string, unknown> | undefined, idempotencyKey?: string,
   * } & Abortable} order
   * @returns {Promise<JobAccepted>}
   */
  createJob(order) {
    const body = {
      portal: order.portal,
      slot: order.slot,
      portal_version: order.portalVersion,
      raw_path: order.rawPath,
      raw_paths: order.rawPaths,
      artifact_url: order.artifactUrl,
      mime_type: order.mimeType,
      original_filename: order.originalFilename,
      options: order.options,
    };
    const headers = { "Idempotency-Key": order.idempotencyKey ?? uuid4() };
    return this.#call("POST", "/jobs", { body, headers, signal: order.signal });
  }

  /**
   * One job as it is now.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @returns {Promise<JobView>}
   */
  async job(jobId, { signal } = {}) {
    return shaped(await this.#call("GET", `/jobs/${encodeURIComponent(jobId)}`, { signal }), "JobView", "job_id");
  }

  /**
   * Yields the job now and whenever its status, stage, attempt or place in the queue changes, until it has ended.
   *
   * @param {string} jobId
   * @param {{ timeoutMs?: number, untilEnded?: boolean } & Abortable} [call] with `untilEnded` polls are held until the
   *   end; less calls, and no stages.
   * @returns {AsyncGenerator<JobView, void, void>}
   */
  async *watch(jobId, { timeoutMs = Infinity, untilEnded = false, signal } = {}) {
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
        answer = await this.#answer("GET", path + query, { headers, signal, extraMs: holdS * 1000 });
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
   * The job once it is completed.
   *
   * @param {string} jobId
   * @param {{ timeoutMs?: number } & Abortable} [call]
   * @returns {Promise<JobView>}
   * @throws {JobFailedError | WaitTimeoutError}
   */
  async wait(jobId, call = {}) {
    for await (const view of this.watch(jobId, { ...call, untilEnded: true })) {
      if (view.status === "completed") return view;
      if (view.status === "failed") throw new JobFailedError(view);
    }
    throw new UnexpectedAnswerError("the job ended without an end");
  }

  /**
   * Yields every job of the account, newest first.
   *
   * @param {{ status?: JobStatus, pageSize?: number } & Abortable} [call]
   * @returns {AsyncGenerator<JobItem, void, void>}
   */
  async *jobs({ status, pageSize = 100, signal } = {}) {
    for (let cursor = ""; ;) {
      const query = new URLSearchParams({
        ...(status && { status }),
        limit: String(pageSize),
        ...(cursor && { cursor }),
      });
      const page = shaped(await this.#call("GET", `/jobs?${query}`, { signal }), "JobPage", "jobs");
      yield* page.jobs;
      if (!page.next_cursor || page.next_cursor === cursor) return;
      cursor = page.next_cursor;
    }
  }

  /**
   * Cancels a pending job with its refund, and its upload with it; removes nothing of a job that has begun.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @returns {Promise<boolean>} false if it has begun or ended already, which changes nothing
   */
  async cancel(jobId, { signal } = {}) {
    /** @type {UnreachableError | null} */
    let lost = null;
    for (let look = 0; look < CANCEL_LOOKS; look += 1) {
      const view = await this.job(jobId, { signal });
      if (view.status !== "pending") return lost !== null && view.error?.code === "EXECUTOR_CANCELLED";
      try {
        await this.#call("DELETE", `/jobs/${encodeURIComponent(jobId)}`, { signal, once: true });
        return true;
      } catch (error) {
        if (error instanceof ConflictError) return false; // it began meanwhile
        if (!(error instanceof UnreachableError)) throw error;
        lost = error; // it may be cancelled: look first, since a second DELETE removes
      }
    }
    throw lost ?? new UnreachableError("the job could not be cancelled", { jobId });
  }

  /**
   * Removes the files and personal data of an ended job; a pending one is cancelled with its refund.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   */
  async delete(jobId, { signal } = {}) {
    await this.#call("DELETE", `/jobs/${encodeURIComponent(jobId)}`, { signal });
  }

  /**
   * Removes an upload that has no job.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @throws {ConflictError} once it has one
   */
  async deleteUpload(jobId, { signal } = {}) {
    await this.#call("DELETE", `/uploads/${encodeURIComponent(jobId)}`, { signal });
  }

  // --- results ---

  /**
   * Downloads and opens a file of a completed job; the document is compared with the receipt, alone and in the ZIP, and
   * every file with the job's `hashes`, so that the store cannot put an older one in its place.
   *
   * @param {string | JobView} job its id, or a view of it that is no older than its links
   * @param {JobFile} [what] `output` is the ZIP
   * @param {Abortable} [call]
   * @returns {Promise<Uint8Array<ArrayBuffer>>}
   */
  async download(job, what = "document", { signal } = {}) {
    let view = typeof job === "string" ? await this.job(job, { signal }) : job;
    const get = () => this.#exchange("GET", linkOf(view, what), { signal, maxBytes: this.#maxFileBytes });
    let answer = await get();
    if (answer.status === 403) {
      view = await this.job(view.job_id, { signal }); // the link expired between the view and the call
      answer = await get();
    }
    if (!answer.isSuccess) {
      throw new StoreRefusedError(`the store answered ${answer.status} to the download`, answer.status);
    }
    const data = await opened(view, what, answer.body);
    const made = view.hashes?.[what];
    if (made && made !== (await sha256(data))) {
      throw new UnopenedError(`the ${what} is not the one that was made`, view.job_id);
    }
    if (what === "document" || what === "output") {
      const { filename = "", sha256: promised } = view.receipt?.document ?? {};
      const found = what === "document" ? data : await zipMember(data, filename);
      if (found === null || (await sha256(found)) !== promised) {
        throw new UnopenedError(`the ${what} is not the one of the receipt`, view.job_id);
      }
    }
    return data;
  }

  /**
   * The receipt of a completed job: the document's measures, and every rule with its verdict and source.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @returns {Promise<Receipt>}
   */
  async receipt(jobId, { signal } = {}) {
    const view = await this.job(jobId, { signal });
    if (view.receipt === null) throw new FileMissingError(`the job is ${view.status} and has no receipt`, jobId);
    return view.receipt;
  }

  // --- the account and the rule book ---

  /**
   * Credits, the ledger's latest entries, and limits.
   *
   * @param {Abortable} [call]
   * @returns {Promise<Account>}
   */
  async account({ signal } = {}) {
    return shaped(await this.#call("GET", "/account", { signal }), "AccountAnswer", "credits");
  }

  /**
   * Erases the account with everything of it, for good. It is not repeated when the answer is lost: where it was done all
   * the same, the next call is refused with ACCOUNT_ERASED.
   *
   * @param {Abortable} [call]
   * @returns {Promise<AccountErased>} the receipt
   */
  async eraseAccount({ signal } = {}) {
    return shaped(await this.#call("DELETE", "/account", { signal, once: true }), "AccountErased", "receipt_id");
  }

  /**
   * The service's rule book; needs no token.
   *
   * @param {Abortable} [call]
   * @returns {Promise<Portal[]>}
   */
  async portals({ signal } = {}) {
    return shaped(await this.#call("GET", "/portals", { signal, open: true }), "PortalsAnswer", "portals").portals;
  }

  /**
   * One portal's rules; needs no token.
   *
   * @param {string} slug
   * @param {Abortable} [call]
   * @returns {Promise<Portal>}
   */
  portal(slug, { signal } = {}) {
    return this.#call("GET", `/portals/${encodeURIComponent(slug)}`, { signal, open: true });
  }

  // --- one exchange ---

  /**
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  async #call(method, path, options) {
    return (await this.#answer(method, path, options)).json();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {CallOptions} [options]
   */
  async #answer(method, path, { body, headers = {}, ...options } = {}) {
    const answer = await this.#exchange(method, this.#api + path, {
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
   * @param {SignedUpload} signed
   * @param {Blob | Uint8Array} content
   * @param {OnProgress | undefined} onProgress
   * @param {AbortSignal | undefined} signal
   */
  #stored(signed, content, onProgress, signal) {
    /** @type {Blob | Uint8Array | FormData} */
    let body = content;
    if (signed.method === "POST") {
      body = new FormData();
      for (const [name, value] of Object.entries(signed.fields)) body.append(name, value);
      body.append("file", content instanceof Blob ? content : new Blob([own(content)]));
    }
    return this.#exchange(signed.method, signed.url, { headers: signed.headers, body, onProgress, signal });
  }

  /**
   * Sends, and repeats until a repetition would not change the answer: a success, a redirect or a refusal.
   *
   * @param {string} method
   * @param {string} url
   * @param {ExchangeOptions} options
   * @returns {Promise<Answer>}
   */
  async #exchange(method, url, { authorised = false, once = false, headers = {}, signal, extraMs = 0, ...rest }) {
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
 * @typedef {{
 *   body?: Record<string, unknown> | undefined, headers?: Record<string, string>, signal?: AbortSignal | undefined,
 *   open?: boolean, once?: boolean, extraMs?: number,
 * }} CallOptions
 * @typedef {{
 *   authorised?: boolean, once?: boolean, headers?: Record<string, string>, signal?: AbortSignal | undefined,
 *   extraMs?: number, body?: string | Blob | Uint8Array | FormData | undefined, onProgress?: OnProgress | undefined,
 *   maxBytes?: number, mayBeKept?: boolean,
 * }} ExchangeOptions
 */

/**
 * Seals a file's bytes for its upload; needs no client, so that a worker can do it.
 *
 * @param {UploadAnswer} upload
 * @param {Uint8Array} content
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export function sealFor(upload, content) {
  if (upload.encryption === null) throw new UnexpectedAnswerError("the service gave no key to seal the file with");
  return seal(content, {
    storageKey: upload.raw_path,
    dataKey: fromBase64(upload.encryption.data_key),
    kid: upload.encryption.kid,
    wrappedKey: fromBase64(upload.encryption.wrapped_key),
  });
}

/** An HTTP answer. */
class Answer {
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
async function transfer(method, url, request) {
  const { headers, body, onProgress, stall, extraMs, mayBeKept = false, maxBytes = MAX_ANSWER_BYTES } = request;
  if (onProgress && typeof XMLHttpRequest !== "undefined") {
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
function stopIfAborted(signal) {
  if (signal?.aborted) throw signal.reason ?? named("AbortError", "it was given up");
}

/** Ends a transfer when nothing has moved for a while, or when the caller gives up. */
class Stall {
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
 * The error for an answer that is no success.
 *
 * @param {Answer} answer
 */
function refusal(answer) {
  /** @type {any} */
  let problem = null;
  try {
    problem = answer.json();
  } catch {
    // not ours
  }
  const requestId = problem?.request_id ?? answer.requestId;
  if (answer.status >= 500) {
    return new UnreachableError(problem?.detail ?? `the service answered ${answer.status}`, {
      ...(problem?.code && { code: String(problem.code) }),
      requestId,
    });
  }
  if (answer.status < 400 || typeof problem?.code !== "string") {
    return new UnexpectedAnswerError(`the service answered ${answer.status}, and not as Rythmiq does`);
  }
  /** @type {FieldError[]} */
  const errors = problem.errors ?? [];
  const where = errors.map((error) => `; ${error.pointer || "/"}: ${error.detail}`).join("");
  const { status, retryAfterS } = answer;
  return new (KINDS[status] ?? InvalidRequestError)(problem.detail + where, {
    status,
    code: problem.code,
    errors,
    retryAfterS,
    requestId,
  });
}

/**
 * @param {JobView} view
 * @param {JobFile} what
 */
function linkOf(view, what) {
  const link = view.links[what];
  if (!link) throw new FileMissingError(`the job is ${view.status} and has no ${what}`, view.job_id);
  return link;
}

/**
 * @param {JobView} view
 * @param {JobFile} what
 * @param {Uint8Array<ArrayBuffer>} data
 */
async function opened(view, what, data) {
  if (view.encryption === null) return data;
  const storageKey = view.artifacts?.[`${what}_path`];
  if (storageKey === undefined) throw new UnexpectedAnswerError(`the job does not name its ${what}'s storage key`);
  try {
    return await open(data, { storageKey, dataKey: fromBase64(view.encryption.data_key) });
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    throw new UnopenedError(`the ${what} does not open: ${error.reason}`, view.job_id);
  }
}

/**
 * An answer that has this field.
 *
 * @param {any} answer
 * @param {string} kind
 * @param {string} field
 */
function shaped(answer, kind, field) {
  if (answer === null || typeof answer !== "object" || !(field in answer)) {
    throw new UnexpectedAnswerError(`the answer is not a ${kind}`);
  }
  return answer;
}

/**
 * One file of a ZIP; null when it has none of that name.
 *
 * @param {Uint8Array<ArrayBuffer>} archive
 * @param {string} name
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>}
 */
export async function zipMember(archive, name) {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const short = (/** @type {number} */ at) => view.getUint16(at, true);
  const long = (/** @type {number} */ at) => view.getUint32(at, true);
  let end = archive.length - 22;
  while (end >= 0 && long(end) !== 0x06054b50) end -= 1;
  if (end < 0) return null;
  let at = long(end + 16);
  for (let left = short(end + 10); left > 0 && long(at) === 0x02014b50; left -= 1) {
    const nameEnd = at + 46 + short(at + 28);
    if (new TextDecoder().decode(archive.subarray(at + 46, nameEnd)) === name) {
      const local = long(at + 42);
      const start = local + 30 + short(local + 26) + short(local + 28);
      const packed = archive.subarray(start, start + long(at + 20));
      if (short(at + 10) === 0) return packed;
      const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
      return new Uint8Array(await new Response(inflated).arrayBuffer());
    }
    at = nameEnd + short(at + 30) + short(at + 32);
  }
  return null;
}

/**
 * A SHA-256 in hexadecimal digits.
 *
 * @param {Uint8Array} data
 */
export async function sha256(data) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", own(data)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {FileContent} content */
async function bytesOf(content) {
  if (content instanceof Uint8Array) return content;
  return new Uint8Array(content instanceof Blob ? await content.arrayBuffer() : content);
}

/** @param {FileContent} content */
function sizeOf(content) {
  return content instanceof Blob ? content.size : content.byteLength;
}

/** @param {FileContent} content */
function nameOf(content) {
  return (typeof File !== "undefined" && content instanceof File && content.name) || "file";
}

/** @param {FileContent} content */
function typeOf(content) {
  return (content instanceof Blob && content.type) || "application/octet-stream";
}

/** @param {Token | null} token */
async function tokenOf(token) {
  return typeof token === "function" ? await token() : token;
}

function uuid4() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A share from 0 to 1. */
function jitter() {
  return (crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) / 255;
}

function now() {
  return performance.now();
}

/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<void>}
 */
function sleep(ms, signal) {
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
