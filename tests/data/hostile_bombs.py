"""Small files that claim, or hold, more than anybody should be asked to hold."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from tests.data import hostile, raw_files
from tests.data.raw_files import GRAY, RGBA, Entry, gray_tags, long, png, png_chunk, short, tiff

# Just under the worker's budget of 80 million pixels.
SIDE_PX: Final = 8944
_HEIC: Final = Path(__file__).parent / "heif" / "plain.heic"
_FEW: Final = zlib.compress(bytes(1 << 16))


def bombs() -> Iterator[Entry]:
    """Over the budget by their headers, and just under it with few bytes."""
    yield from _over()
    yield from _under()
    yield from _swollen()


def _over() -> Iterator[Entry]:
    over = "too_many_pixels"
    jpeg = partial(hostile._plain, "JPEG")
    yield "png-1-bit", over, lambda: png(2**31 - 1, 2**31 - 1, depth=1, colour=GRAY, pixels=_FEW)
    yield "png-line", over, lambda: png(2**31 - 1, 1, pixels=_FEW)
    yield "png-column", over, lambda: png(1, 2**31 - 1, pixels=_FEW)
    yield "png-one-over", over, lambda: png(80_000_001, 1, depth=1, colour=GRAY, pixels=_FEW)
    yield "png-animated", over, _animated_png
    yield "jpeg", over, lambda: raw_files.with_jpeg_size(jpeg(), 65500, 65500)
    yield "jpeg-line", over, lambda: raw_files.with_jpeg_size(jpeg(), 65535, 1221)
    yield "gif-frame", over, lambda: raw_files.gif(1, 1, raw_files.gif_frame(0, 0, 65535, 65535))
    yield "webp-lossy", over, lambda: _webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(20))
    yield "webp-lossless", over, lambda: _webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(20))
    yield "webp-canvas", "damaged", _webp_canvas
    yield "bmp", over, lambda: raw_files.bmp(2**31 - 1, 2**31 - 1, pixels=b"")
    yield "bmp-upside-down", over, lambda: raw_files.bmp(100_000, -100_000, pixels=b"")
    yield "bmp-run-lengths", over, lambda: raw_files.bmp(65535, 65535, bits=8, compression=1, pixels=b"\0\1")
    yield "tiff", over, lambda: tiff([gray_tags(2**32 - 1, 2**32 - 1)], data=bytes(8))
    yield "tiff-fax", over, lambda: tiff([gray_tags(10**6, 10**6, t258=short(1), t259=short(4))], data=bytes(8))
    yield "heif", over, lambda: _with_ispe(_HEIC.read_bytes(), 65536, 65536)
    yield "avif", "damaged", lambda: _with_ispe(hostile._plain("AVIF"), 65536, 65536)


def _under() -> Iterator[Entry]:
    side, opens = SIDE_PX, hostile.OPENS
    yield "png-alpha-16-bit-just-under", opens, lambda: png(side, side, depth=16, colour=RGBA)
    yield "png-line-too-long-for-a-master", "too_many_pixels", lambda: png(80_000_000, 1, depth=1, colour=GRAY)
    yield "jpeg-just-under", opens, lambda: _solid("RGB", "JPEG", quality=30)
    yield "jpeg-cmyk-progressive-just-under", opens, lambda: _solid("CMYK", "JPEG", quality=30, progressive=True)
    yield "gif-just-under", opens, lambda: _solid("P", "GIF")
    yield "webp-just-under", opens, _webp_under
    yield (
        "bmp-run-lengths-just-under",
        "damaged",
        lambda: raw_files.bmp(side, side, bits=8, compression=1, pixels=b"\0\1"),
    )
    yield "tiff-float-just-under", opens, lambda: _solid("F", "TIFF", compression="tiff_adobe_deflate")


def _swollen() -> Iterator[Entry]:
    """Of few pixels, and swollen elsewhere."""
    opens = hostile.OPENS
    bomb = raw_files.zeros_deflated
    yield "png-pixels-for-a-thousand", opens, lambda: png(300, 300, pixels=bomb(300_000_000))
    yield "png-profile", "damaged", lambda: png(300, 300, chunks=png_chunk(b"iCCP", b"a\0\0" + bomb(500_000_000)))
    yield "png-text", "damaged", lambda: png(300, 300, chunks=png_chunk(b"zTXt", b"a\0\0" + bomb(500_000_000)))
    yield "png-texts", opens, lambda: png(300, 300, chunks=png_chunk(b"tEXt", b"a\0" + b"x" * 900_000) * 20)
    yield "png-chunks", opens, lambda: png(300, 300, chunks=png_chunk(b"teSt", b"") * 100_000)
    yield "png-frames", opens, lambda: png(300, 300, chunks=png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    yield "jpeg-comments", opens, lambda: _jpeg_with(raw_files.jpeg_segment(0xFE, bytes(60_000)) * 300)
    yield "jpeg-empty-segments", "damaged", lambda: _jpeg_with(raw_files.jpeg_segment(0xE5, b"") * 1_000_000)
    yield "jpeg-fill-bytes", "damaged", lambda: _jpeg_with(b"\xff" * 15_000_000)
    yield "jpeg-scans", "damaged", _many_scans
    yield "gif-frames", opens, lambda: raw_files.gif(300, 300, raw_files.gif_frame(0, 0, 1, 1) * 400_000)
    yield "gif-comments", opens, _gif_comments
    yield "tiff-thumbnails", opens, lambda: tiff([gray_tags(30, 30), *([_thumbnail()] * 120_000)], data=bytes(900))
    yield "tiff-pages", opens, lambda: tiff([gray_tags(30, 30)] * 130_000, data=bytes(900))
    yield (
        "tiff-strips",
        "damaged",
        lambda: tiff([{**gray_tags(300, 300), 273: (4, 2**31, long(8)[2])}], data=bytes(90_000)),
    )
    yield "tiff-loop", opens, lambda: tiff([gray_tags(30, 30), _thumbnail()], data=bytes(900), last_leads_to=908)


def _thumbnail() -> raw_files.Tags:
    return {254: long(1), **gray_tags(1, 1)}


def _animated_png() -> bytes:
    return png(65536, 65536, chunks=png_chunk(b"acTL", struct.pack(">II", 1000, 0)), pixels=_FEW)


def _webp(name: bytes, content: bytes) -> bytes:
    chunk = name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _webp_canvas() -> bytes:
    """A canvas of 2^24 x 2^8 with a small picture on it: no canvas that WebP knows."""
    return _webp(b"VP8X", b"\0\0\0\0" + b"\xff\xff\xff\xff\x00\x00") + hostile._plain("WEBP")[12:]


def _with_ispe(data: bytes, width_px: int, height_px: int) -> bytes:
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width_px, height_px) + data[at + 8 :]


def _solid(mode: str, file_format: str, **options: Any) -> bytes:
    return hostile._encoded(Image.new(mode, (SIDE_PX, SIDE_PX)), file_format, **options)


def _webp_under() -> bytes:
    return hostile._encoded(Image.new("RGB", (16383, 4882)), "WEBP", lossless=True, quality=0, method=0)


@cache
def _jpeg() -> bytes:
    return hostile._plain("JPEG")


def _jpeg_with(segments: bytes) -> bytes:
    return raw_files.with_segments(_jpeg(), segments)


def _many_scans() -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = hostile._encoded(hostile.upright(), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * 2000 + b"\xff\xd9"


def _gif_comments() -> bytes:
    return raw_files.gif(30, 30, (b"!\xfe" + b"\xff" + b"x" * 255 + b"\0") * 60_000, hostile._plain("GIF")[781:-1])
