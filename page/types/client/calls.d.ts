/**
 * Calls of one service: with its token, and repeated where that is safe.
 */
export type Answer = import("./transfer.js").Answer;
export type OnProgress = import("./types.js").OnProgress;
export type SignedUpload = import("./types.js").SignedUpload;
export type Token = import("./types.js").Token;
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
export type CallsOptions = {
    token?: Token | null;
    root?: boolean;
    timeoutMs?: number;
    retryForMs?: number;
    tries?: number;
    backoffMs?: [number, number];
};
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
export declare class Calls {
    #private;
    /**
     * @param {string} baseUrl
     * @param {CallsOptions} options
     */
    constructor(baseUrl: string, options: CallsOptions);
    /** The base of `/jobs`. */
    get apiUrl(): string;
    /**
     * What a call answers, as JSON.
     *
     * @param {string} method
     * @param {string} path
     * @param {CallOptions} [options]
     * @returns {Promise<any>}
     */
    json(method: string, path: string, options?: CallOptions): Promise<any>;
    /**
     * What a call answers: a success, or 304.
     *
     * @param {string} method
     * @param {string} path
     * @param {CallOptions} [options]
     */
    answer(method: string, path: string, { body, headers, ...options }?: CallOptions): Promise<import("./transfer.js").Answer>;
    /**
     * What the store answers to an upload.
     *
     * @param {SignedUpload} signed
     * @param {Blob | Uint8Array} content
     * @param {OnProgress | undefined} onProgress
     * @param {AbortSignal | undefined} signal
     */
    stored(signed: SignedUpload, content: Blob | Uint8Array, onProgress: OnProgress | undefined, signal: AbortSignal | undefined): Promise<import("./transfer.js").Answer>;
    /**
     * Sends, and repeats until a repetition would not change the answer: a success, a redirect or a refusal.
     *
     * @param {string} method
     * @param {string} url
     * @param {ExchangeOptions} options
     * @returns {Promise<Answer>}
     */
    exchange(method: string, url: string, { authorised, once, headers, signal, extraMs, ...rest }: ExchangeOptions): Promise<Answer>;
}
/**
 * An answer that has this field.
 *
 * @param {any} answer
 * @param {string} kind
 * @param {string} field
 */
export declare function shaped(answer: any, kind: string, field: string): any;
