// RQE1 in WebCrypto: what a client needs to seal an upload and to open what it downloads. The same code runs in Node and
// in a browser; it holds no key of the ring. See docs/specification/rqe1.md.

const MAGIC = [0x52, 0x51, 0x45, 0x31];
const SUITE = 2;
const HEADER_BYTES = 108, TAG_BYTES = 16;
export const OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;
const utf8 = new TextEncoder();

/** An object does not open; `reason` is not_encrypted, malformed, unknown_kid, wrong_key or tampered. */
export class DecryptionError extends Error {
  constructor(reason) {
    super(reason);
    this.name = "DecryptionError";
    this.reason = reason;
  }
}

/** The fields of the 108 bytes before the ciphertext. */
export function parseHeader(data) {
  if (!MAGIC.every((byte, at) => data[at] === byte)) throw new DecryptionError("not_encrypted");
  if (data.length < OVERHEAD_BYTES) throw new DecryptionError("malformed");
  const kid = data[6] * 256 + data[7];
  if (data[4] !== SUITE || data[5] > 1 || kid === 0) throw new DecryptionError("malformed");
  return {
    service: data[5] === 1, kid, wrappedKey: data.subarray(8, 48),
    salt: data.subarray(48, 64), nonce: data.subarray(64, 76), commitment: data.subarray(76, HEADER_BYTES),
  };
}

/** Seals `plaintext` for one storage key; `salt` and `nonce` are random unless a test vector gives them. */
export async function seal(plaintext, { storageKey, dataKey, kid, wrappedKey, service = false, salt, nonce }) {
  salt ??= crypto.getRandomValues(new Uint8Array(16));
  nonce ??= crypto.getRandomValues(new Uint8Array(12));
  const sizes = [dataKey.length, wrappedKey.length, salt.length, nonce.length];
  if (String(sizes) !== "32,40,16,12" || !Number.isInteger(kid) || kid < 1 || kid > 65535) {
    throw new RangeError("a key, kid, salt or nonce has the wrong size");
  }
  const { key, commitment } = await derive(dataKey, salt, storageKey);
  const head = Uint8Array.from([...MAGIC, SUITE, service ? 1 : 0, kid >> 8, kid & 255]);
  const header = concat(head, wrappedKey, salt, nonce, commitment);
  const algorithm = { name: "AES-GCM", iv: nonce, additionalData: associated(header, storageKey) };
  return concat(header, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plaintext)));
}

/** Opens an object that stands at `storageKey`; throws a DecryptionError. */
export async function open(data, { storageKey, dataKey, service = false }) {
  const header = parseHeader(data);
  if (header.service !== service) throw new DecryptionError("malformed");
  const { key, commitment } = await derive(dataKey, header.salt, storageKey);
  let different = 0; // no early way out: the time tells nothing
  for (let at = 0; at < commitment.length; at += 1) different |= commitment[at] ^ header.commitment[at];
  if (different) throw new DecryptionError("wrong_key");
  const algorithm = { name: "AES-GCM", iv: header.nonce, additionalData: associated(data, storageKey) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, data.subarray(HEADER_BYTES)));
  } catch {
    throw new DecryptionError("tampered");
  }
}

async function derive(dataKey, salt, storageKey) {
  const material = await crypto.subtle.importKey("raw", dataKey, "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt, info: utf8.encode(storageKey) };
  const okm = new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, 512));
  const key = await crypto.subtle.importKey("raw", okm.subarray(0, 32), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, commitment: okm.subarray(32) };
}

function associated(header, storageKey) {
  return concat(header.subarray(0, 6), header.subarray(48, HEADER_BYTES), utf8.encode(storageKey));
}

function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
