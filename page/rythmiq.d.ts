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
/** What sealing adds to a file. */
export declare const OVERHEAD_BYTES: number;
export type JobFile = "document" | "preview" | "before" | "output" | "text";
export type JobStatus = "pending" | "processing" | "completed" | "failed";
export type FieldError = {
    pointer: string;
    code: string;
    detail: string;
};
export type UploadKey = {
    format: "RQE1";
    kid: number;
    data_key: string;
    wrapped_key: string;
};
export type SignedUpload = {
    method: "PUT" | "POST";
    url: string;
    headers: Record<string, string>;
    fields: Record<string, string>;
};
export type UploadAnswer = {
    job_id: string;
    raw_path: string;
    upload: SignedUpload;
    expires_at: string;
    encryption: UploadKey | null;
};
export type JobLinks = {
    self: string;
    preview?: string | null;
    before?: string | null;
    document?: string | null;
    output?: string | null;
    text?: string | null;
};
export type Advice = {
    code: string;
    parameters: Record<string, string | number>;
};
export type JobError = {
    code: string;
    message: string;
    advice?: string;
    stage?: string | null;
    retryable?: boolean;
    detail?: Record<string, unknown>;
};
export type ReceiptDocument = {
    filename: string;
    mime_type: string;
    bytes: number;
    sha256: string;
    [name: string]: any;
};
export type Clause = {
    clause: string;
    verdict: string;
    [name: string]: any;
};
export type Receipt = {
    document: ReceiptDocument;
    clauses?: Clause[];
    [name: string]: any;
};
export type JobView = {
    job_id: string;
    status: JobStatus;
    stage: string | null;
    attempt: number;
    portal: string;
    slot: string | null;
    portal_version: string;
    document_id: string | null;
    quality_score: number | null;
    warnings: string[];
    advice: Advice[];
    error: JobError | null;
    charged?: boolean;
    metrics: Record<string, any> | null;
    receipt: Receipt | null;
    conforms: boolean | null;
    artifacts: Record<string, string> | null;
    hashes?: Record<string, string> | null;
    links: JobLinks;
    encryption: {
        kid: number;
        data_key: string;
    } | null;
    queue_position: number | null;
    expected_start_at: string | null;
    created_at: string;
    expires_at: string | null;
};
export type JobAccepted = {
    job_id: string;
    status: JobStatus;
    links: JobLinks;
};
export type JobItem = {
    job_id: string;
    status: JobStatus;
    stage: string | null;
    attempt: number;
    portal: string;
    slot: string | null;
    portal_version: string;
    quality_score: number | null;
    conforms: boolean | null;
    error_code: string | null;
    created_at: string;
    links: JobLinks;
};
export type Account = {
    credits: {
        available: number;
        reserved: number;
    };
    entries: any[];
    limits: Record<string, any>;
};
export type AccountErased = {
    receipt_id: string;
    jobs: number;
    uploads: number;
    objects: number;
};
export type Portal = Record<string, any>;
export type Token = string | (() => string | Promise<string>);
export type OnProgress = (sentBytes: number, totalBytes: number) => void;
export type FileContent = Blob | ArrayBuffer | Uint8Array;
export type Abortable = {
    signal?: AbortSignal | undefined;
};
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
/** An object does not open; `reason` is not_encrypted, malformed, unknown_kid, wrong_key or tampered. */
export declare class DecryptionError extends Error {
    reason: "malformed" | "not_encrypted" | "tampered" | "unknown_kid" | "wrong_key";
    /** @param {"not_encrypted" | "malformed" | "unknown_kid" | "wrong_key" | "tampered"} reason */
    constructor(reason: "not_encrypted" | "malformed" | "unknown_kid" | "wrong_key" | "tampered");
}
/**
 * The fields of the 108 bytes before the ciphertext.
 *
 * @param {Uint8Array} data
 */
export declare function parseHeader(data: Uint8Array): {
    service: boolean;
    kid: number;
    wrappedKey: Uint8Array<ArrayBufferLike>;
    salt: Uint8Array<ArrayBufferLike>;
    nonce: Uint8Array<ArrayBufferLike>;
    commitment: Uint8Array<ArrayBufferLike>;
};
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
export declare function seal(plaintext: Uint8Array, terms: {
    storageKey: string;
    dataKey: Uint8Array;
    kid: number;
    wrappedKey: Uint8Array;
    service?: boolean;
    salt?: Uint8Array;
    nonce?: Uint8Array;
}): Promise<Uint8Array<ArrayBuffer>>;
/**
 * Opens an object that stands at `storageKey`.
 *
 * @param {Uint8Array} data
 * @param {{ storageKey: string, dataKey: Uint8Array, service?: boolean }} terms
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {DecryptionError}
 */
