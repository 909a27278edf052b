/**
 * Bytes: base64, hashes, and the contents of files.
 */

/** @typedef {import("./types.js").FileContent} FileContent */

/**
 * @param {...Uint8Array} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * The same bytes as what WebCrypto's types ask for; shared memory is nobody's here.
 *
 * @param {Uint8Array} data
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function own(data) {
  return /** @type {Uint8Array<ArrayBuffer>} */ (data);
}

/**
 * Base64 with padding as bytes.
 *
 * @param {string} text
 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/**
 * A SHA-256 in hexadecimal digits.
 *
 * @param {Uint8Array} data
 */
export async function sha256(data) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", own(data)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {FileContent} content */
export async function bytesOf(content) {
  if (content instanceof Uint8Array) return content;
  return new Uint8Array(content instanceof Blob ? await content.arrayBuffer() : content);
}

/** @param {FileContent} content */
export function sizeOf(content) {
  return content instanceof Blob ? content.size : content.byteLength;
}

/** @param {FileContent} content */
export function nameOf(content) {
  return (typeof File !== "undefined" && content instanceof File && content.name) || "file";
}

/** @param {FileContent} content */
export function typeOf(content) {
  return (content instanceof Blob && content.type) || "application/octet-stream";
}
