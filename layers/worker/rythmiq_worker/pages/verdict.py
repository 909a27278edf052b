"""Whether measured corners are those of a page: surely, perhaps, or not.

Paper is the lightest thing on most desks. What is darker than that around it is mostly a picture on a page; a dark card
is believed only on a desk that is bare and even.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.pages.edges import Sides
from rythmiq_worker.pages.look import Look, Points
from rythmiq_worker.pages.proposals import LEAST_AREA, MOST_AREA

MOST_INK_BESIDE: Final = 0.25
"""How densely the desk may be written on, over how densely the page is."""
LIKELY_AREA: Final = 0.15
"""Of the picture, from which what looks like a page is more than a picture or a table on one."""
_MOST_OFF_RIGHT_DEG: Final = 60.0
_LEAST_COVER: Final = 0.85
_HELD_COVER: Final = 0.6  # of the one side that a finger holds, when the others are free
_FREE_COVER: Final = 0.88
_LEAST_STRAIGHT: Final = 0.8
_LEAST_CONTRAST: Final = 5.0
_FULL_CONTRAST: Final = 8.0
_MOST_DARKER: Final = 2.0  # L* by which a page may be darker than what it lies on
_SURE: Final = 0.9  # of a side
_INK_CONTRAST: Final = 18
_DARK_COVER: Final = 0.95
_DARK_INK_BESIDE: Final = 0.1
_WHITEST: Final = 93.0  # L* of a desk; lighter is the paper of a scan
_MOST_UNEVEN: Final = 9.0  # weighted L*a*b*, that a tenth of the desk may be off its own slope


def plausible(corners: Points, look: Look) -> bool:
    """Whether corners can be those of a page that a camera sees."""
    area = cv2.contourArea(corners.astype(np.float32), oriented=True) / float(look.size.prod())
    if not LEAST_AREA <= area <= MOST_AREA:
        return False
    for index in range(4):
        here, before, after = corners[index], corners[index - 1], corners[(index + 1) % 4]
        one, other = before - here, after - here
        cosine = float(one @ other) / max(1e-6, float(np.hypot(*one) * np.hypot(*other)))
        if abs(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))) - 90) > _MOST_OFF_RIGHT_DEG:
            return False
    return True


def certain(sides: Sides) -> bool:
    """Whether all four sides are edges of one sheet; a finger may hold one of them."""
    least, second = np.sort(sides.cover)[:2]
    darker = sides.within - sides.beyond < -_MOST_DARKER
    return bool(
        (least >= _LEAST_COVER or (least >= _HELD_COVER and second >= _FREE_COVER))
        and sides.straight.min() >= _LEAST_STRAIGHT
        and (sides.contrast >= np.where(darker, _FULL_CONTRAST, _LEAST_CONTRAST)).all()
        and darker.sum() <= 1  # the coloured band of a card
    )


def partly(sides: Sides) -> bool:
    """Whether two sides that meet are edges of a sheet beyond doubt: the others may lie outside the picture."""
    darker = sides.within - sides.beyond < -_MOST_DARKER
    edges = (sides.cover >= _SURE) & (sides.straight >= _SURE) & (sides.contrast >= _FULL_CONTRAST)
    return bool((edges & np.roll(edges, 1) & ~darker & ~np.roll(darker, 1)).any() and not (edges & darker).any())


def sureness(sides: Sides) -> float:
    """How sure one of several finds is, 0 to 1."""
    return float(sides.cover.min() * sides.straight.min() * min(1.0, sides.contrast.min() / _FULL_CONTRAST))


def dark_card(look: Look, corners: Points, sides: Sides) -> bool:
    """Whether something darker than its desk is a card of its own: along all four sides, on a desk bare and even."""
    if sides.cover.min() < _DARK_COVER or sides.straight.min() < _SURE or sides.contrast.min() < _FULL_CONTRAST:
        return False
    if sides.beyond.max() > _WHITEST or cv2.contourArea(corners.astype(np.float32)) < LIKELY_AREA * look.size.prod():
        return False
    _, outer = _parts(look, corners)
    return ink_beside(look, corners) <= _DARK_INK_BESIDE and _unevenness(look, outer) <= _MOST_UNEVEN


def ink_beside(look: Look, outline: Points) -> float:
    """How densely the desk is written on, over how densely the page within an outline (N x 2, pixels) is."""
    gray = cv2.cvtColor(look.colours, cv2.COLOR_RGB2GRAY)
    ink = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, np.ones((7, 7), np.uint8)) > _INK_CONTRAST
    inner, outer = _parts(look, outline)
    if not inner.any():
        return math.inf
    beside = float(ink[outer].mean()) if outer.any() else 0.0
    return beside / max(float(ink[inner].mean()), 0.01)


def _parts(look: Look, outline: Points) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What lies within an outline and what beyond, without a few pixels on either side of it."""
    page = np.zeros(look.colours.shape[:2], np.uint8)
    cv2.fillPoly(page, [np.round(outline).astype(np.int32)], 1)
    around = np.ones((9, 9), np.uint8)
    return cv2.erode(page, around) > 0, cv2.dilate(page, around) == 0


def _unevenness(look: Look, part: NDArray[np.bool_]) -> float:
    """How far the ninth tenth of a part lies from one colour that changes evenly over the picture; weighted L*a*b*."""
    if not part.any():
        return math.inf
    down, across = (axis / look.long_px for axis in np.nonzero(part))
    terms = np.column_stack([np.ones_like(across), across, down])
    colours = look.lab[part].astype(np.float64)
    off = colours - terms @ np.linalg.lstsq(terms, colours, rcond=None)[0]
    return float(np.percentile(np.sqrt((off * off).sum(axis=1)), 90))
