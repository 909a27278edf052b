// @ts-check
/**
 * What the page knows about its deployment: where the API is, where people sign in, and whether it may keep anything.
 */

/**
 * @typedef {{
 *   apiUrl: string, supabaseUrl: string | null, supabaseAnonKey: string | null, storeOrigin: string | null,
 *   guestCredits: number, isOwn: boolean, isWhole: boolean, wholeAt: string | null, scope: string,
 * }} PageConfig `isOwn`: no stranger shares this origin. `isWhole`: people can sign in here, and the device may keep things; else the page does preflight only, and
 *   the whole of it is at `wholeAt`, if anywhere. `scope`: the page's own path, for the service worker.
 */

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];
// Files lie at {page}/a/{tree}/, and the API beside the page.
const HOME = new URL("../../", import.meta.url);

/**
 * Reads what the document holds already, else `config.json`.
 *
 * @returns {Promise<PageConfig>}
 */
export async function loadConfig() {
  const held = document.querySelector('meta[name="rythmiq-config"]')?.getAttribute("content");
  if (held) return configOf(JSON.parse(held), new URL(location.href), HOME);
  const response = await fetch(new URL("config.json", HOME), { cache: "no-store", credentials: "omit" });
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  return configOf(await response.json(), new URL(location.href), HOME);
}

/**
 * @param {any} told `config.json`
 * @param {URL} here the page's address
 * @param {URL} home where its files are, with a slash at the end
 * @returns {PageConfig}
 */
export function configOf(told, here, home) {
  /** @type {string[]} */
  const origins = told.origins ?? [];
  const isOurs = origins.includes("*") || origins.some((origin) => isSame(origin, here));
  const scope = home.pathname.replace(/\/$/, "");
  const beside = home.origin + scope.replace(/\/[^/]*$/, "");
  const [first] = origins.filter((origin) => origin !== "*");
  return {
    apiUrl: told.api_url ?? beside,
    supabaseUrl: told.supabase_url ?? null,
    supabaseAnonKey: told.supabase_anon_key ?? null,
    storeOrigin: told.store_origin ?? null,
    guestCredits: told.guest_credits ?? 0,
    isOwn: isOurs,
    isWhole: isOurs && Boolean(told.supabase_url && told.supabase_anon_key && told.store_origin),
    wholeAt: first ? `${first}/app` : null,
    scope,
  };
}

/**
 * Whether an origin is this page's; on one machine everything on loopback is one's own.
 *
 * @param {string} origin
 * @param {URL} here
 */
function isSame(origin, here) {
  if (origin === here.origin) return true;
  const url = new URL(origin);
  return LOOPBACK.includes(url.hostname) && LOOPBACK.includes(here.hostname);
}
