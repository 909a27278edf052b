/**
 * Changing what the worker chose, and running it again on the picture that it keeps: page corners to drag, a face to tap,
 * turning, a white background, a caption. A new job, for one credit, which is said beforehand.
 */

import { fill, h, svg } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { optionFields } from "./job-options.js";
import { nameOf, newOrder } from "./order.js";
import { boxOf, round, turnedChoices, turnedPicture, turnedPoints } from "./turning.js";

/** @typedef {import("./turning.js").Point} Point */
/** @typedef {import("./turning.js").Box} Box */

/**
 * @param {import("./view.js").App} app
 * @param {import("./order.js").Order} order
 * @param {import("./rythmiq.js").JobView} view
 * @param {Promise<import("./result.js").Files>} files
 * @param {import("./view.js").Leaving} leaving
 * @returns {HTMLElement}
 */
export function adjuster(app, order, view, files, leaving) {
  const portal = app.portals.find((one) => one.portal === view.portal);
  const slot = portal?.slots.find((one) => one.slot === view.slot);
  const master = view.artifacts?.["master_path"];
  const place = h("div", { class: "stack" });
  if (!slot || !master || !portal) {
    place.append(h("p", { class: "quiet" }, t("adjust.never")));
    return place;
  }
  /** @type {Record<string, any>} */
  let options = { ...order.options };
  // Every share, found or chosen, is of the picture as its owner turned it, and of no other turn.
  const madeAt = turnOf(view, false);
  if (madeAt && options["rotate"] === undefined) options["rotate"] = madeAt;
  const picture = h("div", { class: "stack" });
  const isDocument = slot.kind === "document" || slot.kind === "auto";
  let drawing = 0;
  const draw = async () => {
    const turn = ++drawing;
    const { before } = await files;
    if (before === null || (view.receipt?.document["pages"] ?? 1) > 1) return;
    // What a face or the text has turned is shown so, as in the result; the service's shares are of what was before.
    const further = options["rotate"] === undefined ? turnOf(view, true) : 0;
    const degrees = Number(options["rotate"] ?? further);
    const shown = degrees === 0 ? before : await turnedPicture(before, degrees);
    if (shown !== before) leaving.push(() => URL.revokeObjectURL(shown));
    if (turn !== drawing) return; // it was turned again meanwhile
    const found = isDocument ? pageOf(view) : faceOf(view);
    const start = found && turnedPoints(found, degrees - madeAt);
    const chosen = turnedChoices(options, further);
    const choose = (/** @type {Parameters<typeof turnedChoices>[0]} */ choice, /** @type {string[]} */ ...instead) => {
      if (turn !== drawing) return; // the picture is being turned: its points are not those of the turn that is chosen
      options = { ...without(options, ...instead), ...turnedChoices(choice, -further) };
    };
    fill(
      picture,
      slot.kind === "photo" && faceChooser(shown, chosen.face, start, (face) => choose({ face })),
      isDocument && cornerChooser(shown, chosen.corners ?? start, (corners) => choose({ corners }, "page")),
      !isDocument && cropChooser(shown, chosen.crop, (crop) => choose({ crop })),
    );
  };
  const redraw = () => void draw().catch(() => undefined); // where the pictures cannot be had, the result says why
  redraw();
  const turns = h(
    "select",
    {
      class: "input",
      id: "turn",
      onchange: () => {
        const by = Number(turns.value) - Number(options["rotate"] ?? 0);
        options = { ...without(options, "rotate"), ...turnedChoices(options, by) };
        if (turns.value !== "") options["rotate"] = Number(turns.value);
        redraw();
      },
    },
    ["", "0", "90", "180", "270"].map((value) =>
      h(
        "option",
        { value, selected: String(options["rotate"] ?? "") === value },
        value === "" ? t("adjust.turn.auto") : t("adjust.turn.by", { degrees: value }),
      ),
    ),
  );
  const cost =
    app.credits === null
      ? t("consent.cost", { cost: 1 })
      : t("consent.cost.of", { cost: 1, credits: number(app.credits) });
  let started = false;
  place.append(
    h("p", { class: "quiet" }, t("adjust.what")),
    picture,
    h("div", { class: "field" }, h("label", { for: "turn" }, t("adjust.turn")), turns),
    optionFields(
      slot,
      options,
      (chosen) =>
        (options = { ...options, background: undefined, caption: undefined, text_layer: undefined, ...chosen }),
    ) ?? "",
    h("p", { class: "quiet" }, cost),
    h(
      "button",
      {
        class: "button",
        type: "button",
        onclick: async () => {
          if (started) return;
          started = true;
          const again = newOrder({
            id: crypto.randomUUID(),
            portal: portal.portal,
            portal_name: portal.name,
            slot: slot.slot,
            version: portal.version,
            files: [],
            master,
            name: nameOf(order, view.receipt?.document.filename),
            size: order.size ?? null,
            options: clean(options),
            application: order.application,
            user_id: order.user_id,
            now: Date.now(),
          });
          await app.orders.begin(again);
          app.credits = null;
          app.go(`/o/${again.id}`);
        },
      },
      icon("turn"),
      t("adjust.again"),
    ),
  );
  return place;
}

