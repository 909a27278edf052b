"""Pictures whose build is wrong, and what becomes of each."""

import struct
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from tests.data import hostile, raw_files
from tests.data.raw_files import (
    PALETTE,
    PNG_MAGIC,
    Entry,
    gray_tags,
    jpeg_segment,
    long,
    png,
    png_chunk,
    short,
    tiff,
    with_jpeg_size,
    with_segments,
)


def damaged() -> Iterator[Entry]:
    """Files of a right kind and a wrong build."""
    yield from _damaged_jpegs()
    yield from _damaged_pngs()
    yield from _damaged_others()


def _damaged_jpegs() -> Iterator[Entry]:
    jpeg = partial(hostile._plain, "JPEG")
    bad = "damaged"
    sizes = {"no-width": (0, 320), "no-height": (240, 0)}
    for name, size in sizes.items():
        yield f"jpeg-of-{name}", bad, partial(_sized, *size)
    for at, value, name in (
        (4, 12, "12-bit"),
        (4, 0, "0-bit"),
        (9, 2, "2-components"),
        (9, 0, "no-components"),
        (9, 255, "255-components"),
        (11, 0x00, "no-sampling"),
        (11, 0xFF, "15-fold-sampling"),
        (12, 9, "table-of-no-number"),
    ):
        yield f"jpeg-of-{name}", bad, partial(_frame_byte, at, value)
    for marker, name in ((0xC3, "lossless"), (0xC9, "arithmetic"), (0xC5, "differential"), (0xF7, "jpeg-ls")):
        yield f"jpeg-of-{name}-coding", _unless(name), partial(_frame_byte, 1, marker)
    for name, part in {"tables": "c4", "quantisation": "db", "frame": "c0"}.items():
        yield f"jpeg-without-{name}", _unless(name), partial(_without, part)
    yield "jpeg-of-two-frames", "too_many_pixels", _two_frames
    yield "jpeg-of-two-beginnings", "truncated", lambda: jpeg()[:2] + jpeg()
    yield "jpeg-of-garbage-between", bad, lambda: jpeg()[:20] + b"garbage" + jpeg()[20:]
    yield "jpeg-that-ends-at-once", bad, lambda: b"\xff\xd8\xff\xd9" + bytes(100)
    yield (
        "jpeg-of-a-table-too-long",
        bad,
        lambda: with_segments(jpeg(), jpeg_segment(0xC4, b"\0" + b"\xff" * 16 + bytes(900))),
    )
    yield "jpeg-of-restarts-that-do-not-come", hostile.OPENS, lambda: with_segments(jpeg(), jpeg_segment(0xDD, b"\0\1"))
    yield "jpeg-scan-of-zeros", hostile.OPENS, partial(_scan_of, b"\0")
    yield "jpeg-scan-of-ones", hostile.OPENS, partial(_scan_of, b"\xff\0")


def _damaged_pngs() -> Iterator[Entry]:
    bad = "damaged"
    heads: Mapping[str, tuple[int, ...]] = {
        "no-width": (0, 9, 8, 2, 0, 0, 0),
        "no-height": (9, 0, 8, 2, 0, 0, 0),
        "3-bit": (9, 9, 3, 0, 0, 0, 0),
        "no-colour": (9, 9, 8, 5, 0, 0, 0),
        "no-compression": (9, 9, 8, 2, 1, 0, 0),
        "no-filter": (9, 9, 8, 2, 0, 1, 0),
        "no-interlacing": (9, 9, 8, 2, 0, 0, 9),
    }
    for name, fields in heads.items():
        yield f"png-of-{name}", _unless(f"png {name}"), partial(_png_of, struct.pack(">IIBBBBB", *fields))
    yield "png-header-too-short", "truncated", partial(_png_of, b"\0\0\0\x09")
    yield "png-header-twice", hostile.OPENS, lambda: png(90, 90, chunks=png(45, 45)[8:33])
    yield "png-header-not-first", hostile.OPENS, lambda: PNG_MAGIC + png_chunk(b"gAMA", bytes(4)) + png(90, 90)[8:]
    yield "png-of-a-wrong-checksum", bad, lambda: png(90, 90, chunks=png_chunk(b"PLTE", bytes(9), crc=0))
    yield "png-header-of-a-wrong-checksum", bad, lambda: png(90, 90)[:29] + bytes(4) + png(90, 90)[33:]
    yield "png-without-palette", bad, lambda: png(90, 90, colour=PALETTE)
    yield "png-palette-of-300", bad, lambda: png(90, 90, colour=PALETTE, chunks=png_chunk(b"PLTE", bytes(900)))
    yield "png-without-pixels", bad, lambda: png(90, 90)[:33] + png_chunk(b"IEND", b"")
    yield "png-pixels-not-deflated", bad, lambda: png(90, 90, pixels=b"not deflated" * 90)
    yield "png-pixels-with-a-wrong-filter", bad, lambda: png(90, 90, pixels=zlib.compress((b"\x09" + bytes(270)) * 90))
    yield "png-chunk-without-end", bad, lambda: png(90, 90)[:33] + b"\xff\xff\xff\xffIDAT" + bytes(900)
    yield "png-chunk-without-name", bad, lambda: png(90, 90, chunks=png_chunk(b"\0\0\0\0", b""))


