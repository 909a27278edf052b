"""Find the page in a photograph, if that is certain.

Cutting a page out by wrong corners loses text, so a find has to pass every gate, and otherwise the page stays as it is
(docs/decisions.md): all along each side another thing begins, at a straight line; what lies beyond is darker or of
another colour; and nothing is written there.

Paper is the lightest thing on most desks. What is darker than that around it is mostly a picture on a page; a dark card
is believed only on a desk that is bare and even.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.pages import Look, Points, is_surrounded, look_at
from rythmiq_worker.pages.edges import Rim, Sides, further, measure, measure_rim, settle
from rythmiq_worker.pages.flatten import Sheet, sheet_of
from rythmiq_worker.pages.proposals import LEAST_AREA, MOST_AREA, Outline, propose, where_sides_meet

MOST_INK_BESIDE: Final = 0.25
"""Most density of ink on the desk, over that on the page."""
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
    """Confidence of one of several finds, 0 to 1."""
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
    """Density of ink on the desk over that within an outline (N x 2, pixels)."""
    gray = cv2.cvtColor(look.colours, cv2.COLOR_RGB2GRAY)
    ink = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, np.ones((7, 7), np.uint8)) > _INK_CONTRAST
    inner, outer = _parts(look, outline)
    if not inner.any():
        return math.inf
    beside = float(ink[outer].mean()) if outer.any() else 0.0
    return beside / max(float(ink[inner].mean()), 0.01)


def _parts(look: Look, outline: Points) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the inside and the outside of an outline, without a few pixels on either side of it."""
    page = np.zeros(look.colours.shape[:2], np.uint8)
    cv2.fillPoly(page, [np.round(outline).astype(np.int32)], 1)
    around = np.ones((9, 9), np.uint8)
    return cv2.erode(page, around) > 0, cv2.dilate(page, around) == 0


def _unevenness(look: Look, part: NDArray[np.bool_]) -> float:
    """How uneven the desk or the page is: 90th percentile distance from a linear gradient; weighted L*a*b*."""
    if not part.any():
        return math.inf
    down, across = (axis / look.long_px for axis in np.nonzero(part))
    terms = np.column_stack([np.ones_like(across), across, down])
    colours = look.lab[part].astype(np.float64)
    off = colours - terms @ np.linalg.lstsq(terms, colours, rcond=None)[0]
    return float(np.percentile(np.sqrt((off * off).sum(axis=1)), 90))


