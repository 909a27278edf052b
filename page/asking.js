/**
 * Asking the service for an order's job, and calling it off again.
 */

import { ConflictError, NotFoundError, RefusedError } from "./rythmiq.js";

/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./rythmiq.js").Client} Client */

const NO_VERSION = "none";
const LONGEST_CREATION_MS = 10_000;

/**
 * The job of an order, created or found: asked for again, it is the same one.
 *
 * @param {Client} client
 * @param {Order} order
 * @param {{ signal?: AbortSignal, version?: string }} [call] `version` of the rules, in place of the order's own
 */
export function jobFor(client, order, { signal, version = order.version } = {}) {
  const [first] = order.parts;
  const paths = order.parts.map((part) => part.upload?.raw_path ?? "");
  return client.createJob({
    portal: order.portal,
    slot: order.slot,
    portalVersion: version,
    ...(order.master !== null
      ? { rawPath: order.master }
      : paths.length > 1
        ? { rawPaths: paths }
        : { rawPath: paths[0] ?? "" }),
    ...(first && { mimeType: first.mime }),
    originalFilename: first?.name ?? order.name ?? undefined,
    options: order.options,
    idempotencyKey: order.id,
    ...(signal && { signal }),
  });
}

/**
 * See to it that nothing is made or charged of an order. Whether its job was created is not known where no answer came;
 * an upload's id becomes the job's, and without the upload there will be none.
 *
 * @param {Client} client
 * @param {Order} order
 * @returns {Promise<boolean>} false where the job has begun already, which changes nothing
 */
export async function calledOff(client, order) {
  const uploads = order.parts.flatMap(({ upload }) => upload ?? []);
  let jobId = order.job_id;
  if (jobId === null && order.asked) {
    const [first] = uploads;
    if (first === undefined) {
      jobId = await jobFound(client, order);
      if (jobId === null) {
        // What a page asked for that was closed meanwhile may still be on its way.
        await new Promise((resolve) => setTimeout(resolve, LONGEST_CREATION_MS));
        jobId = await jobFound(client, order);
      }
    } else if (!(await isUnclaimed(client, first.job_id))) jobId = first.job_id;
  }
  if (jobId !== null) return isOff(client, jobId);
  // What was sent would lie there for a day; where the service is not to be had now, it does.
  for (const { job_id } of uploads) void client.deleteUpload(job_id).catch(() => undefined);
  return true;
}

/** Remove an upload; whether no job has taken it. @param {Client} client @param {string} jobId */
async function isUnclaimed(client, jobId) {
  try {
    await client.deleteUpload(jobId);
  } catch (error) {
    if (error instanceof ConflictError) return false;
    if (!(error instanceof NotFoundError)) throw error;
  }
  return true;
}

/**
 * The job that was created of a master under the order's key, or null. To ask for it would create it, and so it is asked
 * for under rules that there are none of: what the service refuses then is the difference to the job, or the rules.
 *
 * @param {Client} client
 * @param {Order} order
 */
async function jobFound(client, order) {
  try {
    return (await jobFor(client, order, { version: NO_VERSION })).job_id;
  } catch (error) {
    const code = error instanceof RefusedError ? error.code : "";
    if (code === "PORTAL_UNKNOWN") return null;
    if (code !== "IDEMPOTENCY_MISMATCH") throw error;
    return (await jobFor(client, order)).job_id;
  }
}

/** Cancel a job; true also where that was done before. @param {Client} client @param {string} jobId */
async function isOff(client, jobId) {
  return (await client.cancel(jobId)) || (await client.job(jobId)).error?.code === "EXECUTOR_CANCELLED";
}