/** @param {Record<string, any>} options @param {...string} names */
function without(options, ...names) {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}

/** @param {Record<string, any>} options */
function clean(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== null));
}

/** @param {import("./rythmiq.js").JobView} view @param {string} name @returns {Record<string, any> | null} */
function operation(view, name) {
  const all = /** @type {{ op: string, parameters: Record<string, any> }[]} */ (view.receipt?.["operations"] ?? []);
  return all.find(({ op }) => op === name)?.parameters ?? null;
}

/** By how many degrees clockwise the owner had the picture turned, or a face or the text did. @param {import("./rythmiq.js").JobView} view @param {boolean} isDecided by what it shows */
function turnOf(view, isDecided) {
  const turn = operation(view, "turn");
  return turn === null || Boolean(turn["decided_by"]) !== isDecided ? 0 : Number(turn["degrees_clockwise"] ?? 0);
}

/** The middle of the face that was used. @param {import("./rythmiq.js").JobView} view @returns {Point[] | null} */
function faceOf(view) {
  const face = operation(view, "face");
  return face && [[face["x"] + face["width"] / 2, face["y"] + face["height"] / 2]];
}

/** The page's corners that were used. @param {import("./rythmiq.js").JobView} view @returns {Point[] | null} */
function pageOf(view) {
  const corners = operation(view, "page")?.["corners"];
  return Array.isArray(corners) && corners.length === 4 ? corners : null;
}

/** What to do; the keys where there are some. @param {string} words */
function hint(words) {
  return h("p", { class: "small quiet" }, words, h("span", { class: "no-touch" }, ` ${t("adjust.keys")}`));
}

/**
 * A picture on which a point is chosen, by tapping or with the arrow keys.
 *
 * @param {string} address
 * @param {{ x: number, y: number } | undefined} chosen before
 * @param {Point[] | null} found the face that was used
 * @param {(face: { x: number, y: number }) => void} onChange
 */
function faceChooser(address, chosen, found, onChange) {
  const start = chosen ? /** @type {Point} */ ([chosen.x, chosen.y]) : (found?.[0] ?? [0.5, 0.4]);
  const chooser = handles(address, [start], [t("adjust.face.handle")], ([point]) => {
    if (point) onChange({ x: point[0], y: point[1] });
  });
  return h(
    "div",
    { class: "stack tight" },
    h("p", { class: "label" }, t("adjust.face")),
    hint(t("adjust.face.what")),
    chooser,
  );
}

/**
 * A picture on which a page's four corners are dragged.
 *
 * @param {string} address
 * @param {Point[] | null} known
 * @param {(corners: Point[]) => void} onChange
 */
