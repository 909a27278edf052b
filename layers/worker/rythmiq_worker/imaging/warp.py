"""Geometry of whole pictures: homographies, and the lean of a page's lines. Quarter turns are decode's.

The lean is judged by where letters stand. The feet of the letters of a line lie on one straight line; projected along
the right direction they fall into few rows, and the direction in which they do so most is the lean (Baird, 1987). The
lines may run along the page or across it: which, only its text can tell (engines.layout). Where letters are few, the
slopes of strokes, rules and borders have to agree.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging.measures import Gray, shrunk

Matrix = NDArray[np.float64]

_STRIP_ROWS: Final = 256
_KERNEL_PX: Final = 3  # what a cubic filter reaches beyond a place, and a pixel for rounding


def warped(
    image: Image.Image, matrix: Matrix, size_px: tuple[int, int], fill: tuple[int, int, int] | None = None
) -> Image.Image:
    """See a picture through a homography, with a cubic filter.

    Args:
        image: RGB.
        matrix: 3 x 3, from pixels of the result to pixels of the picture.
        size_px: of the result: width, height.
        fill: what lies beyond the picture; None: its border goes on.

    Returns:
        RGB.
    """
    width_px, height_px = size_px
    canvas = Image.new("RGB", size_px)
    for top in range(0, height_px, _STRIP_ROWS):
        bottom = min(height_px, top + _STRIP_ROWS)
        left, upper, right, lower = _reach(matrix, (0, top, width_px, bottom), image.size)
        patch = np.asarray(image.crop((left, upper, right, lower)), dtype=np.uint8)
        inner = np.array([[1, 0, -left], [0, 1, -upper], [0, 0, 1]], np.float64)
        lowered = np.array([[1, 0, 0], [0, 1, top], [0, 0, 1]], np.float64)
        strip = cv2.warpPerspective(
            patch,
            inner @ matrix @ lowered,
            (width_px, bottom - top),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT,
            borderValue=fill or (0, 0, 0),
        )
        canvas.paste(Image.fromarray(strip.astype(np.uint8, copy=False)), (0, top))
    return canvas


def _reach(matrix: Matrix, box: tuple[int, int, int, int], size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the picture that a part of the result is made of; at least a pixel."""
    left, top, right, bottom = box
    corners = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float64)
    seen = cv2.perspectiveTransform(corners, matrix)[0]
    low, high = np.floor(seen.min(axis=0)) - _KERNEL_PX, np.ceil(seen.max(axis=0)) + _KERNEL_PX
    x0, y0 = (int(min(max(low[axis], 0), size_px[axis] - 1)) for axis in (0, 1))
    x1, y1 = (int(min(max(high[axis], start + 1), size_px[axis])) for axis, start in ((0, x0), (1, y0)))
    return x0, y0, x1, y1


