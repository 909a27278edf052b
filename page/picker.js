/**
 * Choosing files: the camera, a file, dropping and pasting. Names and types that the browser claims are not believed.
 */

import { canRead } from "./drafts.js";
import { announce, h } from "./dom.js";
import { t } from "./i18n.js";
import { icon, kindIcon } from "./icons.js";

/**
 * Whether files can be read here, which is fetched from now on; and the words for where it cannot be had.
 *
 * @returns {{ node: HTMLElement, isReady: () => Promise<boolean> }}
 */
export function readability() {
  const node = h("p", { class: "note bad", hidden: true }, t("pick.offline"));
  const isReady = async () => {
    node.hidden = await canRead();
    if (!node.hidden) announce(t("pick.offline"), "alert");
    return node.hidden;
  };
  void canRead();
  return { node, isReady };
}

/**
 * The place where files are chosen.
 *
 * @param {{ kind: string, several: boolean, camera: string | null, again: boolean, onFiles: (files: File[]) => void | Promise<void> }} what
 *   `camera`: the address of the guided camera; `again`: files were chosen before
 * @returns {{ node: HTMLElement, leave: () => void }}
 */
export function picker({ kind, several, camera, again, onFiles }) {
  const reading = readability();
  let turn = Promise.resolve();
  const take = (/** @type {FileList | File[] | null | undefined} */ list) => {
    const files = [...(list ?? [])];
    turn = turn.catch(() => undefined).then(() => taken(files)); // each after those that were chosen before
  };
  const taken = async (/** @type {File[]} */ files) => {
    shot.value = file.value = ""; // the same file can be chosen again
    if (files.length === 0) return;
    const isEmpty = files.some((file) => file.size === 0);
    empty.hidden = !isEmpty;
    if (isEmpty) return announce(t("pick.empty"), "alert");
    if (!(await reading.isReady())) return;
    await onFiles(several ? files : files.slice(0, 1));
  };
  const isPicture = ["photo", "signature", "thumb"].includes(kind);
  const empty = h("p", { class: "note bad", hidden: true }, t("pick.empty"));
  const shot = h("input", {
    type: "file",
    accept: "image/*",
    capture: kind === "photo" ? "user" : "environment",
    id: "shot",
    onchange: () => take(shot.files),
  });
  const file = h("input", {
    type: "file",
    accept: "image/*,application/pdf",
    multiple: several,
    id: "file",
    onchange: () => take(file.files),
  });
  const node = h(
    "div",
    {
      class: "drop",
      ondragover: (/** @type {DragEvent} */ event) => (event.preventDefault(), node.classList.add("over")),
      ondragleave: () => node.classList.remove("over"),
      ondrop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        node.classList.remove("over");
        take(event.dataTransfer?.files);
      },
    },
    h(
      "label",
      { class: `button full ${again ? "" : "main"}` },
      file,
      icon("file"),
      t(
        again
          ? several
            ? "pick.more"
            : "pick.other"
          : several
            ? "pick.files"
            : isPicture
              ? "pick.picture"
              : "pick.file",
      ),
    ),
    h("label", { class: "button full" }, shot, icon("camera"), t(`pick.shot.${kind === "photo" ? "photo" : "paper"}`)),
    camera && h("a", { class: "button full", href: `#${camera}` }, kindIcon(kind), t("pick.guided")),
    empty,
    reading.node,
    h("p", { class: "small quiet" }, h("span", { class: "no-touch" }, `${t("pick.drop")} `), t("pick.stays")),
  );
  const paste = (/** @type {ClipboardEvent} */ event) => take(event.clipboardData?.files);
  document.addEventListener("paste", paste);
  return { node, leave: () => document.removeEventListener("paste", paste) };
}

/**
 * A picture of a file on the device, or a sign where the browser cannot show it (HEIC, PDF).
 *
 * @param {Blob} file
 * @param {string} alt
 * @returns {{ node: HTMLElement, leave: () => void }}
 */
export function thumbnail(file, alt) {
  const address = URL.createObjectURL(file);
  const node = h("span", null);
  const image = h("img", {
    class: "thumb",
    src: address,
    alt,
    decoding: "async",
    onerror: () => node.replaceChildren(h("span", { class: "badge" }, icon("document"))),
  });
  node.append(image);
  return { node, leave: () => URL.revokeObjectURL(address) };
}