export declare function open(data: Uint8Array, { storageKey, dataKey, service }: {
    storageKey: string;
    dataKey: Uint8Array;
    service?: boolean;
}): Promise<Uint8Array<ArrayBuffer>>;
/**
 * Base64 with padding as bytes.
 *
 * @param {string} text
 */
export declare function fromBase64(text: string): Uint8Array<ArrayBuffer>;
/**
 * Something went wrong; its message is a sentence for a person.
 *
 * `code` is a word for a program: of docs/errors.md, or UNREACHABLE, UNEXPECTED_ANSWER, STORE_REFUSED, FILE_MISSING,
 * NOT_OPENED, WAIT_TIMEOUT. `jobId` is the job it is about, once there is one: whoever submits again gives it, and is
 * not charged twice.
 */
export declare class ClientError extends Error {
    code: string;
    requestId: string | null;
    jobId: string | null;
    /**
     * @param {string} message
     * @param {string} code
     * @param {{ requestId?: string | null, jobId?: string | null }} [about]
     */
    constructor(message: string, code: string, { requestId, jobId }?: {
        requestId?: string | null;
        jobId?: string | null;
    });
}
/** Nobody answers, or only 429 and 5xx, for as long as repeating made sense. */
export declare class UnreachableError extends ClientError {
    /**
     * @param {string} message
     * @param {{ code?: string, requestId?: string | null, jobId?: string | null }} [about]
     */
    constructor(message: string, { code, ...about }?: {
        code?: string;
        requestId?: string | null;
        jobId?: string | null;
    });
}
/** What answers is not this service. */
export declare class UnexpectedAnswerError extends ClientError {
    /** @param {string} message */
    constructor(message: string);
}
/** The service refuses the call: a problem document of RFC 9457. */
export declare class RefusedError extends ClientError {
    status: number;
    errors: FieldError[];
    retryAfterS: number | null;
    /**
     * @param {string} message
     * @param {{ status: number, code: string, errors: FieldError[], retryAfterS: number | null, requestId: string | null }} problem
     */
    constructor(message: string, { status, code, errors, retryAfterS, requestId }: {
        status: number;
        code: string;
        errors: FieldError[];
        retryAfterS: number | null;
        requestId: string | null;
    });
}
/** The token is missing, wrong or over. */
export declare class UnauthenticatedError extends RefusedError {
}
/** No credit is left. */
export declare class NoCreditError extends RefusedError {
}
/** There is no such thing, or it is somebody else's. */
export declare class NotFoundError extends RefusedError {
}
/** It cannot be done in the state that the upload or the job is in. */
export declare class ConflictError extends RefusedError {
}
/** Too many jobs or calls; `retryAfterS` says how long to wait. */
export declare class TooManyJobsError extends RefusedError {
}
/** The request itself is wrong; `errors` has JSON pointers to the fields. */
export declare class InvalidRequestError extends RefusedError {
}
/** The object store refuses an upload or a download. */
export declare class StoreRefusedError extends ClientError {
    status: number;
    /**
     * @param {string} message
     * @param {number} status
     */
    constructor(message: string, status: number);
}
/** The job has no such file, or not yet. */
export declare class FileMissingError extends ClientError {
    /**
     * @param {string} message
     * @param {string} jobId
     */
    constructor(message: string, jobId: string);
}
/** A download does not open, or is not the file of the receipt. */
export declare class UnopenedError extends ClientError {
    /**
     * @param {string} message
     * @param {string} jobId
     */
    constructor(message: string, jobId: string);
}
/** The job ended `failed`; `view.charged` says whether it cost its credit. */
export declare class JobFailedError extends ClientError {
    view: JobView;
    advice: string;
    stage: string | null;
    retryable: boolean;
    /** @param {JobView} view */
    constructor(view: JobView);
}
/** The time is up and the job goes on: wait again with its id. */
export declare class WaitTimeoutError extends ClientError {
    /**
     * @param {string} message
     * @param {string} jobId
     */
    constructor(message: string, jobId: string);
}
/** One account's client. */
export declare class Client {
    #private;
    /**
     * @param {string} baseUrl the service's address, with or without its `/api`; https, or http to this machine. Where
     *   the API has an origin of its own (`/jobs` at its root), give `{ root: true }`.
     * @param {{
     *   token?: Token | null, root?: boolean, timeoutMs?: number, retryForMs?: number, tries?: number,
     *   backoffMs?: [number, number], maxFileBytes?: number,
     * }} [options] `token` is the account's JWT, or a function that returns a fresh one and is called again after a 401;
     *   `timeoutMs` is how long nothing may move; `retryForMs` is how long a call is repeated while the service says when.
     */
    constructor(baseUrl: string, options?: {
        token?: Token | null;
        root?: boolean;
        timeoutMs?: number;
        retryForMs?: number;
        tries?: number;
        backoffMs?: [number, number];
        maxFileBytes?: number;
    });
    /** The base of `/jobs`. */
    get apiUrl(): string;
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
    submit(files: FileContent | FileContent[], order: {
        portal: string;
        slot?: string;
        portalVersion?: string;
        options?: Record<string, unknown>;
        filename?: string;
        mimeType?: string;
        encrypted?: boolean;
        jobId?: string | null;
        onProgress?: OnProgress;
        signal?: AbortSignal;
    }): Promise<JobAccepted>;
    /**
     * Announces one file: the answer says where it goes, and holds its key. Its `job_id` becomes the job's.
     *
     * @param {FileContent} content
     * @param {{ filename?: string, mimeType?: string, encrypted?: boolean } & Abortable} [about]
     * @returns {Promise<UploadAnswer>}
     */
    announce(content: FileContent, { filename, mimeType, encrypted, signal }?: {
        filename?: string;
        mimeType?: string;
        encrypted?: boolean;
    } & Abortable): Promise<UploadAnswer>;
    /**
     * Signs one's own unclaimed upload again, under the same key.
     *
     * @param {string} jobId
     * @param {Abortable} [call]
     * @returns {Promise<UploadAnswer>}
     */
    signAgain(jobId: string, { signal }?: Abortable): Promise<UploadAnswer>;
    /**
     * Seals a file for its upload, as it goes to the store.
     *
     * @param {UploadAnswer} upload
     * @param {FileContent} content
     * @returns {Promise<Uint8Array<ArrayBuffer>>}
     */
    seal(upload: UploadAnswer, content: FileContent): Promise<Uint8Array<ArrayBuffer>>;
    /**
     * Seals and uploads a file; signs again once when the signature has expired meanwhile.
     *
     * @param {UploadAnswer} upload
     * @param {FileContent} content
     * @param {{ encrypted?: boolean, onProgress?: OnProgress | undefined } & Abortable} [call] `encrypted: false` is for a
     *   service that takes plaintext.
     * @returns {Promise<number>} bytes uploaded
     */
    upload(upload: UploadAnswer, content: FileContent, { encrypted, ...call }?: {
        encrypted?: boolean;
        onProgress?: OnProgress | undefined;
    } & Abortable): Promise<number>;
    /**
     * Uploads what is sealed already; signs again once when the signature has expired meanwhile.
     *
     * @param {UploadAnswer} upload
     * @param {Blob | Uint8Array} sealed
     * @param {{ onProgress?: OnProgress | undefined } & Abortable} [call]
     */
    put(upload: UploadAnswer, sealed: Blob | Uint8Array, { onProgress, signal }?: {
        onProgress?: OnProgress | undefined;
    } & Abortable): Promise<void>;
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
    createJob(order: {
        portal: string;
        slot?: string | undefined;
        portalVersion?: string | undefined;
        rawPath?: string;
        rawPaths?: string[];
        artifactUrl?: string;
        mimeType?: string | undefined;
        originalFilename?: string | undefined;
        options?: Record<string, unknown> | undefined;
        idempotencyKey?: string;
    } & Abortable): Promise<JobAccepted>;
    /**
     * One job as it is now.
     *
     * @param {string} jobId
     * @param {Abortable} [call]
     * @returns {Promise<JobView>}
     */
    job(jobId: string, { signal }?: Abortable): Promise<JobView>;
    /**
     * Yields the job now and whenever its status, stage, attempt or place in the queue changes, until it has ended.
     *
     * @param {string} jobId
     * @param {{ timeoutMs?: number, untilEnded?: boolean } & Abortable} [call] with `untilEnded` polls are held until the
     *   end; less calls, and no stages.
     * @returns {AsyncGenerator<JobView, void, void>}
     */
    watch(jobId: string, { timeoutMs, untilEnded, signal }?: {
        timeoutMs?: number;
        untilEnded?: boolean;
    } & Abortable): AsyncGenerator<JobView, void, void>;
    /**
     * The job once it is completed.
     *
     * @param {string} jobId
     * @param {{ timeoutMs?: number } & Abortable} [call]
     * @returns {Promise<JobView>}
     * @throws {JobFailedError | WaitTimeoutError}
     */
    wait(jobId: string, call?: {
        timeoutMs?: number;
    } & Abortable): Promise<JobView>;
    /**
     * Yields every job of the account, newest first.
     *
     * @param {{ status?: JobStatus, pageSize?: number } & Abortable} [call]
     * @returns {AsyncGenerator<JobItem, void, void>}
     */
    jobs({ status, pageSize, signal }?: {
        status?: JobStatus;
        pageSize?: number;
    } & Abortable): AsyncGenerator<JobItem, void, void>;
    /**
     * Cancels a pending job with its refund, and its upload with it; removes nothing of a job that has begun.
     *
     * @param {string} jobId
     * @param {Abortable} [call]
     * @returns {Promise<boolean>} false if it has begun or ended already, which changes nothing
     */
    cancel(jobId: string, { signal }?: Abortable): Promise<boolean>;
    /**
     * Removes the files and personal data of an ended job; a pending one is cancelled with its refund.
     *
     * @param {string} jobId
     * @param {Abortable} [call]
     */
    delete(jobId: string, { signal }?: Abortable): Promise<void>;
    /**
     * Removes an upload that has no job.
     *
     * @param {string} jobId
     * @param {Abortable} [call]
     * @throws {ConflictError} once it has one
     */
    deleteUpload(jobId: string, { signal }?: Abortable): Promise<void>;
    /**
     * Downloads and opens a file of a completed job; the document is compared with the receipt, alone and in the ZIP, and
     * every file with the job's `hashes`, so that the store cannot put an older one in its place.
     *
     * @param {string | JobView} job its id, or a view of it that is no older than its links
     * @param {JobFile} [what] `output` is the ZIP
     * @param {Abortable} [call]
     * @returns {Promise<Uint8Array<ArrayBuffer>>}
     */
    download(job: string | JobView, what?: JobFile, { signal }?: Abortable): Promise<Uint8Array<ArrayBuffer>>;
    /**
     * The receipt of a completed job: the document's measures, and every rule with its verdict and source.
     *
     * @param {string} jobId
     * @param {Abortable} [call]
     * @returns {Promise<Receipt>}
     */
    receipt(jobId: string, { signal }?: Abortable): Promise<Receipt>;
    /**
     * Credits, the ledger's latest entries, and limits.
     *
     * @param {Abortable} [call]
     * @returns {Promise<Account>}
     */
    account({ signal }?: Abortable): Promise<Account>;
    /**
     * Erases the account with everything of it, for good. It is not repeated when the answer is lost: where it was done all
     * the same, the next call is refused with ACCOUNT_ERASED.
     *
     * @param {Abortable} [call]
     * @returns {Promise<AccountErased>} the receipt
     */
    eraseAccount({ signal }?: Abortable): Promise<AccountErased>;
    /**
     * The service's rule book; needs no token.
     *
     * @param {Abortable} [call]
     * @returns {Promise<Portal[]>}
     */
    portals({ signal }?: Abortable): Promise<Portal[]>;
    /**
     * One portal's rules; needs no token.
     *
     * @param {string} slug
     * @param {Abortable} [call]
     * @returns {Promise<Portal>}
     */
    portal(slug: string, { signal }?: Abortable): Promise<Portal>;
}
export type CallOptions = {
    body?: Record<string, unknown> | undefined;
    headers?: Record<string, string>;
    signal?: AbortSignal | undefined;
    open?: boolean;
    once?: boolean;
    extraMs?: number;
};
export type ExchangeOptions = {
    authorised?: boolean;
    once?: boolean;
    headers?: Record<string, string>;
    signal?: AbortSignal | undefined;
    extraMs?: number;
    body?: string | Blob | Uint8Array | FormData | undefined;
    onProgress?: OnProgress | undefined;
    maxBytes?: number;
    mayBeKept?: boolean;
};
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
export declare function sealFor(upload: UploadAnswer, content: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
/**
 * One file of a ZIP; null when it has none of that name.
 *
 * @param {Uint8Array<ArrayBuffer>} archive
 * @param {string} name
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>}
 */
export declare function zipMember(archive: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer> | null>;
/**
 * A SHA-256 in hexadecimal digits.
 *
 * @param {Uint8Array} data
 */
export declare function sha256(data: Uint8Array): Promise<string>;
