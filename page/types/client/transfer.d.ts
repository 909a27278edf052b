/**
 * One HTTP request, and the clock that ends it when nothing moves.
 */
export type OnProgress = import("./types.js").OnProgress;
/** An HTTP answer. */
export declare class Answer {
    status: number;
    headers: Headers;
    body: Uint8Array<ArrayBuffer>;
    retryAfterS: number | null;
    requestId: string | null;
    isSuccess: boolean;
    isProblem: boolean;
    /**
     * @param {number} status
     * @param {Headers} headers
     * @param {Uint8Array<ArrayBuffer>} body
     */
    constructor(status: number, headers: Headers, body: Uint8Array<ArrayBuffer>);
    /** @returns {any} */
    json(): any;
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
export declare function transfer(method: string, url: string, request: {
    headers: Record<string, string>;
    body?: string | Blob | Uint8Array | FormData | undefined;
    onProgress?: OnProgress | undefined;
    stall: Stall;
    extraMs: number;
    maxBytes?: number;
    mayBeKept?: boolean;
}): Promise<Answer>;
/** @param {AbortSignal | undefined} signal */
export declare function stopIfAborted(signal: AbortSignal | undefined): void;
/** Ends a transfer when nothing has moved for a while, or when the caller gives up. */
export declare class Stall {
    #private;
    /**
     * @param {number} quietMs
     * @param {AbortSignal | undefined} given the caller's
     */
    constructor(quietMs: number, given: AbortSignal | undefined);
    /** What ends the transfer. */
    get signal(): AbortSignal;
    /**
     * Something has moved; wait from now on.
     *
     * @param {number} [extraMs] more than usual
     */
    arm(extraMs?: number): void;
    /** The transfer is over. */
    end(): void;
}
export declare function now(): number;
/**
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<void>}
 */
export declare function sleep(ms: number, signal: AbortSignal | undefined): Promise<void>;
