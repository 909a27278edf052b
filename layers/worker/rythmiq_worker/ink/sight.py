"""What a picture of ink shows: a signature, a thumb impression, or something else that its owner should hear of."""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.ink.strokes import Strokes, strokes_of

Mask = NDArray[np.bool_]
InkKind = Literal["signature", "thumb"]
Finding = Literal["ink", "no_ink", "not_ink", "print", "lines"]

MOST_LINES: Final = 3
"""A name, a flourish below it and a date are three; more is writing."""
# Letters that all stand exactly on their lines are print; the fewer they are, the more of them have to.
_PRINT: Final = ((5, 0.99), (8, 0.85), (16, 0.60), (60, 0.50))
_ALIKE: Final = 0.55
_MANY_LETTERS: Final = 30
_LARGEST_IN_TEXT: Final = 0.45
_WORDS_A_LINE: Final = 2.5
_LARGEST_IN_WRITING: Final = 0.3
_MOST_PIECES: Final = 60  # a pen that fails leaves some; a page has hundreds
_DENSEST: Final = 0.4  # of the box around it
_MANY_PIECES: Final = 25
_LEAST_EXTENT: Final = 0.02  # of the long side: what is smaller is dust
_LEAST_HEIGHT: Final = 0.015  # of the long side: what is flatter is the rest of a rule or a fold
_BARRED: Final = 0.9
_ROUND: Final = 0.93  # of the ellipse in its box: a seal's or a thumb's outline, as no signature fills it
_ROUND_ASPECT: Final = (0.7, 1.4)
_CUT_STROKES: Final = 2
_CUT_SHARE: Final = 0.04  # of the ink's length along that side
_THUMB_ASPECT: Final = (0.35, 2.9)
_THUMB_EXTENT: Final = 0.06
_THUMB_FILL: Final = 0.22
_THUMB_SHARE: Final = 0.8
_THUMB_CORNERS: Final = 0.9  # of the box around it: an ellipse leaves a fifth of its corners free, a page none
_THUMB_RIDGES: Final = 4.0


@dataclass(frozen=True, slots=True)
class InkSight:
    """What is to be said of a picture of ink.

    Attributes:
        finding: what it shows.
        lines: on how many lines, one above the other, a signature's ink stands.
        cut: whether strokes go on beyond the picture.
    """

    finding: Finding
    lines: int = 0
    cut: bool = False


def judge_ink(ink: Mask, kind: InkKind) -> InkSight:
    """Judge ink that is freed of its paper.

    Args:
        ink: H x W, with ink in it.
        kind: what it should be.
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    part = np.ascontiguousarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    extent = max(part.shape) / max(ink.shape)
    if extent < _LEAST_EXTENT:
        return InkSight("no_ink")
    if kind == "thumb":
        return InkSight("ink" if extent >= _THUMB_EXTENT and _is_thumb(part) else "not_ink", lines=1)
    strokes = strokes_of(part)
    finding = _finding(part, strokes, max(ink.shape))
    if finding == "ink":
        return InkSight(finding, max(1, strokes.lines), cut=_is_cut(ink, part.shape))
    return InkSight(finding, strokes.lines if finding in {"print", "lines"} else 0)


def _finding(part: Mask, strokes: Strokes, long_side_px: int) -> Finding:
    """What ink in a signature's place is."""
    if _is_print(strokes):
        return "print"
    if strokes.height_px < _LEAST_HEIGHT * long_side_px or strokes.barred > _BARRED:
        return "no_ink"
    if strokes.lines > MOST_LINES or _is_writing(strokes):
        return "lines"
    return "not_ink" if _is_scattered(strokes) or part.mean() > _DENSEST or _is_round(part) else "ink"


def is_page(ink: Mask) -> bool:
    """Whether ink is in more pieces than a signature can be, as that of a page is."""
    return strokes_of(ink).pieces > _MOST_PIECES


def _is_print(strokes: Strokes) -> bool:
    if strokes.largest > _LARGEST_IN_TEXT:
        return False
    if strokes.letters >= _MANY_LETTERS and strokes.lines <= MOST_LINES:
        return True
    needed = [share for letters, share in _PRINT if strokes.letters >= letters]
    return bool(needed) and strokes.aligned >= needed[-1] and strokes.alike >= _ALIKE


def _is_writing(strokes: Strokes) -> bool:
    """Whether as many lines as a signature can have hold several words each."""
    return (
        strokes.lines == MOST_LINES
        and strokes.letters >= _WORDS_A_LINE * MOST_LINES
        and strokes.largest < _LARGEST_IN_WRITING
    )


def _is_scattered(strokes: Strokes) -> bool:
    """Whether the ink is in more pieces than a signature can be, or in many with none that stands out."""
    return strokes.pieces > _MOST_PIECES or (strokes.pieces > _MANY_PIECES and strokes.largest < _LARGEST_IN_WRITING)


def _is_round(part: Mask) -> bool:
    """Whether the largest piece is as round as a seal or a thumb."""
    height, width = part.shape
    outline = _largest_outline(part)
    _, _, wide, high = cv2.boundingRect(outline)
    if max(wide, high) < 0.5 * max(height, width) or not _ROUND_ASPECT[0] <= wide / high <= _ROUND_ASPECT[1]:
        return False
    return cv2.contourArea(cv2.convexHull(outline)) >= _ROUND * np.pi / 4 * wide * high and (
        cv2.contourArea(outline) >= _ROUND * cv2.contourArea(cv2.convexHull(outline))
    )


def _largest_outline(part: Mask) -> NDArray[np.int32]:
    side = max(3, round(0.04 * max(part.shape)) | 1)
    padded = np.pad(part.astype(np.uint8), side)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=cv2.contourArea), np.int32)


def _is_thumb(part: Mask) -> bool:
    """Whether the ink is one smear, as high as wide or a few times as high, and dense."""
    outline = _largest_outline(part)
    hull = cv2.convexHull(outline)
    _, _, wide, high = cv2.boundingRect(hull)
    if not _THUMB_ASPECT[0] <= wide / high <= _THUMB_ASPECT[1] or cv2.contourArea(hull) > _THUMB_CORNERS * wide * high:
        return False
    side = max(3, round(0.04 * max(part.shape)) | 1)
    area = np.zeros((part.shape[0] + 2 * side, part.shape[1] + 2 * side), np.uint8)
    cv2.fillConvexPoly(area, hull, 1)
    inside = area[side:-side, side:-side] > 0
    held = float(part[inside].sum())
    if held < _THUMB_SHARE * float(part.sum()) or held < _THUMB_FILL * float(area.sum()):
        return False
    ridges = part & inside
    return max(_runs(ridges), _runs(ridges.T)) >= _THUMB_RIDGES


def _runs(ridges: Mask) -> float:
    """How many ridges a row crosses, in the middle half of the rows."""
    middle = ridges[ridges.shape[0] // 4 : max(ridges.shape[0] // 4 + 1, 3 * ridges.shape[0] // 4)]
    return float((np.diff(np.pad(middle.astype(np.int8), ((0, 0), (1, 1))), axis=1) == 1).sum(axis=1).mean())


def _is_cut(ink: Mask, size: tuple[int, ...]) -> bool:
    """Whether several strokes end at one side of the picture; one alone may end there by itself, or graze it."""
    height, width = size
    for side, length in ((ink[0], width), (ink[-1], width), (ink[:, 0], height), (ink[:, -1], height)):
        strokes = int((np.diff(np.pad(side.astype(np.int8), 1)) == 1).sum())
        if strokes >= _CUT_STROKES and float(side.sum()) >= _CUT_SHARE * length:
            return True
    return False
