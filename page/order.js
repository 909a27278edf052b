/**
 * The state machine of one order: from files on the device to a job's end. Pure: no I/O, so that every step is tested.
 *
 *     ready -> sealing -> sending -> creating -> running -> completed
 *                                                       \-> failed
 *     any of the first five -> stopped (with a problem) -> where it was
 *     ready to running -> cancelled
 *
 * What was done stays done: `resume` goes on with the first part that has not arrived, and the job is created under one
 * Idempotency-Key, so that an order is charged once however often it is resumed.
 */

/** @typedef {"ready" | "sealing" | "sending" | "creating" | "running" | "completed" | "failed" | "stopped" | "cancelled"} State */

/**
 * @typedef {object} Part one file of an order
 * @property {string} name as the person calls it
 * @property {string} mime
 * @property {number} size bytes
 * @property {Blob | null} file the plain file, until it is sealed
 * @property {Blob | null} sealed until the job is accepted
 * @property {{ job_id: string, raw_path: string } | null} upload once it is signed
 * @property {boolean} sent whether the store has it
 */

/** @typedef {{ kind: "offline" | "sign-in" | "no-credit" | "guest" | "refused" | "busy" | "limit" | "lost", code?: string, detail?: string, again_at?: number }} Problem `again_at`: milliseconds since 1970 */

/**
 * @typedef {object} Order
 * @property {string} id of this device; the job's Idempotency-Key
 * @property {string} portal
 * @property {string} portal_name
 * @property {string} slot
 * @property {string} version
 * @property {Part[]} parts none for an order on a master
 * @property {string | null} master the storage key of a master, in place of parts
 * @property {[number, number] | null} [size] of the one picture, upright, where the device knows it
 * @property {string | null} [name] what the person calls the file, where there are no parts
 * @property {Record<string, unknown>} options
 * @property {State} state
 * @property {string | null} job_id
 * @property {number} sent_bytes
 * @property {number} total_bytes
 * @property {Problem | null} problem
 * @property {string | null} application the list of files that it was begun in, to which its page leads back
 * @property {string | null} user_id whose it is
 * @property {number} created_at milliseconds since 1970
 * @property {boolean | null} [conforms] whether what was made holds every rule
 * @property {boolean} [asked] whether the job was asked for: the service may have it, also where no answer came
 * @property {boolean} [leaving] the person cancels it: nobody takes another step until it is known whether that was in time
 */

/**
 * @typedef {{ type: "seal" } | { type: "sealed", part: number, sealed: Blob } | { type: "signed", part: number, upload: { job_id: string, raw_path: string } }
 *   | { type: "send" } | { type: "progress", sent: number, total: number } | { type: "arrived", part: number } | { type: "create" } | { type: "accepted", job_id: string }
 *   | { type: "completed" | "failed", conforms?: boolean | null } | { type: "stop", problem: Problem } | { type: "resume" } | { type: "cancel" } | { type: "lapsed" } | { type: "unsent" }} Event
 */

export const ENDED = /** @type {readonly State[]} */ (["completed", "failed", "cancelled"]);

/**
 * A new order.
 *
 * @param {{ id: string, portal: string, portal_name: string, slot: string, version: string, files: { name: string, mime: string, file: Blob }[], master?: string | null, name?: string | null, size?: [number, number] | null, options?: Record<string, unknown>, application?: string | null, user_id?: string | null, now: number }} what
 * @returns {Order}
 */
export function newOrder({
  id,
  portal,
  portal_name,
  slot,
  version,
  files,
  master = null,
  name = null,
  size = null,
  options = {},
  application = null,
  user_id = null,
  now,
}) {
  return {
    id,
    portal,
    portal_name,
    slot,
    version,
    parts: files.map(({ name, mime, file }) => ({
      name,
      mime,
      size: file.size,
      file,
      sealed: null,
      upload: null,
      sent: false,
    })),
    master,
    name,
    size,
    options,
    state: "ready",
    job_id: null,
    sent_bytes: 0,
    total_bytes: 0,
    problem: null,
    application,
    user_id,
    created_at: now,
  };
}

/**
 * What the person calls the file, also where another device sent it: the document's name is "{theirs}_{slot}.jpg".
 *
 * @param {Order} order
 * @param {string | undefined} document name of what was made of it
 */
export function nameOf(order, document) {
  const [stem, ending] = [document?.replace(/\.[^.]*$/, ""), `_${order.slot}`];
  return order.parts[0]?.name ?? order.name ?? (stem?.endsWith(ending) ? stem.slice(0, -ending.length) : null);
}

/**
 * The order after an event; an event that does not belong to its state changes nothing.
 *
 * @param {Order} order
 * @param {Event} event
 * @returns {Order}
 */
export function after(order, event) {
  if (ENDED.includes(order.state)) return order;
  switch (event.type) {
    case "seal":
      return order.state === "ready" ? { ...order, state: "sealing" } : order;
    case "signed":
      return withPart(order, event.part, { upload: event.upload });
    case "sealed":
      return withPart(order, event.part, { sealed: event.sealed, file: null });
    case "send":
      return order.state === "sealing" ? { ...order, state: "sending" } : order;
    case "progress":
      return order.state === "sending" ? { ...order, sent_bytes: event.sent, total_bytes: event.total } : order;
    case "arrived":
      return withPart(order, event.part, { sent: true });
    case "create":
      return {
        ...order,
        asked: true,
        state: ["ready", "sending"].includes(order.state) && allSent(order) ? "creating" : order.state,
      };
    case "accepted": // from here on the service has everything: nothing sealed or plain stays on the device
      return {
        ...order,
        state: "running",
        job_id: event.job_id,
        problem: null,
        parts: order.parts.map((part) => ({ ...part, file: null, sealed: null, sent: true })),
      };
    case "completed":
      return order.state === "running" ? { ...order, state: "completed", conforms: event.conforms ?? null } : order;
    case "failed":
      return order.state === "running" ? { ...order, state: "failed" } : order;
    case "stop":
      return { ...order, state: "stopped", problem: event.problem };
    case "resume":
      return order.state === "stopped"
        ? { ...order, state: order.job_id === null ? "ready" : "running", problem: null }
        : order;
    case "unsent": // the store has lost what it had: send it again
      return { ...order, state: "ready", parts: order.parts.map((part) => ({ ...part, sent: false })) };
    case "lapsed": // the service no longer knows the uploads: what is sealed is sealed for nothing
      return {
        ...order,
        state: "ready",
        parts: order.parts.map((part) => ({ ...part, upload: null, sealed: null, sent: false })),
      };
    case "cancel":
      return {
        ...order,
        state: "cancelled",
        leaving: false,
        problem: null,
        parts: order.parts.map((part) => ({ ...part, file: null, sealed: null })),
      };
  }
}

/** Whether the store has every part. @param {Order} order */
function allSent(order) {
  return order.parts.every((part) => part.sent);
}

/** Whether the order can go on on this device: nothing that it still needs is lost. @param {Order} order */
export function canResume(order) {
  return order.job_id !== null || order.parts.every((part) => part.sent || part.sealed !== null || part.file !== null);
}

/** Whether an order has stopped and cannot go on: another one is to be begun in its place. @param {Order} order */
export function isStuck(order) {
  return (
    order.state === "stopped" && (["refused", "lost"].includes(order.problem?.kind ?? "lost") || !canResume(order))
  );
}

/** @param {Order} order @param {number} index @param {Partial<Part>} change @returns {Order} */
function withPart(order, index, change) {
  return { ...order, parts: order.parts.map((part, at) => (at === index ? { ...part, ...change } : part)) };
}
