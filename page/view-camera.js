/**
 * The guided camera, and the rehearsal for portals that take a live photo themselves: the same frame, the same checks.
 *
 * The preview is mirrored as in a mirror; the picture that is taken is not.
 */

import { canRead, choose, draftId, draftOf } from "./drafts.js";
import { announce, fill, h, svg } from "./dom.js";
import { number, t } from "./i18n.js";
import { icon } from "./icons.js";
import { fetched } from "./on-demand.js";
import { picker, thumbnail } from "./picker.js";
import { headOval, wantedShare } from "./portal-frame.js";
import { frameRatio, slotName, takesPages } from "./rule-book.js";
import { MissingError, back, note, pathOf, portalOf, slotOf } from "./view.js";

/** @typedef {import("./measures.js").Hint | "moving" | "tilted" | "ready"} Hint */

const LOOK_EVERY_MS = 300;
const STEADY_LOOKS = 4;
const COUNTDOWN_S = 3;
const STILL = 6;
const LEVEL_DEG = 8;

/** @param {import("./view.js").App} app @param {string} portalName @param {string} slotName_ @param {boolean} isRehearsal @returns {import("./view.js").View} */
export function cameraView(app, portalName, slotName_, isRehearsal) {
  // A permission is an origin's: a stranger on a shared host would have the camera, too.
  if (!app.config.isOwn) throw new MissingError("camera");
  const portal = portalOf(app, portalName);
  const slot = isRehearsal ? (portal.slots.find(({ kind }) => kind === "photo") ?? null) : slotOf(portal, slotName_);
  const isPerson = isRehearsal || slot?.kind === "photo";
  const ratio = (slot && frameRatio(slot)) ?? (isPerson ? 7 / 9 : slot?.kind === "signature" ? 3 : 1 / Math.SQRT2);
  const home = isRehearsal || !slot ? `/p/${portal.portal}` : pathOf(portal, slot);
  const place = h("div", { class: "stack" });
  /** @type {(() => void)[]} */
  const leaving = [];
  const end = () => leaving.splice(0).forEach((leave) => leave());
  let isLeft = false; // while the camera opened or took its picture
  /** @type {typeof import("./measures.js") | null} */
  let measures = null;

  /** Show something in place of what was there, which takes the focus along. @param {HTMLElement} focus @param {...(HTMLElement | null)} rest */
  const draw = (focus, ...rest) => {
    const hadFocus = place.contains(document.activeElement);
    fill(place, ...rest);
    if (hadFocus) focus.focus();
  };
  const heading = (/** @type {string} */ words) => h("h2", { tabindex: "-1" }, words);
  const onceMore = () => (end(), void open());

  const taken = async (/** @type {File} */ file) => {
    end();
    if (isLeft) return;
    await (isRehearsal ? review(file) : use(file));
  };

  /** Choose a picture for the slot: after the pages that are there, and with what was chosen beside them. @param {File} file */
  const use = async (file) => {
    if (!slot) return;
    const wait = h("p", { class: "quiet", role: "status", tabindex: "-1" }, t("result.opening"));
    draw(wait, wait);
    const isReadable = await canRead();
    if (isLeft) return;
    if (!isReadable) return offline(() => void use(file));
    const id = draftId(portal, slot);
    const draft = await draftOf(app, id);
    const before = draft && takesPages(slot) ? draft.files.map((one) => one.file) : [];
    await choose(app, id, [...before, file], draft?.options);
    if (!isLeft) app.go(pathOf(portal, slot));
  };

  const review = async (/** @type {File} */ file) => {
    const found = (await measures?.measure(file)) ?? null;
    if (isLeft) return;
    const picture = thumbnail(file, t("check.picture"));
    leaving.push(picture.leave);
    const hints = found?.hints ?? [];
    const kind = found === null ? "unseen" : hints.length === 0 ? "good" : "but";
    const title = heading(t(`rehearse.${kind}`));
    draw(
      title,
      picture.node,
      kind === "but"
        ? note("warn", title)
        : note(kind === "good" ? "good" : "info", title, h("p", null, t(`rehearse.${kind}.what`))),
      ...hints.map((hint) => note("warn", t(`hint.${hint}`), h("p", null, t(`hint.${hint}.todo`)))),
      h("h2", null, t("rehearse.list")),
      h(
        "ul",
        { class: "stack tight" },
        ["face", "eyes", "ears", "wall", "light", "glasses", "same"].map((key) =>
          h("li", { class: "row-top" }, icon("info"), h("span", null, t(`rehearse.list.${key}`))),
        ),
      ),
      h("p", { class: "small quiet" }, t("rehearse.kept")),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button main", type: "button", onclick: onceMore }, t("camera.again")),
        slot &&
          h(
            "button",
            { class: "button", type: "button", onclick: () => use(file) },
            t("rehearse.use", { slot: slotName(slot.slot) }),
          ),
      ),
    );
    announce(title.textContent ?? "");
  };

  const open = async () => {
    const opening = h("p", { class: "quiet", role: "status", tabindex: "-1" }, t("camera.opening"));
    draw(opening, opening);
    /** @type {MediaStream} */
    let stream;
    const measuring = fetched(new URL("./measures.js", import.meta.url)).then(
      (found) => (measures = found),
      () => undefined,
    );
    if (isRehearsal) {
      await measuring; // which is what it is for; a picture can be taken without
      if (isLeft) return;
      if (measures === null) return offline(onceMore);
    }
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("no camera", "NotFoundError");
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: isPerson ? "user" : "environment", width: { ideal: 1920 }, height: { ideal: 1440 } },
      });
    } catch (error) {
      return refused(error instanceof DOMException ? error.name : "");
    }
    const stop = () => stream.getTracks().forEach((track) => track.stop());
    if (isLeft) return stop();
    leaving.push(stop);
    const video = h("video", { autoplay: true, playsinline: true, muted: true, "aria-label": t("camera.preview") });
    video.muted = true;
    video.srcObject = stream;
    const hint = h("p", { class: "hint", role: "status" }, t("camera.hint.start"));
    const count = h("p", { class: "count", hidden: true, "aria-live": "assertive" });
    const frame = h(
      "div",
      { class: `camera ${isPerson ? "mirrored" : ""}` },
      video,
      guide(isPerson, ratio, slot),
      count,
      hint,
    );
    const shoot = h(
      "button",
      { class: "button main full", type: "button", disabled: true, onclick: () => countdown() },
      icon("camera"),
      t("camera.shoot"),
    );
    const auto = h("input", { type: "checkbox", id: "auto", checked: true });
    const byItself = h("label", { class: "choice", hidden: true }, auto, h("span", null, t("camera.auto")));
    video.tabIndex = -1;
    draw(
      video,
      frame,
      shoot,
      byItself,
      h("p", { class: "small quiet" }, t(isRehearsal ? "rehearse.kept" : "camera.local")),
    );
    await video.play().catch(() => undefined);
    if (isLeft) return;

    let steady = 0;
    let counting = false;
    let tilt = 0;
    /** @type {Float32Array | null} */
    let before = null;
    const tilted = (/** @type {DeviceOrientationEvent} */ event) => (tilt = Math.abs(event.gamma ?? 0));
    if (!isPerson) addEventListener("deviceorientation", tilted);
    const look = () => {
      const found = measures?.measureSource(video, video.videoWidth, video.videoHeight);
      byItself.hidden = !found; // its module may still come, or never
      if (!found || counting) return;
      const values = Float32Array.of(found.light, found.edge * 10, found.middle, found.around);
      const moved =
        before === null
          ? Infinity
          : Math.max(...values.map((value, index) => Math.abs(value - (before?.[index] ?? 0))));
      before = values;
      /** @type {Hint} */
      const said =
        found.hints.find((one) => isPerson || one !== "bright") ??
        (moved > STILL ? "moving" : tilt > LEVEL_DEG && !isPerson ? "tilted" : "ready");
      steady = said === "ready" ? steady + 1 : 0;
      frame.classList.toggle("ready", said === "ready");
      const words = t(`camera.hint.${said}`);
      if (hint.textContent !== words) hint.textContent = words;
      if (steady >= STEADY_LOOKS && auto.checked) countdown();
    };
    const timer = setInterval(look, LOOK_EVERY_MS);
    leaving.push(() => (clearInterval(timer), removeEventListener("deviceorientation", tilted)));

    const countdown = () => {
      if (counting) return;
      counting = true;
      let left = COUNTDOWN_S;
      count.hidden = false;
      const tick = () => {
        if (left === 0) {
          count.hidden = true;
          still(video, stream).then(taken, () => refused("shot"));
          return;
        }
        count.textContent = number(left);
        left -= 1;
        clock = setTimeout(tick, 1000);
      };
      let clock = setTimeout(tick, 0);
      leaving.push(() => clearTimeout(clock));
    };
    shoot.disabled = false; // there is a picture to be taken from here on
  };

  const offline = (/** @type {() => void} */ again) => {
    const goOn = () => (end(), again());
    addEventListener("online", goOn);
    leaving.push(() => removeEventListener("online", goOn));
    const title = heading(t("problem.offline.title"));
    draw(
      title,
      note("warn", title, h("p", null, t("problem.offline.todo"))),
      h("button", { class: "button", type: "button", onclick: goOn }, t("again")),
    );
    announce(t("problem.offline.title"), "alert");
  };

  const refused = (/** @type {string} */ name) => {
    end();
    if (isLeft) return;
    const denied = name === "NotAllowedError" || name === "SecurityError";
    const other = picker({
      kind: isPerson ? "photo" : "document",
      several: false,
      camera: null,
      again: false,
      onFiles: ([file]) => file && void taken(file),
    });
    leaving.push(other.leave);
    const title = heading(t(denied ? "camera.denied" : "camera.none"));
    draw(
      title,
      note("warn", title, h("p", null, t(denied ? "camera.denied.todo" : "camera.none.todo"))),
      other.node,
      h("button", { class: "button", type: "button", onclick: onceMore }, t("again")),
    );
    announce(title.textContent ?? "", "alert");
  };

  return {
    title: t(isRehearsal ? "rehearse.title" : "camera.title"),
    enter: () => {
      if (!isRehearsal) void canRead();
      void open();
    },
    leave: () => {
      isLeft = true;
      end();
    },
    nodes: [
      h(
        "div",
        { class: "stack" },
        h(
          "div",
          { class: "stack tight" },
          back(home, t("frame.back")),
          h("h1", null, t(isRehearsal ? "rehearse.title" : "camera.title")),
          h(
            "p",
            { class: "lead" },
            t(isRehearsal ? "rehearse.lead" : isPerson ? "camera.lead.photo" : "camera.lead.paper"),
          ),
        ),
        place,
      ),
    ],
  };
}

