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
export { Client } from "./client/client.js";
export { ClientError, UnreachableError, UnexpectedAnswerError, RefusedError, UnauthenticatedError, NoCreditError, NotFoundError, ConflictError, TooManyJobsError, InvalidRequestError, StoreRefusedError, FileMissingError, UnopenedError, JobFailedError, WaitTimeoutError, } from "./client/errors.js";
export { OVERHEAD_BYTES, DecryptionError, parseHeader, seal, open } from "./client/rqe1.js";
export { sealFor } from "./client/uploads.js";
export { fromBase64, sha256 } from "./client/bytes.js";
export { zipMember } from "./client/results.js";
export type JobFile = import("./client/types.js").JobFile;
export type JobStatus = import("./client/types.js").JobStatus;
export type FieldError = import("./client/types.js").FieldError;
export type UploadKey = import("./client/types.js").UploadKey;
export type SignedUpload = import("./client/types.js").SignedUpload;
export type UploadAnswer = import("./client/types.js").UploadAnswer;
export type JobLinks = import("./client/types.js").JobLinks;
export type Advice = import("./client/types.js").Advice;
export type JobError = import("./client/types.js").JobError;
export type ReceiptDocument = import("./client/types.js").ReceiptDocument;
export type Clause = import("./client/types.js").Clause;
export type Receipt = import("./client/types.js").Receipt;
export type JobView = import("./client/types.js").JobView;
export type JobAccepted = import("./client/types.js").JobAccepted;
export type JobItem = import("./client/types.js").JobItem;
export type Account = import("./client/types.js").Account;
export type AccountErased = import("./client/types.js").AccountErased;
export type Portal = import("./client/types.js").Portal;
export type Token = import("./client/types.js").Token;
export type OnProgress = import("./client/types.js").OnProgress;
export type FileContent = import("./client/types.js").FileContent;
export type Abortable = import("./client/types.js").Abortable;
/**
 * @typedef {import("./client/types.js").JobFile} JobFile
 * @typedef {import("./client/types.js").JobStatus} JobStatus
 * @typedef {import("./client/types.js").FieldError} FieldError
 * @typedef {import("./client/types.js").UploadKey} UploadKey
 * @typedef {import("./client/types.js").SignedUpload} SignedUpload
 * @typedef {import("./client/types.js").UploadAnswer} UploadAnswer
 * @typedef {import("./client/types.js").JobLinks} JobLinks
 * @typedef {import("./client/types.js").Advice} Advice
 * @typedef {import("./client/types.js").JobError} JobError
 * @typedef {import("./client/types.js").ReceiptDocument} ReceiptDocument
 * @typedef {import("./client/types.js").Clause} Clause
 * @typedef {import("./client/types.js").Receipt} Receipt
 * @typedef {import("./client/types.js").JobView} JobView
 * @typedef {import("./client/types.js").JobAccepted} JobAccepted
 * @typedef {import("./client/types.js").JobItem} JobItem
 * @typedef {import("./client/types.js").Account} Account
 * @typedef {import("./client/types.js").AccountErased} AccountErased
 * @typedef {import("./client/types.js").Portal} Portal
 * @typedef {import("./client/types.js").Token} Token
 * @typedef {import("./client/types.js").OnProgress} OnProgress
 * @typedef {import("./client/types.js").FileContent} FileContent
 * @typedef {import("./client/types.js").Abortable} Abortable
 */
