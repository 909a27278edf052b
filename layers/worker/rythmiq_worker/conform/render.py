"""From a picture and a layout to the document's pixels: one decode, one LANCZOS, no stretch.

A levelled picture is turned on the way, at the resolution at which it was decoded.
"""

import math

import cv2
import numpy as np
from PIL import Image

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.decode.picture import Picture

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
