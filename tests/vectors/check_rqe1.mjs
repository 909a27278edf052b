// Node's side of the vectors. Reads `rqe1.json`, opens and refuses its objects by WebCrypto, seals objects of its own, and
// prints one JSON document for tests/integration/test_rqe1_node.py to judge. Run: node tests/vectors/check_rqe1.mjs
import { readFile } from "node:fs/promises";
import { DecryptionError, open, parseHeader, seal } from "../../page/rythmiq.js";

const { subtle } = crypto;
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const base64 = (data) => Buffer.from(data).toString("base64");
const vectors = JSON.parse(await readFile(new URL("rqe1.json", import.meta.url), "utf8"));
const rings = {
  users: new Map(vectors.key_ring.map(({ kid, kek }) => [kid, bytes(kek)])),
  service: new Map(vectors.dispatch_ring.map(({ kid, key }) => [kid, bytes(key)])),
};

// --- the service's side: the rings, by HKDF and AES-KW ---
const ringOf = (service) => (service ? rings.service : rings.users);

async function derivedKey(key, storageKey, service) {
  const material = await subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const user = storageKey.split("/")[1];
  const info = new TextEncoder().encode(service ? "rythmiq dispatch v1" : `rythmiq wrap v2${user}`);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
  return subtle.deriveBits(algorithm, material, 256);
}

async function wrappingKey(kid, storageKey, service) {
  const key = await derivedKey(ringOf(service).get(kid), storageKey, service);
  return subtle.importKey("raw", key, "AES-KW", false, ["wrapKey", "unwrapKey"]);
}

async function unwrap(kid, wrappedKey, storageKey, service) {
  if (!ringOf(service).has(kid)) throw new DecryptionError("unknown_kid");
  const kek = await wrappingKey(kid, storageKey, service);
  try {
    const key = await subtle.unwrapKey("raw", wrappedKey, kek, "AES-KW", "AES-GCM", true, ["encrypt"]);
    return new Uint8Array(await subtle.exportKey("raw", key));
  } catch {
    throw new DecryptionError("wrong_key");
  }
}

async function mint(storageKey, service) {
  const [kid] = ringOf(service).keys();
  const key = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]);
  const kek = await wrappingKey(kid, storageKey, service);
  const wrappedKey = new Uint8Array(await subtle.wrapKey("raw", key, kek, "AES-KW"));
  return { dataKey: new Uint8Array(await subtle.exportKey("raw", key)), kid, wrappedKey };
}

async function openVector({ storage_key: storageKey, service, data_key: given, object }) {
  const data = bytes(object);
  if (given !== null) return open(data, { storageKey, service, dataKey: bytes(given) });
  const header = parseHeader(data);
  if (header.service !== service) throw new DecryptionError("malformed");
  return open(data, { storageKey, service, dataKey: await unwrap(header.kid, header.wrappedKey, storageKey, service) });
}

// --- the vectors ---
const opened = [], refused = [], remade = [], fresh = [], wraps = [];
for (const { user_id: user, kid } of vectors.wraps) {
  wraps.push(base64(new Uint8Array(await derivedKey(rings.users.get(kid), `raw/${user}/`, false))));
}
for (const vector of vectors.opens) {
  const { name, storage_key: storageKey, service } = vector;
  const plaintext = bytes(vector.plaintext);
  opened.push({ name, plaintext: base64(await openVector(vector)) });

  const { kid, wrappedKey } = parseHeader(bytes(vector.object));
  const dataKey = await unwrap(kid, wrappedKey, storageKey, service);
  const fixed = { storageKey, dataKey, kid, wrappedKey, service, salt: bytes(vectors.salt), nonce: bytes(vectors.nonce) };
  remade.push({ name, data_key: base64(dataKey), object: base64(await seal(plaintext, fixed)) });

  const minted = await mint(storageKey, service);
  const object = base64(await seal(plaintext, { storageKey, service, ...minted }));
  fresh.push({ name, storage_key: storageKey, service, plaintext: vector.plaintext, data_key: base64(minted.dataKey), object });
}
for (const vector of vectors.refused) {
  const reason = await openVector(vector).then(() => "opened", (error) => error.reason ?? String(error));
  refused.push({ name: vector.name, reason });
}
process.stdout.write(JSON.stringify({ opened, refused, remade, fresh, wraps }));
