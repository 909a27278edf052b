/**
 * An order's files on their way: signed, sealed and sent, each that has not arrived.
 */

import { after } from "./order.js";
import { ConflictError, OVERHEAD_BYTES, UnreachableError } from "./rythmiq.js";
import { sealedFor } from "./sealing.js";

/** @typedef {import("./order.js").Order} Order */

/**
 * Sign, seal and upload each part that has not arrived.
 *
 * @param {import("./rythmiq.js").Client} client
 * @param {() => Order} now
 * @param {(event: import("./order.js").Event) => Promise<void>} step
 * @param {(order: Order) => void} show how far it is
 * @param {AbortSignal} signal
 * @returns {Promise<UnreachableError | null>} why it is not known whether everything has arrived
 */
export async function delivered(client, now, step, show, signal) {
  /** @type {Map<number, import("./rythmiq.js").UploadAnswer>} */
  const signed = new Map();
  /** @type {UnreachableError | null} */
  let unheard = null;
  const waiting = () => now().parts.flatMap((part, index) => (part.sent ? [] : [{ part, index }]));
  if (waiting().length > 0) {
    await step({ type: "seal" });
    for (const { part, index } of waiting()) {
      const upload = part.upload
        ? await client.signAgain(part.upload.job_id, { signal }).catch(unlessClaimed)
        : await client.announce(plainOf(part), { filename: part.name, mimeType: part.mime, signal });
      if (upload === null) {
        await step({ type: "arrived", part: index });
        continue;
      }
      signed.set(index, upload);
      await step({ type: "signed", part: index, upload: { job_id: upload.job_id, raw_path: upload.raw_path } });
      if (part.sealed === null && part.file !== null)
        await step({ type: "sealed", part: index, sealed: await sealedFor(part.file, upload) });
    }
    await step({ type: "send" });
    const total = now().parts.reduce((sum, part) => sum + part.size + OVERHEAD_BYTES, 0);
    let arrived = now().parts.reduce((sum, part) => sum + (part.sent ? part.size + OVERHEAD_BYTES : 0), 0);
    for (const { part, index } of waiting()) {
      const upload = signed.get(index);
      if (upload === undefined || part.sealed === null) throw new Error("a part is not sealed");
      const onProgress = (/** @type {number} */ sent) =>
        show(after(now(), { type: "progress", sent: arrived + sent, total }));
      try {
        await client.put(upload, part.sealed, { onProgress, signal });
      } catch (error) {
        // It may have arrived all the same: answers get lost, and a store's refusal of a second try may be none that a
        // page can read. The service looks itself when the job is created.
        if (signal.aborted || !(error instanceof UnreachableError)) throw error;
        unheard = error;
        continue;
      }
      arrived += part.size + OVERHEAD_BYTES;
      await step({ type: "progress", sent: arrived, total });
      await step({ type: "arrived", part: index });
    }
  }
  return unheard;
}

/**
 * Nothing to sign: the job was created after all, and its answer was lost. Creating it again finds it.
 *
 * @param {unknown} error
 * @returns {null}
 */
function unlessClaimed(error) {
  if (error instanceof ConflictError && error.code === "UPLOAD_CLAIMED") return null;
  throw error;
}

/** @param {import("./order.js").Part} part @returns {Blob} */
function plainOf(part) {
  if (part.file === null) throw new Error("the file is not on this device any more");
  return part.file;
}
