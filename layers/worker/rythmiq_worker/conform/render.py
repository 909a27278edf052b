"""From a picture and a layout to the document's pixels: one decode, one LANCZOS, no stretch.

A levelled picture is turned on the way, at the resolution at which it was decoded. A photo gets a white background and
a caption at the document's size, each only if its owner asks for it. The caption's typeface is Source Sans Pro (SIL
Open Font License), which the package `font-source-sans-pro` carries; Pillow's own basic layout gives the same pixels
wherever the worker runs.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq.contracts.choices import Caption
from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.decode.picture import Picture

if TYPE_CHECKING:
    from PIL import ImageFont

    from rythmiq_worker.people.portrait import Portrait

# How many times the wanted pixels the decoder must leave for LANCZOS. A JPEG decoded at a half differs from a full
# decode by 0.002 to 0.007 SSIM. Where bytes are tight each picture must beat the best plain encoder, so it is decoded
# (nearly) in full; where they are loose nobody sees it, and it halves the CPU of a photo (docs/decisions.md).
_LOOSE_BITS_PER_PIXEL = 3.0
_MARGIN_LOOSE, _MARGIN_TIGHT, _MARGIN_UNBOUNDED = 1.0, 4.0, 2.0
_MARGIN_LEVELLED = 1.5  # it is resampled twice
_REDUCING_GAP = 3.0


def render(picture: Picture, layout: Layout, rules: SchemaDefinition) -> Image.Image:
    """Make the document's pixels.

    Returns:
        mode RGB, L (gray, or black and white in a JPEG) or 1 (black and white in a PNG), with no metadata.
    """
    return coloured(drawn(picture, layout, rules), rules)


def drawn(picture: Picture, layout: Layout, rules: SchemaDefinition) -> Image.Image:
    """Put what is taken of a picture onto white, in colour: mode RGB, of the document's size."""
    left, top, width, height = layout.placed
    region = layout.region
    margin = _decoder_margin(layout, rules)
    level = layout.levelling.degrees_clockwise == 0
    if not level:
        margin = min(max(margin, _MARGIN_LEVELLED), _MARGIN_UNBOUNDED)
    image = picture.image(
        math.ceil(picture.width_px * width / region.width * margin),
        math.ceil(picture.height_px * height / region.height * margin),
    )
    across, down = image.width / picture.width_px, image.height / picture.height_px
    box = (
        region.left * across,
        region.top * down,
        min(region.right * across, image.width),
        min(region.bottom * down, image.height),
    )
    if not level:
        image = _levelled(image, layout, (across, down))
        box = (0.0, 0.0, float(image.width), float(image.height))
    placed = image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=_REDUCING_GAP)
    canvas = Image.new("RGB", (layout.width_px, layout.height_px), "white")
    canvas.paste(placed, (left, top))
    return canvas


