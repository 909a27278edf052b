/**
 * Where the picture before lies behind the finished photo, so that both are at one scale and a slide between them shows
 * what was changed, not what was cut off.
 */

/** @typedef {{ left: number, top: number, width: number, height: number, turn: number, x: number, y: number }} Place in shares of the frame; turned by degrees about a point, in shares of the picture */

/**
 * The size of a picture as it is seen, upright.
 *
 * @param {import("./file-facts.js").FileFacts} facts
 * @returns {[number, number] | null}
 */
export function uprightSize({ width, height, orientation }) {
  if (!width || !height) return null;
  return orientation > 4 ? [height, width] : [width, height];
}

/**
 * @param {import("./rythmiq.js").Receipt} receipt of a photo
 * @param {[number, number] | null} size of the upload, upright
 * @returns {Place | null} null where it is not known
 */
export function placeBehind(receipt, size) {
  const operations = /** @type {{ op: string, parameters: Record<string, any> }[]} */ (receipt["operations"] ?? []);
  const of = (/** @type {string} */ name) => operations.find(({ op }) => op === name)?.parameters;
  const [crop, made, pad, level, face] = [of("crop"), of("resize"), of("pad"), of("level"), of("face")];
  const [width, height] = [Number(receipt.document["width_px"]), Number(receipt.document["height_px"])];
  if (!size || !crop || !made || !width || !height || of("turn") || (level && !face)) return null;
  const [across, down] = [made["width_px"] / crop["width"], made["height_px"] / crop["height"]];
  return {
    left: ((pad?.["left"] ?? 0) - crop["left"] * across) / width,
    top: ((pad?.["top"] ?? 0) - crop["top"] * down) / height,
    width: (size[0] * across) / width,
    height: (size[1] * down) / height,
    turn: level?.["degrees_clockwise"] ?? 0,
    x: face ? face["x"] + face["width"] / 2 : 0.5,
    y: face ? face["y"] + face["height"] / 2 : 0.5,
  };
}
