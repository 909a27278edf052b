/**
 * Sealing in a worker of its own.
 */

import { scriptUrl } from "./scripts.js";

/**
 * Seal a file under the key of its upload, as it goes to the store.
 *
 * @param {Blob} file
 * @param {import("./rythmiq.js").UploadAnswer} upload
 * @returns {Promise<Blob>} the file itself where the service takes plaintext and gave no key
 */
export function sealedFor(file, upload) {
  if (upload.encryption === null) return Promise.resolve(file);
  return new Promise((resolve, reject) => {
    const worker = new Worker(scriptUrl(new URL("./seal-worker.js", import.meta.url)), { type: "module" });
    const ends = (/** @type {() => void} */ settle) => {
      worker.terminate();
      settle();
    };
    worker.onmessage = ({ data }) =>
      ends(() =>
        data.sealed instanceof Blob ? resolve(data.sealed) : reject(new Error(`sealing failed: ${data.error}`)),
      );
    worker.onerror = () => ends(() => reject(new Error("the sealing worker did not start")));
    worker.postMessage({ file, upload });
  });
}