/**
 * The frame to fit into: the portal's, with an oval for the head, or a sheet.
 *
 * @param {boolean} isPerson
 * @param {number} ratio
 * @param {import("./rule-book.js").Slot | null} slot
 */
function guide(isPerson, ratio, slot) {
  const [width, height] = ratio * 4 > 3 * 1 ? [66, 66 / ratio] : [84 * ratio, 84];
  const [x, y] = [(75 - width) / 2, (100 - height) / 2];
  const rectangle = { x, y, width, height, rx: 2 };
  const head = headOval(slot, wantedShare(slot));
  const oval = {
    cx: 37.5,
    cy: y + height * head.cy,
    rx: Math.min(width * 0.46, height * head.rx),
    ry: height * head.ry,
  };
  return svg(
    "svg",
    { viewBox: "0 0 75 100", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" },
    svg("path", {
      class: "mask",
      "fill-rule": "evenodd",
      d: `M0 0H75V100H0Z M${x} ${y}V${y + height}H${x + width}V${y}Z`,
    }),
    svg("rect", { class: "guide", ...rectangle }),
    isPerson && svg("ellipse", { class: "guide", "stroke-dasharray": "2 1.500", ...oval }),
  );
}

/**
 * One picture, unmirrored, in the camera's full size where the browser can.
 *
 * @param {HTMLVideoElement} video
 * @param {MediaStream} stream
 * @returns {Promise<File>}
 */
async function still(video, stream) {
  const [track] = stream.getVideoTracks();
  const name = `camera-${new Date().toISOString().slice(0, 10)}.jpg`;
  const Capture = /** @type {any} */ (globalThis).ImageCapture;
  if (Capture && track) {
    try {
      const blob = await new Capture(track).takePhoto();
      if (blob.type === "image/jpeg") return new File([blob], name, { type: "image/jpeg" });
    } catch {
      /* some cameras only give the video's frames */
    }
  }
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) =>
    canvas.toBlob(resolve, "image/jpeg", 0.95),
  );
  if (blob === null) throw new Error("no picture");
  return new File([blob], name, { type: "image/jpeg" });
}
