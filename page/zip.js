/**
 * A ZIP of files that are compressed already: stored as they are, names in UTF-8. Source: PKWARE APPNOTE 6.3.10.
 */

const CRC = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});
const UTF8_NAMES = 0x0800;
/** 1 January 1980: the same files make the same archive. */
const DAY = 0x0021;

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (CRC[(value ^ byte) & 255] ?? 0) ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/**
 * @param {{ name: string, content: Uint8Array }[]} files names without folders; a second one of the same name gets a number
 * @returns {Blob}
 */
export function zip(files) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const directory = [];
  const taken = new Set();
  let at = 0;
  for (const { name, content } of files) {
    const encoded = new TextEncoder().encode(freeName(name, taken));
    const crc = crc32(content);
    const sizes = /** @type {[number, number][]} */ ([
      [4, crc],
      [4, content.length],
      [4, content.length],
      [2, encoded.length],
    ]);
    const header = packed([[4, 0x04034b50], [2, 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DAY], ...sizes, [2, 0]]);
    directory.push(
      packed([
        [4, 0x02014b50],
        [2, 20],
        [2, 20],
        [2, UTF8_NAMES],
        [2, 0],
        [2, 0],
        [2, DAY],
        ...sizes,
        [2, 0],
        [2, 0],
        [2, 0],
        [2, 0],
        [4, 0],
        [4, at],
      ]),
      encoded,
    );
    parts.push(header, encoded, /** @type {Uint8Array<ArrayBuffer>} */ (content));
    at += header.length + encoded.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = packed([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, files.length],
    [2, files.length],
    [4, size],
    [4, at],
    [2, 0],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** @param {string} name @param {Set<string>} taken */
function freeName(name, taken) {
  const plain = name.replace(/[/\\]/g, "_");
  const [stem, dot] = [plain.replace(/\.[^.]*$/, ""), plain.match(/\.[^.]*$/)?.[0] ?? ""];
  let free = plain;
  for (let count = 2; taken.has(free); count += 1) free = `${stem}-${count}${dot}`;
  taken.add(free);
  return free;
}

/** Little-endian numbers of so many bytes. @param {[number, number][]} fields */
function packed(fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += width;
  }
  return bytes;
}

/**
 * The files of several orders as one ZIP; and those of them that are not there any more: deleted, or past their time.
 *
 * @param {import("./rythmiq.js").Client} client
 * @param {import("./order.js").Order[]} orders completed ones
 * @param {() => string | undefined} whose the id of whoever is signed in: anybody else is told of a job that it is not there
 */
export async function zipOf(client, orders, whose) {
  const files = [];
  const gone = [];
  for (const order of orders) {
    /** @type {import("./rythmiq.js").JobView | null} */
    let view = null;
    try {
      view = await client.job(order.job_id ?? "");
      const name = view.receipt?.document.filename ?? order.slot;
      files.push({ name, content: await client.download(view, "document") });
    } catch (error) {
      const isDeleted = error instanceof Error && "code" in error && error.code === "NOT_FOUND";
      const isOver = view !== null && Date.parse(view.expires_at ?? "") <= Date.now();
      const isTheirs = order.user_id === null || order.user_id === whose();
      if (!isOver && !(isDeleted && isTheirs)) throw error;
      gone.push(order);
    }
  }
  return { zip: zip(files), gone };
}
