"""Files put together field by field, so that a field can lie; and where a good file's parts begin and end."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
SHORT, LONG = 3, 4
_MIB: Final = 1 << 20
_CHANNELS: Final = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}

Tags = Mapping[int, tuple[int, int, bytes]]
Part = tuple[str, int, int]  # name, start, end
Entry = tuple[str, str, Callable[[], bytes]]  # name, what must become of it, the file


def png_chunk(name: bytes, content: bytes, *, crc: int | None = None) -> bytes:
    """One chunk of a PNG, with its right checksum unless another is given."""
    checksum = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def png(  # noqa: PLR0913  each names a field
    width_px: int,
    height_px: int,
    *,
    depth: int = 8,
    colour: int = RGB,
    chunks: bytes = b"",
    pixels: bytes | None = None,
    interlaced: bool = False,
) -> bytes:
    """A PNG, black unless its compressed `pixels` are given; `chunks` stand before them."""
    header = struct.pack(">IIBBBBB", width_px, height_px, depth, colour, 0, 0, interlaced)
    if pixels is None:
        pixels = zeros_deflated(height_px * (1 + (width_px * depth * _CHANNELS.get(colour, 1) + 7) // 8))
    return PNG_MAGIC + png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def zeros_deflated(count: int) -> bytes:
    """So many zero bytes as a zlib stream, made at once: a mebibyte of them is packed once and repeated."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(_MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, wbits=-15)
    checksum = (count % 65521) << 16 | 1  # Adler-32 of zeros
    rest = end.compress(bytes(count % _MIB)) + end.flush()
    return b"\x78\xda" + block * (count // _MIB) + rest + checksum.to_bytes(4)


def png_parts(data: bytes) -> Iterator[Part]:
    """Name, start and end of each chunk."""
    at = len(PNG_MAGIC)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8].decode(), at, end
        at = end


def riff_parts(data: bytes) -> Iterator[Part]:
    """Name, start and end of each chunk of a WebP."""
    at = 12
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4].decode().strip(), at, at + 8 + size + size % 2
        at += 8 + size + size % 2


def jpeg_parts(data: bytes) -> Iterator[Part]:
    """Marker in hexadecimal, start and end of each segment up to the first scan's header."""
    at = 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield f"{data[at + 1]:02x}", at, end
        at = end
    yield "da", at, at + 2 + int.from_bytes(data[at + 2 : at + 4])


def box_parts(data: bytes) -> Iterator[Part]:
    """Name, start and end of each outer box of a HEIF or AVIF file."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4]) or len(data) - at
        yield data[at + 4 : at + 8].decode(), at, at + size
        at += size


def gif_parts(data: bytes) -> Iterator[Part]:
    """The screen, its colours, the first frame's place and its data."""
    colours = 13 + 3 * (2 << (data[10] & 7)) if data[10] & 0x80 else 13
    frame = data.index(b",", colours)
    yield from (("screen", 6, 13), ("colours", 13, max(colours, 14)), ("place", frame, frame + 10))
    yield "data", frame + 10, len(data)


def bmp_parts(data: bytes) -> Iterator[Part]:
    """The two headers, the colours and the rows."""
    start = int.from_bytes(data[10:14], "little")
    yield from (("file-header", 0, 14), ("info-header", 14, 54), ("colours", 54, start), ("rows", start, len(data)))


