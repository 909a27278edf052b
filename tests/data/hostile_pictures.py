"""Pictures that are odd but whole, and pictures that lie about themselves."""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
from PIL import Image, ImageCms

from tests.data import hostile, raw_files
from tests.data.raw_files import (
    GRAY,
    GRAY_ALPHA,
    RGBA,
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
from tests.samples.portrait import srgb_profile

_ORIENTATION: Final = 0x0112


def odd() -> Iterator[Entry]:
    """Whole pictures of every mode, depth and coding: all of them open."""
    makers: dict[str, Callable[[], bytes]] = {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        makers[f"png-{mode}"] = partial(_in_mode, mode, "PNG")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F"):
        makers[f"tiff-{mode}"] = partial(_in_mode, mode, "TIFF")
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        makers[f"bmp-{mode}"] = partial(_in_mode, mode, "BMP")
    for mode in ("L", "RGB", "CMYK"):
        makers[f"jpeg-{mode}-progressive"] = partial(_in_mode, mode, "JPEG", progressive=True)
        makers[f"jpeg-{mode}-restarts"] = partial(_in_mode, mode, "JPEG", restart_marker_blocks=3)
    for sampling in ("4:4:4", "4:2:2", "4:1:1"):
        makers[f"jpeg-{sampling}"] = partial(_in_mode, "RGB", "JPEG", subsampling=sampling)
    for compression in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "lzma", "zstd"):
        makers[f"tiff-coded-{compression}"] = partial(_in_mode, "RGB", "TIFF", compression=compression)
    for compression in ("tiff_ccitt", "group3", "group4"):
        makers[f"tiff-coded-{compression}"] = partial(_in_mode, "1", "TIFF", compression=compression)
    for depth in (1, 2, 4, 8, 16):
        makers[f"png-gray-{depth}-bit"] = partial(png, 90, 90, depth=depth, colour=GRAY)
    makers |= {
        "jpeg-keeps-rgb": partial(_in_mode, "RGB", "JPEG", keep_rgb=True),
        "jpeg-of-one-pixel": lambda: hostile._encoded(Image.new("RGB", (1, 1)), "JPEG"),
        "jpeg-line": lambda: hostile._encoded(Image.new("RGB", (20_000, 1)), "JPEG"),
        "jpeg-column": lambda: hostile._encoded(Image.new("L", (1, 20_000)), "JPEG"),
        "jpeg-of-many-pictures": _several_in_a_jpeg,
        "png-of-one-pixel": lambda: png(1, 1),
        "png-interlaced": _interlaced,
        "png-16-bit-rgb": lambda: png(90, 90, depth=16),
        "png-16-bit-rgba": lambda: png(90, 90, depth=16, colour=RGBA),
        "png-16-bit-gray-alpha": lambda: png(90, 90, depth=16, colour=GRAY_ALPHA),
        "png-all-transparent": lambda: hostile._encoded(Image.new("RGBA", (90, 90), (9, 9, 9, 0)), "PNG"),
        "png-colour-key": lambda: hostile._encoded(hostile.upright(), "PNG", transparency=(0, 0, 0)),
        "png-animated": lambda: hostile._animated("PNG"),
        "gif-interlaced": lambda: hostile._encoded(hostile.upright(), "GIF", interlace=1),
        "gif-of-one-pixel": lambda: raw_files.gif(1, 1, raw_files.gif_frame(0, 0, 1, 1)),
        "gif-frame-beyond-its-canvas": lambda: raw_files.gif(4, 4, raw_files.gif_frame(90, 90, 1, 1)),
        "webp-alpha": partial(_in_mode, "RGBA", "WEBP"),
        "webp-lossless-alpha": partial(_in_mode, "RGBA", "WEBP", lossless=True),
        "avif-alpha": partial(_in_mode, "RGBA", "AVIF", max_threads=1),
        "avif-animated": _animated_avif,
        "bmp-top-down": lambda: raw_files.bmp(40, -40),
        "bmp-16-bit": lambda: raw_files.bmp(40, 40, bits=16),
        "tiff-huge-endian": _big_endian_tiff,
        "tiff-big": lambda: hostile._encoded(hostile.upright(), "TIFF", big_tiff=True),
        "tiff-white-is-zero": lambda: tiff([gray_tags(30, 30, t262=short(0))], data=bytes(900)),
        "tiff-many-strips": lambda: hostile._encoded(
            hostile.upright(), "TIFF", compression="tiff_lzw", strip_size=1000
        ),
        "tiff-many-pages": lambda: hostile._animated("TIFF"),
    }
    for name, make in makers.items():
        yield name, hostile.OPENS, make


def lies() -> Iterator[Entry]:
    """What EXIF, profiles, densities and headers claim and is not so. A lie beside the pixels harms nobody."""
    opens = hostile.OPENS
    for value in (0, 9, 255, 65535):
        yield f"exif-orientation-{value}", opens, partial(_with_exif, partial(_exif, value))
    exifs: dict[str, Callable[[], bytes]] = {
        "of-no-bytes": bytes,
        "of-text": lambda: b"landscape, of course",
        "cut-short": lambda: _exif(6)[:11],
        "directory-beyond-its-end": lambda: b"II*\0\xff\xff\xff\x7f",
        "loops": lambda: b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, _ORIENTATION, 3, 1, 1) + b"\x08\0\0\0",
        "orientation-of-text": lambda: _exif_field(_ORIENTATION, 2, 4, b"up\0\0"),
        "orientation-of-a-billion": lambda: _exif_field(_ORIENTATION, 3, 2**30, b"\6\0\0\0"),
        "orientation-of-no-type": lambda: _exif_field(_ORIENTATION, 999, 1, b"\6\0\0\0"),
        "gps-loops": lambda: _exif_field(0x8825, 4, 1, b"\x08\0\0\0"),
        "inner-loops": lambda: _exif_field(0x8769, 4, 1, b"\x08\0\0\0"),
        "all-ones": lambda: b"\xff" * 60_000,
        "maximal": lambda: b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + struct.pack("<HHII", 0x10F, 2, 9, 8) * 5000,
    }
    for name, make in exifs.items():
        yield f"exif-{name}", opens, partial(_with_exif, make)
        yield f"exif-{name}-in-png", opens, partial(_with_png_exif, make)
    profiles: dict[str, Callable[[], bytes]] = {
        "of-text": lambda: b"sRGB, trust me",
        "of-zeros": lambda: bytes(3000),
        "cut-short": lambda: srgb_profile()[:200],
        "for-gray": lambda: srgb_profile()[:16] + b"GRAY" + srgb_profile()[20:],
        "for-cmyk": lambda: srgb_profile()[:16] + b"CMYK" + srgb_profile()[20:],
        "tags-beyond-its-end": lambda: srgb_profile()[:128] + b"\xff" * (len(srgb_profile()) - 128),
        "many-tags": lambda: srgb_profile()[:128] + struct.pack(">I", 2**32 - 1) + srgb_profile()[132:],
        "curve-of-a-negative": lambda: _with_curve(3, (2 << 16, -(1 << 16), -(1 << 16), 1 << 16, 0)),
        "curve-of-a-half-power": lambda: _with_curve(3, (1 << 15, -(1 << 16), -(1 << 16), 1 << 16, 0)),
        "curve-without-end": lambda: _with_curve(3, (2**31 - 1, 2**31 - 1, 2**31 - 1, 1, -(2**31))),
        "curve-of-no-kind": lambda: _with_curve(77, (1, 1, 1, 1, 1)),
        "class-of-links": lambda: srgb_profile()[:12] + b"link" + srgb_profile()[16:],
        "lab-for-rgb": lambda: ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    }
    for name, make in profiles.items():
        yield f"profile-{name}", opens, partial(_with_profile, make)
        yield f"profile-{name}-in-png", opens, partial(_with_png_profile, make)
    jpeg = partial(hostile._plain, "JPEG")
    densities = {"none": b"\0\0\0\0\0", "huge": b"\1\xff\xff\xff\xff", "of-no-unit": b"\x77\0\x48\0\x48"}
    for name, density in densities.items():
        yield f"jpeg-density-{name}", opens, partial(_with_density, density)
    yield "png-density-huge", opens, lambda: png(90, 90, chunks=png_chunk(b"pHYs", b"\xff\xff\xff\xff" * 2 + b"\1"))
    yield "png-density-short", "truncated", lambda: png(90, 90, chunks=png_chunk(b"pHYs", b"\1"))
    yield "png-gamma", opens, lambda: png(90, 90, chunks=png_chunk(b"gAMA", bytes(4)))
    yield "tiff-density-of-nothing", opens, lambda: tiff([gray_tags(30, 30, t282=(5, 1, long(8)[2]))], data=bytes(900))
    yield "jpeg-xmp-orientation", opens, lambda: _with_xmp(b"tiff:Orientation='6'")
    yield "jpeg-xmp-laughs", opens, lambda: _with_xmp(b"><!DOCTYPE x [<!ENTITY a 'aaaa'>]>&a;")
    yield (
        "jpeg-of-many-pictures-without-one",
        opens,
        lambda: with_segments(jpeg(), jpeg_segment(0xE2, b"MPF\0II*\0" + b"\xff" * 90)),
    )
    yield "jpeg-adobe-says-ycck", opens, lambda: with_segments(jpeg(), jpeg_segment(0xEE, b"Adobe\0\x64\0\0\0\0\x02"))
    yield "jpeg-adobe-says-rgb", opens, lambda: with_segments(jpeg(), jpeg_segment(0xEE, b"Adobe\0\x64\0\0\0\0\x00"))
    yield "jpeg-higher-than-its-scan", opens, lambda: with_jpeg_size(jpeg(), 240, 3200)
    yield "jpeg-wider-than-its-scan", opens, lambda: with_jpeg_size(jpeg(), 2400, 320)
    yield "jpeg-lower-than-its-scan", opens, lambda: with_jpeg_size(jpeg(), 240, 32)
    yield "png-higher-than-its-rows", "truncated", lambda: png(300, 3000, pixels=zlib.compress(bytes(90_300 * 3)))
    yield "png-lower-than-its-rows", opens, lambda: png(300, 30, pixels=zlib.compress(bytes(301 * 900)))
    yield (
        "gif-frame-larger-than-its-data",
        "truncated",
        lambda: raw_files.gif(99, 99, raw_files.gif_frame(0, 0, 99, 99)),
    )
    yield "bmp-higher-than-its-rows", "truncated", lambda: raw_files.bmp(90, 900, pixels=bytes(90 * 3 * 90))
    yield "tiff-higher-than-its-strip", "truncated", lambda: tiff([gray_tags(30, 3000)], data=bytes(900))
    yield "webp-longer-than-it-is", "damaged", lambda: _riff_size(2**31)
    yield "webp-shorter-than-it-is", "damaged", lambda: _riff_size(100)


