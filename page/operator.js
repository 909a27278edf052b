/**
 * The operator's view: the queue, failures by code, ages, credits and ticks, from `internal/metrics`. It only reads.
 *
 * METRICS_TOKEN stays in this tab's memory: it is in no address, no storage and no cookie, and is gone with a reload.
 */

import { loadConfig } from "./config.js";
import { fill, h, one, svg } from "./dom.js";
import { byLabel, duration, others, readMetrics, stageTimes, valueOf } from "./metrics.js";

/** @typedef {import("./metrics.js").Family} Family */
/** @typedef {{ at: number, waiting: number, running: number }} Moment */

const EVERY_MS = 15_000;
const KEPT = 240;
const LATE_TICK_S = 180;
const OLD_JOB_S = 600;
const SHOWN = new Set([
  "rythmiq_jobs",
  "rythmiq_jobs_in_flight",
  "rythmiq_oldest_job_age_seconds",
  "rythmiq_credits_total",
  "rythmiq_webhook_results_total",
  "rythmiq_job_failures_total",
  "rythmiq_job_retries_total",
  "rythmiq_ticks_total",
  "rythmiq_last_tick_timestamp_seconds",
  "rythmiq_stage_wall_seconds",
  "rythmiq_stage_cpu_seconds",
]);

/** @type {Moment[]} */
const history = [];
let token = "";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const config = await loadConfig();
// Where the API has an origin of its own, `api` paths are at its root too, and `internal` stands beside.
const METRICS = `${config.apiUrl.replace(/\/api$/, "")}/internal/metrics`;

if (config.isOwn) signIn("");
else {
  const where = config.wholeAt ? h("a", { href: `${config.wholeAt}/operator` }, config.wholeAt) : "your own domain";
  fill(
    one("#main"),
    h("h1", null, "Operator"),
    h(
      "p",
      { class: "lead" },
      "This address is shared with strangers, so the token is not asked for here. Open ",
      where,
      ".",
    ),
  );
}

/** @param {string} problem */
function signIn(problem) {
  const field = h("input", {
    class: "input",
    type: "password",
    id: "token",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    ...(problem && { "aria-invalid": "true", "aria-describedby": "problem" }),
  });
  const form = h(
    "form",
    {
      class: "card stack",
      /** @param {Event} event */
      onsubmit: (event) => {
        event.preventDefault();
        token = field.value.trim();
        void look();
      },
    },
    h("label", { class: "label", for: "token" }, "METRICS_TOKEN"),
    field,
    h("p", { class: "small quiet" }, "It stays in this tab's memory and is gone when you reload."),
    problem && h("p", { id: "problem", role: "alert" }, problem),
    h("button", { class: "button", type: "submit" }, "Show"),
  );
  fill(one("#main"), h("h1", null, "Operator"), form);
  field.focus();
}

