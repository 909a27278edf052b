/**
 * What a file is, read from its bytes on the device: format, pixels, DPI, colour, metadata, place, orientation.
 *
 * Names are never trusted. Only headers are read, so that a 12 megapixel photo takes milliseconds; nothing is decoded.
 * Fetched on demand (`on-demand.js`), so it imports nothing. Sources: JFIF 1.02, EXIF 2.32 (CIPA DC-008), PNG (ISO 15948), ISO 32000, ISO 23008-12.
 */

/** @typedef {"jpeg" | "png" | "pdf" | "webp" | "heic" | "avif" | "gif" | "bmp" | "tiff" | "unknown"} Format */

/**
 * @typedef {object} FileFacts
 * @property {Format} format
 * @property {number} bytes
 * @property {number | null} width pixels as they are stored, which is what portals count
 * @property {number | null} height
 * @property {number} orientation EXIF's 1 to 8; 1 is upright
 * @property {number | null} dpi null when the file states none
 * @property {"rgb" | "gray" | "other" | null} colour
 * @property {boolean} jfif of a JPEG: whether it begins with the header of JFIF
 * @property {boolean} gps whether the file says where it was taken
 * @property {string[]} metadata what is in the file beside the picture
 * @property {number} trailing bytes after the picture's end
 * @property {number | null} pages of a PDF
 * @property {boolean} animated
 * @property {boolean} broken its header promises what its bytes do not hold
 */

const CM_PER_INCH = 2.54;
const METRES_PER_INCH = 0.0254;

/**
 * Read the facts of a file.
 *
 * @param {Blob} file
 * @returns {Promise<FileFacts>}
 */
export async function readFacts(file) {
  return factsOf(new Uint8Array(await file.arrayBuffer()));
}

/**
 * Read the facts of bytes.
 *
 * @param {Uint8Array} bytes
 * @returns {FileFacts}
 */
export function factsOf(bytes) {
  const format = formatOf(bytes);
  /** @type {FileFacts} */
  const facts = {
    format,
    bytes: bytes.length,
    width: null,
    height: null,
    orientation: 1,
    dpi: null,
    colour: null,
    jfif: false,
    gps: false,
    metadata: [],
    trailing: 0,
    pages: null,
    animated: false,
    broken: false,
  };
  try {
    READERS[format]?.(bytes, facts);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    facts.broken = true; // a header that points outside the file
  }
  facts.metadata = [...new Set(facts.metadata)];
  return facts;
}

/**
 * The format by its first bytes.
 *
 * @param {Uint8Array} bytes
 * @returns {Format}
 */
function formatOf(bytes) {
  const text = ascii(bytes, 0, 16);
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "jpeg";
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (ascii(bytes, 0, 1024).includes("%PDF-")) return "pdf";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  if (text.startsWith("GIF8")) return "gif";
  if (text.startsWith("BM")) return "bmp";
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) return "tiff";
  if (text.slice(4, 8) === "ftyp") {
    const brands = ascii(bytes, 8, 64);
    if (/avi[fs]/.test(brands)) return "avif";
    if (/hei[cxms]|hev[cx]|mif1|msf1/.test(brands)) return "heic";
  }
  return "unknown";
}

/** @type {Partial<Record<Format, (bytes: Uint8Array, facts: FileFacts) => void>>} */
const READERS = {
  jpeg,
  png,
  pdf,
  webp,
  gif,
  bmp,
  heic: boxes,
  avif: boxes,
  tiff: (bytes, facts) => exif(bytes, facts),
};

/**
 * Segment by segment to the picture's end, as the worker reads it; progressive pictures have several scans.
 *
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function jpeg(bytes, facts) {
  const view = viewOf(bytes);
  let at = 2;
  for (;;) {
    const start = at;
    if (view.getUint8(at) !== 0xff) throw new RangeError("no marker");
    while (view.getUint8(at) === 0xff) at += 1;
    const marker = view.getUint8(at);
    at += 1;
    if (marker === EOI) break;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue; // stand alone
    const length = view.getUint16(at);
    if (length < 2 || at + length > bytes.length) throw new RangeError("cut short");
    segment(bytes.subarray(at + 2, at + length), marker, start === 2, facts);
    at += length;
    if (marker === SOS) at = afterScan(bytes, at);
  }
  facts.trailing = bytes.length - at;
  facts.broken = facts.width === null;
}

const EOI = 0xd9;
const SOS = 0xda;
const COMMENT = 0xfe;

/**
 * @param {Uint8Array} payload
 * @param {number} marker
 * @param {boolean} isFirst right after the beginning, where JFIF has to be
 * @param {FileFacts} facts
 */
