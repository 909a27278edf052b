/**
 * The files that were chosen for a slot, before anything is sent: in memory, and on the device where that is allowed,
 * so that a reload or the way through Google loses nothing.
 */

import { number, t } from "./i18n.js";
import { fetched } from "./on-demand.js";
import { uprightSize } from "./one-scale.js";
import { forget, keep, kept } from "./storage.js";
import { isUsable } from "./verdicts.js";

/** @typedef {{ file: File, facts: import("./file-facts.js").FileFacts }} DraftFile */
/** @typedef {{ id: string, files: DraftFile[], options: Record<string, unknown>, mark?: string }} Draft `mark`: which of a slot's, where the device keeps it */

export const MIME_TYPES = Object.freeze({
  jpeg: "image/jpeg",
  png: "image/png",
  pdf: "application/pdf",
  webp: "image/webp",
  heic: "image/heic",
  avif: "image/avif",
  gif: "image/gif",
  bmp: "image/bmp",
  tiff: "image/tiff",
  unknown: "application/octet-stream",
});

/** What reads files. @returns {Promise<typeof import("./file-facts.js")>} */
const reader = () => fetched(new URL("./file-facts.js", import.meta.url));

/** Whether files can be read: fetches what does, once a view takes files. @returns {Promise<boolean>} */
export function canRead() {
  return reader().then(
    () => true,
    () => false,
  );
}

/** @param {import("./view.js").Portal} portal @param {import("./view.js").Slot} slot */
export function draftId(portal, slot) {
  return `${portal.portal}/${slot.slot}`;
}

/**
 * The draft of a slot.
 *
 * @param {import("./view.js").App} app
 * @param {string} id
 * @returns {Promise<Draft | null>}
 */
export async function draftOf(app, id) {
  const known = app.drafts.get(id);
  if (known && !known.mark) return known; // the device had no room for it
  return kept("drafts", id).catch(() => known ?? null); // another tab may have changed or ordered it
}

/**
 * Choose files for a slot, in place of those before.
 *
 * @param {import("./view.js").App} app
 * @param {string} id
 * @param {File[]} files
 * @param {Record<string, unknown>} [options]
 * @returns {Promise<Draft>}
 */
export async function choose(app, id, files, options = {}) {
  const { readFacts } = await reader();
  const read = await Promise.all(files.map(async (file) => ({ file, facts: await readFacts(file) })));
  const draft = { id, files: read, options };
  await remember(app, draft);
  return draft;
}

/** Keep a changed draft. @param {import("./view.js").App} app @param {Draft} draft */
export async function remember(app, draft) {
  app.drafts.set(draft.id, draft);
  const mark = crypto.randomUUID(); // another each time: who agreed to what it was before has not agreed to this
  try {
    await keep("drafts", { ...draft, mark });
    draft.mark = mark;
  } catch {
    // A full device keeps it in memory, and not the one before in its place.
    delete draft.mark;
    await forget("drafts", draft.id).catch(() => undefined);
  }
}

/**
 * What is in the way of making a file of a draft, as far as the device knows, and what to do; null where nothing is.
 *
 * @param {import("./view.js").App} app
 * @param {Draft} draft
 * @returns {[string, string] | null}
 */
export function obstacleTo({ maxBytes, maxPages }, { files }) {
  if (!files.every(({ facts }) => isUsable(facts))) return [t("check.unusable"), t("check.unusable.todo")];
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  if (maxBytes !== null && bytes > maxBytes) {
    const [most, has] = [number(maxBytes / 1_000_000, 1), number(bytes / 1_000_000, 1)];
    return [t("make.too_large"), t("make.too_large.todo", { most, has })];
  }
  if (maxPages !== null && files.length > maxPages)
    return [t("make.too_many"), t("make.too_many.todo", { most: number(maxPages), has: number(files.length) })];
  return null;
}

/** The size of a draft's one picture, upright; null of several, and where the file does not tell. @param {Draft} draft */
export function sizeOf({ files: [one, another] }) {
  return one && !another ? uprightSize(one.facts) : null;
}

/** Forget a draft. @param {import("./view.js").App} app @param {string} id */
export async function drop(app, id) {
  app.drafts.delete(id);
  await forget("drafts", id);
}
