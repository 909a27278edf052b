// Opens every vector with WebCrypto, makes objects that Python opens, and prints them as one JSON document.
import { readFile } from "node:fs/promises";
import { open, seal, unwrapKey } from "./rqe1.mjs";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const base64 = (data) => Buffer.from(data).toString("base64");
const vectors = JSON.parse(await readFile(new URL("rqe1.json", import.meta.url), "utf8"));
const dataKey = await unwrapKey(bytes(vectors.kek), bytes(vectors.wrapped_key));
const opened = [], refused = [], made = [];
for (const vector of vectors.opens) {
  const { storage_key: storageKey, service } = vector;
  opened.push({ name: vector.name, plaintext: base64(await open(bytes(vector.object), { storageKey, dataKey, service })) });
  const options = { storageKey, dataKey, service, kid: vectors.kid, wrappedKey: bytes(vectors.wrapped_key) };
  const fixed = { ...options, salt: bytes(vectors.salt), nonce: bytes(vectors.nonce) };
  made.push({
    name: vector.name, storage_key: storageKey, service, plaintext: vector.plaintext,
    object: base64(await seal(bytes(vector.plaintext), options)),
    fixed: base64(await seal(bytes(vector.plaintext), fixed)),
  });
}
for (const vector of vectors.refused) {
  const options = { storageKey: vector.storage_key, dataKey: bytes(vector.data_key), service: vector.service };
  const reason = await open(bytes(vector.object), options).then(() => "opened", (error) => error.reason ?? String(error));
  refused.push({ name: vector.name, reason });
}
process.stdout.write(JSON.stringify({ data_key: base64(dataKey), opened, refused, made }));
