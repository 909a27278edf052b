/**
 * From files to a job.
 */
export type OnProgress = import("./types.js").OnProgress;
export type UploadAnswer = import("./types.js").UploadAnswer;
/**
 * @typedef {import("./types.js").OnProgress} OnProgress
 * @typedef {import("./types.js").UploadAnswer} UploadAnswer
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
 * `Client.submit`.
 *
 * @param {import("./client.js").Client} client
 * @param {Parameters<import("./client.js").Client["submit"]>[0]} files
 * @param {Parameters<import("./client.js").Client["submit"]>[1]} order
 * @returns {Promise<import("./types.js").JobAccepted>}
 */
export declare function submitted(client: import("./client.js").Client, files: Parameters<import("./client.js").Client["submit"]>[0], order: Parameters<import("./client.js").Client["submit"]>[1]): Promise<import("./types.js").JobAccepted>;
