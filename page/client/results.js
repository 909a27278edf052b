/**
 * What a job made: downloaded, opened, and compared with what it promised.
 */

import { fromBase64, sha256 } from "./bytes.js";
import { FileMissingError, StoreRefusedError, UnexpectedAnswerError, UnopenedError } from "./errors.js";
import { DecryptionError, open } from "./rqe1.js";

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
export async function downloaded(client, calls, job, what, { signal, maxBytes }) {
  let view = typeof job === "string" ? await client.job(job, { signal }) : job;
  const get = () => calls.exchange("GET", linkOf(view, what), { signal, maxBytes });
  let answer = await get();
  if (answer.status === 403) {
    view = await client.job(view.job_id, { signal }); // the link expired between the view and the call
    answer = await get();
  }
  if (!answer.isSuccess) {
    throw new StoreRefusedError(`the store answered ${answer.status} to the download`, answer.status);
  }
  const data = await opened(view, what, answer.body);
  const made = view.hashes?.[what];
  if (made && made !== (await sha256(data))) {
    throw new UnopenedError(`the ${what} is not the one that was made`, view.job_id);
  }
  if (what === "document" || what === "output") {
    const { filename = "", sha256: promised } = view.receipt?.document ?? {};
    const found = what === "document" ? data : await zipMember(data, filename);
    if (found === null || (await sha256(found)) !== promised) {
      throw new UnopenedError(`the ${what} is not the one of the receipt`, view.job_id);
    }
  }
  return data;
}

/**
 * @param {JobView} view
 * @param {JobFile} what
 */
function linkOf(view, what) {
  const link = view.links[what];
  if (!link) throw new FileMissingError(`the job is ${view.status} and has no ${what}`, view.job_id);
  return link;
}

/**
 * @param {JobView} view
 * @param {JobFile} what
 * @param {Uint8Array<ArrayBuffer>} data
 */
async function opened(view, what, data) {
  if (view.encryption === null) return data;
  const storageKey = view.artifacts?.[`${what}_path`];
  if (storageKey === undefined) throw new UnexpectedAnswerError(`the job does not name its ${what}'s storage key`);
  try {
    return await open(data, { storageKey, dataKey: fromBase64(view.encryption.data_key) });
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error;
    throw new UnopenedError(`the ${what} does not open: ${error.reason}`, view.job_id);
  }
}

/**
 * One file of a ZIP; null when it has none of that name.
 *
 * @param {Uint8Array<ArrayBuffer>} archive
 * @param {string} name
 * @returns {Promise<Uint8Array<ArrayBuffer> | null>}
 */
export async function zipMember(archive, name) {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const short = (/** @type {number} */ at) => view.getUint16(at, true);
  const long = (/** @type {number} */ at) => view.getUint32(at, true);
  let end = archive.length - 22;
  while (end >= 0 && long(end) !== 0x06054b50) end -= 1;
  if (end < 0) return null;
  let at = long(end + 16);
  for (let left = short(end + 10); left > 0 && long(at) === 0x02014b50; left -= 1) {
    const nameEnd = at + 46 + short(at + 28);
    if (new TextDecoder().decode(archive.subarray(at + 46, nameEnd)) === name) {
      const local = long(at + 42);
      const start = local + 30 + short(local + 26) + short(local + 28);
      const packed = archive.subarray(start, start + long(at + 20));
      if (short(at + 10) === 0) return packed;
      const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
      return new Uint8Array(await new Response(inflated).arrayBuffer());
    }
    at = nameEnd + short(at + 30) + short(at + 32);
  }
  return null;
}
