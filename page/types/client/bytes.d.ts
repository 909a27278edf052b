/**
 * Bytes: base64, hashes, and the contents of files.
 */
export type FileContent = import("./types.js").FileContent;
/** @typedef {import("./types.js").FileContent} FileContent */
/**
 * @param {...Uint8Array} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
export declare function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer>;
/**
 * The same bytes as what WebCrypto's types ask for; shared memory is nobody's here.
 *
 * @param {Uint8Array} data
 * @returns {Uint8Array<ArrayBuffer>}
 */
export declare function own(data: Uint8Array): Uint8Array<ArrayBuffer>;
/**
 * Base64 with padding as bytes.
 *
 * @param {string} text
 */
export declare function fromBase64(text: string): Uint8Array<ArrayBuffer>;
/**
 * A SHA-256 in hexadecimal digits.
 *
 * @param {Uint8Array} data
 */
export declare function sha256(data: Uint8Array): Promise<string>;
/** @param {FileContent} content */
export declare function bytesOf(content: FileContent): Promise<Uint8Array<ArrayBufferLike>>;
/** @param {FileContent} content */
export declare function sizeOf(content: FileContent): number;
/** @param {FileContent} content */
export declare function nameOf(content: FileContent): string;
/** @param {FileContent} content */
export declare function typeOf(content: FileContent): string;
