/**
 * What a completed job shows: before and after, every clause, what to do with the file, changing it, and deleting it.
 */

import { adjuster } from "./adjust.js";
import { announce, fill, h } from "./dom.js";
import { elsewhere } from "./elsewhere.js";
import { advise, day, has, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { clauseList, clauseName, ofReceipt } from "./clauses.js";
import { comparison } from "./compare.js";
import { problemOf } from "./stops.js";
import { fetched } from "./on-demand.js";
import { finishedPages } from "./pdf-pages.js";
import { problemNote } from "./problems.js";
import { frameRatio } from "./rule-book.js";
import { bytesWords, sizeWords } from "./verdicts.js";
import { more, note } from "./view.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./order.js").Order} Order */
/** @typedef {import("./rythmiq.js").JobView} JobView */

const SAVING_MS = 60_000;
const TYPES = Object.freeze({ jpeg: "image/jpeg", png: "image/png", pdf: "application/pdf" });

/**
 * @param {App} app
 * @param {Order} order
 * @param {JobView} view
 * @param {import("./view.js").Leaving} leaving
 * @returns {Node[]}
 */
export function resultNodes(app, order, view, leaving) {
  const receipt = view.receipt;
  if (receipt === null) return [note("bad", t("result.gone"))];
  const clauses = ofReceipt(receipt.clauses ?? []);
  const wrong = clauses.filter(({ verdict }) => verdict === "fail").length;
  const unseen = clauses.filter(({ verdict }) => verdict === "not_checked").map(({ clause }) => clauseName(clause));
  const pictures = h("div", { class: "stack" }, h("p", { class: "quiet", role: "status" }, t("result.opening")));
  const below = h("div", null);
  const files = loaded(app, view, leaving);
  void files
    .then(async ({ document: made, before, preview }) => {
      const compared = comparison(before, preview, receipt, slotOf(app, order), order.size ?? null);
      fill(pictures, compared.pictures);
      const count = Number(receipt.document["pages"] ?? 1);
      fill(below, compared.choice ?? (count > 1 && (await finishedPages(made, count, leaving))));
    })
    .catch((error) => fill(pictures, problemNote(app, problemOf(error))));
  return [
    h(
      "div",
      { class: "columns" },
      h(
        "div",
        { class: "stack stay" },
        fitLine(receipt, wrong),
        pictures,
        takeAway(app, view, order, files, leaving),
        below,
      ),
      h(
        "div",
        { class: "stack" },
        wrong === 0
          ? note(
              "good",
              t("result.conforms"),
              h("p", null, t("result.conforms.what", { count: number(clauses.length - unseen.length) })),
              unseen.length > 0 && h("p", null, t("result.conforms.look", { names: unseen.join(", ") })),
            )
          : note("warn", t("result.but", { count: number(wrong) }), h("p", null, t("result.but.what"))),
        adviceList(view),
        h(
          "section",
          { class: "card stack", "aria-labelledby": "receipt" },
          h("h2", { id: "receipt" }, t("result.receipt")),
          facts(receipt),
          clauseList(clauses),
          more(t("result.done"), operations(receipt, slotOf(app, order))),
        ),
        h(
          "section",
          { class: "card stack", "aria-labelledby": "adjust" },
          h("h2", { id: "adjust" }, t("adjust.title")),
          more(t("adjust.open"), adjuster(app, order, view, files, leaving)),
        ),
        elsewhere(app, order, view),
        keeping(app, order, view),
      ),
    ),
  ];
}

/** What the file is, in one line. @param {import("./rythmiq.js").Receipt} receipt @param {number} wrong how many rules are not met */
function fitLine({ document: file }, wrong) {
  const facts = [
    t(`format.${file["format"]}`),
    sizeWords(file.bytes),
    file["pages"] > 1
      ? t("measured.pages", { count: file["pages"] })
      : t("rule.px.exact", { width: file["width_px"], height: file["height_px"] }),
  ].join(", ");
  return h("p", { class: "quiet" }, wrong === 0 ? t("result.fits", { facts }) : facts);
}

/**
 * @typedef {{ document: Blob, before: string | null, preview: string | null }} Files `before` and `preview` are addresses
 *   of pictures on this device
 */

