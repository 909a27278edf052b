/**
 * What can go wrong, as errors that a program can tell apart.
 */
export type FieldError = import("./types.js").FieldError;
export type JobView = import("./types.js").JobView;
/**
 * @typedef {import("./types.js").FieldError} FieldError
 * @typedef {import("./types.js").JobView} JobView
 */
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
    errors: import("./types.js").FieldError[];
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
    view: import("./types.js").JobView;
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
/**
 * The error for an answer that is no success.
 *
 * @param {import("./transfer.js").Answer} answer
 */
export declare function refusal(answer: import("./transfer.js").Answer): RefusedError | UnexpectedAnswerError | UnreachableError;
