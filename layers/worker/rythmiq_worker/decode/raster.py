"""Pictures in files that Pillow or libheif read: their size, their frames, and their pixels on demand.

Any colour that a picture can be stored in becomes 8-bit sRGB on white. ICC profiles are applied with the perceptual
intent. An sRGB profile is recognised by its primaries and curve and skipped, since almost every tagged photo has one. A
broken profile is ignored: the pixels are then taken for sRGB, which is what every viewer does.
"""

import importlib
import io
import math
import struct
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from PIL import Image, JpegImagePlugin

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode import UPRIGHT, Turn, exif_turn, require_pixels, silenced_stderr, undecodable
from rythmiq_worker.decode.jpeg_scan import first_rows, read_header, without_metadata

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


# The budget is ours alone and is checked on the header (`require_pixels`); Pillow's own would warn at half of it.
Image.MAX_IMAGE_PIXELS = None
# Opening or saving a picture first loads what reads BMP, GIF, PPM and PNG; here, who needs one of them names it.
vars(Image)["_initialized"] = vars(Image)["_initialized"] or 1

_PLUGINS: Final = {
    "PNG": "PIL.PngImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
}
_DRAFT_SCALES: Final = (8, 4, 2)
_NEW_SUBFILE_TYPE: Final = 254
_REDUCED_RESOLUTION: Final = 1
# Pillow compares each directory of a TIFF with all before it, so that 120 000 thumbnails would take it minutes.
_MAX_DIRECTORIES: Final = 1000