/**
 * Download and open what there is to see.
 *
 * @param {App} app
 * @param {JobView} view
 * @param {import("./view.js").Leaving} leaving
 * @returns {Promise<Files>}
 */
async function loaded(app, view, leaving) {
  const format = /** @type {keyof typeof TYPES} */ (view.receipt?.document["format"] ?? "jpeg");
  const picture = async (/** @type {"before" | "preview"} */ what) => {
    if (!view.links[what]) return null;
    const address = URL.createObjectURL(new Blob([await app.client.download(view, what)], { type: "image/jpeg" }));
    leaving.push(() => URL.revokeObjectURL(address));
    return address;
  };
  const [content, before, preview] = await Promise.all([
    app.client.download(view, "document"),
    picture("before"),
    picture("preview"),
  ]);
  return { document: new Blob([content], { type: TYPES[format] }), before, preview };
}

/** @param {JobView} view */
function adviceList(view) {
  if (view.advice.length === 0) return null;
  return h(
    "section",
    { class: "stack", "aria-label": t("result.advice") },
    view.advice.map((advice, index) => note("warn", advise(advice, view.warnings[index]?.replace(/^[A-Z_]+: /, "")))),
  );
}

/** @param {import("./rythmiq.js").Receipt} receipt */
function facts({ document: file, ...receipt }) {
  return h(
    "dl",
    { class: "facts" },
    h("dt", null, t("clause.filename")),
    h("dd", null, file.filename),
    h("dt", null, t("clause.bytes")),
    h("dd", null, bytesWords(file.bytes)),
    h("dt", null, t("clause.pixels")),
    h(
      "dd",
      null,
      t("rule.px.exact", { width: file["width_px"], height: file["height_px"] }),
      file["pages"] > 1 ? ` · ${t("measured.pages", { count: file["pages"] })}` : "",
    ),
    h("dt", null, t("result.rules")),
    h("dd", null, String(receipt["version"] ?? "")),
  );
}

/**
 * What was done to the picture, in order, and to which page where there are several.
 *
 * @param {import("./rythmiq.js").Receipt} receipt
 * @param {import("./rule-book.js").Slot | null} slot
 */
function operations(receipt, slot) {
  const done = /** @type {{ op: string, parameters?: { page?: number } }[]} */ (receipt["operations"] ?? []);
  const isFree = slot === null || frameRatio(slot) === null;
  const said = (/** @type {(typeof done)[number]} */ { op, parameters: { page } = {} }) => {
    const words = t(isFree && has(`operation.${op}.free`) ? `operation.${op}.free` : `operation.${op}`);
    return page && receipt.document["pages"] > 1 ? t("operation.of_page", { page: number(page), words }) : words;
  };
  return h(
    "div",
    { class: "stack tight" },
    h(
      "ol",
      { class: "stack tight" },
      done.map((one) => h("li", null, said(one))),
    ),
    more(
      t("result.fingerprint"),
      h("p", { class: "source" }, t("result.sha", { sha: String(receipt.document.sha256) })),
    ),
  );
}

/** The rules that an order was made by; null once the rule book has none of that name. @param {App} app @param {Order} order */
function slotOf(app, order) {
  const portal = app.portals.find((one) => one.portal === order.portal);
  return portal?.slots.find((one) => one.slot === order.slot) ?? null;
}

/**
 * Download, ZIP, share and print.
 *
 * @param {App} app
 * @param {JobView} view
 * @param {Order} order
 * @param {Promise<Files>} files
 * @param {import("./view.js").Leaving} leaving
 */
function takeAway(app, view, order, files, leaving) {
  const name = view.receipt?.document.filename ?? "document";
  const place = h("div", { class: "stack" });
  const slot = slotOf(app, order);
  const saved = h("p", { class: "note good", hidden: true }, icon("pass"), t("result.saved"));
  void files
    .then(({ document: content }) => {
      const file = new File([content], name, { type: content.type });
      const sharable = "canShare" in navigator && navigator.canShare({ files: [file] });
      const print = slot?.kind === "photo" && content.type !== "application/pdf";
      fill(
        place,
        saveLink(content, name, saved, leaving),
        saved,
        h(
          "div",
          { class: "row" },
          zipButton(app, view),
          sharable &&
            h(
              "button",
              {
                class: "button",
                type: "button",
                onclick: () => void navigator.share({ files: [file] }).catch(() => undefined),
              },
              icon("share"),
              t("result.share"),
            ),
          print && printButton(app, content, name, slot),
        ),
      );
    })
    .catch(() => undefined);
  return place;
}

