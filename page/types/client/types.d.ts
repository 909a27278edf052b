/**
 * What the API answers, and what the client takes: types alone.
 */
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
export {};
