"""A shadow over a page, taken off by division, if the page is such that this cannot hurt.

Division helps where one sheet fills the picture under uneven light, and ruins what only looks like that: a desk around
the page, a photo on it, coloured print (docs/decisions.md). So it is gated: the range of the paper's brightness shows
a defect, its smoothness a shadow and no border, its hue one sheet, its depth that there is something left to lift.
"""

from typing import Final

import numpy as np
from PIL import Image

from rythmiq_worker.paper import Paper, divide, find_paper

_STROKE_SHARE: Final = 0.05
RANGE_THAT_IS_A_DEFECT: Final = 0.25
# Below a quarter of the light the paper's grain is lifted to the strength of text.
_DEEPEST: Final = 0.75
_DARKEST_PAPER: Final = 90
# The steepest change of brightness over 4 % of the long side, as a share of well-lit paper: borders are steeper.
_STEEPEST: Final = 0.20
_STEP_SHARE: Final = 0.04
_HUE_TOLERANCE: Final = 0.08


def find_shadow(glance: Image.Image) -> Paper | None:
    """Find a shadow that can safely be taken off; None when there is none, or it may not be one.

    Args:
        glance: RGB, small.
    """
    paper = find_paper(glance, _STROKE_SHARE)
    defect = RANGE_THAT_IS_A_DEFECT < paper.range <= _DEEPEST and paper.level >= _DARKEST_PAPER
    return paper if defect and _smooth(paper) and _of_one_hue(paper) else None


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


def _of_one_hue(paper: Paper) -> bool:
    shares = paper.field.astype(np.float32) / np.maximum(paper.brightness, 1)[:, :, None]
    return bool(np.abs(shares - shares.mean(axis=(0, 1))).max() <= _HUE_TOLERANCE)
