/**
 * What makes the page an app: its service worker and its manifest, both after the page is there.
 */

import { scriptUrl } from "./scripts.js";

/**
 * Register the service worker, once the person does something or the page has been there for a while, so that a first
 * visit costs five requests.
 *
 * @param {import("./config.js").PageConfig} config
 */
export function register(config) {
  if (!config.isWhole || !("serviceWorker" in navigator)) return;
  // At each start, as a new deploy brings new files and leaves the worker as it is.
  const tell = () => navigator.serviceWorker.controller?.postMessage(filesOf(config));
  navigator.serviceWorker.addEventListener("controllerchange", tell);
  tell();
  const go = () => {
    removeEventListener("pointerdown", go);
    removeEventListener("keydown", go);
    const link = document.createElement("link");
    link.rel = "manifest";
    link.href = `${config.scope}/a/${treeOf()}/app.webmanifest`;
    document.head.append(link);
    const worker = new URL(`${config.scope}/sw.js`, location.origin);
    worker.searchParams.set("api", config.apiUrl);
    void navigator.serviceWorker.register(scriptUrl(worker), { scope: config.scope }).catch(() => undefined);
  };
  if (navigator.serviceWorker.controller) go();
  else {
    addEventListener("pointerdown", go, { once: true });
    addEventListener("keydown", go, { once: true });
  }
}

/** What this page is made of, for the worker to keep. @param {import("./config.js").PageConfig} config */
function filesOf(config) {
  const ours = `${location.origin}${config.scope}/a/`;
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name.replace(/\?.*/, ""));
  const wanted = ["./file-facts.js", "./measures.js", "./print-sheet.js", "./qr.js", "./zip.js"]; // fetched when they are
  const asked = wanted.map((file) => new URL(file, import.meta.url).href);
  return [...new Set([...loaded, ...asked, import.meta.url])].filter((address) => address.startsWith(ours));
}

/** The hash in this module's own address. */
function treeOf() {
  return new URL(import.meta.url).pathname.split("/").at(-2) ?? "";
}
