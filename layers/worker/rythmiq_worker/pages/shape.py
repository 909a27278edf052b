"""Decide how a page is made flat and alone: by its four corners, its bend, or not at all.

Only what a camera saw can be bent. A page is unbent only where its rows of print or its outline prove a bend, and only
when the rows are straighter after.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging.measures import Gray, shrunk
from rythmiq_worker.pages import is_drawn
from rythmiq_worker.pages.find import Found, find_page
from rythmiq_worker.pages.flatten import WHOLE, Grid, Sheet, find_grid, flattened, unbent

if TYPE_CHECKING:
    from rythmiq_worker.pages import Points

Values = NDArray[np.float64]

_LOOK_PX: Final = 1000
_NEAR: Final = 1.3  # a picture not larger than this is taken as it is
_WINDOW_PX: Final = 31
_INK_OFFSET: Final = 12
_LETTER_PX: Final = (4, 48)
_LEAST_STROKE_PX: Final = 2
_LEAST_INK_PX: Final = 6
_FEWEST: Final = 20
_ALIKE: Final = (0.45, 2.2)  # of the middle letter's height
_WORD: Final = 6  # heights: letters that touch each other
_BRIDGE: Final = 2.2  # heights: how far the next letter of a row may be
_LEAST_LETTERS: Final = 8  # of a row
_LEAST_LENGTH: Final = 10  # heights
_MOST_ROWS: Final = 40  # of the longest, which are enough to judge a page by
_OFF_ROW: Final = 0.35  # heights, by which a letter may stand off its row


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of print of a page.

    Attributes:
        letters: how many letters stand in rows long enough to be judged.
        count: how many such rows there are.
        sag: how far the middle of a row stands from the line between its ends, in heights of a letter; the upper
            quartile of the rows.
        likeness: how much rows that follow each other are bent alike: 1 when all the same, below 0.5 by chance.
        fan_deg: how much the rows' directions differ, from the first to the ninth tenth of the letters.
    """

    letters: int = 0
    count: int = 0
    sag: float = 0.0
    fan_deg: float = 0.0
    likeness: float = 0.0


def rows_of(page: Image.Image) -> Rows:
    """Measure the rows of print, which may lean by 15 degrees.

    Args:
        page: RGB; a small copy is enough.
    """
    gray = np.asarray(page.convert("L"), np.uint8)
    gray = shrunk(gray, _LOOK_PX) if max(gray.shape) > _NEAR * _LOOK_PX else gray
    if min(gray.shape) < _WINDOW_PX:
        return Rows()
    ink, labels, boxes, middles = _components(gray)
    height = float(np.median(boxes[ink, 3])) if ink.sum() >= _FEWEST else 0.0
    ink &= (boxes[:, 3] >= _ALIKE[0] * height) & (boxes[:, 3] <= _ALIKE[1] * height) & (boxes[:, 2] <= _WORD * height)
    if ink.sum() < _FEWEST:
        return Rows()
    bridge = np.ones((1, max(3, round(_BRIDGE * height) | 1)), np.uint8)
    _, joined = cv2.connectedComponents(cv2.dilate(ink[labels].astype(np.uint8), bridge), connectivity=4)
    points = middles[ink]
    down, across = np.round(points[:, ::-1]).astype(int).T
    row = joined[down, across]
    order = np.argsort(row, kind="stable")
    points, row = points[order], row[order]
    starts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
    chains = [points[start:end] for start, end in pairwise(starts) if row[start] and end - start >= _LEAST_LETTERS]
    chains = [chain for chain in chains if np.ptp(chain[:, 0]) >= _LEAST_LENGTH * height]
    return _measured(chains, height)


def _components(gray: Gray) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32], Values]:
    """Candidate letters: whether each component is one, each pixel's component, boxes, middles."""
    ink = cv2.adaptiveThreshold(gray, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _WINDOW_PX, _INK_OFFSET)
    _, labels, boxes, middles = cv2.connectedComponentsWithStats(ink, connectivity=8)
    low, high = boxes[:, 2:4].min(axis=1), boxes[:, 2:4].max(axis=1)
    letters = (high >= _LETTER_PX[0]) & (high <= _LETTER_PX[1]) & (low >= _LEAST_STROKE_PX)
    letters &= boxes[:, 4] >= _LEAST_INK_PX
    letters[0] = False  # the paper
    return letters, np.asarray(labels, np.int32), np.asarray(boxes, np.int32), np.asarray(middles, np.float64)


