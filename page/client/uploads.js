/**
 * From files to a job.
 */

import { fromBase64, nameOf, sizeOf, typeOf } from "./bytes.js";
import { ClientError, ConflictError, UnexpectedAnswerError } from "./errors.js";
import { OVERHEAD_BYTES, seal } from "./rqe1.js";

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
export function sealFor(upload, content) {
  if (upload.encryption === null) throw new UnexpectedAnswerError("the service gave no key to seal the file with");
  return seal(content, {
    storageKey: upload.raw_path,
    dataKey: fromBase64(upload.encryption.data_key),
    kid: upload.encryption.kid,
    wrappedKey: fromBase64(upload.encryption.wrapped_key),
  });
}

/**
 * `Client.submit`.
 *
 * @param {import("./client.js").Client} client
 * @param {Parameters<import("./client.js").Client["submit"]>[0]} files
 * @param {Parameters<import("./client.js").Client["submit"]>[1]} order
 * @returns {Promise<import("./types.js").JobAccepted>}
 */
export async function submitted(client, files, order) {
  const { portal, slot, portalVersion, options, encrypted = true, jobId = null, onProgress, signal } = order;
  const contents = Array.isArray(files) ? files : [files];
  const [first, ...others] = contents;
  if (first === undefined) throw new TypeError("there is no file to submit");
  const filename = order.filename ?? nameOf(first);
  const mimeType = order.mimeType || typeOf(first);
  /** @type {UploadAnswer} */
  let upload;
  try {
    upload =
      jobId === null
        ? await client.announce(first, { filename, mimeType, encrypted, signal })
        : await client.signAgain(jobId, { signal });
  } catch (error) {
    if (jobId === null || !(error instanceof ConflictError) || error.code !== "UPLOAD_CLAIMED") throw error;
    const view = await client.job(jobId, { signal }); // it was created after all
    return { job_id: view.job_id, status: view.status, links: { self: view.links.self } };
  }
  try {
    const total = contents.reduce((sum, content) => sum + sizeOf(content) + OVERHEAD_BYTES, 0);
    let sent = 0;
    /** @type {OnProgress} */
    const report = (sentBytes) => onProgress?.(sent + sentBytes, total);
    sent += await client.upload(upload, first, { encrypted, onProgress: report, signal });
    const paths = [upload.raw_path];
    for (const page of others) {
      // Pages that an interrupted submit uploaded are not known any more; they expire.
      const target = await client.announce(page, { encrypted, signal });
      sent += await client.upload(target, page, { encrypted, onProgress: report, signal });
      paths.push(target.raw_path);
    }
    return await client.createJob({
      ...(others.length ? { rawPaths: paths } : { rawPath: upload.raw_path }),
      portal,
      slot,
      portalVersion,
      options,
      mimeType,
      originalFilename: filename,
      idempotencyKey: upload.job_id,
      signal,
    });
  } catch (error) {
    if (error instanceof ClientError) error.jobId = upload.job_id;
    throw error;
  }
}
