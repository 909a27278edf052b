"""A shadow over a page, taken off by division, if the page is such that this cannot hurt.

Division helps where one sheet fills the picture under uneven light, and ruins what only looks like that: a desk around
the page, a photo on it, coloured print (docs/decisions.md). So it is gated: the range of the paper's brightness shows
a defect, its smoothness a shadow and no border, its hue one sheet, its depth that there is something left to lift. A
deep shadow, which does make print unreadable, may have an edge: there the proof is that the print goes on inside it.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging.paper import Paper, divide, find_paper

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