def _measured(chains: list[Values], height: float) -> Rows:
    """The longest chains of letters, each taken for a parabola."""
    sags: list[tuple[float, float]] = []  # where the row stands, and how it is bent
    slopes: list[float] = []
    weights: list[float] = []
    letters = sum(len(chain) for chain in chains)
    for chain in sorted(chains, key=len, reverse=True)[:_MOST_ROWS]:
        half = float(np.ptp(chain[:, 0])) / 2
        along, down = (chain[:, 0] - chain[:, 0].mean()) / half, chain[:, 1]
        off = np.abs(down - np.polyval(np.polyfit(along, down, 2), along))
        kept = off <= max(_OFF_ROW * height, 1.5 * float(np.median(off)))
        if kept.sum() < _LEAST_LETTERS:
            continue
        curve, slope, _ = (float(term) for term in np.polyfit(along[kept], down[kept], 2))
        sags.append((float(down.mean()), curve / height))
        for place in (-0.7, 0.0, 0.7):
            slopes.append(float(np.degrees(np.arctan((slope + 2 * curve * place) / half))))
            weights.append(float(kept.sum()))
    if not sags:
        return Rows()
    ranked = np.argsort(slopes)
    shares = np.cumsum(np.array(weights)[ranked]) / sum(weights)
    first, ninth = (slopes[int(ranked[int(np.searchsorted(shares, share))])] for share in (0.1, 0.9))
    bends = np.array([bend for _, bend in sorted(sags)])
    change = float(np.abs(np.diff(bends)).mean()) if bends.size > 1 else 0.0
    likeness = 1 - change / max(2 * float(np.abs(bends).mean()), 1e-6)
    return Rows(letters, len(chains), float(np.percentile(np.abs(bends), 75)), ninth - first, likeness)


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
    """The shape of a page in its picture.

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
        """The evidence by which the page was found."""
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


def find_shape(thumbnail: "Image.Image") -> Shape:
    """Find out how the page in a picture lies.

    Args:
        thumbnail: RGB, small.

    Raises:
        ModelsMissingError: the page looks bent, and the network is not installed.
    """
    found = find_page(thumbnail)
    if found.sheet is not None:
        return bent_sheet(thumbnail, found.sheet)
    if is_drawn(thumbnail):
        return Shape()  # nothing lies around a page that no camera saw, and it is not bent
    if found.rim is not None:
        grid = _within(thumbnail, found)
        if grid is not None:
            return Shape(grid=grid)
    grid = _bent(thumbnail)
    return Shape(grid=grid, missed=grid is None and found.likely)


def bent_sheet(thumbnail: "Image.Image", sheet: Sheet) -> Shape:
    """A sheet of which the corners are known, and its bend if its print shows one."""
    return Shape(sheet, _bent(flattened(thumbnail, sheet)))


def _bent(page: "Image.Image") -> Grid | None:
    """Bend of a page that fills the picture, if its rows show it and lie straighter after."""
    before = rows_of(page)
    if before.sag < _BENT_SAG or before.count < _FEWEST_ROWS or before.letters < _FEWEST_LETTERS:
        return None
    if before.likeness < _LEAST_LIKENESS:
        return None  # a pattern behind the print, or noise
    grid = find_grid(page)
    after = rows_of(unbent(page, grid))
    better = after.sag <= _LESS * before.sag and after.fan_deg <= max(_STRAIGHT_FAN_DEG, _LESS * before.fan_deg)
    return grid if better and after.letters >= _KEPT_LETTERS * before.letters else None


def _within(thumbnail: "Image.Image", found: Found) -> Grid | None:
    """Bend of a page whose outline is known, if the network agrees and it helps."""
    if found.rim is None:
        return None
    (left, top), (right, bottom) = found.rim.min(axis=0), found.rim.max(axis=0)
    grid = find_grid(thumbnail, (float(left), float(top), float(right), float(bottom)))
    if _overlap(grid.outline, found.rim) < _LEAST_AGREEMENT:
        return None
    before, after = rows_of(thumbnail), rows_of(unbent(thumbnail, grid))
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
    """Intersection over union of two outlines."""
    masks = []
    for outline in (one, other):
        mask = np.zeros((400, 400), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 400).astype(np.int32)], 1)
        masks.append(mask > 0)
    either = float((masks[0] | masks[1]).sum())
    return float((masks[0] & masks[1]).sum()) / max(either, 1.0)
