"""Any colour a picture can be stored in, brought to 8-bit sRGB on white.

ICC profiles are applied with the perceptual intent. An sRGB profile is recognised by its primaries and curve and
skipped, since almost every tagged photo has one. A broken profile is ignored: the pixels are then taken for sRGB, which
is what every viewer does.
"""

import io
import math
import struct
from typing import Final

from PIL import Image

from rythmiq_worker.decode.undecodable import undecodable

_WIDE_MODES: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
_ROWS_AT_ONCE: Final = 256
_WHITE: Final = (255, 255, 255)

# Primaries of sRGB, adapted to the D50 of a profile (IEC 61966-2-1, ICC.1 Annex E).
_SRGB_PRIMARIES: Final = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_PRIMARY_TOLERANCE: Final = 0.003
_CURVE_TOLERANCE: Final = 1.5 / 255
_CURVE_POINTS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)


def to_srgb(image: Image.Image) -> Image.Image:
    """Bring a loaded picture to RGB, 8 bits, sRGB, transparent parts over white.

    The picture given may be changed or returned; its metadata does not survive.
    """
    profile = image.info.get("icc_profile")
    image = _eight_bit(image)
    image = _with_profile(image, profile) if isinstance(profile, bytes) and profile else image
    image = _plain(image)
    # A plain picture over the same pixels: the file's own class keeps its EXIF. Every public way copies the pixels.
    bare = image._new(image.im)  # noqa: SLF001
    bare.info = {}
    return bare


def _eight_bit(image: Image.Image) -> Image.Image:
    """Reduce every mode to L, RGB, RGBA, CMYK or LAB."""
    if image.mode in _WIDE_MODES:
        return _scaled_to_eight_bit(image)
    if image.mode in {"LA", "La", "PA", "RGBa"} or (image.mode != "RGBA" and image.has_transparency_data):
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "RGB", "RGBA", "CMYK", "LAB"} else image.convert("RGB")


def _scaled_to_eight_bit(image: Image.Image) -> Image.Image:
    """Scale a single wide channel to L: 16 bits by 1/257; 32 bits and floats by the range they use."""
    if image.mode in {"I", "F"}:
        extrema = image.getextrema()
        top = float(extrema[1]) if isinstance(extrema[1], (int, float)) else 0.0
        if not math.isfinite(top):
            raise undecodable("damaged")
        # Whole numbers are 16 bits unless they are larger; a float picture is 0..1, 0..255 or 0..65535 by its range.
        units = (65535.0,) if image.mode == "I" else (1.0, 255.0, 65535.0)
        span = next((unit for unit in units if top <= unit), top)
        return image.point(lambda value: value * (255.0 / span) + 0.5).convert("L")
    import numpy as np  # noqa: PLC0415  only a 16-bit picture needs it

    wide = np.asarray(image)
    narrow = np.empty(wide.shape, np.uint8)
    for top in range(0, wide.shape[0], _ROWS_AT_ONCE):  # in strips, because the intermediate takes twice the space
        strip = wide[top : top + _ROWS_AT_ONCE].astype(np.uint32)
        narrow[top : top + _ROWS_AT_ONCE] = (strip * 255 + 32767) // 65535
    return Image.fromarray(narrow)


def _plain(image: Image.Image) -> Image.Image:
    """Bring L, RGB, RGBA, CMYK or LAB to RGB without a profile, transparent parts over white."""
    if image.mode == "RGBA":
        canvas = Image.new("RGB", image.size, _WHITE)
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")


def _with_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Apply an ICC profile; the picture as it is when the profile is sRGB's, unfit or broken."""
    if is_srgb(profile):
        return image
    from PIL import ImageCms  # noqa: PLC0415  only a picture with a foreign profile needs it

    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != {"L": "GRAY", "RGBA": "RGB", "LAB": "Lab"}.get(
            image.mode, image.mode
        ):
            return image
        pixels = image if alpha is None else image.convert("RGB")
        converted = ImageCms.profileToProfile(
            pixels,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.PERCEPTUAL,
            outputMode=None if pixels.mode == "RGB" else "RGB",
            inPlace=pixels.mode == "RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    result = pixels if converted is None else converted
    if alpha is not None:
        result.putalpha(alpha)
    return result


def is_srgb(profile: bytes) -> bool:
    """Whether an ICC profile describes sRGB: matrix and curves only, its primaries, its curve. Broken: False."""
    try:
        return _is_srgb(profile)
    except (struct.error, IndexError, ZeroDivisionError, OverflowError, TypeError):
        return False  # TypeError: a power of a negative number is complex


def _is_srgb(profile: bytes) -> bool:
    if profile[16:20] != b"RGB " or profile[36:40] != b"acsp":
        return False
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {}
    for index in range(min(count, 100)):
        name, offset, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[offset : offset + size]
    if b"A2B0" in tags:
        return False  # a lookup table would win over the matrix
    for name, wanted in _SRGB_PRIMARIES.items():
        measured = struct.unpack_from(">3i", tags.get(name, b""), 8)
        if any(abs(got / 65536 - want) > _PRIMARY_TOLERANCE for got, want in zip(measured, wanted, strict=True)):
            return False
    return all(
        abs(_curve_at(tags.get(name, b""), x) - _srgb_linear(x)) <= _CURVE_TOLERANCE
        for name in (b"rTRC", b"gTRC", b"bTRC")
        for x in _CURVE_POINTS
    )


def _srgb_linear(encoded: float) -> float:
    return float(((encoded + 0.055) / 1.055) ** 2.4)


def _curve_at(tag: bytes, x: float) -> float:
    """Evaluate a `curv` or `para` tag at x in 0..1 (ICC.1, 10.6 and 10.18)."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return x
        if count == 1:
            return float(x ** (struct.unpack_from(">H", tag, 12)[0] / 256))
        position = x * (count - 1)
        index = min(int(position), count - 2)
        left, right = struct.unpack_from(">2H", tag, 12 + 2 * index)
        return float(left + (right - left) * (position - index)) / 65535
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        if kind == 0:
            return float(x ** (struct.unpack_from(">i", tag, 12)[0] / 65536))
        if kind == 3:  # noqa: PLR2004  ICC's number for the curve that sRGB has
            gamma, a, b, c, d = (value / 65536 for value in struct.unpack_from(">5i", tag, 12))
            return float((a * x + b) ** gamma) if x >= d else c * x
    return -1.0
