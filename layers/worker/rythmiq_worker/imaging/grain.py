"""Noise that drowns print: a page in so little light that its grain is nearly as strong as its ink.

Strong noise alone is nothing to a reader that averages over letters; it is its ratio to the print that counts. So the
ratio is the gate, and what is done is what keeps strokes: the three channels, whose noise differs, are averaged, the
light is raised, and like places are averaged with like (Buades et al., 2005). The colour comes from a coarse copy.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging.measures import fine_gray, noise_sigma

Plane = NDArray[np.float32]

RATIO_THAT_IS_A_DEFECT: Final = 0.25
_LEAST_SIGMA: Final = 2.5
_MOST_SIGMA_SHARE: Final = 1.5
_CALM_PX: Final = 2.0
_PAPER_SHARE: Final = 0.95
_INK_SHARE: Final = 0.01
_PAPER_BECOMES: Final = 215.0
_INK_KEEPS: Final = 0.8
_FIRST_BLUR_PX: Final = 0.7
_SIMPLE_BLUR_PX: Final = 1.0
_STRENGTH: Final = 3.0
_TEMPLATE_PX: Final = 7
_SEARCH_PX: Final = 21
_STRIP_ROWS: Final = 512
_HALO_PX: Final = 16
_SAMPLE_PX: Final = 800
_COLOUR_PX: Final = 192
# Above this the search takes too long, and the noise of so many pixels averages out by itself.
_MOST_SEARCHED_PIXELS: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Grain:
    """Noise that is a defect.

    Attributes:
        sigma: gray levels, on the small copy.
        contrast: gray levels between its ink and its paper.
        ink: the level of its ink.
        shrink: how many of the page's pixels one of the small copy is, along a side.
    """

    sigma: float
    contrast: float
    ink: float
    shrink: float

    @property
    def ratio(self) -> float:
        """The noise over the print's contrast."""
        return self.sigma / max(self.contrast, 1.0)


def find_grain(glance: Image.Image, long_side_px: int) -> Grain | None:
    """Find noise that drowns print; None when there is little, or nothing but noise.

    Args:
        glance: RGB, small.
        long_side_px: of the page itself.
    """
    gray = fine_gray(glance)
    sigma = noise_sigma(gray)
    if sigma < _LEAST_SIGMA:
        return None
    calm = np.sort(cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _CALM_PX), axis=None)
    ink, paper = (float(calm[min(calm.size - 1, int(share * calm.size))]) for share in (_INK_SHARE, _PAPER_SHARE))
    grain = Grain(sigma, paper - ink, ink, max(1.0, long_side_px / max(gray.shape)))
    return grain if RATIO_THAT_IS_A_DEFECT <= grain.ratio <= _MOST_SIGMA_SHARE else None


def without_grain(image: Image.Image, grain: Grain) -> Image.Image:
    """Average the noise of a page away and raise its light; strip by strip."""
    width_px, height_px = image.size
    searched = width_px * height_px <= _MOST_SEARCHED_PIXELS
    blur_px = (_FIRST_BLUR_PX if searched else _SIMPLE_BLUR_PX) * grain.shrink
    strength = _STRENGTH * _sigma_left(image, grain, blur_px)
    colour = _colour(image)
    canvas = Image.new("RGB", image.size)
    for top in range(0, height_px, _STRIP_ROWS):
        bottom = min(height_px, top + _STRIP_ROWS)
        halo = max(_HALO_PX, round(4 * blur_px))
        first, last = max(0, top - halo), min(height_px, bottom + halo)
        plane = _raised(image.crop((0, first, width_px, last)), grain, blur_px)
        if searched:
            plane = cv2.fastNlMeansDenoising(plane, None, strength, _TEMPLATE_PX, _SEARCH_PX).astype(np.uint8)
        rows = plane[top - first : bottom - first, :, None].astype(np.float32)
        ratio_y = colour.height / height_px
        box = (0, top * ratio_y, colour.width, bottom * ratio_y)
        hue = np.asarray(colour.resize((width_px, bottom - top), Image.Resampling.BILINEAR, box=box), np.float32)
        hue /= np.maximum(hue.mean(axis=2, keepdims=True), 1.0)
        canvas.paste(Image.fromarray(np.clip(rows * hue + 0.5, 0, 255).astype(np.uint8)), (0, top))
    return canvas


def _raised(part: Image.Image, grain: Grain, blur_px: float) -> NDArray[np.uint8]:
    """The mean of the channels, a little blurred, from dark ink to bright paper: H x W."""
    plane = np.asarray(part, dtype=np.float32).mean(axis=2)
    plane = cv2.GaussianBlur(plane, (0, 0), blur_px).astype(np.float32)
    black = _INK_KEEPS * grain.ink
    plane -= black
    plane *= _PAPER_BECOMES / max(grain.ink + grain.contrast - black, 1.0)
    return np.asarray(np.clip(plane, 0, 255), np.uint8)


def _sigma_left(image: Image.Image, grain: Grain, blur_px: float) -> float:
    """The fine noise that is left after averaging, in gray levels, in the middle of the page (Immerkaer's median)."""
    left, top = max(0, (image.width - _SAMPLE_PX) // 2), max(0, (image.height - _SAMPLE_PX) // 2)
    part = image.crop((left, top, min(image.width, left + _SAMPLE_PX), min(image.height, top + _SAMPLE_PX)))
    plane = _raised(part, grain, blur_px).astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.sort(np.abs(cv2.filter2D(plane, -1, kernel)), axis=None)
    return float(response[response.size // 2]) / 0.6745 / 6


def _colour(image: Image.Image) -> Image.Image:
    """The page's colours on a copy so coarse that no noise is left in them."""
    small = image.copy()
    small.thumbnail((_COLOUR_PX, _COLOUR_PX), Image.Resampling.BOX)
    return Image.fromarray(cv2.GaussianBlur(np.asarray(small, dtype=np.uint8), (0, 0), 1.5).astype(np.uint8))
