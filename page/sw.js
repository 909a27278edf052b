/**
 * The service worker: the page without a network (preflight and this device's history), and photos shared from other apps.
 *
 * It keeps the page's own files and the rule book, never anything that a token is needed for. It goes away by one deploy:
 * a `sw.js` that only unregisters (docs/page.md).
 */

const CACHE = "rythmiq-page";
const SCOPE = new URL(self.registration.scope).pathname.replace(/\/$/, "");
// The API may be elsewhere, and a worker that is woken has nothing but its own address.
const RULES = `${new URL(self.location).searchParams.get("api")}/portals`;
const SHARED_AT_MOST = 20;

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      await self.clients.claim(); // the page then says which files it is made of
      // The page was loaded before there was a worker: fetch what it began with once more.
      const document = new Request(SCOPE, { cache: "no-cache" });
      await Promise.all(
        [document, new Request(`${SCOPE}/config.json`), new Request(RULES)].map((request) =>
          fetch(request)
            .then((answer) => keep(request === document ? SCOPE : request.url, answer))
            .catch(() => undefined),
        ),
      );
    })(),
  );
});

// The page says at each start which files it is made of, those too that it has not asked for yet.
self.addEventListener("message", (event) => {
  const files = Array.isArray(event.data)
    ? event.data.filter((address) => isAsset(new URL(address, self.location)))
    : [];
  const [tree] = files[0]?.match(/^.*\/a\/[^/]+\//) ?? [];
  if (!tree) return;
  event.waitUntil(
    caches.open(CACHE).then(async (cache) => {
      const kept = (await cache.keys()).map(({ url }) => url);
      const missing = files.filter((address) => !kept.includes(address));
      await Promise.all(missing.map((address) => cache.add(address).catch(() => undefined)));
      const old = kept.filter((url) => isAsset(new URL(url)) && !url.startsWith(tree));
      await Promise.all(old.map((url) => cache.delete(url)));
    }),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method === "GET" && request.url === RULES) event.respondWith(fresh(request, RULES));
  else if (url.origin !== self.location.origin) return;
  else if (request.method === "POST" && url.pathname === `${SCOPE}/share`) event.respondWith(shared(request));
  else if (request.method !== "GET") return;
  else if (isAsset(url)) event.respondWith(fromCache(request));
  else if ([SCOPE, `${SCOPE}/`].includes(url.pathname) && request.mode === "navigate")
    event.respondWith(fresh(request, SCOPE));
  else if (url.pathname === `${SCOPE}/config.json`) event.respondWith(fresh(request, url.href));
});

function isAsset(url) {
  return url.origin === self.location.origin && url.pathname.startsWith(`${SCOPE}/a/`);
}

/** Files never change under one address; a query is a second try (`on-demand.js`). */
async function fromCache(request) {
  const [address] = request.url.split("?");
  const found = await (await caches.open(CACHE)).match(address);
  if (found) return found;
  const answer = await fetch(request);
  await keep(address, answer.clone());
  return answer;
}

/** From the network, and what was kept where there is none. */
async function fresh(request, name) {
  try {
    const answer = await fetch(request);
    await keep(name, answer.clone());
    return answer;
  } catch (error) {
    const found = await (await caches.open(CACHE)).match(name, { ignoreVary: true });
    if (found) return found;
    throw error;
  }
}

/** Keep an answer, without that it was led on: static hosts lead from `/app` to `/app/`, and no browser takes such a page. */
async function keep(name, answer) {
  if (!answer.ok) return;
  const { status, headers } = answer;
  const plain = new Response(await answer.blob(), { status, headers }); // read first: one that breaks off is not taken
  const cache = await caches.open(CACHE);
  await cache.put(name, plain).catch(() => undefined); // a full device goes without
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
