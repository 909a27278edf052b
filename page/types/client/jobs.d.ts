/**
 * A job until its end: watching it by long polls, and cancelling it.
 */
export type Calls = import("./calls.js").Calls;
export type Answer = import("./transfer.js").Answer;
export type Abortable = import("./types.js").Abortable;
export type JobView = import("./types.js").JobView;
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
export declare function watched(calls: Calls, jobId: string, { timeoutMs, untilEnded, signal }?: {
    timeoutMs?: number;
    untilEnded?: boolean;
} & Abortable): AsyncGenerator<JobView, void, void>;
/**
 * `Client.cancel`.
 *
 * @param {import("./client.js").Client} client
 * @param {Calls} calls
 * @param {string} jobId
 * @param {Abortable} call
 * @returns {Promise<boolean>}
 */
export declare function cancelled(client: import("./client.js").Client, calls: Calls, jobId: string, { signal }: Abortable): Promise<boolean>;
