/**
 * What this device keeps, in IndexedDB: the file that was chosen, orders under way, the history, shared photos.
 *
 * A sealed upload is kept until its job is accepted, and then removed with the plain file. Where IndexedDB is missing
 * or refused (private windows), a Map keeps the same for as long as the page is open.
 */

/** @typedef {"drafts" | "orders" | "history" | "shared"} Store */

const NAME = "rythmiq";
const VERSION = 1;
/** @type {readonly Store[]} */
const STORES = ["drafts", "orders", "history", "shared"];

/** @type {Promise<IDBDatabase | null> | null} */
let opening = null;
/** @type {Map<string, any>} */
const fallback = new Map();
let allowed = false;

/** Allow this origin's IndexedDB: only where the origin is ours alone. @param {boolean} own */
export function keepOnDevice(own) {
  allowed = own && "indexedDB" in globalThis;
}

/** @returns {Promise<IDBDatabase | null>} */
function database() {
  if (!allowed) return Promise.resolve(null);
  opening ??= new Promise((resolve) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      for (const store of STORES) request.result.createObjectStore(store, { keyPath: "id" });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
  return opening;
}

/**
 * @param {Store | [Store, Store]} names
 * @param {IDBTransactionMode} mode
 * @param {(objects: IDBObjectStore, others: IDBObjectStore) => IDBRequest<any>} act `others`: of the second, where there are two
 * @param {() => any} otherwise
 * @returns {Promise<any>}
 */
async function within(names, mode, act, otherwise) {
  const opened = await database();
  if (opened === null) return otherwise();
  return new Promise((resolve, reject) => {
    const transaction = opened.transaction(names, mode);
    const [one, other] = [names].flat();
    const request = act(transaction.objectStore(one ?? ""), transaction.objectStore(other ?? one ?? ""));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error ?? new Error("the device has no room"));
  });
}

/** Keep a record under its `id`. @param {Store} store @param {{ id: string, [name: string]: unknown }} record */
export async function keep(store, record) {
  await within(
    store,
    "readwrite",
    (objects) => objects.put(record),
    () => void fallback.set(`${store}/${record.id}`, record),
  );
}

/**
 * Keep a record unless there is one of its `id`.
 *
 * @param {Store} store
 * @param {{ id: string, [name: string]: unknown }} record
 */
export async function keepFirst(store, record) {
  await within(
    store,
    "readwrite",
    (objects) => {
      const request = objects.get(record.id);
      request.onsuccess = () => request.result || objects.put(record);
      return request;
    },
    () => fallback.has(`${store}/${record.id}`) || fallback.set(`${store}/${record.id}`, record),
  );
}

/**
 * Change what is kept, in one step that no other tab comes between: it may have changed or removed it meanwhile.
 *
 * @param {Store} store
 * @param {string} id
 * @param {(found: any) => any} update what to keep in its place; null leaves it as it is
 * @param {Store} [other]
 * @param {{ id: string, [name: string]: unknown } | null} [beside] kept in that store with the change, or not at all
 * @returns {Promise<any>} what is kept now; null where there is nothing, or nothing was changed
 */
export async function change(store, id, update, other = store, beside = null) {
  let made = null;
  await within(
    [store, other],
    "readwrite",
    (objects, others) => {
      const request = objects.get(id);
      request.onsuccess = () => {
        made = request.result ? update(request.result) : null;
        if (made) objects.put(made);
        if (made && beside) others.put(beside);
      };
      return request;
    },
    () => {
      const found = fallback.get(`${store}/${id}`);
      made = found ? update(found) : null;
      if (made) fallback.set(`${store}/${id}`, made);
      if (made && beside) fallback.set(`${other}/${beside.id}`, beside);
    },
  );
  return made;
}

/**
 * Keep a record in place of one of another store: both or neither.
 *
 * @param {Store} store
 * @param {{ id: string, [name: string]: unknown }} record
 * @param {Store} other
 * @param {string} id of what goes
 * @param {string | undefined} mark which it has, if it is still the same
 * @returns {Promise<boolean>} false where another one, or none, is there by now: nothing is changed
 */
export async function keepInstead(store, record, other, id, mark) {
  let isSame = false;
  await within(
    [store, other],
    "readwrite",
    (objects, others) => {
      const request = others.get(id);
      request.onsuccess = () => {
        isSame = request.result?.mark === mark;
        if (!isSame) return;
        others.delete(id);
        objects.put(record);
      };
      return request;
    },
    () => {
      isSame = fallback.get(`${other}/${id}`)?.mark === mark;
      if (!isSame) return;
      fallback.delete(`${other}/${id}`);
      fallback.set(`${store}/${record.id}`, record);
    },
  );
  return isSame;
}

/** One record, or null. @param {Store} store @param {string} id @returns {Promise<any>} */
export async function kept(store, id) {
  return (
    (await within(
      store,
      "readonly",
      (objects) => objects.get(id),
      () => fallback.get(`${store}/${id}`),
    )) ?? null
  );
}

/** Every record of a store. @param {Store} store @returns {Promise<any[]>} */
export async function all(store) {
  return within(
    store,
    "readonly",
    (objects) => objects.getAll(),
    () => [...fallback].filter(([key]) => key.startsWith(`${store}/`)).map(([, record]) => record),
  );
}

/** Remove a record. @param {Store} store @param {string} id */
export async function forget(store, id) {
  await within(
    store,
    "readwrite",
    (objects) => objects.delete(id),
    () => void fallback.delete(`${store}/${id}`),
  );
}

/** Remove everything that this device keeps. */
export async function forgetEverything() {
  for (const store of STORES) {
    await within(
      store,
      "readwrite",
      (objects) => objects.clear(),
      () => undefined,
    );
  }
  fallback.clear();
}
