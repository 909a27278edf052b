/**
 * The module worker that seals a file (RQE1), so that the page stays free meanwhile.
 */

import { sealFor } from "./client/uploads.js";

self.addEventListener("message", async (/** @type {MessageEvent} */ event) => {
  const { file, upload } = event.data;
  try {
    const sealed = await sealFor(upload, new Uint8Array(await file.arrayBuffer()));
    self.postMessage({ sealed: new Blob([sealed], { type: "application/octet-stream" }) });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.message : "unknown" });
  }
});