@dataclass(frozen=True, slots=True)
class JpegSource:
    """One JPEG, held as its bytes."""

    data: bytes
    source_format: str
    width_px: int
    height_px: int
    turn: Turn
    srgb: bool
    scalable: bool = True

    def scale_for(self, min_width_px: int, min_height_px: int) -> int:
        """Return by how much the decoder may divide the size and still be as large as asked."""
        for scale in _DRAFT_SCALES:
            if -(-self.width_px // scale) >= min_width_px and -(-self.height_px // scale) >= min_height_px:
                return scale
        return 1

    def decode(self, scale: int) -> Image.Image:
        """Decode as stored, at 1/scale, to sRGB."""
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(self.data))
        if scale > 1:
            image.draft(image.mode, (max(1, self.width_px // scale), max(1, self.height_px // scale)))
        image.load()
        return to_srgb(image)

    def patch(self, side_px: int) -> Image.Image | None:
        """Decode about side x side native pixels: the first rows, which is all that a JPEG gives without the rest."""
        rows_px = side_px // 2
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(first_rows(self.data, rows_px)))
        left = max(0, (image.width - 2 * side_px) // 2)
        return image.crop((left, 0, min(image.width, left + 2 * side_px), image.height)).convert("L")

    def lossless(self) -> bytes | None:
        """Return the scan without its metadata, if that alone makes it an sRGB picture, as stored."""
        return without_metadata(self.data) if self.srgb else None


@dataclass(frozen=True, slots=True)
class PillowSource:
    """One frame of a file that Pillow reads, held as the file's bytes."""

    data: bytes
    source_format: str
    frame: int
    width_px: int
    height_px: int
    turn: Turn
    scalable: bool = False

    def scale_for(self, min_width_px: int, min_height_px: int) -> int:  # noqa: ARG002  the port's shape
        """Return 1: the decoder gives full size only."""
        return 1

    def decode(self, scale: int) -> Image.Image:  # noqa: ARG002  the port's shape
        """Decode as stored, to sRGB."""
        with silenced_stderr() if self.source_format == "TIFF" else nullcontext():
            image = _opened(self.data, self.source_format)
            if self.frame:
                image.seek(self.frame)
            image.load()
        return to_srgb(image)

    def patch(self, side_px: int) -> None:
        """Return nothing: no part decodes alone."""

    def lossless(self) -> bytes | None:
        """Return nothing: a master is a JPEG."""
        return None


@dataclass(frozen=True, slots=True)
class HeifSource:
    """The primary picture of a HEIF file, held as the file's bytes; libheif turns it upright itself."""

    data: bytes
    source_format: str
    width_px: int
    height_px: int
    turn: Turn = UPRIGHT
    scalable: bool = False

    def scale_for(self, min_width_px: int, min_height_px: int) -> int:  # noqa: ARG002  the port's shape
        """Return 1: the decoder gives full size only."""
        return 1

    def decode(self, scale: int) -> Image.Image:  # noqa: ARG002  the port's shape
        """Decode to sRGB."""
        import pi_heif  # noqa: PLC0415  only HEIF needs it

        image: Image.Image = pi_heif.open_heif(io.BytesIO(self.data), convert_hdr_to_8bit=True).to_pillow()
        return to_srgb(image)

    def patch(self, side_px: int) -> None:
        """Return nothing: no part decodes alone."""

    def lossless(self) -> bytes | None:
        """Return nothing: a master is a JPEG."""
        return None


def _opened(data: bytes, source_format: str) -> Image.Image:
    importlib.import_module(_PLUGINS[source_format])
    return Image.open(io.BytesIO(data), formats=(source_format,))


def open_jpeg(data: bytes, max_pixels: int, source_format: str = "JPEG") -> tuple[JpegSource, bool]:
    """Read a JPEG's header; also whether the file holds further pictures.

    Raises:
        JobError: DECODE_FAILED, over the budget or damaged.
    """
    header = read_header(data)
    require_pixels(header.width_px, header.height_px, max_pixels)
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    if image.size != (header.width_px, header.height_px):
        raise undecodable("damaged")  # two frame headers: the budget would be checked on one and spent on the other
    profile = image.info.get("icc_profile")
    source = JpegSource(
        data=data,
        source_format=source_format,
        width_px=header.width_px,
        height_px=header.height_px,
        turn=exif_turn(image),
        srgb=not profile or is_srgb(profile),
    )
    return source, header.several_pictures


def _webp_size(data: bytes) -> tuple[int, int]:
    """What a WebP file that begins with its picture says of it, width and height; 1 x 1 where it does not.

    Source: RFC 9649, RFC 6386.
    """
    chunk, body = data[12:16], data[20:30].ljust(10, b"\0")
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 1, 1


def open_pillow(
    data: bytes, source_format: str, *, max_pixels: int, max_pages: int
) -> tuple[list[PillowSource], list[WarningCode]]:
    """Read the header of a file that Pillow reads; the pages of a TIFF, else the first frame.

    Raises:
        JobError: DECODE_FAILED, over the budget.
    """
    if source_format == "WEBP":
        require_pixels(*_webp_size(data), max_pixels)  # its decoder asks for room for two pictures when it opens one
    image = _opened(data, source_format)
    require_pixels(*image.size, max_pixels)
    warnings: list[WarningCode] = []
    if source_format != "TIFF":
        if getattr(image, "is_animated", False):
            warnings.append(WarningCode.FRAMES_DROPPED)
        return [PillowSource(data, source_format, 0, *image.size, exif_turn(image))], warnings
    sources: list[PillowSource] = []
    index = 0
    while True:
        reduced = getattr(image, "tag_v2", {}).get(_NEW_SUBFILE_TYPE, 0)
        if not (isinstance(reduced, int) and reduced & _REDUCED_RESOLUTION and sources):
            if len(sources) == max_pages:
                warnings.append(WarningCode.PAGES_DROPPED)
                break
            require_pixels(*image.size, max_pixels)
            # Pillow turns a TIFF upright itself, and reports its size so.
            sources.append(PillowSource(data, source_format, index, *image.size, UPRIGHT))
        index += 1
        if index == _MAX_DIRECTORIES:
            warnings.append(WarningCode.PAGES_DROPPED)
            break
        try:
            image.seek(index)
        except EOFError:
            break
    return sources, warnings


def open_heif(data: bytes, max_pixels: int) -> tuple[HeifSource, bool]:
    """Read a HEIF file's header; also whether it holds further pictures.

    Raises:
        JobError: DECODE_FAILED, over the budget.
    """
    import pi_heif  # noqa: PLC0415  only HEIF needs it

    heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    width_px, height_px = heif.size
    require_pixels(width_px, height_px, max_pixels)
    return HeifSource(data, "HEIF", width_px, height_px), len(heif) > 1
