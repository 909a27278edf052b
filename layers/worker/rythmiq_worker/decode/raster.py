"""Pictures in files that Pillow or libheif read: their size, their frames, and their pixels on demand."""

import importlib
import io
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from PIL import Image, JpegImagePlugin

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode.colour import is_srgb, to_srgb
from rythmiq_worker.decode.jpeg_scan import first_rows, read_header, without_metadata
from rythmiq_worker.decode.undecodable import require_pixels, silenced_stderr, undecodable
from rythmiq_worker.imaging.warp import UPRIGHT, Turn, exif_turn

# The budget is ours alone and is checked on the header (`require_pixels`); Pillow's own would warn at half of it.
Image.MAX_IMAGE_PIXELS = None

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
        """Say by how much the decoder may divide the size and still be as large as asked."""
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
        """Say that the decoder gives full size only."""
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
        """Say that no part decodes alone."""

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
        """Say that the decoder gives full size only."""
        return 1

    def decode(self, scale: int) -> Image.Image:  # noqa: ARG002  the port's shape
        """Decode to sRGB."""
        import pi_heif  # noqa: PLC0415  only HEIF needs it

        image: Image.Image = pi_heif.open_heif(io.BytesIO(self.data), convert_hdr_to_8bit=True).to_pillow()
        return to_srgb(image)

    def patch(self, side_px: int) -> None:
        """Say that no part decodes alone."""

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


def open_pillow(
    data: bytes, source_format: str, *, max_pixels: int, max_pages: int
) -> tuple[list[PillowSource], list[WarningCode]]:
    """Read the header of a file that Pillow reads; the pages of a TIFF, else the first frame.

    Raises:
        JobError: DECODE_FAILED, over the budget.
    """
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
