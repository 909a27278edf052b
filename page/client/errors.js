/**
 * What can go wrong, as errors that a program can tell apart.
 */

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
export class ClientError extends Error {
  /**
   * @param {string} message
   * @param {string} code
   * @param {{ requestId?: string | null, jobId?: string | null }} [about]
   */
  constructor(message, code, { requestId = null, jobId = null } = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.requestId = requestId;
    this.jobId = jobId;
  }
}

/** Nobody answers, or only 429 and 5xx, for as long as repeating made sense. */
export class UnreachableError extends ClientError {
  /**
   * @param {string} message
   * @param {{ code?: string, requestId?: string | null, jobId?: string | null }} [about]
   */
  constructor(message, { code = "UNREACHABLE", ...about } = {}) {
    super(message, code, about);
  }
}

/** What answers is not this service. */
export class UnexpectedAnswerError extends ClientError {
  /** @param {string} message */
  constructor(message) {
    super(message, "UNEXPECTED_ANSWER");
  }
}

/** The service refuses the call: a problem document of RFC 9457. */
export class RefusedError extends ClientError {
  /**
   * @param {string} message
   * @param {{ status: number, code: string, errors: FieldError[], retryAfterS: number | null, requestId: string | null }} problem
   */
  constructor(message, { status, code, errors, retryAfterS, requestId }) {
    super(message, code, { requestId });
    this.status = status;
    this.errors = errors;
    this.retryAfterS = retryAfterS;
  }
}
/** The token is missing, wrong or over. */
export class UnauthenticatedError extends RefusedError {}
/** No credit is left. */
export class NoCreditError extends RefusedError {}
/** There is no such thing, or it is somebody else's. */
export class NotFoundError extends RefusedError {}
/** It cannot be done in the state that the upload or the job is in. */
export class ConflictError extends RefusedError {}
/** Too many jobs or calls; `retryAfterS` says how long to wait. */
export class TooManyJobsError extends RefusedError {}
/** The request itself is wrong; `errors` has JSON pointers to the fields. */
export class InvalidRequestError extends RefusedError {}

/** The object store refuses an upload or a download. */
export class StoreRefusedError extends ClientError {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message, "STORE_REFUSED");
    this.status = status;
  }
}

/** The job has no such file, or not yet. */
export class FileMissingError extends ClientError {
  /**
   * @param {string} message
   * @param {string} jobId
   */
  constructor(message, jobId) {
    super(message, "FILE_MISSING", { jobId });
  }
}

/** A download does not open, or is not the file of the receipt. */
export class UnopenedError extends ClientError {
  /**
   * @param {string} message
   * @param {string} jobId
   */
  constructor(message, jobId) {
    super(message, "NOT_OPENED", { jobId });
  }
}

/** The job ended `failed`; `view.charged` says whether it cost its credit. */
export class JobFailedError extends ClientError {
  /** @param {JobView} view */
  constructor(view) {
    super(view.error?.message ?? "the job failed", view.error?.code ?? "INTERNAL_ERROR", { jobId: view.job_id });
    this.view = view;
    this.advice = view.error?.advice ?? "";
    this.stage = view.error?.stage ?? view.stage;
    this.retryable = view.error?.retryable ?? false;
  }
}

/** The time is up and the job goes on: wait again with its id. */
export class WaitTimeoutError extends ClientError {
  /**
   * @param {string} message
   * @param {string} jobId
   */
  constructor(message, jobId) {
    super(message, "WAIT_TIMEOUT", { jobId });
  }
}

/** @type {Record<number, typeof RefusedError>} */
const KINDS = {
  401: UnauthenticatedError,
  402: NoCreditError,
  404: NotFoundError,
  409: ConflictError,
  429: TooManyJobsError,
};

/**
 * The error for an answer that is no success.
 *
 * @param {import("./transfer.js").Answer} answer
 */
export function refusal(answer) {
  /** @type {any} */
  let problem = null;
  try {
    problem = answer.json();
  } catch {
    // not ours
  }
  const requestId = problem?.request_id ?? answer.requestId;
  if (answer.status >= 500) {
    return new UnreachableError(problem?.detail ?? `the service answered ${answer.status}`, {
      ...(problem?.code && { code: String(problem.code) }),
      requestId,
    });
  }
  if (answer.status < 400 || typeof problem?.code !== "string") {
    return new UnexpectedAnswerError(`the service answered ${answer.status}, and not as Rythmiq does`);
  }
  /** @type {FieldError[]} */
  const errors = problem.errors ?? [];
  const where = errors.map((error) => `; ${error.pointer || "/"}: ${error.detail}`).join("");
  const { status, retryAfterS } = answer;
  return new (KINDS[status] ?? InvalidRequestError)(problem.detail + where, {
    status,
    code: problem.code,
    errors,
    retryAfterS,
    requestId,
  });
}