# --- how they are made -------------------------------------------------------


def _in_mode(mode: str, file_format: str, **options: Any) -> bytes:
    return hostile._encoded(_picture(mode), file_format, **options)


def _picture(mode: str) -> Image.Image:
    picture = hostile.upright()
    if mode in {"I", "I;16"}:
        return Image.fromarray(np.asarray(picture.convert("L"), np.int32 if mode == "I" else np.uint16) * 257)
    if mode in {"RGBA", "LA"}:
        clear = picture.convert(mode)
        clear.putalpha(Image.linear_gradient("L").resize(picture.size))
        return clear
    if mode == "LAB":
        return ImageCms.profileToProfile(  # type: ignore[return-value]  # None only in place
            picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    return picture.convert(mode)


def _several_in_a_jpeg() -> bytes:
    return hostile._encoded(hostile.upright(), "MPO", save_all=True, append_images=[hostile.upright().rotate(180)])


def _interlaced() -> bytes:
    """Adam7, all black: its seven passes are rows of their own."""
    side = 64
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    size = sum(len(range(y, side, dy)) * (1 + 3 * len(range(x, side, dx))) for x, y, dx, dy in passes)
    return png(side, side, pixels=zlib.compress(bytes(size)), interlaced=True)


def _animated_avif() -> bytes:
    frames = [hostile.upright(), hostile.upright().rotate(180)]
    return hostile._encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:], max_threads=1)


