"""What ink looks like: how large its strokes are, on how many lines they stand, and how exactly they stand on them.

Print stands on its lines, with feet or heads, as no hand does; a signature is few strokes, and each large.
"""

from dataclasses import dataclass
from typing import Final

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
    """

    height_px: float
    pieces: int
    letters: int
    lines: int
    largest: float
    barred: float
    alike: float
    aligned: float


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
    return Strokes(
        height_px=height_px,
        pieces=int(((heights >= _PIECE_PX) & (areas >= _PIECE_PX)).sum()),
        letters=len(letters),
        lines=_lines(letters, height_px),
        largest=float(areas.max() / areas.sum()),
        barred=float(areas[boxes[:, 2:4].min(axis=1) <= _BAR * boxes[:, 2:4].max(axis=1)].sum() / areas.sum()),
        alike=_alike(letters[:, 3], height_px),
        aligned=_aligned(letters, height_px),
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
