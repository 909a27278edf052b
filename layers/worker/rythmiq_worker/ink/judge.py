"""Judge what a picture of ink shows: a signature, a thumb impression, or something else.

Measured are how large the strokes are, on how many lines they lie, and how exactly they align. Print aligns with its
lines, with feet or heads, as no hand does; a signature is few strokes, and each large.
"""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Boxes = NDArray[np.int64]

# A letter's height over that which half of the ink reaches; what is lower is a dot, a dash or an underline.
_LETTER: Final = (0.45, 2.0)
_LEAST_FILL: Final = 0.05  # of the square of that height
_PIECE_PX: Final = 4
_BAR: Final = 0.06
_STRIP: Final = 2.4
_SAME_LINE: Final = 0.4  # of the lower one's height that two boxes have in common
_LINE_SHARE: Final = 0.12  # of the largest line's ink in the same strip: what holds less is no line
_STRAIGHT: Final = (0.75, 0.04)  # pixels, share of a letter's height: how exactly letters stand on a line of print
_LEAST_TO_ALIGN: Final = 3
_TO_DRAW_A_LINE: Final = 2  # these two always stand on it
_MOST_TO_ALIGN: Final = 60
_MOST_LETTERS: Final = 300
_STEEPEST: Final = 0.35
_CLEARLY: Final = 0.3
_MOST_PIECES: Final = 60  # a pen that fails leaves some; a page has hundreds
_LINES_DOWN: Final = 16  # fewer letters stand on a line down the picture by chance


@dataclass(frozen=True, slots=True)
class Strokes:
    """The strokes of some ink.

    Attributes:
        height_px: that half of the ink does not exceed: of a letter in print, of the whole in a signature.
        pieces: how many there are that are more than a speck.
        letters: how many pieces are about that high.
        lines: on how many lines they stand, one above the other.
        largest: the share of all ink that the largest piece holds.
        barred: the share of all ink that is in straight bars, across or down, as the rest of a rule or an edge is.
        alike: the share of letters that are just as high as another one.
        aligned: the share of letters whose feet, or heads, stand exactly on their line; 0 where there are too few.
        dusty: the share of all ink that is in specks, where there are more specks than a signature has pieces.
    """

    height_px: float
    pieces: int
    letters: int
    lines: int
    largest: float
    barred: float
    alike: float
    aligned: float
    dusty: float = 0.0


def strokes_of(ink: Mask) -> Strokes:
    """Measure the strokes of a mask with some ink in it, H x W; lines may lean, and run across or down."""
    stats = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)[2]
    boxes = np.asarray(stats[1:], np.int64)
    across = _read(boxes)
    turned = boxes[:, [1, 0, 3, 2, 4]]
    down = _read(turned)
    return down if down.letters >= _LINES_DOWN and down.aligned > across.aligned + _CLEARLY else across


def _read(boxes: Boxes) -> Strokes:
    heights, areas = boxes[:, 3].astype(float), boxes[:, 4].astype(float)
    order = np.argsort(heights, kind="stable")
    held = np.cumsum(areas[order]) / areas.sum()
    height_px = float(heights[order][int(np.searchsorted(held, 0.5))])
    low, high = _LETTER
    letter = (heights >= low * height_px) & (heights <= high * height_px) & (areas >= _LEAST_FILL * height_px**2)
    letters = boxes[letter]
    piece = (heights >= _PIECE_PX) & (areas >= _PIECE_PX)
    return Strokes(
        height_px=height_px,
        pieces=int(piece.sum()),
        letters=len(letters),
        lines=_lines(letters, height_px),
        largest=float(areas.max() / areas.sum()),
        barred=float(areas[boxes[:, 2:4].min(axis=1) <= _BAR * boxes[:, 2:4].max(axis=1)].sum() / areas.sum()),
        alike=_alike(letters[:, 3], height_px),
        aligned=_aligned(letters, height_px),
        dusty=float(areas[~piece].sum() / areas.sum()) if (~piece).sum() > _MOST_PIECES else 0.0,
    )


def _lines(letters: Boxes, height_px: float) -> int:
    """The most lines that stand one above the other in any strip of the picture."""
    if not len(letters):
        return 0
    width = _STRIP * height_px
    lefts, rights = letters[:, 0], letters[:, 0] + letters[:, 2]
    most = 0
    for left in np.arange(float(lefts.min()), float(rights.max()), width / 2):
        most = max(most, len(_stacked(letters[(lefts < left + width) & (rights > left)])))
    return most


