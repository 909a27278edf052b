/**
 * What went wrong, and what to do next, for each way in which an order or a job can stop.
 */

import { h } from "./dom.js";
import { has, hour, number, t } from "./i18n.js";
import { note } from "./view.js";

/** @typedef {import("./order.js").Problem} Problem */

const SOON_S = 120;

/**
 * A note on what stopped; null without a problem.
 *
 * @param {import("./view.js").App} app
 * @param {Problem | null} problem
 * @param {...(Node | null | false)} actions
 */
export function problemNote(app, problem, ...actions) {
  if (problem === null) return null;
  const isGuest = app.auth?.session?.user.is_anonymous === true;
  const left_s = Math.ceil(((problem.again_at ?? 0) - Date.now()) / 1_000);
  const when =
    left_s < SOON_S
      ? t("problem.wait", { seconds: number(left_s) })
      : t("problem.wait.until", { when: hour(problem.again_at ?? 0) });
  const wait = left_s > 0 ? h("p", null, when) : null;
  const key = problem.kind === "no-credit" && isGuest ? "problem.no-credit.guest" : `problem.${problem.kind}.todo`;
  const code = problem.code && has(`refused.${problem.code}`) ? h("p", null, t(`refused.${problem.code}`)) : null;
  return note(
    problem.kind === "refused" || problem.kind === "lost" ? "bad" : "warn",
    t(`problem.${problem.kind}.title`),
    code,
    h("p", null, t(key)),
    wait,
    ...actions,
  );
}

/**
 * The words for a job that failed.
 *
 * @param {import("./rythmiq.js").JobError | null} error
 * @returns {{ title: string, todo: string, code: string }}
 */
export function failureWords(error) {
  const code = error?.code ?? "INTERNAL_ERROR";
  const known = has(`failed.${code}`) ? code : "INTERNAL_ERROR";
  const detail = error?.detail ?? {};
  const smallest = typeof detail["smallest_bytes"] === "number" ? number(detail["smallest_bytes"] / 1024, 1) : null;
  return {
    code,
    title: t(`failed.${known}`),
    todo:
      code === "SIZE_EXCEEDED" && smallest !== null
        ? `${t("failed.SIZE_EXCEEDED.smallest", { kb: smallest })} ${t(`failed.${known}.todo`)}`
        : t(`failed.${known}.todo`),
  };
}