def _big_endian_tiff() -> bytes:
    tags = {256: 30, 257: 30, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 30, 279: 900}
    out = b"MM\0*" + struct.pack(">I", 908) + bytes(900) + struct.pack(">H", len(tags))
    return out + b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items()) + bytes(4)


def _exif(orientation: int) -> bytes:
    return _exif_field(_ORIENTATION, 3, 1, struct.pack("<HH", orientation, 0))


def _exif_field(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", tag, kind, count) + value + bytes(4)


def _with_exif(make: Callable[[], bytes]) -> bytes:
    return with_segments(hostile._plain("JPEG"), jpeg_segment(0xE1, b"Exif\0\0" + make()))


def _with_png_exif(make: Callable[[], bytes]) -> bytes:
    return png(90, 90, chunks=png_chunk(b"eXIf", make()))


def _with_profile(make: Callable[[], bytes]) -> bytes:
    return with_segments(hostile._plain("JPEG"), jpeg_segment(0xE2, b"ICC_PROFILE\0\1\1" + make()))


def _with_png_profile(make: Callable[[], bytes]) -> bytes:
    return png(90, 90, chunks=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(make())))


def _with_curve(kind: int, values: tuple[int, ...]) -> bytes:
    """SRGB's profile with another red curve behind it."""
    profile = bytearray(srgb_profile())
    (count,) = struct.unpack_from(">I", profile, 128)
    curve = b"para" + bytes(4) + struct.pack(">HH5i", kind, 0, *values)
    for at in range(132, 132 + 12 * count, 12):
        if profile[at + 1 : at + 4] == b"TRC":
            struct.pack_into(">II", profile, at + 4, len(profile), len(curve))
    profile += curve
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


def _with_xmp(content: bytes) -> bytes:
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/' " + content + b"/>"
    return with_segments(hostile._plain("JPEG"), jpeg_segment(0xE1, xmp))


def _with_density(density: bytes) -> bytes:
    data = hostile._plain("JPEG")
    return data[:13] + density + data[18:]


def _riff_size(size: int) -> bytes:
    data = hostile._plain("WEBP")
    return data[:4] + struct.pack("<I", size) + data[8:]