/**
 * A link that saves a file under its name, and says so where `saved` is, and to who listens.
 *
 * @param {Blob} content
 * @param {string} name
 * @param {HTMLElement} saved
 * @param {import("./view.js").Leaving} leaving
 */
function saveLink(content, name, saved, leaving) {
  const link = h(
    "a",
    { class: "button main full", download: name },
    icon("download"),
    h("span", { class: "name" }, t("result.download", { name })),
  );
  link.href = URL.createObjectURL(content);
  leaving.push(() => letGo(link.href, saved.hidden ? 0 : SAVING_MS));
  link.addEventListener("click", () => {
    saved.hidden = false;
    announce(t("result.saved"));
  });
  return link;
}

/** Save a file at once. @param {Blob} content @param {string} name */
export function save(content, name) {
  const link = h("a", { download: name });
  link.href = URL.createObjectURL(content);
  link.click();
  letGo(link.href, SAVING_MS);
  announce(t("result.saved"));
}

/** @param {string} address of a file @param {number} ms after which nobody reads it any more */
function letGo(address, ms) {
  setTimeout(() => URL.revokeObjectURL(address), ms);
}

/** @param {App} app @param {JobView} view */
function zipButton(app, view) {
  const button = h(
    "button",
    {
      class: "button",
      type: "button",
      onclick: async () => {
        button.setAttribute("aria-disabled", "true");
        try {
          const name = (view.receipt?.document.filename ?? view.job_id).replace(/\.[^.]*$/, "");
          save(
            new Blob([await app.client.download(view.job_id, "output")], { type: "application/zip" }),
            `${name}.zip`,
          );
        } catch (error) {
          button.after(problemNote(app, problemOf(error)) ?? "");
        }
        button.removeAttribute("aria-disabled");
      },
    },
    icon("file"),
    t("result.zip"),
  );
  return button;
}

/** @param {App} app @param {Blob} content @param {string} name @param {import("./rule-book.js").Slot} slot */
function printButton(app, content, name, slot) {
  const button = h(
    "button",
    {
      class: "button",
      type: "button",
      onclick: async () => {
        try {
          const { printSheet } = /** @type {typeof import("./print-sheet.js")} */ (
            await fetched(new URL("./print-sheet.js", import.meta.url))
          );
          save(await printSheet(content, slot), `${name.replace(/\.[^.]*$/, "")}-print-4x6.jpg`);
        } catch (error) {
          button.after(problemNote(app, problemOf(error)) ?? "");
        }
      },
    },
    icon("print"),
    t("result.print"),
  );
  return button;
}

/** How long it is kept, and deleting it now. @param {App} app @param {Order} order @param {JobView} view */
function keeping(app, order, view) {
  const place = h("section", { class: "card stack", "aria-labelledby": "keeping" });
  const ask = () => {
    const yes = h(
      "button",
      {
        class: "button danger",
        type: "button",
        onclick: async () => {
          yes.setAttribute("aria-disabled", "true");
          try {
            await app.client.delete(view.job_id);
            await app.orders.forgetDeleted(order.id, view.job_id);
            announce((app.news = t("delete.done")), "alert");
            app.go("/device");
          } catch (error) {
            fill(place, ...head(), problemNote(app, problemOf(error)));
          }
        },
      },
      icon("trash"),
      t("delete.yes"),
    );
    fill(
      place,
      ...head(),
      h("p", null, t("delete.sure")),
      h("div", { class: "row" }, yes, h("button", { class: "button", type: "button", onclick: offer }, t("delete.no"))),
    );
    yes.focus();
  };
  const head = () => [
    h("h2", { id: "keeping" }, t("delete.title")),
    h(
      "p",
      { class: "quiet" },
      view.expires_at ? t("delete.until", { day: day(view.expires_at) }) : t("delete.operator"),
    ),
  ];
  const offer = () =>
    fill(
      place,
      ...head(),
      h("div", null, h("button", { class: "button", type: "button", onclick: ask }, icon("trash"), t("delete.now"))),
    );
  offer();
  return place;
}
