/**
 * What there is of each file of a whole application: the order that stands, what came after it, and what is chosen.
 */

import { obstacleTo } from "./drafts.js";
import { t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";
import { ENDED, isStuck } from "./order.js";
import { judge } from "./verdicts.js";

/** @typedef {import("./rule-book.js").Slot} Slot */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./drafts.js").Draft} Draft */
/** @typedef {{ look: "good" | "bad" | "quiet", icon: Node, words: string, todo?: string }} State */

/**
 * @typedef {object} Place
 * @property {Slot} slot
 * @property {Order | null} order that stands
 * @property {Order | null} later that came after it, and to nothing, or that has stopped
 * @property {Order[]} stopped ones, whose place another file takes
 * @property {Draft | null} draft that is chosen, where nothing is under way
 * @property {[string, string] | null} obstacle to making a file of it
 * @property {boolean} isOpen whether an order is under way, or goes on
 * @property {boolean} isMade
 * @property {boolean} isReady whether a file can be made of what is chosen
 * @property {boolean} isMissing
 */

/** Without a file, for good or for now. @type {readonly string[]} */
const FRUITLESS = ["failed", "cancelled", "stopped"];

/**
 * The last order stands; but a file that is made is not lost to a later try that has stopped or came to nothing, nor to
 * one that is only chosen.
 *
 * @param {import("./view.js").App} app
 * @param {Slot} slot
 * @param {Order[]} orders of the portal
 * @param {Draft | null} draft
 * @returns {Place}
 */
export function placeOf(app, slot, orders, draft) {
  const ours = orders
    .filter((order) => order.slot === slot.slot)
    .sort((one, other) => other.created_at - one.created_at);
  const [last = null] = ours;
  const order = ours.find(({ state }) => !FRUITLESS.includes(state)) ?? last;
  const isOpen = order !== null && !ENDED.includes(order.state) && !isStuck(order);
  const chosen = isOpen || !draft?.files.length ? null : draft;
  const obstacle = chosen && obstacleTo(app, chosen);
  const isMade = order?.state === "completed";
  const isReady = chosen !== null && obstacle === null;
  // One that was only made again, and came to nothing, is no file that somebody waits for.
  const isTold = chosen === null && last !== order && (last?.state === "stopped" || last?.master === null);
  return {
    slot,
    order: chosen && !isMade ? null : order,
    later: isTold ? last : null,
    stopped: ours.filter(({ state }) => state === "stopped"),
    draft: chosen,
    obstacle,
    isOpen,
    isMade,
    isReady,
    isMissing: !isMade && !isReady && (!isOpen || waitsForSomebody(order)),
  };
}

/** Whether an order has stopped for what its person has to do. @param {Order | null} order */
function waitsForSomebody(order) {
  return order?.state === "stopped" && !["offline", "busy"].includes(order.problem?.kind ?? "");
}

/** @param {Slot} slot @param {Order} order @returns {State} */
export function orderState(slot, { state, conforms, problem }) {
  const words = t(`order.${state}${conforms === false ? ".but" : ""}`);
  if (state === "completed") return { look: "good", icon: icon(conforms === false ? "advice" : "pass"), words };
  const todo = state === "stopped" && problem ? t(`problem.${problem.kind}.title`) : "";
  if (state === "failed" || state === "stopped") return { look: "bad", icon: icon("fail"), words, todo };
  return { look: "quiet", icon: kindIcon(slot.kind), words };
}

/** @param {Place} place @returns {State} */
export function draftState({ slot, draft, obstacle }) {
  const [first] = draft?.files ?? [];
  if (!draft || !first) return { look: "quiet", icon: icon("not_checked"), words: t("application.state.missing") };
  if (obstacle) return { look: "bad", icon: icon("fail"), words: obstacle[0], todo: obstacle[1] };
  const count = draft.files.length;
  if (count > 1) return { look: "quiet", icon: icon("document"), words: t("application.state.pages", { count }) };
  return judge(first.facts, slot, first.file.name).fits
    ? { look: "good", icon: icon("pass"), words: t("check.fits") }
    : { look: "quiet", icon: kindIcon(slot.kind), words: t("application.state.make") };
}
