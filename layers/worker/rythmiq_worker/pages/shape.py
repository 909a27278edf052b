"""What is to be done so that a page is seen flat and alone: its four corners, its bend, or nothing.

Only what a camera saw can be bent. A page is unbent only where its rows of print or its outline prove a bend, and only
when the rows are straighter after.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np

from rythmiq_worker.pages.desk import is_drawn
from rythmiq_worker.pages.find import Found, find_page
from rythmiq_worker.pages.rows import Rows, rows_of
from rythmiq_worker.pages.sheet import WHOLE, Sheet, flattened
from rythmiq_worker.pages.unbend import Grid, find_grid, unbent

if TYPE_CHECKING:
    from PIL import Image

    from rythmiq_worker.pages.look import Points

_LEAST_AGREEMENT: Final = 0.9  # of the outline that the network sees with the one that the edges show
_BENT_SAG: Final = 0.4
_FEWEST_ROWS: Final = 8
_FEWEST_LETTERS: Final = 200
_LEAST_LIKENESS: Final = 0.5
_LESS: Final = 0.6  # what of the sag and the fan may be left
_KEPT_LETTERS: Final = 0.8
_STRAIGHT_SAG: Final = 0.35
_STRAIGHT_FAN_DEG: Final = 3.5
_SURE_COVER: Final = 0.95  # of an outline within which there is no print to judge by
_JUDGED_ROWS: Final = 5
_JUDGED_LETTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Shape:
    """How a page lies.

    Attributes:
        sheet: its corners; None where they are not known, or its outline is no quadrilateral.
        grid: its bend, in the flattened sheet where there is one, else in the picture.
        missed: whether there may well be a page with something else around it that could not be told apart.
    """

    sheet: Sheet | None = None
    grid: Grid | None = None
    missed: bool = False

    @property
    def by(self) -> Literal["edges", "unwarp", "whole"]:
        """What told where the page is."""
        if self.grid is not None:
            return "unwarp"
        return "whole" if self.sheet is None else "edges"

    @property
    def corners(self) -> "Points":
        """4 x 2, shares of the picture: the page's, clockwise from its top left."""
        if self.sheet is not None:
            return self.sheet.corners
        return WHOLE if self.grid is None else self.grid.corners

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The page's, for a picture of this size."""
        size = (width_px, height_px)
        if self.sheet is not None:
            size = self.sheet.size_px(*size)
        return size if self.grid is None else self.grid.size_px(*size)

    def applied(self, image: "Image.Image") -> "Image.Image":
        """The page alone and flat, from the picture at any size."""
        if self.sheet is not None:
            image = flattened(image, self.sheet)
        return image if self.grid is None else unbent(image, self.grid)


def find_shape(glance: "Image.Image") -> Shape:
    """Find out how the page in a picture lies.

    Args:
        glance: RGB, small.

    Raises:
        ModelsMissingError: the page looks bent, and the network is not installed.
    """
    found = find_page(glance)
    if found.sheet is not None:
        return bent_sheet(glance, found.sheet)
    if is_drawn(glance):
        return Shape()  # nothing lies around a page that no camera saw, and it is not bent
    if found.rim is not None:
        grid = _within(glance, found)
        if grid is not None:
            return Shape(grid=grid)
    grid = _bent(glance)
    return Shape(grid=grid, missed=grid is None and found.likely)


def bent_sheet(glance: "Image.Image", sheet: Sheet) -> Shape:
    """A sheet of which the corners are known, and its bend if its print shows one."""
    return Shape(sheet, _bent(flattened(glance, sheet)))


def _bent(page: "Image.Image") -> Grid | None:
    """How a page is bent that fills the picture, if its rows show that and lie straighter after."""
    before = rows_of(page)
    if before.sag < _BENT_SAG or before.count < _FEWEST_ROWS or before.letters < _FEWEST_LETTERS:
        return None
    if before.likeness < _LEAST_LIKENESS:
        return None  # a pattern behind the print, or noise
    grid = find_grid(page)
    after = rows_of(unbent(page, grid))
    better = after.sag <= _LESS * before.sag and after.fan_deg <= max(_STRAIGHT_FAN_DEG, _LESS * before.fan_deg)
    return grid if better and after.letters >= _KEPT_LETTERS * before.letters else None


def _within(glance: "Image.Image", found: Found) -> Grid | None:
    """How a page is bent of which the outline is known, if the network sees it too and it helps."""
    if found.rim is None:
        return None
    (left, top), (right, bottom) = found.rim.min(axis=0), found.rim.max(axis=0)
    grid = find_grid(glance, (float(left), float(top), float(right), float(bottom)))
    if _overlap(grid.outline, found.rim) < _LEAST_AGREEMENT:
        return None
    before, after = rows_of(glance), rows_of(unbent(glance, grid))
    if before.count < _JUDGED_ROWS or before.letters < _JUDGED_LETTERS:
        return grid if found.rim_cover >= _SURE_COVER else None
    return grid if _no_worse(before, after) else None


def _no_worse(before: Rows, after: Rows) -> bool:
    return (
        after.letters >= _KEPT_LETTERS * before.letters
        and after.sag <= max(_STRAIGHT_SAG, before.sag)
        and after.fan_deg <= max(_STRAIGHT_FAN_DEG, before.fan_deg)
    )


def _overlap(one: "Points", other: "Points") -> float:
    """What two outlines share, over what either has."""
    masks = []
    for outline in (one, other):
        mask = np.zeros((400, 400), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 400).astype(np.int32)], 1)
        masks.append(mask > 0)
    either = float((masks[0] | masks[1]).sum())
    return float((masks[0] & masks[1]).sum()) / max(either, 1.0)
