// Seals and opens RQE1 objects (docs/specification/rqe1.md) with nothing but WebCrypto: Node >= 20, or any browser.
//   node rqe1.mjs seal STORAGE_KEY DATA_KEY KID WRAPPED_KEY <plain >sealed      keys in base64, as POST /uploads gives them
//   node rqe1.mjs open STORAGE_KEY DATA_KEY <sealed >plain                      as GET /jobs/{id} gives them
import { pathToFileURL } from "node:url";

const { subtle } = globalThis.crypto;
const utf8 = (text) => new TextEncoder().encode(text);
const bytes = (base64) => Buffer.from(base64, "base64");

async function derive(dataKey, salt, storageKey) {
  const material = await subtle.importKey("raw", bytes(dataKey), "HKDF", false, ["deriveBits"]);
  const terms = { name: "HKDF", hash: "SHA-256", salt, info: utf8(storageKey) };
  const okm = Buffer.from(await subtle.deriveBits(terms, material, 512));
  const key = await subtle.importKey("raw", okm.subarray(0, 32), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, commitment: okm.subarray(32) };
}

const gcm = (header, storageKey) => ({
  name: "AES-GCM",
  iv: header.subarray(64, 76),
  additionalData: Buffer.concat([header.subarray(0, 6), header.subarray(48, 108), utf8(storageKey)]),
});

/** `salt` and `nonce` are for test vectors; leave them out. */
export async function seal(plain, { storageKey, dataKey, kid, wrappedKey, salt, nonce }) {
  const [usedSalt, usedNonce] = [
    salt ?? crypto.getRandomValues(new Uint8Array(16)),
    nonce ?? crypto.getRandomValues(new Uint8Array(12)),
  ];
  const { key, commitment } = await derive(dataKey, usedSalt, storageKey);
  const start = Buffer.from([0x52, 0x51, 0x45, 0x31, 2, 0, kid >> 8, kid & 255]);
  const header = Buffer.concat([start, bytes(wrappedKey), usedSalt, usedNonce, commitment]);
  return Buffer.concat([header, Buffer.from(await subtle.encrypt(gcm(header, storageKey), key, plain))]);
}

/** Throws when it is another key, another place, or another file. */
export async function open(sealed, { storageKey, dataKey }) {
  const header = sealed.subarray(0, 108);
  if (sealed.length < 124 || header.toString("latin1", 0, 6) !== "RQE1\x02\x00" || !header.readUInt16BE(6))
    throw new Error("no RQE1 object of a user");
  const { key, commitment } = await derive(dataKey, header.subarray(48, 64), storageKey);
  if (!commitment.equals(header.subarray(76))) throw new Error("another key, or stored elsewhere");
  return Buffer.from(await subtle.decrypt(gcm(header, storageKey), key, sealed.subarray(108)));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [, , verb, storageKey, dataKey, kid, wrappedKey] = process.argv;
  const given = Buffer.from(await new Response(process.stdin).arrayBuffer());
  const terms = { storageKey, dataKey, kid: Number(kid), wrappedKey };
  process.stdout.write(verb === "seal" ? await seal(given, terms) : await open(given, terms));
}
