// RQE1 in WebCrypto: the same code runs in Node and in a browser. See docs/rqe1.md.

const MAGIC = [0x52, 0x51, 0x45, 0x31];
const HEADER = 108, TAG = 16;
const utf8 = new TextEncoder();

export class DecryptionError extends Error {
  constructor(reason) { super(reason); this.reason = reason; }
}

function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { out.set(part, at); at += part.length; }
  return out;
}

async function derive(dataKey, salt, storageKey) {
  const material = await crypto.subtle.importKey("raw", dataKey, "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt, info: utf8.encode(storageKey) };
  const okm = new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, 512));
  const key = await crypto.subtle.importKey("raw", okm.slice(0, 32), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, commitment: okm.slice(32) };
}

function associated(header, storageKey) {
  return concat(header.slice(0, 6), header.slice(48, HEADER), utf8.encode(storageKey));
}

export async function unwrapKey(kek, wrappedKey) {
  const wrapping = await crypto.subtle.importKey("raw", kek, "AES-KW", false, ["unwrapKey"]);
  const key = await crypto.subtle.unwrapKey(
    "raw", wrappedKey, wrapping, "AES-KW", { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
  return new Uint8Array(await crypto.subtle.exportKey("raw", key));
}

export async function seal(plaintext, { storageKey, dataKey, kid, wrappedKey, service = false, salt, nonce }) {
  salt ??= crypto.getRandomValues(new Uint8Array(16));
  nonce ??= crypto.getRandomValues(new Uint8Array(12));
  const { key, commitment } = await derive(dataKey, salt, storageKey);
  const head = Uint8Array.from([...MAGIC, 1, service ? 1 : 0, kid >> 8, kid & 255]);
  const header = concat(head, wrappedKey, salt, nonce, commitment);
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: associated(header, storageKey) };
  return concat(header, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plaintext)));
}

export async function open(data, { storageKey, dataKey, service = false }) {
  if (!MAGIC.every((byte, at) => data[at] === byte)) throw new DecryptionError("not_encrypted");
  const kid = data[6] * 256 + data[7];
  if (data.length < HEADER + TAG || data[4] !== 1 || data[5] > 1 || kid === 0) throw new DecryptionError("malformed");
  if (Boolean(data[5]) !== service) throw new DecryptionError("malformed");
  const { key, commitment } = await derive(dataKey, data.slice(48, 64), storageKey);
  let different = 0;
  for (let at = 0; at < 32; at += 1) different |= commitment[at] ^ data[76 + at];
  if (different) throw new DecryptionError("wrong_key");
  const algorithm = { name: "AES-GCM", iv: data.slice(64, 76), additionalData: associated(data, storageKey) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, data.slice(HEADER)));
  } catch {
    throw new DecryptionError("tampered");
  }
}
