/**
 * What a job made: downloaded, opened, and compared with what it promised.
 */
export type JobFile = import("./types.js").JobFile;
export type JobView = import("./types.js").JobView;
/**
 * @typedef {import("./types.js").JobFile} JobFile
 * @typedef {import("./types.js").JobView} JobView
 */
/**
 * `Client.download`.
 *
 * @param {import("./client.js").Client} client
 * @param {import("./calls.js").Calls} calls
 * @param {string | JobView} job
 * @param {JobFile} what
 * @param {{ signal: AbortSignal | undefined, maxBytes: number }} call
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export declare function downloaded(client: import("./client.js").Client, calls: import("./calls.js").Calls, job: string | JobView, what: JobFile, { signal, maxBytes }: {
    signal: AbortSignal | undefined;
    maxBytes: number;
}): Promise<Uint8Array<ArrayBuffer>>;
/**
 * One file of a ZIP; null when it has none of that name.
 *
 * @param {Uint8Array<ArrayBuffer>} archive
 * @param {string} name
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>}
 */
export declare function zipMember(archive: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer> | null>;
