/**
 * The one Trusted Types policy of the page: which scripts it may start beside itself, and from where.
 *
 * Trusted Types forbid addresses of scripts that are plain strings; only this module makes trusted ones, of the
 * page's origin and of two names.
 */

const NAMES = new Set(["seal-worker.js", "sw.js"]);

/** @type {{ createScriptURL(address: string): any } | null} */
let policy = null;

/**
 * The address of a script of ours, for `new Worker` and `register`.
 *
 * @param {URL} address
 * @returns {any} a TrustedScriptURL where the browser has them
 */
export function scriptUrl(address) {
  if (address.origin !== location.origin) throw new TypeError("scripts come from the page's own origin");
  if (!NAMES.has(address.pathname.split("/").at(-1) ?? "")) throw new TypeError("no script of ours");
  const types = /** @type {any} */ (globalThis).trustedTypes;
  if (!types) return address.href;
  policy ??= types.createPolicy("rythmiq", { createScriptURL: (/** @type {string} */ text) => text });
  return /** @type {NonNullable<typeof policy>} */ (policy).createScriptURL(address.href);
}