def _damaged_others() -> Iterator[Entry]:
    bad = "damaged"
    yield "gif-of-no-size", bad, lambda: raw_files.gif(0, 0, raw_files.gif_frame(0, 0, 0, 0))
    yield "gif-without-frame", bad, lambda: raw_files.gif(90, 90)
    yield (
        "gif-of-a-code-too-wide",
        bad,
        lambda: raw_files.gif(90, 90, b"," + bytes(4) + b"\x5a\0\x5a\0\0\x7f\x02\x44\x01\0"),
    )
    yield (
        "gif-of-wild-codes",
        bad,
        lambda: raw_files.gif(90, 90, raw_files.gif_frame(0, 0, 90, 90, blocks=b"\xff" * 256 + b"\0")),
    )
    yield "webp-of-no-known-chunk", bad, lambda: _webp(b"NOPE", bytes(90))
    yield "webp-of-empty-lossy", bad, lambda: _webp(b"VP8 ", b"")
    yield "webp-of-garbage", bad, lambda: _webp(b"VP8L", bytes(range(1, 250)))
    yield "bmp-of-no-size", bad, lambda: raw_files.bmp(0, 0)
    yield "bmp-of-negative-width", "too_many_pixels", lambda: raw_files.bmp(-90, 90, pixels=bytes(90 * 272))
    yield "bmp-of-7-bit", bad, lambda: raw_files.bmp(90, 90, bits=7)
    yield "bmp-of-no-compression", bad, lambda: raw_files.bmp(90, 90, compression=77)
    yield "bmp-of-a-header-of-3", bad, lambda: raw_files.bmp(90, 90)[:14] + b"\3" + raw_files.bmp(90, 90)[15:]
    yield (
        "bmp-pixels-beyond-its-end",
        "truncated",
        lambda: raw_files.bmp(90, 90)[:10] + b"\xff\xff\xff\x7f" + raw_files.bmp(90, 90)[14:],
    )
    yield (
        "bmp-palette-of-a-billion",
        bad,
        lambda: raw_files.bmp(90, 90, bits=8)[:46] + b"\0\0\0\x40" + raw_files.bmp(90, 90, bits=8)[50:],
    )
    changes: Mapping[str, raw_files.Tags] = {
        "no-width": {256: long(0)},
        "width-of-text": {256: (2, 4, b"wide")},
        "37-bit": {258: short(37)},
        "no-compression": {259: short(4711)},
        "no-colour": {262: short(99)},
        "strips-beyond-its-end": {273: long(2**31)},
        "900-samples": {277: short(900)},
        "no-rows-a-strip": {278: long(0)},
        "empty-strips": {279: long(0)},
        "old-jpeg": {259: short(6)},
        "jpeg-of-zeros": {259: short(7)},
        "lzw-of-zeros": {259: short(5)},
        "deflate-of-zeros": {259: short(8)},
        "fax-of-zeros": {259: short(4), 258: short(1)},
        "half-a-tile": {322: long(16)},
        "tiles-of-no-size": {322: long(0), 323: long(0), 324: long(8), 325: long(900)},
    }
    for name, changed in changes.items():
        yield f"tiff-of-{name}", _unless(f"tiff {name}"), partial(_tiff_of, changed)
    yield "tiff-without-directory", bad, lambda: b"II*\0\0\0\0\0" + bytes(90)
    yield "tiff-directory-in-its-head", bad, lambda: b"II*\0\4\0\0\0" + bytes(90)
    yield "tiff-of-65535-fields", bad, lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(900)
    yield "tiff-directory-of-itself", bad, lambda: tiff([{}], last_leads_to=8)
    for name in ("heif", "avif"):
        for box in ("meta", "iloc", "iinf", "ispe", "pitm", "iprp"):
            yield f"{name}-without-{box}", bad, partial(_box_lost, name, box)
        yield f"{name}-of-no-size", bad, partial(_box_bytes, name, b"ispe", 8, bytes(8))
        yield f"{name}-boxes-of-no-end", bad, partial(_box_bytes, name, b"iloc", -4, b"\xff\xff\xff\xff")
    yield "heif-of-nothing-but-a-brand", bad, lambda: struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1")
    yield "avif-of-nothing-but-a-brand", bad, lambda: struct.pack(">I4s4sI4s", 20, b"ftyp", b"avif", 0, b"mif1")


