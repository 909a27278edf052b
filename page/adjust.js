/**
 * Changing what the worker chose, and running it again on the picture that it keeps: page corners to drag, a face to tap,
 * turning, a white background, a caption. A new job, for one credit, which is said beforehand.
 */

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { optionFields } from "./job-options.js";
import { nameOf, newOrder } from "./order.js";
import { svg } from "./dom.js";

/** @typedef {[number, number]} Point */

/**
 * @param {import("./view.js").App} app
 * @param {import("./order.js").Order} order
 * @param {import("./rythmiq.js").JobView} view
 * @param {Promise<import("./result.js").Files>} files
 * @returns {HTMLElement}
 */
export function adjuster(app, order, view, files) {
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
  const picture = h("div", { class: "stack" });
  const isDocument = slot.kind === "document" || slot.kind === "auto";
  void files.then(
    ({ before }) => {
      if (before === null || (view.receipt?.document["pages"] ?? 1) > 1) return;
      const isTurned = operation(view, "turn") !== null; // shares are of the upright picture, which this is not
      if (!isDocument && !isTurned)
        picture.append(cropChooser(before, options["crop"], (crop) => (options = { ...options, crop })));
      picture.prepend(
        slot.kind === "photo"
          ? faceChooser(
              before,
              operation(view, "face"),
              (face) => (options = face ? { ...without(options, "face"), face } : without(options, "face")),
            )
          : isDocument
            ? cornerChooser(
                before,
                operation(view, "page"),
                (corners) =>
                  (options = corners
                    ? { ...without(options, "corners", "page"), corners }
                    : without(options, "corners")),
              )
            : "",
      );
    },
    () => undefined,
  );
  const turns = h(
    "select",
    {
      class: "input",
      id: "turn",
      onchange: () =>
        (options = turns.value === "" ? without(options, "rotate") : { ...options, rotate: Number(turns.value) }),
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

/** What to do; the keys where there are some. @param {string} words */
function hint(words) {
  return h("p", { class: "small quiet" }, words, h("span", { class: "no-touch" }, ` ${t("adjust.keys")}`));
}

/**
 * A picture on which a point is chosen, by tapping or with the arrow keys.
 *
 * @param {string} address
 * @param {Record<string, any> | null} found the face that was used, in shares
 * @param {(face: { x: number, y: number } | null) => void} onChange
 */
function faceChooser(address, found, onChange) {
  const start = /** @type {Point} */ (
    found ? [found["x"] + found["width"] / 2, found["y"] + found["height"] / 2] : [0.5, 0.4]
  );
  const chooser = handles(address, [start], [t("adjust.face.handle")], ([point]) =>
    onChange(point ? { x: point[0], y: point[1] } : null),
  );
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
 * @param {Record<string, any> | null} found
 * @param {(corners: Point[] | null) => void} onChange
 */
function cornerChooser(address, found, onChange) {
  const known = /** @type {Point[] | undefined} */ (
    Array.isArray(found?.["corners"]) && found["corners"].length === 4 ? found["corners"] : undefined
  );
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
 * @param {{ x: number, y: number, width: number, height: number } | undefined} chosen before
 * @param {(crop: { x: number, y: number, width: number, height: number }) => void} onChange
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
      if (!one || !other) return;
      const [left, top] = [Math.min(one[0], other[0], 1 - LEAST), Math.min(one[1], other[1], 1 - LEAST)];
      const size = (/** @type {0 | 1} */ axis) => round(Math.max(Math.abs(one[axis] - other[axis]), LEAST));
      onChange({ x: left, y: top, width: size(0), height: size(1) });
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
const LEAST = 0.05;
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

/** @param {number} value */
function round(value) {
  return Math.round(value * 10_000) / 10_000;
}
