/**
 * The page: what is loaded once, the frame around the views, and which view an address shows.
 */

import { Auth, broughtBack } from "./session.js";
import { loadConfig } from "./config.js";
import { announce, fill, h, one } from "./dom.js";
import { begin, language, preferredLanguage, speak, t } from "./i18n.js";
import { icon, mark } from "./icons.js";
import { Orders } from "./orders.js";
import { Client } from "./rythmiq.js";
import { keepOnDevice } from "./storage.js";
import { register } from "./install.js";
import { applicationView } from "./view-application.js";
import { cameraView } from "./view-camera.js";
import { deviceView } from "./view-device.js";
import { homeHead, homeView } from "./view-home.js";
import { makeView } from "./view-make.js";
import { orderView } from "./view-order.js";
import { portalView } from "./view-portal.js";
import { privacyView } from "./view-privacy.js";
import { problemView } from "./view-problem.js";
import { sharedView } from "./view-shared.js";
import { slotView } from "./view-slot.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./view.js").View} View */

/** @type {readonly [RegExp, (app: App, ...parts: string[]) => View | Promise<View>][]} */
const ROUTES = [
  [/^\/?$/, homeView],
  [/^\/p\/([a-z0-9-]+)$/, portalView],
  [/^\/p\/([a-z0-9-]+)\/rehearse$/, (app, portal) => cameraView(app, portal, "photo", true)],
  [/^\/p\/([a-z0-9-]+)\/([a-z0-9-]+)$/, slotView],
  [/^\/p\/([a-z0-9-]+)\/([a-z0-9-]+)\/make$/, makeView],
  [/^\/p\/([a-z0-9-]+)\/([a-z0-9-]+)\/camera$/, (app, portal, slot) => cameraView(app, portal, slot, false)],
  [/^\/a\/([a-z0-9-]+)$/, applicationView],
  [/^\/o\/([0-9a-f-]{36})$/, orderView],
  [/^\/device$/, deviceView],
  [/^\/shared$/, sharedView],
  [/^\/privacy$/, privacyView],
];

/** @type {View | null} */
let shown = null;
let showing = 0;

await start();

async function start() {
  try {
    const brought = broughtBack();
    const config = await loadConfig();
    keepOnDevice(config.isWhole);
    const auth = config.isWhole ? new Auth(config) : null;
    const client = new Client(config.apiUrl, {
      root: true,
      retryForMs: 20_000,
      token: auth && (() => auth.freshToken()),
    });
    /** @type {App} */
    const app = {
      config,
      auth,
      client,
      orders: new Orders(client, () => auth?.session?.user.id ?? null),
      portals: [],
      credits: null,
      maxBytes: null,
      maxPages: null,
      news: null,
      signInFailed: false,
      drafts: new Map(),
      go: (path) => location.assign(`#${path}`),
      again: () => void show(app, false),
    };
    // The rule book is the largest part of a visit: what the page is for is there to read before it.
    const rules = client.portals();
    rules.catch(() => undefined); // it is awaited below
    const preferred = preferredLanguage();
    begin(preferred);
    frame(app);
    if (location.hash.length <= 2) fill(one("#main"), h("div", { class: "stack tight" }, ...homeHead()));
    await speak(preferred);
    app.portals = /** @type {import("./rule-book.js").Portal[]} */ (await rules);
    auth?.onChange((session) => {
      app.credits = null;
      frame(app);
      if (session) void app.orders.resumeAll();
    });
    if (auth && brought) await auth.comeBack(brought).catch(() => (app.signInFailed = true));
    if (new URLSearchParams(location.search).has("shared"))
      history.replaceState(null, "", `${location.pathname}#/shared`);
    addEventListener("hashchange", () => void show(app, true));
    await show(app, false);
    frame(app);
    if (auth) void app.orders.resumeAll();
    register(config);
  } catch (error) {
    cannotStart(error);
  }
}

/**
 * Show the view of the address.
 *
 * @param {App} app
 * @param {boolean} moved whether the person went there, so that the focus goes along
 */
async function show(app, moved) {
  const turn = ++showing;
  const path = location.hash.slice(1);
  /** @type {View} */
  let view;
  try {
    view = await viewOf(app, path);
  } catch (error) {
    view = problemView(app, error);
  }
  if (turn !== showing) {
    view.leave?.();
    return;
  }
  shown?.leave?.();
  shown = view;
  const main = one("#main");
  main.classList.toggle("wide", view.wide === true);
  document.title = view.title === t("brand") ? view.title : `${view.title} · ${t("brand")}`;
  fill(main, ...view.nodes);
  main.dataset["path"] = path;
  if (moved) {
    scrollTo(0, 0);
    const heading = main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    (heading instanceof HTMLElement ? heading : main).focus({ preventScroll: true });
  }
  view.enter?.();
}

/** @param {App} app @param {string} path */
async function viewOf(app, path) {
  for (const [pattern, make] of ROUTES) {
    const match = pattern.exec(path);
    if (match) return make(app, ...match.slice(1));
  }
  return problemView(app, null);
}

/** Draw what is around the views; the foot once there is one above it, which would push it down. @param {App} app */
function frame(app) {
  const other = language() === "en" ? "hi" : "en";
  one("#skip").textContent = t("skip");
  const session = app.auth?.session ?? null;
  fill(
    one("#top"),
    h(
      "div",
      { class: "bar" },
      h("a", { class: "brand", href: "#/" }, mark(), t("brand")),
      h(
        "button",
        {
          class: "button bare",
          type: "button",
          lang: other,
          onclick: async () => {
            await speak(other, app.config.isOwn).catch(() => announce(t("problem.offline.title"), "alert"));
            frame(app);
            await show(app, false);
            one("#top").querySelector("button")?.focus();
          },
        },
        icon("globe"),
        other === "hi" ? "हिन्दी" : "English",
      ),
      app.auth &&
        h(
          "a",
          { class: "button bare", href: "#/device", "aria-label": session ? t("frame.account") : t("frame.device") },
          icon(session ? "person" : "list"),
        ),
    ),
  );
  if (shown === null) return;
  fill(
    one("#foot"),
    h(
      "div",
      { class: "bar" },
      h("span", null, t("frame.promise")),
      h("a", { href: "#/privacy" }, t("frame.privacy")),
      h("a", { href: `${app.config.scope}/docs` }, t("frame.api")),
    ),
  );
}

/** @param {unknown} error */
function cannotStart(error) {
  // The language may be what is missing, so this is said in both, from here.
  fill(
    one("#main"),
    h(
      "div",
      { class: "stack" },
      h("h1", null, "The page could not load"),
      h(
        "p",
        null,
        navigator.onLine
          ? "The service does not answer now. Nothing was sent or charged."
          : "You are offline. Nothing was sent or charged.",
      ),
      h("p", { lang: "hi" }, "पेज नहीं खुल सका। कुछ भेजा नहीं गया और कोई शुल्क नहीं लगा।"),
      h(
        "button",
        { class: "button main", type: "button", onclick: () => location.reload() },
        "Try again / फिर कोशिश करें",
      ),
    ),
  );
  if (!(error instanceof TypeError)) reportError(error);
}