Points = NDArray[np.float64]
Colour = tuple[int, int, int]
Shares = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of width and height."""

WHOLE: Final[Shares] = (0.0, 0.0, 1.0, 1.0)

LEAST_LEAN_DEG: Final = 0.5
MOST_LEAN_DEG: Final = 45.0
_LOOK_PX: Final = 1000
_NEAR: Final = 1.3  # a picture not larger than this is taken as it is
_COARSE_DEG: Final = 1.0
_FINE_DEG: Final = 0.1
_LEAST_LETTERS: Final = 40
_LETTER_PX: Final = (4, 48)
_LEAST_DARKNESS: Final = 0.3  # of the darkest letters', against what lies around: a guilloche has a seventh
_MOST_POINTS: Final = 2500
_ROW_SHARE: Final = 0.2  # of a letter's height: how exactly feet stand on their line
# How far the best direction stands out: from the middle one, and from any that is not next to it.
_LEAST_PEAK: Final = 1.35
_LEAST_LEAD: Final = 1.04
_CLEAR_PEAK: Final = 1.9  # so far that nothing else need confirm it
_CLEAR_LEAD: Final = 1.1  # also over no lean at all: a blurred page is as level one way as another
_APART_DEG: Final = 4.0
_SLOPE_BINS: Final = 180  # of half a degree
_LEAST_SLOPE: Final = 24.0
_LEAST_SLOPE_PEAK: Final = 3.0  # over the mean of all directions
_AGREEMENT_DEG: Final = 1.6
_UNLIKE_FILL: Final = 24
_MARGIN_SHARE: Final = 0.02
_WINDOW_PX: Final = 31
_INK_OFFSET: Final = 12


@dataclass(frozen=True, slots=True)
class Lean:
    """The lean of a page.

    Attributes:
        degrees: clockwise; turning the page back by this makes its lines level, or upright.
        letters: from how many it was measured.
        peak: how far this direction stands out, over the middle one.
    """

    degrees: float
    letters: int
    peak: float


def find_lean(thumbnail: Image.Image) -> Lean | None:
    """Find how far a page leans; None when it does not, or does not tell.

    Args:
        thumbnail: RGB, small.
    """
    gray = _gray(thumbnail)
    points, height_px = _feet(gray)
    if len(points) < _LEAST_LETTERS:
        return None
    row_px = max(1.0, _ROW_SHARE * height_px)
    coarse = np.arange(-MOST_LEAN_DEG, MOST_LEAN_DEG, _COARSE_DEG)
    scores = np.array([_gathered(points, degrees, row_px) for degrees in coarse])
    best = float(coarse[int(scores.argmax())])
    peak = float(scores.max() / max(float(np.partition(scores, scores.size // 2)[scores.size // 2]), 1e-9))
    apart = np.abs((coarse - best + 45) % 90 - 45) > _APART_DEG
    lead = float(scores.max() / max(float(scores[apart].max()), 1e-9))
    if peak < _LEAST_PEAK or lead < _LEAST_LEAD:
        return None
    degrees = _exact(points, best, row_px)
    if peak < _CLEAR_PEAK or lead < _CLEAR_LEAD:
        slope = _slope(gray)
        if slope is None or abs((slope - degrees + 45) % 90 - 45) > _AGREEMENT_DEG:
            return None
    gathered, as_it_lies = (_gathered(points, seen_along, row_px / 2) for seen_along in (degrees, 0.0))
    if gathered < _CLEAR_LEAD * as_it_lies:
        return None
    return Lean(degrees, len(points), peak) if abs(degrees) >= LEAST_LEAN_DEG else None


def _exact(points: Points, best: float, row_px: float) -> float:
    fine = best + np.arange(-_COARSE_DEG, _COARSE_DEG + _FINE_DEG / 2, _FINE_DEG)
    return float(fine[int(np.argmax([_gathered(points, degrees, row_px / 2) for degrees in fine]))])


def _slope(gray: Gray) -> float | None:
    """The lean of strokes, rules and borders, -45..45 degrees; None when they have no one direction."""
    calm = cv2.GaussianBlur(gray, (0, 0), 1.0)
    across, down = cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(across, down)
    strong = strength > 4 * _LEAST_SLOPE
    if not strong.any():
        return None
    lean = np.degrees(np.arctan2(down[strong], across[strong])) % 90
    bins = (lean * (_SLOPE_BINS / 90)).astype(np.int64) % _SLOPE_BINS
    votes = np.bincount(bins, weights=np.minimum(strength[strong], 400), minlength=_SLOPE_BINS)
    around = np.roll(votes, 1) + 2 * votes + np.roll(votes, -1)
    if around.max() < _LEAST_SLOPE_PEAK * around.mean():
        return None
    top = int(around.argmax())
    near = np.array([votes[(top + off) % _SLOPE_BINS] for off in (-2, -1, 0, 1, 2)])
    centre = (top + 0.5 + float(near @ np.arange(-2, 3)) / float(near.sum())) * 90 / _SLOPE_BINS
    return (centre + 45) % 90 - 45


def levelled(image: Image.Image, lean: Lean, fill: Colour, box: Shares = WHOLE) -> Image.Image:
    """Turn a page back by its lean; it grows by what its corners need.

    Args:
        image: RGB, full size.
        lean: of the page.
        fill: the colour of what was not in the picture.
        box: what is kept of the result.
    """
    width_px, height_px = _whole_size(lean, *image.size)
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width_px / 2, height_px / 2), -lean.degrees, 1.0)
    matrix[:2, 2] += (image.width - width_px) / 2, (image.height - height_px) / 2
    kept = np.eye(3)
    kept[:2, 2] = box[0] * width_px, box[1] * height_px
    return warped(image, matrix @ kept, levelled_size(lean, *image.size, box), fill)


def levelled_size(lean: Lean, width_px: int, height_px: int, box: Shares = WHOLE) -> tuple[int, int]:
    """Width and height of what is kept of a page that is turned back by its lean."""
    across, down = _whole_size(lean, width_px, height_px)
    return max(1, round((box[2] - box[0]) * across)), max(1, round((box[3] - box[1]) * down))


def _whole_size(lean: Lean, width_px: int, height_px: int) -> tuple[float, float]:
    cosine, sine = abs(math.cos(math.radians(lean.degrees))), abs(math.sin(math.radians(lean.degrees)))
    return width_px * cosine + height_px * sine, width_px * sine + height_px * cosine


def content_box(level: Image.Image, fill: Colour) -> Shares:
    """What of a levelled page is not the colour that its corners were filled with, and a margin.

    Args:
        level: RGB, small.
        fill: that colour.
    """
    calm = cv2.blur(np.asarray(level, dtype=np.uint8), (3, 3)).astype(np.int16)
    content = (np.abs(calm - np.array(fill, np.int16)) > _UNLIKE_FILL).any(axis=2)
    shares = []
    for axis in (0, 1):
        places = np.flatnonzero(np.any(content, axis=axis))
        if not places.size:
            return WHOLE
        shares.append((places[0] / content.shape[1 - axis], (places[-1] + 1) / content.shape[1 - axis]))
    (left, right), (top, bottom) = shares
    return (
        max(0.0, float(left) - _MARGIN_SHARE),
        max(0.0, float(top) - _MARGIN_SHARE),
        min(1.0, float(right) + _MARGIN_SHARE),
        min(1.0, float(bottom) + _MARGIN_SHARE),
    )


def border_colour(thumbnail: Image.Image) -> Colour:
    """The middle colour along a picture's border: what its corners are filled with."""
    pixels = np.asarray(thumbnail, dtype=np.uint8)
    ring = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = (int(level) for level in np.partition(ring, len(ring) // 2, axis=0)[len(ring) // 2])
    return red, green, blue


def _gray(thumbnail: Image.Image) -> Gray:
    gray = np.asarray(thumbnail.convert("L"), dtype=np.uint8)
    return shrunk(gray, _LOOK_PX) if max(gray.shape) > _NEAR * _LOOK_PX else gray


def _feet(gray: Gray) -> tuple[Points, float]:
    """The middles of what may be letters, and their height in pixels."""
    if min(gray.shape) < _WINDOW_PX:
        return np.zeros((0, 2)), 1.0
    ink = cv2.adaptiveThreshold(gray, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _WINDOW_PX, _INK_OFFSET)
    _, parts, boxes, middles = cv2.connectedComponentsWithStats(ink, connectivity=8)
    sides = boxes[:, 2:4]
    low, high = sides.min(axis=1), sides.max(axis=1)
    letters = (high >= _LETTER_PX[0]) & (high <= _LETTER_PX[1]) & (low >= 2) & (boxes[:, 4] >= 6)  # noqa: PLR2004  no specks
    letters[0] = False  # the paper
    letters &= _printed(gray, np.asarray(parts, np.int32), letters)
    chosen = middles[letters]
    if not len(chosen):
        return np.zeros((0, 2)), 1.0
    heights = high[letters]
    typical = float(np.partition(heights, len(heights) // 2)[len(heights) // 2])
    alike = (heights >= 0.5 * typical) & (heights <= 2 * typical)
    chosen = chosen[alike]
    step = max(1, -(-len(chosen) // _MOST_POINTS))
    return chosen[::step].astype(np.float64), typical


def _printed(gray: Gray, parts: NDArray[np.int32], letters: NDArray[np.bool]) -> NDArray[np.bool]:
    """Which parts of the ink are about as dark as the letters: a pattern printed below them is much fainter."""
    inked = parts > 0
    around = cv2.blur(gray, (_WINDOW_PX, _WINDOW_PX))
    fall = cv2.subtract(around, gray)[inked].astype(np.float64)
    numbers = parts[inked]
    count = len(letters)
    darkness = np.bincount(numbers, fall, count) / np.maximum(np.bincount(numbers, minlength=count), 1)
    darkest = np.sort(darkness[letters])[-_LEAST_LETTERS:]
    return darkness >= _LEAST_DARKNESS * float(darkest.min(initial=255.0))


def _gathered(points: Points, degrees: float, row_px: float) -> float:
    """How much the points fall together into rows, or columns, seen along a direction."""
    radians = math.radians(degrees)
    cosine, sine = math.cos(radians), math.sin(radians)
    best = 0.0
    for normal in ((-sine, cosine), (cosine, sine)):
        places = (points @ np.array(normal)) / row_px
        counts = np.bincount((places - places.min()).astype(np.int64))
        smooth = counts[:-1] + counts[1:] if counts.size > 1 else counts
        best = max(best, float((smooth.astype(np.float64) ** 2).sum()) / len(points))
    return best
