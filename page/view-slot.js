/**
 * One file of one portal: its rules, choosing a file, and whether it fits as it is. Nothing is sent.
 */

import { choose, draftId, draftOf, drop, remember } from "./drafts.js";
import { announce, fill, h } from "./dom.js";
import { advise, number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { fetched } from "./on-demand.js";
import { sheets } from "./page-order.js";
import { picker, thumbnail } from "./picker.js";
import { formatWords, kbWords, pixelBounds, pixelWords, slotName, sourceOf, takesPages } from "./rule-book.js";
import { clauseList } from "./clauses.js";
import { isUsable, judge, sizeWords } from "./verdicts.js";
import { back, more, note, oldRules, pathOf, portalOf, slotOf, slotTitle, sourceLine, untilLeft } from "./view.js";
import { optionFields } from "./job-options.js";
import { handOff } from "./hand-off.js";

/** @typedef {import("./view.js").App} App */
/** @typedef {import("./drafts.js").Draft} Draft */
/** @typedef {(draft: Draft | null, focus?: boolean, before?: Draft | null) => void} Show `before` is what Undo brings back */

/** @param {App} app @param {string} portalName @param {string} slotName_ @returns {Promise<import("./view.js").View>} */
export async function slotView(app, portalName, slotName_) {
  const portal = portalOf(app, portalName);
  const slot = slotOf(portal, slotName_);
  const id = draftId(portal, slot);
  let leaving = untilLeft();
  let isLeft = false;
  const chosen = h("section", { class: "stack", "aria-live": "off" });
  const several = takesPages(slot);
  /** @type {Map<File, ReturnType<typeof thumbnail>>} */
  const pictures = new Map();
  const pictureOf = (/** @type {File} */ file) => {
    const picture = pictures.get(file) ?? thumbnail(file, "");
    pictures.set(file, picture);
    return picture.node;
  };

  const show = (/** @type {Draft | null} */ draft, focus = false, /** @type {Draft | null} */ before = null) => {
    leaving.leave();
    if (isLeft) return; // what was chosen is kept, and shown when somebody comes back
    leaving = untilLeft();
    const place = picker({
      kind: slot.kind,
      several,
      camera: app.config.isOwn ? pathOf(portal, slot, "camera") : null,
      again: draft !== null,
      onFiles: async (files) => {
        const now = await draftOf(app, id); // more may have been chosen since this was drawn
        const old = now && several ? now.files.map(({ file }) => file) : [];
        show(await choose(app, id, [...old, ...files], now?.options), true);
      },
    });
    leaving.push(place.leave);
    const card =
      draft &&
      (draft.files.length > 1
        ? pages(app, portal, slot, draft, pictureOf, show)
        : result(app, portal, slot, draft, leaving, show));
    const undo =
      before &&
      undoNote(async () => {
        await remember(app, before);
        show(before, true);
      });
    fill(chosen, card, undo, place.node);
    if (undo) undo.querySelector("button")?.focus({ preventScroll: true });
    else if (focus) {
      chosen.querySelector("h2")?.focus({ preventScroll: true });
      chosen.scrollIntoView();
    }
  };
  show(await draftOf(app, id));

  return {
    title: slotTitle(portal, slot),
    leave: () => {
      isLeft = true;
      [leaving, ...pictures.values()].forEach(({ leave }) => leave());
    },
    nodes: [
      h(
        "div",
        { class: "stack loose" },
        h(
          "div",
          { class: "stack tight" },
          back(`/p/${portal.portal}`, portal.name),
          h("h1", null, slotTitle(portal, slot)),
        ),
        ...oldRules(portal, advise),
        wanted(slot),
        chosen,
        app.config.isWhole && handOff(),
      ),
    ],
  };
}

/** What was removed can be had back: at the foot of the screen while the place itself is below it. @param {() => void} back_ */
function undoNote(back_) {
  announce(t("pages.removed"));
  const button = h("button", { class: "button", type: "button", onclick: back_ }, t("pages.undo"));
  return h("div", { class: "note undo" }, h("strong", null, t("pages.removed")), button);
}

/** What the portal wants, and where that is written. @param {import("./rule-book.js").Slot} slot */
function wanted(slot) {
  const bounds = pixelBounds(slot);
  /** @type {[string, string, string[]][]} */
  const rules = [
    [t("clause.format"), formatWords(slot), ["formats", "output_format"]],
    [t("clause.bytes"), kbWords(slot), ["max_kb", "min_kb"]],
    [t("clause.pixels"), bounds ? pixelWords(bounds) : "", ["target_width", "min_width", "max_width", "min_height"]],
    [
      t("clause.paper"),
      slot.width_mm === undefined
        ? ""
        : t("rule.size.cm", { width: number(slot.width_mm / 10, 2), height: number(Number(slot.height_mm) / 10, 2) }),
      ["width_mm"],
    ],
    [t("clause.dpi"), slot.target_dpi === undefined ? "" : t("measured.dpi", { dpi: slot.target_dpi }), ["target_dpi"]],
    [
      t("clause.background"),
      slot.background === "any" ? "" : t(`wanted.background.${slot.background}`),
      ["background"],
    ],
    [
      t("clause.face_size"),
      slot.face_ratio
        ? t("wanted.face_size", {
            least: Math.round(slot.face_ratio[0] * 100),
            most: Math.round(slot.face_ratio[1] * 100),
          })
        : "",
      ["face_ratio"],
    ],
    [
      t("clause.glasses"),
      slot.glasses && slot.glasses !== "any" ? t(`wanted.glasses.${slot.glasses}`) : "",
      ["glasses"],
    ],
    [t("clause.signatures"), slot.signatures ? number(slot.signatures) : "", ["signatures"]],
  ];
  const stated = rules.filter(([, words]) => words !== "");
  return h(
    "section",
    { class: "card stack", "aria-labelledby": "wanted" },
    h("h2", { id: "wanted" }, t("slot.wanted")),
    h(
      "dl",
      { class: "facts" },
      stated.flatMap(([name, words]) => [h("dt", null, name), h("dd", null, words)]),
    ),
    more(
      t("slot.sources"),
      h(
        "div",
        { class: "stack" },
        stated.map(([name, , names]) =>
          h(
            "div",
            null,
            h("h3", null, name),
            sourceLine(sourceOf(slot, ...names)) ?? h("p", { class: "source" }, t("source.ours")),
          ),
        ),
      ),
    ),
  );
}

/**
 * The chosen file, and what to do with it.
 *
 * @param {App} app
 * @param {import("./view.js").Portal} portal
 * @param {import("./view.js").Slot} slot
 * @param {Draft} draft
 * @param {import("./view.js").Leaving} leaving
 * @param {Show} show
 */
function result(app, portal, slot, draft, leaving, show) {
  const [first] = draft.files;
  if (first === undefined) return null;
  const judgement = judge(first.facts, slot, first.file.name);
  const wrong = judgement.clauses.filter(({ verdict }) => verdict === "fail").length;
  const unseen = judgement.clauses.filter(({ verdict }) => verdict === "not_checked");
  const title = !judgement.usable
    ? t("check.unusable")
    : judgement.fits
      ? t("check.fits")
      : t("check.wrong", { count: number(wrong) });
  const heading = h("h2", { tabindex: "-1" }, title);
  const picture = thumbnail(first.file, t("check.picture"));
  leaving.push(picture.leave);
  announce(title);
  const seen = h("div", { class: "stack" });
  if (slot.kind === "photo")
    void hintsOf(first.file).then(
      (hints) =>
        fill(seen, ...hints.map((hint) => note("warn", t(`hint.${hint}`), h("p", null, t(`hint.${hint}.todo`))))),
      () => undefined, // they are hints: where their module cannot be had, there are none
    );
  return h(
    "div",
    { class: "card stack" },
    h(
      "div",
      { class: "picked" },
      picture.node,
      h(
        "div",
        { class: "stack tight" },
        h("strong", null, first.file.name),
        h("span", { class: "small quiet" }, factsLine(first.facts)),
      ),
    ),
    h(
      "div",
      { class: `note ${judgement.fits ? "good" : "bad"}` },
      icon(judgement.fits ? "pass" : "fail"),
      h(
        "div",
        { class: "stack tight" },
        heading,
        h(
          "p",
          null,
          !judgement.usable
            ? t("check.unusable.todo")
            : judgement.fits
              ? unseen.length > 0
                ? t("check.fits.but")
                : t("check.fits.all")
              : t("check.wrong.todo"),
        ),
      ),
    ),
    judgement.usable && actions(app, portal, slot, draft, judgement.fits),
    seen,
    clauseList(judgement.clauses),
    h("p", { class: "small quiet" }, t("check.device")),
    h(
      "button",
      {
        class: "button bare",
        type: "button",
        onclick: async () => (await drop(app, draft.id), show(null, false, draft)),
      },
      t("check.remove"),
    ),
  );
}

/**
 * @param {App} app
 * @param {import("./view.js").Portal} portal
 * @param {import("./view.js").Slot} slot
 * @param {Draft} draft
 * @param {boolean} fits
 */
function actions(app, portal, slot, draft, fits) {
  if (!app.config.isWhole)
    return app.config.wholeAt
      ? h(
          "a",
          { class: "button main full", href: `${app.config.wholeAt}#${pathOf(portal, slot)}` },
          t("shared_host.whole"),
        )
      : null;
  const options = optionFields(slot, draft.options, (changed) => void remember(app, { ...draft, options: changed }));
  return h(
    "div",
    { class: "stack" },
    options,
    h(
      "a",
      { class: `button full ${fits ? "" : "main"}`, href: `#${pathOf(portal, slot, "make")}` },
      t(draft.files.length > 1 ? "pages.make" : fits ? "check.make.anyway" : "check.make"),
    ),
    !app.auth?.session &&
      h(
        "p",
        { class: "small quiet" },
        t("check.ahead"),
        app.config.guestCredits > 0 && ` ${t("check.ahead.guest", { count: number(app.config.guestCredits) })}`,
      ),
  );
}

/**
 * Several pages for one PDF.
 *
 * @param {App} app
 * @param {import("./view.js").Portal} portal
 * @param {import("./view.js").Slot} slot
 * @param {Draft} draft
 * @param {(file: File) => HTMLElement} pictureOf
 * @param {Show} show
 */
function pages(app, portal, slot, draft, pictureOf, show) {
  const list = sheets(
    draft.files.map(({ file }) => file),
    pictureOf,
    async (order) => {
      const files = order.map((index) => /** @type {import("./drafts.js").DraftFile} */ (draft.files[index]));
      const changed = { ...draft, files };
      await remember(app, changed);
      show(changed, false, files.length < draft.files.length ? draft : null);
    },
  );
  const unreadable = draft.files.filter(({ facts }) => !isUsable(facts));
  return h(
    "div",
    { class: "card stack" },
    h("h2", { tabindex: "-1" }, t("pages.title", { count: number(draft.files.length), slot: slotName(slot.slot) })),
    h("p", { class: "quiet" }, t("pages.what")),
    list,
    unreadable.length > 0 &&
      note("bad", t("check.unusable"), h("p", null, unreadable.map(({ file }) => file.name).join(", "))),
    unreadable.length === 0 && actions(app, portal, slot, draft, false),
  );
}

/** @param {import("./file-facts.js").FileFacts} facts */
function factsLine(facts) {
  const size =
    facts.width && facts.height
      ? t("rule.px.exact", { width: facts.width, height: facts.height })
      : facts.pages
        ? t("measured.pages", { count: facts.pages })
        : "";
  return [t(`format.${facts.format}`), size, sizeWords(facts.bytes)].filter(Boolean).join(" · ");
}

/** What a look at a picture tells that its file does not. @param {Blob} file @returns {Promise<string[]>} */
async function hintsOf(file) {
  const { measure } = /** @type {typeof import("./measures.js")} */ (
    await fetched(new URL("./measures.js", import.meta.url))
  );
  return (await measure(file))?.hints ?? [];
}