_LEAST_SIDE_PX: Final = 60
_ALIKE_PX: Final = 0.012  # of the long side: proposals whose corners are so near are one
_BEYOND_DOUBT: Final = 0.9
_LARGER: Final = 0.98  # over its area, that another must have to be worth a look then
_SAME_SIDE: Final = 0.012  # of the long side
# The outline of a page that does not lie flat.
_RIM_FILLED: Final = 0.88
_RIM_COVER: Final = 0.88
_RIM_WORST: Final = 0.5
_LIKELY_COVER: Final = 0.75  # of an outline that may be a page's


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search for the page.

    Attributes:
        sheet: the page, when its four corners are certain.
        rim: N x 2, shares: the outline of a page whose sides are no straight lines; None when there is a sheet.
        rim_cover: the share of that outline along which it was seen.
        likely: whether there may well be a page with something else around it, certain or not.
    """

    sheet: Sheet | None = None
    rim: Points | None = None
    rim_cover: float = 0.0
    likely: bool = False


def find_page(thumbnail: Image.Image) -> Found:
    """Find the page on its desk.

    Args:
        thumbnail: RGB, small.
    """
    look = look_at(thumbnail)
    if min(look.size) < _LEAST_SIDE_PX:
        return Found()
    search = _Search(look)
    outlines: list[Outline] = []
    for outline in propose(look):
        outlines.append(outline)
        search.judge(outline.corners)
    if not search.certain:  # then a finger may lie over a corner
        for outline in outlines:
            search.judge(where_sides_meet(outline))
    for _ in range(2 if search.certain else 0):  # a card may have a band at its head and one at its foot
        for corners in further(look, search.chosen()):
            search.judge(corners, near=True)
    if search.certain or search.dark:
        width, height = (float(side) for side in look.size)
        return Found(sheet_of(look.shares(search.chosen()), width, height), likely=True)
    found = _found_rim(look, outlines)
    return found if found.likely else Found(likely=search.partly or is_surrounded(look))


class _Search:
    """Judges corners one after another.

    Attributes:
        certain: sureness, area and corners of those that passed every gate.
        dark: the same of cards that are darker than their desk, which count only where nothing else is certain.
        partly: whether some looked like a page of which a part was seen.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._tried: list[Points] = []
        self.certain: list[tuple[float, float, Points]] = []
        self.dark: list[tuple[float, float, Points]] = []
        self.partly = False

    def judge(self, coarse: Points | None, *, near: bool = False) -> None:
        """Judge corners (4 x 2, pixels) unless they are those of before, or smaller than what is beyond doubt."""
        look = self._look
        if coarse is None or (not near and self._known(coarse)):
            return
        if any(sure >= _BEYOND_DOUBT and _area(coarse) < _LARGER * area for sure, area, _ in self.certain):
            return
        self._tried.append(coarse)
        corners = settle(look, coarse, near=near)
        if corners is None or not plausible(corners, look):
            return
        sides = measure(look, corners)
        if certain(sides) and ink_beside(look, corners) <= MOST_INK_BESIDE:
            self.certain.append((sureness(sides), _area(corners), corners))
        elif dark_card(look, corners, sides):
            self.dark.append((sureness(sides), _area(corners), corners))
        self.partly = self.partly or partly(sides)

    def _known(self, coarse: Points) -> bool:
        return any(np.abs(coarse - other).max() < _ALIKE_PX * self._look.long_px for other in self._tried)

    def chosen(self) -> Points:
        """The surest; or one that goes on beyond it between the same two sides, as a card does with a coloured band."""
        found = self.certain or self.dark
        _, best_area, best = max(found, key=lambda each: each[0])
        for _, area, other in sorted(found, key=lambda each: each[1]):
            off = [_off_line(other, side, best) for side in range(4)]
            if area > best_area and sum(far < _SAME_SIDE * self._look.long_px for far in off) >= 2:  # noqa: PLR2004  of four sides
                best, best_area = other, area
        return best


def _area(corners: Points) -> float:
    return float(cv2.contourArea(corners.astype(np.float32)))


def _off_line(corners: Points, side: int, other: Points) -> float:
    """Distance of a side's ends from the line through the same side of another quadrilateral."""
    start, end = corners[side], corners[(side + 1) % 4]
    along = (end - start) / max(1e-6, float(np.hypot(*(end - start))))
    off = (other[[side, (side + 1) % 4]] - start) @ np.array([-along[1], along[0]])
    return float(np.abs(off).max())


def _found_rim(look: Look, outlines: list[Outline]) -> Found:
    """The best outline that is lighter than its desk along all of it, though its sides are no straight lines."""
    best: tuple[float, Rim] | None = None
    likely = False
    for outline in sorted(outlines, key=lambda each: -each.area):
        if outline.filled < _RIM_FILLED:
            continue
        rim = measure_rim(look, outline.points)
        likely = likely or (rim.cover >= _LIKELY_COVER and outline.area >= LIKELY_AREA)
        if rim.cover < _RIM_COVER or rim.worst < _RIM_WORST:
            continue
        worth = rim.cover * outline.area**0.25
        if (best is None or worth > best[0]) and ink_beside(look, rim.points) <= MOST_INK_BESIDE:
            best = worth, rim
    if best is None:
        return Found(likely=likely)
    return Found(rim=look.shares(best[1].points), rim_cover=best[1].cover, likely=True)