function segment(payload, marker, isFirst, facts) {
  const name = ascii(payload, 0, 28);
  if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
    const view = viewOf(payload);
    facts.height = view.getUint16(1) || null;
    facts.width = view.getUint16(3) || null;
    facts.colour = COLOURS[view.getUint8(5)] ?? "other";
  } else if (marker === 0xe0 && name.startsWith("JFIF\0") && isFirst) {
    facts.jfif = true;
    const view = viewOf(payload);
    const [unit, x, y] = [view.getUint8(7), view.getUint16(8), view.getUint16(10)];
    if (x === y && x > 0 && (unit === 1 || unit === 2)) facts.dpi = unit === 1 ? x : Math.round(x * 254) / 100;
  } else if (marker === COMMENT) {
    if (payload.some((byte) => byte !== 0x20)) facts.metadata.push("comment");
  } else if (marker >= 0xe0 && marker <= 0xef) {
    const isExif = name.startsWith("Exif\0\0");
    if (isExif) ignoringDamage(() => exif(payload.subarray(6), facts));
    const isIcc = name.startsWith("ICC_PROFILE\0");
    const isXmp = name === "http://ns.adobe.com/xap/1.0/";
    facts.metadata.push(isExif ? "EXIF" : isIcc ? "ICC" : isXmp ? "XMP" : `APP${marker - 0xe0}`);
  }
}

/** @type {Readonly<Record<number, "gray" | "rgb">>} */
const COLOURS = Object.freeze({ 1: "gray", 3: "rgb" });

/**
 * The next marker after entropy-coded data: neither stuffing nor a restart.
 *
 * @param {Uint8Array} bytes
 * @param {number} from
 */
function afterScan(bytes, from) {
  for (let at = bytes.indexOf(0xff, from); at >= 0 && at + 1 < bytes.length; at = bytes.indexOf(0xff, at + 2)) {
    const next = bytes[at + 1] ?? 0;
    if (next !== 0 && (next < 0xd0 || next > 0xd7)) return at;
  }
  throw new RangeError("no end");
}

/**
 * EXIF, or a TIFF file, which has the same structure.
 *
 * @param {Uint8Array} tiff
 * @param {FileFacts} facts
 */
