/**
 * The service worker: the page without a network (preflight and this device's history), and photos shared from other apps.
 *
 * It keeps the page's own files and the rule book, never anything that a token is needed for. It goes away by one deploy:
 * a `sw.js` that only unregisters (docs/page.md).
 */

const CACHE = "rythmiq-page";
const SCOPE = new URL(self.registration.scope).pathname.replace(/\/$/, "");
const API = SCOPE.replace(/\/[^/]*$/, "");
const SHARED_AT_MOST = 20;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      await self.clients.claim();
      // The page was loaded before there was a worker: fetch what it is made of once more, from the browser's cache.
      const cache = await caches.open(CACHE);
      await cache.add(new Request(SCOPE, { cache: "no-cache" })).catch(() => undefined);
      await Promise.all(
        [`${SCOPE}/config.json`, `${API}/portals`].map((address) => cache.add(address).catch(() => undefined)),
      );
      for (const client of await self.clients.matchAll()) client.postMessage("files?");
    })(),
  );
});

// The page says which files it is made of.
self.addEventListener("message", (event) => {
  const files = Array.isArray(event.data)
    ? event.data.filter((address) => isAsset(new URL(address, self.location)))
    : [];
  event.waitUntil(
    caches.open(CACHE).then(async (cache) => {
      const folder = files[0]?.replace(/[^/]*$/, "");
      for (const { url } of await cache.keys())
        if (isAsset(new URL(url)) && folder && !url.startsWith(folder)) await cache.delete(url);
      await Promise.all(files.map((address) => cache.add(address).catch(() => undefined)));
    }),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === "POST" && url.pathname === `${SCOPE}/share`) event.respondWith(shared(request));
  else if (request.method !== "GET") return;
  else if (isAsset(url)) event.respondWith(fromCache(request));
  else if (url.pathname === SCOPE && request.mode === "navigate") event.respondWith(fresh(request, SCOPE));
  else if (url.pathname === `${SCOPE}/config.json` || url.pathname === `${API}/portals`)
    event.respondWith(fresh(request, url.pathname));
});

function isAsset(url) {
  return url.origin === self.location.origin && url.pathname.startsWith(`${SCOPE}/a/`);
}

/** Files never change under one address. */
async function fromCache(request) {
  const cache = await caches.open(CACHE);
  const found = await cache.match(request.url);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request.url, answer.clone());
  return answer;
}

/** From the network, and what was kept where there is none. */
async function fresh(request, name) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected) await cache.put(name, answer.clone());
    return answer;
  } catch (error) {
    const found = await cache.match(name);
    if (found) return found;
    throw error;
  }
}

/** Photos from the share sheet: kept on the device, then shown. */
async function shared(request) {
  const form = await request.formData();
  const files = form
    .getAll("photo")
    .filter((part) => part instanceof File && part.size > 0)
    .slice(0, SHARED_AT_MOST);
  if (files.length > 0) await keepShared(files);
  return Response.redirect(`${SCOPE}?shared=1`, 303);
}

function keepShared(files) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("rythmiq", 1);
    request.onupgradeneeded = () => {
      for (const store of ["drafts", "orders", "history", "shared"])
        request.result.createObjectStore(store, { keyPath: "id" });
    };
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const transaction = request.result.transaction("shared", "readwrite");
      const shared = transaction.objectStore("shared");
      shared.clear(); // what came before was never taken, and nobody would see it again
      shared.put({ id: String(Date.now()), files });
      transaction.oncomplete = () => (request.result.close(), resolve());
      transaction.onerror = () => reject(transaction.error);
    };
  });
}