def _levelled(image: Image.Image, layout: Layout, scale: tuple[float, float]) -> Image.Image:
    """The region's pixels, turned level, as many as were decoded.

    Args:
        image: the whole picture as decoded.
        layout: of the full-size picture.
        scale: from full-size pixels to those of `image`, across and down.
    """
    region, across, down = layout.region, *scale
    width, height = max(1, round(region.width * across)), max(1, round(region.height * down))
    forth = np.vstack([layout.levelling.forth, (0, 0, 1)])
    enlarged = np.diag([1 / across, 1 / down, 1.0])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from the middle of a pixel
    onto = np.diag([width / region.width, height / region.height, 1.0]) @ np.array(
        [[1, 0, -region.left], [0, 1, -region.top], [0, 0, 1]]
    )
    matrix = np.linalg.inv(half) @ onto @ forth @ enlarged @ half
    turned = cv2.warpAffine(
        np.asarray(image), matrix[:2], (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return Image.fromarray(np.asarray(turned, dtype=np.uint8))


def coloured(canvas: Image.Image, rules: SchemaDefinition) -> Image.Image:
    """The picture in the colours that the rules ask for: mode RGB, L, or 1 for black and white in a PNG."""
    if rules.color == "rgb":
        return canvas
    gray = canvas.convert("L")
    if rules.color == "gray":
        return gray
    bilevel = _bilevel(gray)
    return bilevel.convert("1", dither=Image.Dither.NONE) if rules.output_format == "png" else bilevel


def _decoder_margin(layout: Layout, rules: SchemaDefinition) -> float:
    if rules.max_bytes is None or rules.output_format == "png":
        return _MARGIN_UNBOUNDED
    bits = rules.max_bytes * 8 / (layout.width_px * layout.height_px)
    return _MARGIN_LOOSE if bits >= _LOOSE_BITS_PER_PIXEL else _MARGIN_TIGHT


def is_bilevel(image: Image.Image) -> bool:
    """Whether nearly all pixels of a picture are near black or near white."""
    histogram = image.convert("L").histogram()
    return sum(histogram[48:208]) <= 0.03 * sum(histogram)


def _bilevel(gray: Image.Image) -> Image.Image:
    """Black and white by Otsu's threshold."""
    _, pixels = cv2.threshold(np.asarray(gray), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return Image.fromarray(np.asarray(pixels, dtype=np.uint8))


class Finished(NamedTuple):
    """The edits made to a photo.

    Attributes:
        whitened: share of the pixels that became background; None when nothing was replaced.
        kept_because: why the background was left although its owner wished it white.
        captioned: whether name and date were printed.
    """

    whitened: float | None = None
    kept_because: str | None = None
    captioned: bool = False


def finish(
    image: Image.Image,
    layout: Layout,
    portrait: "Portrait | None",
    onto: NDArray[np.float64] | None,
    options: Options,
) -> tuple[Image.Image, Finished]:
    """Replace the background and print the caption as the owner wishes.

    Args:
        image: RGB, of the document's size; may be drawn on.
        layout: how it was made.
        portrait: who stands on it.
        onto: from the pixels of `portrait.upright` to the document's: 3 x 3; None without a subject.
        options: the owner's.
    """
    whitened, reason = None, None
    if options.background == "white":
        image, whitened, reason = _whitened(image, layout, portrait, onto)
    if options.caption is not None and layout.strip_px:
        print_caption(image, options.caption, layout.strip_px)
    return image, Finished(whitened, reason, captioned=layout.strip_px > 0)


def _whitened(
    image: Image.Image, layout: Layout, portrait: "Portrait | None", onto: NDArray[np.float64] | None
) -> tuple[Image.Image, float | None, str | None]:
    if portrait is None or portrait.face is None or portrait.person is None or onto is None:
        return image, None, "no_face"
    from rythmiq_worker.conform.person import has_company, projected  # noqa: PLC0415  few ask for it
    from rythmiq_worker.people.whiten import white_background  # noqa: PLC0415  ditto

    pixels = np.asarray(image)[: image.height - layout.strip_px]
    size = (pixels.shape[1], pixels.shape[0])
    if has_company(portrait, onto, size):
        return image, None, "several_people"
    faces = (portrait.face.moved(onto[:2]), *(face.moved(onto[:2]) for face in portrait.rivals))
    made, reason = white_background(pixels, projected(portrait.person, onto, size), faces)
    if made is None:
        return image, None, reason
    whole = np.asarray(image).copy()
    whole[: pixels.shape[0]] = made
    changed = float((made != pixels).any(axis=2).mean())
    return Image.fromarray(whole), round(changed, 3), None


_PACKAGE, _FILE = "font_source_sans_pro", "files/SourceSansPro-Regular.ttf"
_INK, _PAPER = (16, 16, 16), (255, 255, 255)
_LINE_HEIGHT = 1.2  # of the size of the letters
_MARGIN = 0.04  # of the strip's width, at either side
_LEAST_SIZE_PX = 6


def print_caption(image: Image.Image, caption: Caption, strip_px: int) -> None:
    """Print a caption into the lowest `strip_px` rows of an RGB picture, as large as fits.

    A long name is broken into two lines when it can be printed larger so.
    """
    from PIL import ImageDraw  # noqa: PLC0415  few photos have a caption

    lines, size_px = _fitted(caption, image.width * (1 - 2 * _MARGIN), strip_px)
    top = image.height - strip_px
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, top, image.width, image.height), fill=_PAPER)
    font = _font(size_px)
    left_over = strip_px - len(lines) * size_px * _LINE_HEIGHT
    for number, line in enumerate(lines):
        middle = top + left_over / 2 + (number + 0.5) * size_px * _LINE_HEIGHT
        pen.text((round(image.width / 2), round(middle)), line, font=font, fill=_INK, anchor="mm")


def date_words(date: str) -> str:
    """YYYY-MM-DD as it is printed: DD-MM-YYYY."""
    year, month, day = date.split("-")
    return f"{day}-{month}-{year}"


def _fitted(caption: Caption, width_px: float, height_px: int) -> tuple[list[str], int]:
    """The lines and the size at which they are largest."""
    date = date_words(caption.date)
    choices = [[*name, date] for name in _broken(caption.name)]
    sized = [(_largest(lines, width_px, height_px), -len(lines), lines) for lines in choices]
    size_px, _, lines = max(sized)
    return lines, size_px


def _broken(name: str) -> list[list[str]]:
    """The ways in which a name can be set: in one line, or broken at a space."""
    words = name.split(" ")
    halves = [[" ".join(words[:at]), " ".join(words[at:])] for at in range(1, len(words))]
    return [[name], *halves]


def _largest(lines: list[str], width_px: float, height_px: int) -> int:
    size_px = max(_LEAST_SIZE_PX, int(height_px / len(lines) / _LINE_HEIGHT))
    widest = max(_font(size_px).getlength(line) for line in lines)
    if widest > width_px:
        size_px = max(_LEAST_SIZE_PX, int(size_px * width_px / widest))
    return size_px


@lru_cache(maxsize=8)
def _font(size_px: int) -> "ImageFont.FreeTypeFont":
    from PIL import ImageFont  # noqa: PLC0415  few photos have a caption

    return ImageFont.truetype(str(_typeface()), size_px, layout_engine=ImageFont.Layout.BASIC)


def _typeface() -> Path:
    """The typeface's file; the package's code is not imported.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    import importlib.util  # noqa: PLC0415  few photos have a caption

    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"{_PACKAGE}: install the worker's locked requirements (layers/worker/requirements.txt)"
        )
    return Path(spec.origin).parent / _FILE
