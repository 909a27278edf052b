/**
 * RQE1: how files are sealed for one storage key, and opened.
 *
 * Source: docs/specification/rqe1.md.
 */
/** What sealing adds to a file. */
export declare const OVERHEAD_BYTES: number;
/** An object does not open; `reason` is not_encrypted, malformed, unknown_kid, wrong_key or tampered. */
export declare class DecryptionError extends Error {
    reason: "malformed" | "not_encrypted" | "tampered" | "unknown_kid" | "wrong_key";
    /** @param {"not_encrypted" | "malformed" | "unknown_kid" | "wrong_key" | "tampered"} reason */
    constructor(reason: "not_encrypted" | "malformed" | "unknown_kid" | "wrong_key" | "tampered");
}
/**
 * The fields of the 108 bytes before the ciphertext.
 *
 * @param {Uint8Array} data
 */
export declare function parseHeader(data: Uint8Array): {
    service: boolean;
    kid: number;
    wrappedKey: Uint8Array<ArrayBufferLike>;
    salt: Uint8Array<ArrayBufferLike>;
    nonce: Uint8Array<ArrayBufferLike>;
    commitment: Uint8Array<ArrayBufferLike>;
};
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
export declare function seal(plaintext: Uint8Array, terms: {
    storageKey: string;
    dataKey: Uint8Array;
    kid: number;
    wrappedKey: Uint8Array;
    service?: boolean;
    salt?: Uint8Array;
    nonce?: Uint8Array;
}): Promise<Uint8Array<ArrayBuffer>>;
/**
 * Opens an object that stands at `storageKey`.
 *
 * @param {Uint8Array} data
 * @param {{ storageKey: string, dataKey: Uint8Array, service?: boolean }} terms
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 * @throws {DecryptionError}
 */
export declare function open(data: Uint8Array, { storageKey, dataKey, service }: {
    storageKey: string;
    dataKey: Uint8Array;
    service?: boolean;
}): Promise<Uint8Array<ArrayBuffer>>;