def tiff_parts(data: bytes) -> Iterator[Part]:
    """The header, the directory and what follows or precedes it."""
    start = int.from_bytes(data[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(data[start : start + 2], "little") + 4
    yield from (("header", 4, 8), ("directory", start, end))
    yield ("strip", end, len(data)) if end < len(data) // 2 else ("strip", 8, start)


def pdf_parts(data: bytes) -> Iterator[Part]:
    """The first object, the first stream, the cross-reference table, the trailer and its end."""
    marks = [data.index(mark) for mark in (b" obj", b"stream", b"xref\n0", b"trailer", b"startxref")]
    names = ("objects", "stream", "xref", "trailer", "startxref")
    for name, (start, end) in zip(names, pairwise([*marks, len(data)]), strict=True):
        yield name, start, end


def jpeg_segment(marker: int, content: bytes) -> bytes:
    """One segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments right behind its beginning."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def with_jpeg_size(jpeg: bytes, width_px: int, height_px: int) -> bytes:
    """A JPEG whose frame header claims another size."""
    start = next(start for name, start, _ in jpeg_parts(jpeg) if name in {"c0", "c1", "c2"})
    return jpeg[: start + 5] + struct.pack(">HH", height_px, width_px) + jpeg[start + 9 :]


def bmp(width_px: int, height_px: int, *, bits: int = 24, compression: int = 0, pixels: bytes | None = None) -> bytes:
    """A BMP, black unless its pixels are given."""
    palette = bytes(4 << bits) if bits <= 8 else b""
    start = 54 + len(palette)
    rows = bytes((width_px * bits + 31) // 32 * 4 * abs(height_px)) if pixels is None else pixels
    head = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, width_px, height_px, 1, bits, compression, len(rows), 2835, 2835, 0, 0)
    return head + info + palette + rows


def gif(width_px: int, height_px: int, *frames: bytes, colours: bytes = b"\0\0\0\xff\xff\xff") -> bytes:
    """A GIF of frames (`gif_frame`) on a canvas with two colours."""
    return b"GIF89a" + struct.pack("<HHBBB", width_px, height_px, 0x80, 0, 0) + colours + b"".join(frames) + b";"


def gif_frame(left: int, top: int, width_px: int, height_px: int, *, blocks: bytes = b"\x02\x44\x01\0") -> bytes:
    """One frame of a GIF; without `blocks` its data are for one pixel."""
    return b"," + struct.pack("<HHHHB", left, top, width_px, height_px, 0) + b"\x02" + blocks


def short(*values: int) -> tuple[int, int, bytes]:
    """A TIFF field of 16-bit numbers."""
    return SHORT, len(values), struct.pack(f"<{len(values)}H", *values)


def long(*values: int) -> tuple[int, int, bytes]:
    """A TIFF field of 32-bit numbers."""
    return LONG, len(values), struct.pack(f"<{len(values)}I", *values)


def tiff(directories: Sequence[Tags], *, data: bytes = b"", last_leads_to: int = 0) -> bytes:
    """A TIFF: `data` from offset 8 on, then its directories, whose values of at most four bytes stand in themselves."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8 + len(data)) + data)
    for number, tags in enumerate(directories, start=1):
        following = len(out) + 2 + 12 * len(tags) + 4 if number < len(directories) else last_leads_to
        out += struct.pack("<H", len(tags))
        for tag, (kind, count, value) in sorted(tags.items()):
            out += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")[:4]
        out += struct.pack("<I", following)
    return bytes(out)


def gray_tags(width_px: int, height_px: int, *, start: int = 8, **more: tuple[int, int, bytes]) -> Tags:
    """The fields of an uncompressed gray TIFF of one strip; `t258=short(16)` sets or adds one."""
    tags = {
        256: long(width_px),
        257: long(height_px),
        258: short(8),
        259: short(1),
        262: short(1),
        273: long(start),
        277: short(1),
        278: long(height_px),
        279: long(min(width_px * height_px, 2**32 - 1)),
    }
    return tags | {int(name[1:]): value for name, value in more.items()}


def pdf(*objects: bytes, trailer: bytes = b"", root: int = 1) -> bytes:
    """A PDF of objects numbered from 1, the first of which is its catalogue."""
    out, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, size = len(out), len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root %d 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, trailer, start)
    return bytes(out)


def pdf_stream(content: bytes, entries: bytes = b"", *, length: int | None = None) -> bytes:
    """A stream object; `length` may lie."""
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (
        entries,
        len(content) if length is None else length,
        content,
    )


def one_page_pdf(content: bytes, *more: bytes, box: bytes = b"0 0 200 200", page: bytes = b"") -> bytes:
    """A PDF of one page that its content stream (object 4) draws; further objects count from 5."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R %s >>" % (box, page),
        pdf_stream(content),
        *more,
    )