def _stacked(letters: Boxes) -> list[int]:
    """The ink of each line of a strip, from the top."""
    lines: list[tuple[int, int, int]] = []
    for _, top, _, high, area in letters[np.argsort(letters[:, 1], kind="stable")].tolist():
        if lines:
            above_top, above_bottom, ink = lines[-1]
            shared = min(above_bottom, top + high) - max(above_top, top)
            if shared >= _SAME_LINE * min(above_bottom - above_top, high):
                lines[-1] = (above_top, max(above_bottom, top + high), ink + area)
                continue
        lines.append((top, top + high, area))
    heaviest = max((ink for _, _, ink in lines), default=0)
    return [ink for _, _, ink in lines if ink >= _LINE_SHARE * heaviest]


def _alike(heights: NDArray[np.int64], height_px: float) -> float:
    if len(heights) < _LEAST_TO_ALIGN:
        return 0.0
    steps = np.diff(np.sort(heights.astype(float))) <= max(_STRAIGHT[0], _STRAIGHT[1] * height_px)
    return float((np.append(steps, False) | np.insert(steps, 0, False)).mean())


def _aligned(letters: Boxes, height_px: float) -> float:
    """The share of letters that stand exactly on their lines, beyond the two that any line goes through."""
    if len(letters) > _MOST_LETTERS:  # the middle of a page tells as much as all of it
        from_middle = np.abs(letters[:, 1] - np.sort(letters[:, 1])[len(letters) // 2])
        letters = letters[np.argsort(from_middle, kind="stable")[:_MOST_LETTERS]]
    exact, all_letters = 0, 0
    tolerance = max(_STRAIGHT[0], _STRAIGHT[1] * height_px)
    for line in _rows(letters, height_px):
        if len(line) >= _LEAST_TO_ALIGN:
            line = line[:_MOST_TO_ALIGN]  # noqa: PLW2901  the rest tells nothing new
            all_letters += len(line) - _TO_DRAW_A_LINE
            middles = line[:, 0] + line[:, 2] / 2
            best = max(_on_a_line(middles, edge, tolerance) for edge in (line[:, 1] + line[:, 3], line[:, 1]))
            exact += max(0, best - _TO_DRAW_A_LINE)
    return exact / all_letters if all_letters else 0.0


def _rows(letters: Boxes, height_px: float) -> list[Boxes]:
    """Letters by line: each follows its neighbour to the left."""
    rows: list[list[NDArray[np.int64]]] = []
    for letter in letters[np.argsort(letters[:, 0], kind="stable")]:
        left, top, _, high, _ = letter.tolist()
        best, best_gap = None, 2.5 * height_px
        for row in rows:
            last_left, last_top, last_wide, last_high, _ = row[-1].tolist()
            shared = min(last_top + last_high, top + high) - max(last_top, top)
            gap = left - (last_left + last_wide)
            if shared >= _SAME_LINE * min(last_high, high) and gap < best_gap:
                best, best_gap = row, gap
        if best is None:
            rows.append([letter])
        else:
            best.append(letter)
    return [np.array(row) for row in rows]


def _on_a_line(across: NDArray[np.float64], edge: NDArray[np.int64], tolerance: float) -> int:
    """How many of the edges lie on the best straight line through two of them."""
    run = across[None, :] - across[:, None]
    far = run > 0.3 * np.ptp(across)
    if not far.any():
        return 0
    first, second = np.nonzero(far)
    slope = (edge[second] - edge[first]) / run[first, second]
    level = np.abs(slope) <= _STEEPEST
    first, slope = first[level], slope[level]
    if not first.size:
        return 0
    off = np.abs(edge[None, :] - (edge[first][:, None] + slope[:, None] * (across[None, :] - across[first][:, None])))
    return int((off <= tolerance).sum(axis=1).max())


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
_DENSEST: Final = 0.4  # of the box around it
_MANY_PIECES: Final = 25
_DUSTY: Final = 0.1  # a sensor's noise around a signature holds .04 at most; print too small to be seen, more
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
    """Whether the ink is in more pieces than a signature can be, or in many with none that stands out, or in specks."""
    many = strokes.pieces > _MANY_PIECES and strokes.largest < _LARGEST_IN_WRITING
    return strokes.pieces > _MOST_PIECES or many or strokes.dusty > _DUSTY


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
