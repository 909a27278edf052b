/**
 * Modules that few visits need, or none at once: each is a file of its own and fetched when it is asked for.
 */

/** @type {Map<string, Promise<any>>} */
const asked = new Map();
/** @type {Map<string, number>} */
const failures = new Map();

/**
 * A module that imports nothing. One that could not be had is asked for anew the next time, under another query: browsers
 * may remember until a reload that an address failed.
 *
 * @param {URL} address `new URL("./x.js", import.meta.url)`, which the build looks for
 * @returns {Promise<any>}
 */
export function fetched({ href }) {
  const known = asked.get(href);
  if (known) return known;
  const failed = failures.get(href) ?? 0;
  const coming = import(failed ? `${href}?${failed}` : href);
  asked.set(href, coming);
  coming.catch(() => {
    asked.delete(href);
    failures.set(href, failed + 1);
  });
  return coming;
}
