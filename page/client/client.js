/**
 * What a program asks of the service, as one class; each method's work is in the module of its subject.
 */

import { bytesOf, nameOf, sizeOf, typeOf } from "./bytes.js";
import { Calls, shaped } from "./calls.js";
import { FileMissingError, JobFailedError, StoreRefusedError, UnexpectedAnswerError } from "./errors.js";
import { cancelled, watched } from "./jobs.js";
import { downloaded } from "./results.js";
import { sealFor, submitted } from "./uploads.js";

const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * @typedef {import("./types.js").Abortable} Abortable
 * @typedef {import("./types.js").Account} Account
 * @typedef {import("./types.js").AccountErased} AccountErased
 * @typedef {import("./types.js").FileContent} FileContent
 * @typedef {import("./types.js").JobAccepted} JobAccepted
 * @typedef {import("./types.js").JobFile} JobFile
 * @typedef {import("./types.js").JobItem} JobItem
 * @typedef {import("./types.js").JobStatus} JobStatus
 * @typedef {import("./types.js").JobView} JobView
 * @typedef {import("./types.js").OnProgress} OnProgress
 * @typedef {import("./types.js").Portal} Portal
 * @typedef {import("./types.js").Receipt} Receipt
 * @typedef {import("./types.js").Token} Token
 * @typedef {import("./types.js").UploadAnswer} UploadAnswer
 */

/** One account's client. */
export class Client {
  /** @type {Calls} */
  #calls;
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
    this.#calls = new Calls(baseUrl, options);
    this.#maxFileBytes = options.maxFileBytes ?? MAX_FILE_BYTES;
  }

  /** The base of `/jobs`. */
  get apiUrl() {
    return this.#calls.apiUrl;
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
  submit(files, order) {
    return submitted(this, files, order);
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
    return shaped(await this.#calls.json("POST", "/uploads", { body, signal }), "UploadAnswer", "upload");
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
    let { status } = await this.#calls.stored(upload.upload, sealed, onProgress, signal);
    if (status === 403) {
      const again = await this.signAgain(upload.job_id, { signal });
      ({ status } = await this.#calls.stored(again.upload, sealed, onProgress, signal));
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
    return this.#calls.json("POST", "/jobs", { body, headers, signal: order.signal });
  }

  /**
   * One job as it is now.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @returns {Promise<JobView>}
   */
  async job(jobId, { signal } = {}) {
    return shaped(await this.#calls.json("GET", `/jobs/${encodeURIComponent(jobId)}`, { signal }), "JobView", "job_id");
  }

  /**
   * Yields the job now and whenever its status, stage, attempt or place in the queue changes, until it has ended.
   *
   * @param {string} jobId
   * @param {{ timeoutMs?: number, untilEnded?: boolean } & Abortable} [call] with `untilEnded` polls are held until the
   *   end; less calls, and no stages.
   * @returns {AsyncGenerator<JobView, void, void>}
   */
  watch(jobId, call = {}) {
    return watched(this.#calls, jobId, call);
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
      const page = shaped(await this.#calls.json("GET", `/jobs?${query}`, { signal }), "JobPage", "jobs");
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
  cancel(jobId, call = {}) {
    return cancelled(this, this.#calls, jobId, call);
  }

  /**
   * Removes the files and personal data of an ended job; a pending one is cancelled with its refund.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   */
  async delete(jobId, { signal } = {}) {
    await this.#calls.json("DELETE", `/jobs/${encodeURIComponent(jobId)}`, { signal });
  }

  /**
   * Removes an upload that has no job.
   *
   * @param {string} jobId
   * @param {Abortable} [call]
   * @throws {ConflictError} once it has one
   */
  async deleteUpload(jobId, { signal } = {}) {
    await this.#calls.json("DELETE", `/uploads/${encodeURIComponent(jobId)}`, { signal });
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
  download(job, what = "document", { signal } = {}) {
    return downloaded(this, this.#calls, job, what, { signal, maxBytes: this.#maxFileBytes });
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
    return shaped(await this.#calls.json("GET", "/account", { signal }), "AccountAnswer", "credits");
  }

  /**
   * Erases the account with everything of it, for good. It is not repeated when the answer is lost: where it was done all
   * the same, the next call is refused with ACCOUNT_ERASED.
   *
   * @param {Abortable} [call]
   * @returns {Promise<AccountErased>} the receipt
   */
  async eraseAccount({ signal } = {}) {
    return shaped(await this.#calls.json("DELETE", "/account", { signal, once: true }), "AccountErased", "receipt_id");
  }

  /**
   * The service's rule book; needs no token.
   *
   * @param {Abortable} [call]
   * @returns {Promise<Portal[]>}
   */
  async portals({ signal } = {}) {
    return shaped(await this.#calls.json("GET", "/portals", { signal, open: true }), "PortalsAnswer", "portals")
      .portals;
  }

  /**
   * One portal's rules; needs no token.
   *
   * @param {string} slug
   * @param {Abortable} [call]
   * @returns {Promise<Portal>}
   */
  portal(slug, { signal } = {}) {
    return this.#calls.json("GET", `/portals/${encodeURIComponent(slug)}`, { signal, open: true });
  }
}

function uuid4() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
