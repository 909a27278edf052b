"""From a picture and a layout to the document's pixels: one decode, one LANCZOS, no stretch."""

import math

import cv2
import numpy as np
from PIL import Image

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.picture import Picture

# How many times the wanted pixels the decoder must leave for LANCZOS. A JPEG decoded at a half differs from a full
# decode by 0.002 to 0.007 SSIM. Where bytes are tight each picture must beat the best plain encoder, so it is decoded
# (nearly) in full; where they are loose nobody sees it, and it halves the CPU of a photo (docs/decisions.md).
_LOOSE_BITS_PER_PIXEL = 3.0
_MARGIN_LOOSE, _MARGIN_TIGHT, _MARGIN_UNBOUNDED = 1.0, 4.0, 2.0
_REDUCING_GAP = 3.0


def render(picture: Picture, layout: Layout, rules: SchemaDefinition) -> Image.Image:
    """Make the document's pixels.

    Returns:
        mode RGB, L (gray, or black and white in a JPEG) or 1 (black and white in a PNG), with no metadata.
    """
    left, top, width, height = layout.placed
    region = layout.region
    margin = _decoder_margin(layout, rules)
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
    placed = image.resize((width, height), Image.Resampling.LANCZOS, box=box, reducing_gap=_REDUCING_GAP)
    canvas = Image.new("RGB", (layout.width_px, layout.height_px), "white")
    canvas.paste(placed, (left, top))
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
