/**
 * Signing in with Supabase Auth by REST: a code by e-mail, Google by PKCE, or as a guest.
 *
 * Tokens stand in localStorage and in Authorization headers, never in an address; a code that Google's redirect brings
 * is removed from the address before it is used. Two tabs renew one token once (Web Locks).
 */

/**
 * @typedef {object} Session
 * @property {string} access_token
 * @property {string} refresh_token
 * @property {number} expires_at seconds since 1970
 * @property {{ id: string, email?: string, is_anonymous?: boolean }} user
 */

/** @typedef {import("./config.js").PageConfig} PageConfig */
/** @typedef {{ code: string | null, verifier: string }} Return no code: the person did not agree */

const KEPT = "rythmiq.session";
const VERIFIER = "rythmiq.pkce";
const SOON_S = 60;
const LONGEST_CALL_MS = 30_000;

/** An answer of the auth service that is not a success. */
export class AuthError extends Error {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Auth {
  /** @param {PageConfig} config */
  constructor(config) {
    this.#base = `${config.supabaseUrl}/auth/v1`;
    this.#key = config.supabaseAnonKey ?? "";
  }

  #base;
  #key;
  /** @type {Promise<boolean> | null} */
  #google = null;
  /** @type {Set<(session: Session | null) => void>} */
  #listeners = new Set();

  /** The session of this device, also from another tab; null when nobody is signed in. @returns {Session | null} */
  get session() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
      return typeof kept?.access_token === "string" && kept.user ? kept : null;
    } catch {
      return null;
    }
  }

  /** Call back at each sign-in and sign-out. @param {(session: Session | null) => void} listener */
  onChange(listener) {
    this.#listeners.add(listener);
    addEventListener("storage", (event) => {
      if (event.key === KEPT) listener(this.session);
    });
  }

  /** A token that is good for a minute at least; empty when nobody is signed in. @returns {Promise<string>} */
  async freshToken() {
    const session = this.session;
    if (session === null || session.expires_at - Date.now() / 1000 > SOON_S) return session?.access_token ?? "";
    return this.#alone(() => this.#renewed());
  }

  /** @returns {Promise<string>} */
  async #renewed() {
    const session = this.session; // another tab may have renewed it meanwhile
    if (session === null || session.expires_at - Date.now() / 1000 > SOON_S) return session?.access_token ?? "";
    try {
      return this.#take(await this.#post("/token?grant_type=refresh_token", { refresh_token: session.refresh_token }))
        .access_token;
    } catch (error) {
      if (error instanceof AuthError && error.status >= 400 && error.status < 500 && error.status !== 429) {
        this.#put(null);
        return "";
      }
      throw error;
    }
  }

  /** @template T @param {() => Promise<T>} act @returns {Promise<T>} */
  async #alone(act) {
    return navigator.locks ? /** @type {Promise<T>} */ (navigator.locks.request("rythmiq.session", act)) : act();
  }

  /** Whether people can sign in with Google here; asked once. @returns {Promise<boolean>} */
  async hasGoogle() {
    this.#google ??= fetch(`${this.#base}/settings`, {
      headers: { apikey: this.#key },
      credentials: "omit",
      referrerPolicy: "no-referrer",
    })
      .then(async (answer) => answer.ok && (await answer.json()).external?.google === true)
      .catch(() => false);
    return this.#google;
  }

  /** Send a code to an e-mail address. @param {string} email */
  async sendCode(email) {
    await this.#post("/otp", { email, create_user: true });
  }

  /** Sign in with the code. @param {string} email @param {string} code */
  async verify(email, code) {
    return this.#take(await this.#post("/verify", { type: "email", email, token: code }));
  }

  /** Sign in as somebody without a name. */
  async asGuest() {
    return this.#take(await this.#post("/signup", {}));
  }

  /** Give a guest an e-mail address: sends a code to it. @param {string} email */
  async link(email) {
    await this.#ask("PUT", "/user", { email }, await this.freshToken());
  }

  /** Finish giving a guest an e-mail address. @param {string} email @param {string} code */
  async verifyLink(email, code) {
    return this.#take(await this.#post("/verify", { type: "email_change", email, token: code }));
  }

  /** Leave for Google; it comes back to the page's own address. */
  async withGoogle() {
    const verifier = base64url(crypto.getRandomValues(new Uint8Array(48)));
    sessionStorage.setItem(VERIFIER, JSON.stringify({ verifier, back: location.hash }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const query = new URLSearchParams({
      provider: "google",
      redirect_to: location.origin + location.pathname, // the project's list of allowed ones may hold no pattern
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: "s256",
    });
    location.assign(`${this.#base}/authorize?${query}`);
  }

  /**
   * Use what Google's redirect brought.
   *
   * @param {Return} brought
   */
  async comeBack({ code, verifier }) {
    if (code === null) throw new AuthError(400, "not_agreed", "Google was left without agreeing");
    this.#take(await this.#post("/token?grant_type=pkce", { auth_code: code, code_verifier: verifier }));
  }

  /** Sign out, here and at the service. */
  async signOut() {
    const session = this.session;
    this.#put(null);
    if (session !== null) await this.#ask("POST", "/logout", {}, session.access_token).catch(() => undefined);
  }

  /** @param {string} path @param {object} body */
  #post(path, body) {
    return this.#ask("POST", path, body, null);
  }

  /** @param {string} method @param {string} path @param {object} body @param {string | null} token @returns {Promise<any>} */
  async #ask(method, path, body, token) {
    const answer = await fetch(this.#base + path, {
      method,
      headers: {
        "Content-Type": "application/json",
        apikey: this.#key,
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
      },
      body: JSON.stringify(body),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(LONGEST_CALL_MS),
    });
    const text = await answer.text();
    const said = parsed(text);
    if (!answer.ok)
      throw new AuthError(
        answer.status,
        String(said.error_code ?? said.code ?? ""),
        String(said.msg ?? said.error_description ?? said.message ?? ""),
      );
    return said;
  }

  /** @param {any} said @returns {Session} */
  #take(said) {
    if (typeof said.access_token !== "string") throw new AuthError(200, "no_session", "the answer has no session");
    const session = {
      access_token: said.access_token,
      refresh_token: said.refresh_token,
      expires_at: said.expires_at ?? Math.floor(Date.now() / 1000) + (said.expires_in ?? 3600),
      user: { id: said.user?.id ?? "", email: said.user?.email, is_anonymous: said.user?.is_anonymous === true },
    };
    this.#put(session);
    return session;
  }

  /** @param {Session | null} session */
  #put(session) {
    if (session === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, JSON.stringify(session));
    for (const listener of this.#listeners) listener(session);
  }
}

/**
 * What Google's redirect brought, removed from the address at once; null where nobody left for Google from this tab.
 *
 * @returns {Return | null}
 */
export function broughtBack() {
  const query = new URLSearchParams(location.search);
  const code = query.get("code");
  if (code === null && !query.has("error")) return null;
  const left = parsed(sessionStorage.getItem(VERIFIER) ?? "");
  sessionStorage.removeItem(VERIFIER);
  history.replaceState(null, "", location.pathname + (left.back ?? ""));
  return left.verifier ? { code, verifier: left.verifier } : null;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
