/**
 * What was chosen on a picture, and the picture itself, once that is turned by quarters.
 */

import { h } from "./dom.js";

/** @typedef {[number, number]} Point in shares of the picture */
/** @typedef {{ x: number, y: number, width: number, height: number }} Box in the same */

const LEAST = 0.05;

/** @param {Point} point @param {number} degrees clockwise @returns {Point} */
function turned([x, y], degrees) {
  const [across, down] = { 90: [1 - y, x], 180: [1 - x, 1 - y], 270: [y, 1 - x] }[(degrees + 360) % 360] ?? [x, y];
  return [round(across ?? x), round(down ?? y)];
}

/**
 * Points of a turned picture; four that went clockwise from the upper left do so again.
 *
 * @param {Point[]} points
 * @param {number} degrees clockwise
 * @returns {Point[]}
 */
export function turnedPoints(points, degrees) {
  const all = points.map((point) => turned(point, degrees));
  const quarters = ((degrees + 360) % 360) / 90;
  return all.length === 4 ? [...all.slice(4 - quarters), ...all.slice(0, 4 - quarters)] : all;
}

/**
 * A job's choices on a picture, once that is turned.
 *
 * @param {Record<string, any>} options
 * @param {number} degrees clockwise
 */
export function turnedChoices({ face, corners, crop }, degrees) {
  /** @type {{ face?: { x: number, y: number }, corners?: Point[], crop?: Box }} */
  const found = {};
  if (face) {
    const [x, y] = turned([face.x, face.y], degrees);
    found.face = { x, y };
  }
  if (corners) found.corners = turnedPoints(corners, degrees);
  if (crop) {
    const { x, y, width, height } = crop;
    found.crop = boxOf(turned([x, y], degrees), turned([x + width, y + height], degrees));
  }
  return found;
}

/** The box between two corners, never too small to be seen. @param {Point} one @param {Point} other @returns {Box} */
export function boxOf(one, other) {
  const [left, top] = [Math.min(one[0], other[0], 1 - LEAST), Math.min(one[1], other[1], 1 - LEAST)];
  const size = (/** @type {0 | 1} */ axis) => round(Math.max(Math.abs(one[axis] - other[axis]), LEAST));
  return { x: round(left), y: round(top), width: size(0), height: size(1) };
}

/**
 * Turn a picture.
 *
 * @param {string} address
 * @param {number} degrees clockwise
 * @returns {Promise<string>} the address of another one
 */
export async function turnedPicture(address, degrees) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = h("canvas", null);
  [canvas.width, canvas.height] = degrees % 180 === 0 ? [width, height] : [height, width];
  const paint = canvas.getContext("2d");
  paint?.translate(canvas.width / 2, canvas.height / 2);
  paint?.rotate((degrees * Math.PI) / 180);
  paint?.drawImage(image, -width / 2, -height / 2);
  const made = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
  if (!(made instanceof Blob)) throw new Error("the picture could not be turned");
  return URL.createObjectURL(made);
}

/** Four digits, as the service takes shares. @param {number} value */
export function round(value) {
  return Math.round(value * 10_000) / 10_000;
}
