/**
 * Cheap measures of a picture on the device: light, evenness and sharpness of a small copy. They are hints, not verdicts.
 */

/** @typedef {"dark" | "bright" | "blurred" | "backlit"} Hint */
/** @typedef {{ light: number, edge: number, middle: number, around: number, hints: Hint[] }} Measures */

const SIDE = 192;
const DARK = 60;
const BRIGHT = 235;
const FLAT_EDGE = 1.6;
const BACKLIGHT = 70;

/**
 * Measure a picture; null where the browser cannot read it.
 *
 * @param {Blob} file
 * @returns {Promise<Measures | null>}
 */
export async function measure(file) {
  try {
    const bitmap = await createImageBitmap(file, { resizeWidth: SIDE, resizeQuality: "medium" });
    const found = measureSource(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
    return found;
  } catch {
    return null; // HEIC, PDF, or no picture at all
  }
}

/** @type {OffscreenCanvas | null} */
let canvas = null;

/**
 * Measure what can be drawn: a bitmap, or a frame of a video.
 *
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 * @returns {Measures | null}
 */
export function measureSource(source, width, height) {
  if (!("OffscreenCanvas" in globalThis) || !width || !height) return null;
  const [columns, rows] = [SIDE, Math.max(1, Math.round((SIDE * height) / width))];
  if (canvas?.width !== columns || canvas.height !== rows) canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) return null;
  context.drawImage(source, 0, 0, columns, rows);
  return measurePixels(context.getImageData(0, 0, columns, rows));
}

/**
 * @param {{ data: Uint8ClampedArray, width: number, height: number }} image RGBA
 * @returns {Measures}
 */
function measurePixels({ data, width, height }) {
  const luma = new Float32Array(width * height);
  for (let at = 0; at < luma.length; at += 1) {
    luma[at] = 0.299 * (data[4 * at] ?? 0) + 0.587 * (data[4 * at + 1] ?? 0) + 0.114 * (data[4 * at + 2] ?? 0);
  }
  let sum = 0;
  let inside = 0;
  let insideCount = 0;
  /** @type {number[]} */
  const steps = [];
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const at = y * width + x;
      const value = luma[at] ?? 0;
      sum += value;
      if (Math.abs(x / width - 0.5) < 0.2 && Math.abs(y / height - 0.45) < 0.2) {
        inside += value;
        insideCount += 1;
      }
      steps.push(
        Math.abs(
          4 * value - (luma[at - 1] ?? 0) - (luma[at + 1] ?? 0) - (luma[at - width] ?? 0) - (luma[at + width] ?? 0),
        ),
      );
    }
  }
  const count = steps.length || 1;
  const light = sum / count;
  const middle = inside / (insideCount || 1);
  const around = (sum - inside) / (count - insideCount || 1);
  steps.sort((one, other) => other - one);
  const strongest = steps.slice(0, Math.max(1, Math.floor(count / 50)));
  const edge = strongest.reduce((total, step) => total + step, 0) / strongest.length / 4;
  /** @type {Hint[]} */
  const hints = [];
  if (light < DARK) hints.push("dark");
  else if (around - middle > BACKLIGHT) hints.push("backlit");
  if (light > BRIGHT) hints.push("bright");
  if (edge < FLAT_EDGE) hints.push("blurred");
  return { light, edge, middle, around, hints };
}
