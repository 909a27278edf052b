"""Where the page lies in a photograph, if that is certain.

Cutting a page out by wrong corners loses text, so a find has to pass every gate, and otherwise the page stays as it is
(docs/decisions.md): all along each side another thing begins, at a straight line; what lies beyond is darker or of
another colour; and nothing is written there.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image

from rythmiq_worker.pages.desk import is_surrounded
from rythmiq_worker.pages.edges import further, measure, settle
from rythmiq_worker.pages.look import Look, Points, look_at
from rythmiq_worker.pages.proposals import Outline, propose, where_sides_meet
from rythmiq_worker.pages.rim import Rim, measure_rim
from rythmiq_worker.pages.sheet import Sheet, sheet_of
from rythmiq_worker.pages.verdict import (
    LIKELY_AREA,
    MOST_INK_BESIDE,
    certain,
    dark_card,
    ink_beside,
    partly,
    plausible,
    sureness,
)

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
    """What was found out about a picture.

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


def find_page(glance: Image.Image) -> Found:
    """Find the page on its desk.

    Args:
        glance: RGB, small.
    """
    look = look_at(glance)
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
    """How far the ends of a side lie from the line through the same side of another quadrilateral."""
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
