"""Corrections of a page: uneven light divided out, and noise removed, each only against a measured defect.

Light: the paper's brightness is estimated on a small copy; a dilation wider than a stroke removes the ink, a median the
specks. The division runs at full size in strips, so that a large page never exists three times. It helps where one
sheet fills the picture, and ruins what only looks like that: a desk around the page, a photo on it, coloured print
(docs/decisions.md). So it is gated: the range of the paper's brightness shows a defect, its smoothness a shadow and no
border, its hue one sheet, its depth that there is something left to lift. A deep shadow, which does make print
unreadable, may have an edge: there the proof is that the print goes on inside it.

Noise: strong noise alone is nothing to a reader that averages over letters; it is its ratio to the print that counts.
So the ratio is the gate, and what is done is what keeps strokes: the three channels, whose noise differs, are averaged,
the light is raised, and like places are averaged with like (Buades et al., 2005). The colour comes from a coarse copy.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging import quantile
from rythmiq_worker.imaging.measures import fine_gray, noise_sigma

Colours = NDArray[np.uint8]

FIELD_PX: Final = 256
_STRIP_ROWS: Final = 512
_WHITE: Final = (255, 255, 255)
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper of a page.

    Attributes:
        field: its colour at each place, h x w x 3, uint8, RGB, with a long side of at most FIELD_PX.
        brightness: its luminance at each place, h x w, float32, 0..255.
    """

    field: Colours
    brightness: NDArray[np.float32]

    @property
    def level(self) -> float:
        """The luminance of well-lit paper: the 95th percentile."""
        return quantile(self.brightness, 0.95)

    @property
    def low(self) -> float:
        """The luminance of its darkest part: the 5th percentile."""
        return quantile(self.brightness, 0.05)

    @property
    def range(self) -> float:
        """How far its darkest part lies below its brightest, as a share: 0 when evenly lit."""
        return 1 - self.low / max(self.level, 1.0)


def find_paper(image: Image.Image, stroke_share: float) -> Paper:
    """Estimate the paper behind the ink of a picture.

    Args:
        image: RGB; a small copy is enough.
        stroke_share: the widest dark thing that is ink, as a share of the long side.
    """
    small = image.copy()
    small.thumbnail((FIELD_PX, FIELD_PX), Image.Resampling.BOX)
    colours = np.asarray(small, dtype=np.uint8)
    side = max(3, int(stroke_share * max(colours.shape[:2])) | 1)
    bare = cv2.medianBlur(cv2.dilate(colours, np.ones((side, side), np.uint8)), side)
    field = np.asarray(cv2.blur(bare, (side, side)), dtype=np.uint8)
    return Paper(field, np.asarray(field @ _LUMA, dtype=np.float32))


def divide(
    image: Image.Image,
    field: Colours,
    target: tuple[float, float, float],
    box: tuple[int, int, int, int] | None = None,
    keep: Colours | None = None,
) -> Image.Image:
    """Bring the paper of a picture to one colour, by division, and cut a box out.

    Args:
        image: RGB, full size.
        field: the paper's colour at each place, h x w x 3, uint8, any size, for the whole picture.
        target: the colour that paper becomes; above 255 it is white with a margin for its grain.
        box: left, top, right, bottom in pixels; what lies outside the picture is white. Default: all of it.
        keep: h x w, uint8, any size, for the whole picture: 255 where it stays, 0 where it becomes white. Default: all
            of it stays.
    """
    left, top, right, bottom = box or (0, 0, *image.size)
    canvas = Image.new("RGB", (right - left, bottom - top), _WHITE)
    paper = Image.fromarray(field)
    kept = None if keep is None else Image.fromarray(keep)
    inner_left, inner_right = max(0, left), min(image.width, right)
    for strip_top in range(max(0, top), min(image.height, bottom), _STRIP_ROWS):
        strip_bottom = min(image.height, bottom, strip_top + _STRIP_ROWS)
        strip = np.asarray(image.crop((inner_left, strip_top, inner_right, strip_bottom)), dtype=np.float32)
        size = (strip.shape[1], strip.shape[0])
        place = (
            inner_left / image.width,
            strip_top / image.height,
            inner_right / image.width,
            strip_bottom / image.height,
        )
        under = _part(paper, place, size)
        quotient = strip * (np.asarray(target, np.float32) / np.maximum(np.asarray(under, np.float32), 1))
        if kept is not None:
            share = np.asarray(_part(kept, place, size), np.float32)[:, :, None] / 255
            quotient = share * quotient + 255 * (1 - share)
        even = np.minimum(quotient + 0.5, 255).astype(np.uint8)
        canvas.paste(Image.fromarray(even), (inner_left - left, strip_top - top))
    return canvas