function exif(tiff, facts) {
  const view = viewOf(tiff);
  const little = ascii(tiff, 0, 2) === "II";
  const start = view.getUint32(4, little);
  const count = view.getUint16(start, little);
  /** @type {{ x?: number, unit: number }} */
  const resolution = { unit: 2 };
  for (let index = 0; index < count; index += 1) {
    const entry = start + 2 + 12 * index;
    const tag = view.getUint16(entry, little);
    const short = () => view.getUint16(entry + 8, little);
    const longOrShort = () => (view.getUint16(entry + 2, little) === 3 ? short() : view.getUint32(entry + 8, little));
    if (tag === 0x0112) facts.orientation = short() >= 1 && short() <= 8 ? short() : 1;
    else if (tag === 0x8825) facts.gps = true;
    else if (tag === 0x0128) resolution.unit = short();
    else if (tag === 0x011a) {
      const at = view.getUint32(entry + 8, little);
      resolution.x = view.getUint32(at, little) / view.getUint32(at + 4, little);
    } else if (facts.format === "tiff" && tag === 0x0100) facts.width = longOrShort();
    else if (facts.format === "tiff" && tag === 0x0101) facts.height = longOrShort();
  }
  // Of a JPEG the header of JFIF counts, as portals read it.
  if (facts.format === "tiff" && resolution.x && Number.isFinite(resolution.x) && resolution.unit !== 1) {
    facts.dpi = resolution.unit === 3 ? resolution.x * CM_PER_INCH : resolution.x;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function png(bytes, facts) {
  const view = viewOf(bytes);
  let at = 8;
  while (at < bytes.length) {
    const length = view.getUint32(at);
    const type = ascii(bytes, at + 4, 4);
    const body = at + 8;
    if (type === "IHDR") {
      facts.width = view.getUint32(body);
      facts.height = view.getUint32(body + 4);
      facts.colour =
        { 0: /** @type {const} */ ("gray"), 4: /** @type {const} */ ("gray") }[bytes[body + 9] ?? 0] ?? "rgb";
    } else if (type === "pHYs" && bytes[body + 8] === 1) {
      facts.dpi = view.getUint32(body) * METRES_PER_INCH;
    } else if (type === "eXIf") {
      facts.metadata.push("EXIF");
      ignoringDamage(() => exif(bytes.subarray(body, body + length), facts));
    } else if (type === "iCCP") facts.metadata.push("ICC");
    else if (["tEXt", "zTXt", "iTXt"].includes(type)) facts.metadata.push("text");
    else if (type === "acTL") facts.animated = true;
    at = body + length + 4;
    if (type === "IEND") {
      facts.trailing = Math.max(0, bytes.length - at);
      if (at > bytes.length) throw new RangeError("cut off");
      return;
    }
  }
  throw new RangeError("no end");
}

/**
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function webp(bytes, facts) {
  const view = viewOf(bytes);
  let at = 12;
  while (at + 8 <= bytes.length) {
    const type = ascii(bytes, at, 4);
    const length = view.getUint32(at + 4, true);
    const body = at + 8;
    if (type === "VP8X") {
      facts.width = 1 + (view.getUint32(body + 4, true) & 0xffffff);
      facts.height = 1 + (view.getUint32(body + 6, true) >>> 8);
    } else if (type === "VP8 " && facts.width === null) {
      facts.width = view.getUint16(body + 6, true) & 0x3fff;
      facts.height = view.getUint16(body + 8, true) & 0x3fff;
    } else if (type === "VP8L" && facts.width === null) {
      const packed = view.getUint32(body + 1, true);
      facts.width = 1 + (packed & 0x3fff);
      facts.height = 1 + ((packed >>> 14) & 0x3fff);
    } else if (type === "ANIM") facts.animated = true;
    else if (type === "EXIF") {
      facts.metadata.push("EXIF");
      const skip = ascii(bytes, body, 6) === "Exif\0\0" ? 6 : 0;
      ignoringDamage(() => exif(bytes.subarray(body + skip, body + length), facts));
    } else if (type === "ICCP") facts.metadata.push("ICC");
    else if (type === "XMP ") facts.metadata.push("XMP");
    at = body + length + (length % 2);
  }
}

/**
 * HEIC and AVIF: the largest `ispe` is the picture's size before its rotation, which `irot` states.
 *
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function boxes(bytes, facts) {
  const view = viewOf(bytes);
  const head = ascii(bytes, 0, Math.min(bytes.length, 65_536));
  for (let at = head.indexOf("ispe"); at >= 0; at = head.indexOf("ispe", at + 4)) {
    const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (width * height > (facts.width ?? 0) * (facts.height ?? 0)) [facts.width, facts.height] = [width, height];
  }
  const turn = head.indexOf("irot");
  if (turn >= 0 && ((bytes[turn + 4] ?? 0) & 1) === 1) facts.orientation = 6;
  if (head.includes("Exif")) facts.metadata.push("EXIF");
}

/**
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function gif(bytes, facts) {
  const view = viewOf(bytes);
  facts.width = view.getUint16(6, true);
  facts.height = view.getUint16(8, true);
  facts.animated = ascii(bytes, 0, 1024).includes("NETSCAPE2.0");
}

/**
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function bmp(bytes, facts) {
  const view = viewOf(bytes);
  facts.width = Math.abs(view.getInt32(18, true));
  facts.height = Math.abs(view.getInt32(22, true));
}

/**
 * Pages are counted where the file shows them; in compressed object streams they stay unknown.
 *
 * @param {Uint8Array} bytes
 * @param {FileFacts} facts
 */
function pdf(bytes, facts) {
  const text = new TextDecoder("latin1").decode(bytes);
  const counts = [
    ...text.matchAll(/\/Type\s*\/Pages\b[^>]*?\/Count\s+(\d+)/g),
    ...text.matchAll(/\/Count\s+(\d+)[^>]*?\/Type\s*\/Pages\b/g),
  ];
  const pages = text.match(/\/Type\s*\/Page(?![a-zA-Z])/g)?.length ?? 0;
  facts.pages = Math.max(pages, ...counts.map((match) => Number(match[1]))) || null;
  facts.broken = !text.slice(-2048).includes("%%EOF");
  if (/\/Encrypt\s/.test(text)) facts.metadata.push("password");
}

/** @param {Uint8Array} bytes */
function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} length
 */
function ascii(bytes, from, length) {
  let text = "";
  const end = Math.min(bytes.length, from + length);
  for (let at = from; at < end; at += 1) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}

/** @param {() => void} read metadata, whose damage is not the picture's */
function ignoringDamage(read) {
  try {
    read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}
