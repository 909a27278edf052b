/**
 * A QR code of an address: its bytes under error correction L, in versions 1 to 9, which hold 230 bytes.
 *
 * In these all blocks are of one length, and the length of the text has 8 bits; so this is short.
 *
 * Source: ISO/IEC 18004:2015.
 */

/** By version: codewords of data, codewords of error correction in each block, blocks. */
const VERSIONS = /** @type {const} */ ([
  [19, 7, 1],
  [34, 10, 1],
  [55, 15, 1],
  [80, 20, 1],
  [108, 26, 1],
  [136, 18, 2],
  [156, 20, 2],
  [194, 24, 2],
  [232, 30, 2],
]);
/** @type {((x: number, y: number) => number)[]} where each gives 0, a mask inverts the module */
const MASKS = [
  (x, y) => (x + y) % 2,
  (_x, y) => y % 2,
  (x) => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/**
 * @typedef {boolean[][]} Grid rows of modules, true is dark
 * @typedef {(x: number, y: number, dark: boolean) => void} Put
 */

/**
 * The modules of a text's code.
 *
 * @param {string} text
 * @returns {Grid | null} null where the text is too long
 */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  const at = VERSIONS.findIndex(([dataLength]) => bytes.length <= dataLength - 2);
  const shape = VERSIONS[at];
  if (shape === undefined) return null;
  const version = at + 1;
  const words = codewords(bytes, shape);
  const candidates = MASKS.map((mask, number) => drawn(version, words, mask, number));
  return candidates.reduce((best, grid) => (penalty(grid) < penalty(best) ? grid : best));
}

/**
 * Data with its error correction, block by block in turns.
 *
 * @param {Uint8Array} bytes
 * @param {typeof VERSIONS[number]} shape
 */
function codewords(bytes, [dataLength, checkLength, blockCount]) {
  // The mode (4 bits: bytes), the length (8), the bytes, an end (4): each word is half of one byte and half of the next.
  const halves = [4, bytes.length >> 4, bytes.length & 15, ...[...bytes].flatMap((byte) => [byte >> 4, byte & 15]), 0];
  const data = Array.from(
    { length: halves.length / 2 },
    (_, i) => (half(halves, 2 * i) << 4) | half(halves, 2 * i + 1),
  );
  for (let pad = 0xec; data.length < dataLength; pad ^= 0xec ^ 0x11) data.push(pad);
  const blockLength = dataLength / blockCount;
  const blocks = Array.from({ length: blockCount }, (_, i) => data.slice(i * blockLength, (i + 1) * blockLength));
  const checks = blocks.map((block) => correction(block, checkLength));
  return [...inTurns(blocks), ...inTurns(checks)];
}

/** @param {number[]} halves @param {number} at */
function half(halves, at) {
  return halves[at] ?? 0;
}

/** @param {number[][]} blocks of one length */
function inTurns(blocks) {
  return (blocks[0] ?? []).flatMap((_, i) => blocks.map((block) => block[i] ?? 0));
}

/**
 * Reed-Solomon: the remainder of a block by the generator of this degree.
 *
 * @param {number[]} block
 * @param {number} degree
 */
function correction(block, degree) {
  let generator = [1];
  for (let i = 0, root = 1; i < degree; i += 1, root = times(root, 2)) {
    const shifted = [...generator, 0];
    generator = shifted.map((value, j) => value ^ times(j > 0 ? (generator[j - 1] ?? 0) : 0, root));
  }
  let rest = new Array(degree).fill(0);
  for (const word of block) {
    const factor = word ^ rest[0];
    rest = [...rest.slice(1), 0].map((value, j) => value ^ times(generator[j + 1] ?? 0, factor));
  }
  return rest;
}

/** A product in GF(256). @param {number} a @param {number} b */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) product = (product << 1) ^ ((product >> 7) * 0x11d) ^ (((b >> bit) & 1) * a);
  return product;
}

/**
 * @param {number} version
 * @param {number[]} words
 * @param {(x: number, y: number) => number} mask
 * @param {number} maskNumber
 * @returns {Grid}
 */