def _part(small: Image.Image, place: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
    """A part of a small copy, given in shares of its sides, at the size of the part itself."""
    left, top, right, bottom = place
    box = (left * small.width, top * small.height, right * small.width, bottom * small.height)
    return small.resize(size, Image.Resampling.BILINEAR, box=box)


_STROKE_SHARE: Final = 0.05
RANGE_THAT_IS_A_DEFECT: Final = 0.25
_DEEP: Final = 0.75
# Below this many gray levels the paper's grain is lifted to the strength of text.
_LEAST_LIGHT: Final = 3.5
_HUE_SHOWS_FROM: Final = 30
_DARKEST_PAPER: Final = 90
# The steepest change of brightness over 4 % of the long side, as a share of well-lit paper: borders are steeper.
_STEEPEST: Final = 0.20
_STEP_SHARE: Final = 0.04
_HUE_TOLERANCE: Final = 0.08
# Print, and how much of it: shares of the paper's brightness, of the area, and of the print in full light.
_PRINT_BELOW: Final = 0.6
_IN_SHADOW_BELOW: Final = 0.35
_IN_LIGHT_FROM: Final = 0.6
_LEAST_IN_SHADOW: Final = 0.04
_PRINT_SHARES: Final = (0.008, 0.35)
_PRINT_RATIO: Final = 4.0
_REACH_SHARE: Final = 0.05
_LEAST_REACHED: Final = 0.5


def find_shadow(thumbnail: Image.Image) -> Paper | None:
    """Find a shadow that can safely be taken off; None when there is none, or it may not be one.

    Args:
        thumbnail: RGB, small.
    """
    paper = find_paper(thumbnail, _STROKE_SHARE)
    if paper.range <= RANGE_THAT_IS_A_DEFECT or paper.level < _DARKEST_PAPER:
        return None
    if paper.range <= _DEEP:
        return paper if _smooth(paper) and _of_one_hue(paper) else None
    lit = paper.low >= _LEAST_LIGHT
    return paper if lit and _of_one_hue(paper, _HUE_SHOWS_FROM) and _print_goes_on(thumbnail, paper) else None


def without_shadow(image: Image.Image, paper: Paper) -> Image.Image:
    """Lift every part of a page to the brightness of its best-lit part; colours keep their hue."""
    level = paper.level
    field = np.repeat(np.minimum(paper.brightness, level)[:, :, None], 3, axis=2)
    return divide(image, np.asarray(np.maximum(field, 1), dtype=np.uint8), (level, level, level))


def _smooth(paper: Paper) -> bool:
    step = max(1, round(_STEP_SHARE * max(paper.brightness.shape)))
    changes = [np.abs(paper.brightness[step:] - paper.brightness[:-step])]
    changes.append(np.abs(paper.brightness[:, step:] - paper.brightness[:, :-step]))
    steepest = max((float(change.max()) for change in changes if change.size), default=0.0)
    return steepest <= _STEEPEST * paper.level


def _of_one_hue(paper: Paper, from_level: float = 0.0) -> bool:
    seen = paper.brightness >= from_level
    shares = paper.field[seen].astype(np.float32) / np.maximum(paper.brightness[seen], 1)[:, None]
    return bool(np.abs(shares - shares.mean(axis=0)).max() <= _HUE_TOLERANCE)


def _print_goes_on(thumbnail: Image.Image, paper: Paper) -> bool:
    """Whether the dark part holds print as the bright part does, all over it: a desk or a photo does not."""
    gray = cv2.GaussianBlur(np.asarray(thumbnail.convert("L"), dtype=np.float32), (0, 0), 1.0)
    height_px, width_px = gray.shape
    under = cv2.resize(paper.brightness, (width_px, height_px), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    ink = gray < _PRINT_BELOW * under
    dark, bright = under < _IN_SHADOW_BELOW * paper.level, under > _IN_LIGHT_FROM * paper.level
    if dark.mean() < _LEAST_IN_SHADOW or not bright.any():
        return False
    in_dark, in_bright = float(ink[dark].mean()), float(ink[bright].mean())
    least, most = _PRINT_SHARES
    if not least <= in_dark <= most or not in_bright / _PRINT_RATIO <= in_dark <= in_bright * _PRINT_RATIO:
        return False
    return _reached(ink & dark, dark) >= _LEAST_REACHED


def _reached(ink: NDArray[np.bool_], part: NDArray[np.bool_]) -> float:
    """The share of a part that is near ink."""
    side = max(3, round(_REACH_SHARE * max(ink.shape)))
    near = cv2.dilate(ink.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return float(near[part].mean())


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
_NOISE_STRIP_ROWS: Final = 512
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


def find_grain(thumbnail: Image.Image, long_side_px: int) -> Grain | None:
    """Find noise that drowns print; None when there is little, or nothing but noise.

    Args:
        thumbnail: RGB, small.
        long_side_px: of the page itself.
    """
    gray = fine_gray(thumbnail)
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
    for top in range(0, height_px, _NOISE_STRIP_ROWS):
        bottom = min(height_px, top + _NOISE_STRIP_ROWS)
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