/** Asks once, shows the answer, and asks again later. */
async function look() {
  clearTimeout(timer);
  /** @type {string} */
  let text;
  try {
    const response = await fetch(METRICS, {
      headers: { Authorization: `Bearer ${token}` },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    if (response.status === 401) {
      token = "";
      signIn("The service does not take this token. It is METRICS_TOKEN of the functions.");
      return;
    }
    if (!response.ok) throw new Error(`the service answered ${response.status}`);
    text = await response.text();
  } catch (error) {
    said(`Not up to date: ${error instanceof Error ? error.message : error}.`);
    timer = setTimeout(look, EVERY_MS);
    return;
  }
  show(readMetrics(text), Date.now());
  timer = setTimeout(look, EVERY_MS);
}

/** @param {string} words */
function said(words) {
  const place = document.getElementById("said") ?? one("#main").appendChild(h("p", { id: "said", role: "status" }));
  place.textContent = words;
}

/**
 * @param {Map<string, Family>} families
 * @param {number} nowMs
 */
function show(families, nowMs) {
  const waiting = valueOf(families, "rythmiq_jobs", { state: "pending" }) ?? 0;
  const running = valueOf(families, "rythmiq_jobs_in_flight") ?? 0;
  history.push({ at: nowMs, waiting, running });
  history.splice(0, Math.max(0, history.length - KEPT));
  const oldest = valueOf(families, "rythmiq_oldest_job_age_seconds", { state: "pending" }) ?? 0;
  const longest = valueOf(families, "rythmiq_oldest_job_age_seconds", { state: "processing" }) ?? 0;
  const lastTick = valueOf(families, "rythmiq_last_tick_timestamp_seconds");
  const tickAge = lastTick === null ? null : Math.max(0, nowMs / 1000 - lastTick);
  const ticks = valueOf(families, "rythmiq_ticks_total") ?? 0;
  fill(
    one("#main"),
    h("h1", null, "Operator"),
    h("p", { id: "said", class: "quiet", role: "status" }, `As of ${new Date(nowMs).toLocaleTimeString("en-GB")}.`),
    h(
      "ul",
      { class: "tiles" },
      tile("Waiting", String(waiting), oldest ? `oldest ${duration(oldest)}` : "nobody waits", oldest > OLD_JOB_S),
      tile("Running", String(running), longest ? `longest ${duration(longest)}` : "nothing runs", longest > OLD_JOB_S),
      tile(
        "Last tick",
        tickAge === null ? "never" : `${duration(tickAge)} ago`,
        `${ticks} so far`,
        tickAge === null || tickAge > LATE_TICK_S,
      ),
      tile("Credits granted", String(granted(families)), spent(families), false),
    ),
    section("The queue since this page was opened", queueChart()),
    section("Jobs by state", bars(byLabel(families, "rythmiq_jobs", "state"))),
    section("Failures by code", bars(byLabel(families, "rythmiq_job_failures_total", "code"))),
    section("Retries by code", bars(byLabel(families, "rythmiq_job_retries_total", "code"))),
    section("Webhooks by what became of them", bars(byLabel(families, "rythmiq_webhook_results_total", "result"))),
    section("Credits by kind of entry", bars(byLabel(families, "rythmiq_credits_total", "kind"))),
    section("Time of the worker's stages", stages(families)),
    rest(families),
  );
}

/** @param {Map<string, Family>} families */
function granted(families) {
  return valueOf(families, "rythmiq_credits_total", { kind: "granted" }) ?? 0;
}

/** @param {Map<string, Family>} families */
function spent(families) {
  const settled = valueOf(families, "rythmiq_credits_total", { kind: "settled" });
  return settled === null ? "" : `${Math.abs(settled)} spent`;
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} more
 * @param {boolean} isBad
 */
function tile(name, value, more, isBad) {
  return h(
    "li",
    { class: isBad ? "tile tile-bad" : "tile" },
    h("span", { class: "quiet" }, name),
    h("strong", null, value),
    h("span", { class: "small" }, isBad && "Look here: ", more),
  );
}

/**
 * @param {string} title
 * @param {Node} inside
 */
function section(title, inside) {
  return h("section", { class: "card" }, h("h2", null, title), inside);
}

/** @param {[string, number][]} pairs */
function bars(pairs) {
  if (!pairs.length) return h("p", { class: "quiet" }, "None.");
  const most = Math.max(...pairs.map(([, value]) => Math.abs(value)), 1);
  return h(
    "table",
    { class: "bars" },
    h(
      "tbody",
      null,
      pairs.map(([name, value]) =>
        h("tr", null, h("th", { scope: "row" }, name), h("td", { class: "number" }, String(value)), bar(value / most)),
      ),
    ),
  );
}

/** @param {number} share */
function bar(share) {
  const width = share ? Math.max(0.5, Math.abs(share) * 100) : 0;
  return h(
    "td",
    { class: "bar-cell", "aria-hidden": "true" },
    svg(
      "svg",
      { class: "strip", viewBox: "0 0 100 4", preserveAspectRatio: "none" },
      svg("rect", { width: width.toFixed(1), height: "4" }),
    ),
  );
}

/** @param {Map<string, Family>} families */
function stages(families) {
  const wall = stageTimes(families, "rythmiq_stage_wall_seconds");
  if (!wall.length) return h("p", { class: "quiet" }, "No job has ended yet.");
  const head = ["stage", "jobs", "half within", "95 % within", "mean"];
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Time of the worker's stages" },
    h(
      "table",
      { class: "bars" },
      h("thead", null, h("tr", null, ...head.map((name) => h("th", { scope: "col" }, name)))),
      h(
        "tbody",
        null,
        wall.map((stage) =>
          h(
            "tr",
            null,
            h("th", { scope: "row" }, stage.stage),
            ...[String(stage.count), duration(stage.p50S), duration(stage.p95S), duration(stage.meanS)].map((text) =>
              h("td", { class: "number" }, text),
            ),
          ),
        ),
      ),
    ),
  );
}

/** Two lines over time, waiting and running; the numbers stand beside. */
function queueChart() {
  const [first, last] = [history[0], history.at(-1)];
  if (!first || !last || history.length < 2) return h("p", { class: "quiet" }, "The line begins with the next look.");
  const most = Math.max(1, ...history.map((moment) => Math.max(moment.waiting, moment.running)));
  const spanMs = Math.max(1, last.at - first.at);
  /** @param {(moment: Moment) => number} of */
  const line = (of) =>
    history
      .map(
        (moment) =>
          `${(((moment.at - first.at) / spanMs) * 300).toFixed(1)},${(58 - (of(moment) / most) * 54).toFixed(1)}`,
      )
      .join(" ");
  return h(
    "figure",
    null,
    svg(
      "svg",
      { class: "chart", viewBox: "0 0 300 60", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("polyline", { class: "line-running", points: line((moment) => moment.running) }),
      svg("polyline", { class: "line-waiting", points: line((moment) => moment.waiting) }),
    ),
    h(
      "figcaption",
      { class: "small" },
      `Solid: ${last.waiting} waiting now. Dashed: ${last.running} running now. Most of either: ${most}, in ${duration(spanMs / 1000)}.`,
    ),
  );
}

/** @param {Map<string, Family>} families */
function rest(families) {
  const names = others(families, SHOWN);
  if (!names.length) return null;
  return h(
    "details",
    { class: "card" },
    h("summary", null, "Everything else that is counted"),
    ...names.map((name) => {
      const family = families.get(name);
      /** @type {[string, number][]} */
      const pairs = (family?.samples ?? []).map((sample) => [
        Object.values(sample.labels).join(", ") || "all",
        sample.value,
      ]);
      return h("div", null, h("h3", null, name), h("p", { class: "small quiet" }, family?.help ?? ""), bars(pairs));
    }),
  );
}