function drawn(version, words, mask, maskNumber) {
  const size = 17 + 4 * version;
  /** @type {Grid} */
  const grid = Array.from({ length: size }, () => new Array(size));
  /** @type {Put} */
  const put = (x, y, dark) => {
    const row = grid[y];
    if (row && x >= 0 && x < size) row[x] = dark;
  };
  drawPatterns(version, size, put);
  drawFormat(maskNumber, size, put);
  let bit = 0;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5; // the column of the timing pattern
    const upward = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step += 1) {
      for (const x of [right, right - 1]) {
        const y = upward ? size - 1 - step : step;
        if (grid[y]?.[x] !== undefined) continue;
        const dark = (((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1;
        put(x, y, dark !== (mask(x, y) === 0));
        bit += 1;
      }
    }
  }
  return grid;
}

/**
 * What does not depend on the text: timing, finders, alignment, and from 7 on the version.
 *
 * @param {number} version
 * @param {number} size
 * @param {Put} put
 */
function drawPatterns(version, size, put) {
  for (let i = 0; i < size; i += 1) {
    put(6, i, i % 2 === 0);
    put(i, 6, i % 2 === 0);
  }
  const rings = (
    /** @type {number} */ x,
    /** @type {number} */ y,
    /** @type {number} */ reach,
    /** @type {string} */ dark,
  ) => {
    for (let dy = -reach; dy <= reach; dy += 1)
      for (let dx = -reach; dx <= reach; dx += 1)
        put(x + dx, y + dy, dark[Math.max(Math.abs(dx), Math.abs(dy))] === "#");
  };
  const last = size - 7;
  if (version > 1) {
    const places = version < 7 ? [6, last] : [6, (6 + last) / 2, last];
    const isFinder = (/** @type {number} */ x, /** @type {number} */ y) =>
      Math.min(x, y) === 6 && (x + y === 12 || x + y === 6 + last);
    for (const y of places) for (const x of places) if (!isFinder(x, y)) rings(x, y, 2, "#.#");
  }
  for (const [x, y] of /** @type {const} */ ([
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ]))
    rings(x, y, 4, "##.#.");
  if (version >= 7) {
    const bits = (version << 12) | remainder(version, 12, 0x1f25);
    for (let i = 0; i < 18; i += 1) {
      const [near, far] = [Math.floor(i / 3), size - 11 + (i % 3)];
      put(far, near, ((bits >> i) & 1) === 1);
      put(near, far, ((bits >> i) & 1) === 1);
    }
  }
}

/**
 * Which correction (L) and which mask, twice.
 *
 * @param {number} mask
 * @param {number} size
 * @param {Put} put
 */
function drawFormat(mask, size, put) {
  const format = 8 | mask;
  const bits = ((format << 10) | remainder(format, 10, 0x537)) ^ 0x5412;
  for (let i = 0; i < 15; i += 1) {
    const dark = ((bits >> i) & 1) === 1;
    // Past the timing pattern, which is the seventh.
    if (i < 8) put(8, i < 6 ? i : i + 1, dark);
    else put(i === 8 ? 7 : 14 - i, 8, dark);
    if (i < 8) put(size - 1 - i, 8, dark);
    else put(8, size - 15 + i, dark);
  }
  put(8, size - 8, true);
}

/** Of a BCH code. @param {number} value @param {number} degree @param {number} generator */
function remainder(value, degree, generator) {
  let rest = value;
  for (let i = 0; i < degree; i += 1) rest = (rest << 1) ^ ((rest >> (degree - 1)) * generator);
  return rest;
}

/** How hard a code is to read: the mask with the least is taken. @param {Grid} grid */
function penalty(grid) {
  const rows = grid.map((row) => row.map((dark) => (dark ? "#" : ".")).join(""));
  const columns = rows.map((_, x) => rows.map((row) => row[x]).join(""));
  let sum = 0;
  for (const line of [...rows, ...columns]) {
    for (const run of line.match(/(#{5,}|\.{5,})/g) ?? []) sum += run.length - 2;
    sum += 40 * [..."....".concat(line, "....").matchAll(/(?=#\.###\.#\.{4}|\.{4}#\.###\.#)/g)].length;
  }
  rows.slice(1).forEach((row, y) => {
    for (let x = 1; x < row.length; x += 1) {
      const square = `${rows[y]?.slice(x - 1, x + 1)}${row.slice(x - 1, x + 1)}`;
      if (square === "####" || square === "....") sum += 3;
    }
  });
  const dark = rows.join("").replaceAll(".", "").length / rows.length ** 2;
  return sum + 10 * Math.floor(Math.abs(dark - 0.5) * 20);
}
