"""Paper behind ink: its brightness at each place, and the picture divided by that to remove shadows.

The brightness is estimated on a small copy: a dilation wider than a stroke removes the ink, a median the specks. The
division runs at full size in strips, so that a large page never exists three times.

Division helps where one sheet fills the picture under uneven light, and ruins what only looks like that: a desk around
the page, a photo on it, coloured print (docs/decisions.md). So it is gated: the range of the paper's brightness shows
a defect, its smoothness a shadow and no border, its hue one sheet, its depth that there is something left to lift. A
deep shadow, which does make print unreadable, may have an edge: there the proof is that the print goes on inside it.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
        return _percentile(self.brightness, 0.95)

    @property
    def low(self) -> float:
        """The luminance of its darkest part: the 5th percentile."""
        return _percentile(self.brightness, 0.05)

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


def _percentile(values: NDArray[np.float32], share: float) -> float:
    index = min(values.size - 1, int(values.size * share))
    return float(np.partition(values, index, axis=None)[index])


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


def find_shadow(glance: Image.Image) -> Paper | None:
    """Find a shadow that can safely be taken off; None when there is none, or it may not be one.

    Args:
        glance: RGB, small.
    """
    paper = find_paper(glance, _STROKE_SHARE)
    if paper.range <= RANGE_THAT_IS_A_DEFECT or paper.level < _DARKEST_PAPER:
        return None
    if paper.range <= _DEEP:
        return paper if _smooth(paper) and _of_one_hue(paper) else None
    lit = paper.low >= _LEAST_LIGHT
    return paper if lit and _of_one_hue(paper, _HUE_SHOWS_FROM) and _print_goes_on(glance, paper) else None


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


def _print_goes_on(glance: Image.Image, paper: Paper) -> bool:
    """Whether the dark part holds print as the bright part does, all over it: a desk or a photo does not."""
    gray = cv2.GaussianBlur(np.asarray(glance.convert("L"), dtype=np.float32), (0, 0), 1.0)
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