function cornerChooser(address, known, onChange) {
  const start = known ?? [
    [0.05, 0.05],
    [0.95, 0.05],
    [0.95, 0.95],
    [0.05, 0.95],
  ];
  const names = ["upper_left", "upper_right", "lower_right", "lower_left"].map((name) => t(`adjust.corner.${name}`));
  return h(
    "div",
    { class: "stack tight" },
    h("p", { class: "label" }, t("adjust.corners")),
    hint(t("adjust.corners.what")),
    handles(address, start, names, onChange),
  );
}

/**
 * A picture on which a part is chosen by two of its corners.
 *
 * @param {string} address
 * @param {Box | undefined} chosen before
 * @param {(crop: Box) => void} onChange
 */
function cropChooser(address, chosen, onChange) {
  const { x, y, width, height } = chosen ?? { x: 0, y: 0, width: 1, height: 1 };
  const names = [t("adjust.corner.upper_left"), t("adjust.corner.lower_right")];
  const chooser = handles(
    address,
    [
      [x, y],
      [x + width, y + height],
    ],
    names,
    ([one, other]) => {
      if (one && other) onChange(boxOf(one, other));
    },
  );
  return h(
    "div",
    { class: "stack tight" },
    h("p", { class: "label" }, t("adjust.crop")),
    hint(t("adjust.crop.what")),
    chooser,
  );
}

const STEP = 0.01;
/** @type {Readonly<Record<string, Point>>} */
const ARROWS = Object.freeze({
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
});

/**
 * A picture with points to move: one is placed by a tap anywhere, several are dragged; arrow keys move the focused one.
 *
 * @param {string} address
 * @param {Point[]} start shares of the picture
 * @param {string[]} names
 * @param {(points: Point[]) => void} onChange
 */
function handles(address, start, names, onChange) {
  const points = start.map(([x, y]) => /** @type {Point} */ ([share(x), share(y)]));
  const outline = svg("polygon", { points: "" });
  const frame = h(
    "div",
    { class: "adjust" },
    h("img", { src: address, alt: t("compare.before.alt"), draggable: "false" }),
    points.length > 1 &&
      svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, outline),
  );
  const buttons = points.map((_, index) =>
    h("button", {
      class: "handle",
      type: "button",
      "aria-label": names[index],
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        const [x, y] = points[index] ?? [0, 0];
        move(index, [x + step[0], y + step[1]]);
      },
      onpointerdown: (/** @type {PointerEvent} */ event) => buttons[index]?.setPointerCapture(event.pointerId),
      onpointermove: (/** @type {PointerEvent} */ event) => {
        if (buttons[index]?.hasPointerCapture(event.pointerId)) move(index, at(event));
      },
    }),
  );
  const at = (/** @type {PointerEvent | MouseEvent} */ event) => {
    const box = frame.getBoundingClientRect();
    return /** @type {Point} */ ([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  };
  const draw = () => {
    points.forEach(([x, y], index) => {
      const button = buttons[index];
      if (button) Object.assign(button.style, { left: `${x * 100}%`, top: `${y * 100}%` });
    });
    const [[left, top], [right, bottom]] = /** @type {[Point, Point]} */ (
      points.length > 1 ? points : [points[0], points[0]]
    );
    /** @type {Point[]} */
    const ring =
      points.length === 2
        ? [
            [left, top],
            [right, top],
            [right, bottom],
            [left, bottom],
          ]
        : points;
    outline.setAttribute("points", ring.map(([x, y]) => `${x * 100},${y * 100}`).join(" "));
  };
  const move = (/** @type {number} */ index, /** @type {Point} */ [x, y]) => {
    points[index] = [share(x), share(y)];
    draw();
    onChange(points.map(([left, top]) => /** @type {Point} */ ([round(left), round(top)])));
  };
  if (points.length === 1) {
    frame.addEventListener("click", (event) => {
      if (event.target instanceof HTMLImageElement) move(0, at(event));
    });
  }
  frame.append(...buttons);
  draw();
  return frame;
}

/** @param {number} value */
function share(value) {
  return Math.min(1, Math.max(0, value));
}