# What a decoder reads all the same, or takes for the end of the file.
_OTHERWISE: Final = {
    "arithmetic": hostile.OPENS,
    "tables": hostile.OPENS,  # libjpeg has the usual ones at hand, for frames of films
    "png no-compression": hostile.OPENS,
    "png no-interlacing": "truncated",
    "tiff strips-beyond-its-end": "truncated",
    "tiff empty-strips": hostile.OPENS,
    "tiff half-a-tile": hostile.OPENS,
    "tiff tiles-of-no-size": hostile.OPENS,
}


def _unless(name: str) -> str:
    return _OTHERWISE.get(name, "damaged")


def _sized(width_px: int, height_px: int) -> bytes:
    return with_jpeg_size(hostile._plain("JPEG"), width_px, height_px)


def _frame_byte(at: int, value: int) -> bytes:
    data = hostile._plain("JPEG")
    start = next(start for name, start, _ in raw_files.jpeg_parts(data) if name == "c0")
    return data[: start + at] + bytes((value,)) + data[start + at + 1 :]


def _without(part: str) -> bytes:
    data = hostile._plain("JPEG")
    kept = [data[start:end] for name, start, end in raw_files.jpeg_parts(data) if name != part]
    return data[:2] + b"".join(kept) + data[sum(map(len, _segments(data))) + 2 :]


def _segments(data: bytes) -> list[bytes]:
    return [data[start:end] for _, start, end in raw_files.jpeg_parts(data)]


def _two_frames() -> bytes:
    """The second frame header is a thousand times larger than the first."""
    data = hostile._plain("JPEG")
    start, end = next((start, end) for name, start, end in raw_files.jpeg_parts(data) if name == "c0")
    large = data[start : start + 5] + struct.pack(">HH", 60_000, 60_000) + data[start + 9 : end]
    return data[:end] + large + data[end:]


def _scan_of(filling: bytes) -> bytes:
    data = hostile._plain("JPEG")
    head = 2 + sum(map(len, _segments(data)))
    return data[:head] + filling * 9000 + b"\xff\xd9"


def _png_of(header: bytes) -> bytes:
    return PNG_MAGIC + png_chunk(b"IHDR", header) + png(9, 9)[33:]


def _tiff_of(changed: raw_files.Tags) -> bytes:
    return tiff([{**gray_tags(30, 30), **changed}], data=bytes(900))


def _webp(name: bytes, content: bytes) -> bytes:
    chunk = name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _boxed(name: str) -> bytes:
    return hostile._plain("AVIF") if name == "avif" else hostile._HEIC.with_name("plain.heic").read_bytes()


def _box_lost(name: str, box: str) -> bytes:
    return _boxed(name).replace(box.encode(), b"free", 1)


def _box_bytes(name: str, box: bytes, offset: int, content: bytes) -> bytes:
    data = _boxed(name)
    at = data.index(box) + offset
    return data[:at] + content + data[at + len(content) :]
