/**
 * A sheet of 6 x 4 inches at 300 DPI for a photo shop: as many copies as fit, in their size on paper, with cut marks.
 */

const DPI = 300;
const SHEET = Object.freeze({ width: 6 * DPI, height: 4 * DPI });
const MARGIN_PX = 30;
const GAP_PX = 24;
const MARK_PX = 18;
const MM_PER_INCH = 25.4;
const PASSPORT_WIDTH_MM = 35;

/**
 * Where the copies lie.
 *
 * @param {number} width of a copy, px at 300 DPI
 * @param {number} height
 * @returns {{ x: number, y: number }[]}
 */
function placesOf(width, height) {
  const columns = Math.max(1, Math.floor((SHEET.width - 2 * MARGIN_PX + GAP_PX) / (width + GAP_PX)));
  const rows = Math.max(1, Math.floor((SHEET.height - 2 * MARGIN_PX + GAP_PX) / (height + GAP_PX)));
  const left = Math.round((SHEET.width - columns * width - (columns - 1) * GAP_PX) / 2);
  const top = Math.round((SHEET.height - rows * height - (rows - 1) * GAP_PX) / 2);
  return Array.from({ length: columns * rows }, (_, index) => ({
    x: left + (index % columns) * (width + GAP_PX),
    y: top + Math.floor(index / columns) * (height + GAP_PX),
  }));
}

/**
 * The size of a copy on paper, px at 300 DPI: the largest of the file's own shape within the slot's millimetres, else as
 * wide as a passport photo. What has another shape than the slot's paper is not stretched to it.
 *
 * @param {import("./rule-book.js").Slot} slot
 * @param {number} ratio width over height
 */
function copySize(slot, ratio) {
  const px = (/** @type {number} */ mm) => (mm / MM_PER_INCH) * DPI;
  const most = slot.width_mm && slot.height_mm ? px(slot.height_mm) : Infinity;
  const width = Math.min(px(slot.width_mm ?? PASSPORT_WIDTH_MM), most * ratio);
  return { width: Math.round(width), height: Math.round(width / ratio) };
}

/**
 * Draw the sheet.
 *
 * @param {Blob} photo
 * @param {import("./rule-book.js").Slot} slot
 * @returns {Promise<Blob>} a JPEG that states 300 DPI
 */
export async function printSheet(photo, slot) {
  const bitmap = await createImageBitmap(photo);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, SHEET);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, SHEET.width, SHEET.height);
  context.imageSmoothingQuality = "high";
  const { width, height } = copySize(slot, bitmap.width / bitmap.height);
  context.strokeStyle = "#777";
  for (const { x, y } of placesOf(width, height)) {
    context.drawImage(bitmap, x, y, width, height);
    cutMarks(context, x, y, width, height);
  }
  bitmap.close();
  const made = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) =>
    canvas.toBlob(resolve, "image/jpeg", 0.95),
  );
  if (made === null) throw new Error("the sheet could not be drawn");
  return withDensity(made);
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} width @param {number} height */
function cutMarks(context, x, y, width, height) {
  context.beginPath();
  for (const [cornerX, outX] of /** @type {[number, number][]} */ ([
    [x, -1],
    [x + width, 1],
  ])) {
    for (const [cornerY, outY] of /** @type {[number, number][]} */ ([
      [y, -1],
      [y + height, 1],
    ])) {
      context.moveTo(cornerX + outX * 3, cornerY);
      context.lineTo(cornerX + outX * MARK_PX, cornerY);
      context.moveTo(cornerX, cornerY + outY * 3);
      context.lineTo(cornerX, cornerY + outY * MARK_PX);
    }
  }
  context.stroke();
}

/** State 300 DPI in the JFIF header that every canvas writes. @param {Blob} jpeg */
async function withDensity(jpeg) {
  const bytes = new Uint8Array(await jpeg.arrayBuffer());
  if (bytes[3] === 0xe0 && bytes[6] === 0x4a) bytes.set([1, DPI >> 8, DPI & 255, DPI >> 8, DPI & 255], 13);
  return new Blob([bytes], { type: "image/jpeg" });
}
