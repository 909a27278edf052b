/**
 * RQE1: how files are sealed for one storage key, and opened.
 *
 * Source: docs/specification/rqe1.md.
 */

import { concat, own } from "./bytes.js";

const MAGIC = [0x52, 0x51, 0x45, 0x31];
const SUITE = 2;
const HEADER_BYTES = 108;
const TAG_BYTES = 16;
/** What sealing adds to a file. */
export const OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES;
const utf8 = new TextEncoder();

/** An object does not open; `reason` is not_encrypted, malformed, unknown_kid, wrong_key or tampered. */
export class DecryptionError extends Error {
  /** @param {"not_encrypted" | "malformed" | "unknown_kid" | "wrong_key" | "tampered"} reason */
  constructor(reason) {
    super(reason);
    this.name = "DecryptionError";
    this.reason = reason;
  }
}

/**
 * The fields of the 108 bytes before the ciphertext.
 *
 * @param {Uint8Array} data
 */
export function parseHeader(data) {
  if (!MAGIC.every((byte, at) => data[at] === byte)) throw new DecryptionError("not_encrypted");
  if (data.length < OVERHEAD_BYTES) throw new DecryptionError("malformed");
  const [suite = 0, flags = 0, high = 0, low = 0] = data.subarray(4, 8);
  const kid = high * 256 + low;
  if (suite !== SUITE || flags > 1 || kid === 0) throw new DecryptionError("malformed");
  return {
    service: flags === 1,
    kid,
    wrappedKey: data.subarray(8, 48),
    salt: data.subarray(48, 64),
    nonce: data.subarray(64, 76),
    commitment: data.subarray(76, HEADER_BYTES),
  };
}

/**
 * Seals a file for one storage key; it opens nowhere else.
 *
 * @param {Uint8Array} plaintext
 * @param {{
 *   storageKey: string, dataKey: Uint8Array, kid: number, wrappedKey: Uint8Array, service?: boolean,
 *   salt?: Uint8Array, nonce?: Uint8Array,
 * }} terms `kid` and `wrappedKey` go into the header as they are; `salt` and `nonce` are random unless a test vector
 *   gives them.
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function seal(plaintext, terms) {
  const { storageKey, dataKey, kid, wrappedKey, service = false } = terms;
  const salt = terms.salt ?? crypto.getRandomValues(new Uint8Array(16));
  const nonce = terms.nonce ?? crypto.getRandomValues(new Uint8Array(12));
  const sizes = [dataKey.length, wrappedKey.length, salt.length, nonce.length].join();
  if (sizes !== "32,40,16,12" || !Number.isInteger(kid) || kid < 1 || kid > 65535) {
    throw new RangeError("a key, kid, salt or nonce has the wrong size");
  }
  const { key, commitment } = await derive(dataKey, salt, storageKey);
  const head = Uint8Array.from([...MAGIC, SUITE, service ? 1 : 0, kid >> 8, kid & 255]);
  const header = concat(head, wrappedKey, salt, nonce, commitment);
  const algorithm = { name: "AES-GCM", iv: own(nonce), additionalData: associated(header, storageKey) };
  return concat(header, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, own(plaintext))));
}

/**
 * Opens an object that stands at `storageKey`.
 *
 * @param {Uint8Array} data
 * @param {{ storageKey: string, dataKey: Uint8Array, service?: boolean }} terms
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {DecryptionError}
 */
export async function open(data, { storageKey, dataKey, service = false }) {
  const header = parseHeader(data);
  if (header.service !== service) throw new DecryptionError("malformed");
  const { key, commitment } = await derive(dataKey, header.salt, storageKey);
  let different = 0; // no early way out: the time tells nothing
  commitment.forEach((byte, at) => (different |= byte ^ (header.commitment[at] ?? 256)));
  if (different) throw new DecryptionError("wrong_key");
  const algorithm = { name: "AES-GCM", iv: own(header.nonce), additionalData: associated(data, storageKey) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, own(data.subarray(HEADER_BYTES))));
  } catch {
    throw new DecryptionError("tampered");
  }
}

/**
 * @param {Uint8Array} dataKey
 * @param {Uint8Array} salt
 * @param {string} storageKey
 */
async function derive(dataKey, salt, storageKey) {
  const material = await crypto.subtle.importKey("raw", own(dataKey), "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: own(salt), info: utf8.encode(storageKey) };
  const okm = new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, 512));
  const key = await crypto.subtle.importKey("raw", okm.subarray(0, 32), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, commitment: okm.subarray(32) };
}

/**
 * @param {Uint8Array} header
 * @param {string} storageKey
 */
function associated(header, storageKey) {
  return concat(header.subarray(0, 6), header.subarray(48, HEADER_BYTES), utf8.encode(storageKey));
}
