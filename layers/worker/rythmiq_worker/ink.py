"""A signature or a thumb impression on paper: where the ink is, and the ink alone on white.

The ink keeps its colour. Nothing is sharpened, smoothed or thresholded, since a portal compares strokes and ridges.
"""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.paper import Colours, Paper, divide, find_paper
from rythmiq_worker.picture import Picture

MARGIN: Final = 0.08
# The widest stroke of a pen, and the widest smear of a thumb, as a share of the picture's long side.
_STROKE_SHARE: Final = {"signature": 0.06, "thumb": 0.33}
# How much of the picture can be ink; above it, it is no signature or thumb (a face, a page).
_MOST_INK: Final = {"signature": 0.30, "thumb": 0.75}
_LEAST_INK: Final = 0.0003
_DARKEST_PAPER: Final = 70
_WHITE_PAPER: Final = 250
_THRESHOLDS: Final = (120.0, 215.0)
_LEAST_CONTRAST: Final = 25.0
# A speck holds less than this share of all ink; only what holds more pulls the box.
_SPECK_SHARE: Final = 0.004
_SPECK_PX: Final = 6
_SOLID: Final = 0.5
# Cutting off less than this share of a side is not worth it, which also makes a second run do nothing.
_LEAST_CUT: Final = 0.03
_ALL: Final = (0.0, 0.0, 1.0, 1.0)

InkKind = Literal["signature", "thumb"]


@dataclass(frozen=True, slots=True)
class Ink:
    """What was found on a picture.

    Attributes:
        paper: the paper behind it.
        whitening: how much brighter than its paper white is set, so that the paper's grain is white too; 1 and more.
        box: the ink with its margin: left, top, right, bottom as shares of the picture; may reach over its border.
    """

    paper: Paper
    whitening: float
    box: tuple[float, float, float, float]

    @property
    def on_white(self) -> bool:
        """Whether the paper is white as it is."""
        return self.paper.low >= _WHITE_PAPER

    @property
    def tight(self) -> bool:
        """Whether the picture ends about where the box does."""
        left, top, right, bottom = self.box
        return left < _LEAST_CUT and top < _LEAST_CUT and right > 1 - _LEAST_CUT and bottom > 1 - _LEAST_CUT


def find_ink(glance: Image.Image, kind: InkKind) -> Ink | None:
    """Find the ink of a signature or thumb; None when the picture does not look like ink on paper.

    Where a signature cannot be told from what reaches in over the border, as on ruled paper, the box is the whole
    picture.

    Args:
        glance: RGB, small.
        kind: decides how wide a stroke can be and how much of the picture it can cover.
    """
    paper = find_paper(glance, _STROKE_SHARE[kind])
    if paper.level < _DARKEST_PAPER:
        return None
    evenness = np.asarray(divide(glance, paper.field, (255, 255, 255)).convert("RGB"), dtype=np.uint8)
    # Blue ink is dark in red only: the darkest channel shows every ink.
    darkness = np.ascontiguousarray(evenness.min(axis=2))
    threshold = _threshold(darkness)
    if threshold is None:
        return None
    mask = darkness < threshold
    if not _LEAST_INK <= float(mask.mean()) <= _MOST_INK[kind]:
        return None
    blank = darkness[~mask].astype(np.float32)
    grain = float(np.clip(blank.mean() - 2.5 * blank.std(), threshold, 255))
    bounds = _bounds(mask)
    if bounds is None and kind == "thumb":
        return None
    return Ink(paper, 255 / grain, _ALL if bounds is None else _with_margin(bounds, mask.shape))


def _threshold(darkness: Colours) -> float | None:
    """Say below which level a pixel is ink (Otsu 1979), or None when ink and paper do not part."""
    level, _ = cv2.threshold(darkness, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    ink = darkness[darkness <= level]
    rest = darkness[darkness > level]
    if not ink.size or not rest.size or float(rest.mean()) - float(ink.mean()) < _LEAST_CONTRAST:
        return None
    return float(np.clip(level + 1, *_THRESHOLDS))


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Bound the ink: left, top, right, bottom; specks, and dark things that reach in over the border, do not count."""
    height, width = mask.shape
    join = max(3, round(0.015 * max(mask.shape)) | 1)
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((join, join), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    weights = np.bincount(labels[mask], minlength=count)
    weights[0] = 0
    least = max(_SPECK_PX, _SPECK_SHARE * float(weights.sum()))
    kept = np.zeros(count, bool)
    for label in range(1, count):
        left, top, wide, high, area = (int(value) for value in stats[label])
        at_border = left == 0 or top == 0 or left + wide == width or top + high == height
        intruder = at_border and (area > _SOLID * wide * high or min(wide / width, high / height) < 0.04)  # noqa: PLR2004
        kept[label] = weights[label] >= least and not intruder
    if not kept.any():
        return None
    rows, columns = np.nonzero(kept[labels] & mask)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _with_margin(bounds: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    left, top, right, bottom = bounds
    across, down = MARGIN * (right - left), MARGIN * (bottom - top)
    height, width = shape
    return (left - across) / width, (top - down) / height, (right + across) / width, (bottom + down) / height


def ink_on_white(picture: Picture, ink: Ink, *, crop: bool) -> Picture:
    """Divide by the paper, and cut to the ink if asked; at full size, when it is asked for."""
    shares = ink.box if crop else _ALL
    left, top = round(shares[0] * picture.width_px), round(shares[1] * picture.height_px)
    right = max(left + 1, round(shares[2] * picture.width_px))
    bottom = max(top + 1, round(shares[3] * picture.height_px))
    white = 255 * ink.whitening
    field = np.full((1, 1, 3), 255, np.uint8) if ink.on_white else ink.paper.field
    target = (255.0, 255.0, 255.0) if ink.on_white else (white, white, white)
    return picture.derived(
        lambda image: divide(image, field, target, (left, top, right, bottom)), right - left, bottom - top
    )
