/**
 * What a program asks of the service, as one class; each method's work is in the module of its subject.
 */
export type Abortable = import("./types.js").Abortable;
export type Account = import("./types.js").Account;
export type AccountErased = import("./types.js").AccountErased;
export type FileContent = import("./types.js").FileContent;
export type JobAccepted = import("./types.js").JobAccepted;
export type JobFile = import("./types.js").JobFile;
export type JobItem = import("./types.js").JobItem;
export type JobStatus = import("./types.js").JobStatus;
export type JobView = import("./types.js").JobView;
export type OnProgress = import("./types.js").OnProgress;
export type Portal = import("./types.js").Portal;
export type Receipt = import("./types.js").Receipt;
export type Token = import("./types.js").Token;
export type UploadAnswer = import("./types.js").UploadAnswer;
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
    watch(jobId: string, call?: {
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
    cancel(jobId: string, call?: Abortable): Promise<boolean>;
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
