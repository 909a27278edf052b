"""Finds lines of text: the PP-OCR detector's probability map, and oriented boxes around what is probable.

The post-processing is that of Differentiable Binarization (Liao et al., 2020): threshold, contour, smallest rectangle,
mean probability inside it, then grown by area x ratio / perimeter, because the network is taught shrunken text.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rythmiq_worker.engines.line_shape import course_of, may_bend, several

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cv2.typing import MatLike
    from numpy.typing import NDArray

    from rythmiq_worker.engines.models import AnyNetwork

STRIDE_PX = 32
MIN_SHORT_SIDE_PX = 736  # a smaller picture is enlarged to this, as the network was taught on larger letters
MAX_TILE_PIXELS = 1280 * 960  # what the first look at a 4:3 photo takes: memory never grows beyond it
TILE_MARGIN_PX = 48
PIXEL_THRESHOLD = 0.3
BOX_THRESHOLD = 0.5
SPLIT_THRESHOLD = 0.6
UNCLIP_RATIO = 1.6
MIN_SIDE_PX = 3
MAX_BOXES = 1000


@dataclass(frozen=True, slots=True)
class Detection:
    """What one look found.

    Attributes:
        quads: N x 4 x 2, float32: corners in pixels of the picture, clockwise from top left.
        heights_px: N, float32: heights of the text's core in pixels of the detector's input, before growing.
        scale: pixels of the detector's input per pixel of the picture.
        courses: by the number of its box, where a bent line runs: STATIONS x 2 x 2, float32, as in `Course.edges`.
    """

    quads: "NDArray[np.float32]"
    heights_px: "NDArray[np.float32]"
    scale: float
    courses: "Mapping[int, NDArray[np.float32]]" = field(default_factory=dict)

    @property
    def places(self) -> "list[NDArray[np.float32]]":
        """Where each line is to be read: its course where it bends, else its box."""
        return [self.courses.get(box, quad) for box, quad in enumerate(self.quads)]


def detector_scale(width_px: int, height_px: int, long_side_px: int) -> float:
    """How much the picture is scaled for the detector: shrunk to the bound, a small one enlarged within it."""
    return min(long_side_px / max(width_px, height_px), max(1.0, MIN_SHORT_SIDE_PX / min(width_px, height_px)))


def on_stride(length_px: float) -> int:
    """The nearest length that the network takes."""
    return max(STRIDE_PX, round(length_px / STRIDE_PX) * STRIDE_PX)


def tiles(width_px: int, height_px: int) -> "Iterator[tuple[int, int, int, int]]":
    """Cut a detector input into equal horizontal strips that overlap, each within MAX_TILE_PIXELS.

    Strips, not squares, so that no line of an upright page is cut in two along its length.

    Yields:
        (first row of the strip, its end, first row of what it answers for, end of that); the latter partition the rows.
    """
    count = 1
    strip_px = height_px
    while strip_px * width_px > MAX_TILE_PIXELS and strip_px > 4 * TILE_MARGIN_PX:
        count += 1
        core_px = math.ceil(height_px / count)
        strip_px = min(height_px, math.ceil((core_px + 2 * TILE_MARGIN_PX) / STRIDE_PX) * STRIDE_PX)
    for index in range(count):
        core_start, core_end = index * height_px // count, (index + 1) * height_px // count
        start = min(max(core_start - TILE_MARGIN_PX, 0), height_px - strip_px)
        yield start, start + strip_px, core_start, core_end


def probability_map(
    network: "AnyNetwork", pixels: "NDArray[np.uint8]", rows: "NDArray[np.bool] | None" = None
) -> "NDArray[np.float32]":
    """How probable text is at each pixel.

    Args:
        network: the detector.
        pixels: H x W x 3, uint8, RGB; both sides multiples of 32.
        rows: H, bool: where text is expected. A strip without any is left blank: on plain paper the network, whose
            layers look at all that it is given, sees text everywhere. None: look at all of it.

    Returns:
        H x W, float32, 0..1.
    """
    height_px, width_px = pixels.shape[:2]
    found = np.zeros((height_px, width_px), np.float32)
    for start, end, core_start, core_end in tiles(width_px, height_px):
        if rows is not None and not rows[core_start:core_end].any():
            continue
        batch = np.empty((1, 3, end - start, width_px), np.float32)
        batch[0] = pixels[start:end, :, ::-1].transpose(2, 0, 1)  # the network is taught BGR
        batch *= 2 / 255
        batch -= 1
        found[core_start:core_end] = network.run(batch)[0, 0, core_start - start : core_end - start]
    return found


def boxes_of(
    probability: "NDArray[np.float32]",
) -> "tuple[NDArray[np.float32], NDArray[np.float32], dict[int, NDArray[np.float32]]]":
    """Oriented boxes around what is probably text, and the courses of lines that bend.

    Args:
        probability: H x W, float32, 0..1.

    Returns:
        Corners N x 4 x 2, float32, clockwise from top left, in pixels of the map; the N heights before growing; and by
        its number the course of each box that bends.
    """
    mask = cv2.dilate((probability > PIXEL_THRESHOLD).astype(np.uint8), np.ones((2, 2), np.uint8))
    quads: list[NDArray[np.float32]] = []
    heights: list[float] = []
    courses: dict[int, NDArray[np.float32]] = {}
    for contour in (part for whole in _outlines(mask) for part in _apart(probability, whole)):
        centre, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < MIN_SIDE_PX:
            continue
        course = course_of(contour, UNCLIP_RATIO) if may_bend(contour, width, height) else None
        if course is not None and _mean_inside(probability, contour.reshape(-1, 2)) >= BOX_THRESHOLD:
            courses[len(quads)] = course.edges
            quads.append(course.quad)
            heights.append(course.height_px)
            continue
        core = cv2.boxPoints((centre, (width, height), angle)).astype(np.float32)
        if _mean_inside(probability, core) < BOX_THRESHOLD:
            continue
        grown = width * height * UNCLIP_RATIO / (width + height)  # twice the distance: it grows at both ends
        corners = cv2.boxPoints((centre, (width + grown, height + grown), angle))
        quads.append(clockwise(corners.astype(np.float32)))
        heights.append(min(width, height))
    return np.array(quads, np.float32).reshape(-1, 4, 2), np.array(heights, np.float32), courses


def _outlines(mask: "MatLike") -> "list[MatLike]":
    """The outlines of what stands together, the largest first, and not too many."""
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    long_enough = [contour for contour in contours if max(cv2.boundingRect(contour)[2:]) >= MIN_SIDE_PX]
    return sorted(long_enough, key=_extent, reverse=True)[:MAX_BOXES]


def _apart(probability: "NDArray[np.float32]", contour: "MatLike") -> "Sequence[MatLike]":
    """The lines of an outline that holds several, which touch where the network doubts; else the outline itself."""
    _, (width, height), _ = cv2.minAreaRect(contour)
    if not may_bend(contour, width, height) or not several(contour):
        return (contour,)
    left, top, width_px, height_px = cv2.boundingRect(contour)
    inside = np.zeros((height_px, width_px), np.uint8)
    cv2.drawContours(inside, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    inside &= probability[top : top + height_px, left : left + width_px] > SPLIT_THRESHOLD
    parts = _outlines(inside)
    return [part + np.array([left, top], part.dtype) for part in parts]


def clockwise(corners: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Order four corners: top left, top right, bottom right, bottom left. Two are left, two are right."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


def _extent(contour: "MatLike") -> int:
    """Half the girth of what surrounds it: of too many, the large ones are text and the small ones dots."""
    _, _, width_px, height_px = cv2.boundingRect(contour)
    return width_px + height_px


def _mean_inside(probability: "NDArray[np.float32]", corners: "MatLike") -> float:
    height_px, width_px = probability.shape
    limit = np.array([width_px - 1, height_px - 1])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, limit)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, limit)
    inside = np.zeros((high[1] - low[1] + 1, high[0] - low[0] + 1), np.uint8)
    cv2.fillPoly(inside, [(corners - low).astype(np.int32)], 1)
    return cv2.mean(probability[low[1] : high[1] + 1, low[0] : high[0] + 1], inside)[0]


def detect(
    network: "AnyNetwork", image: "NDArray[np.uint8]", long_side_px: int, near: "NDArray[np.float32] | None" = None
) -> Detection:
    """Look for lines of text once.

    Args:
        network: the detector.
        image: H x W x 3, uint8, RGB.
        long_side_px: the bound of the detector's input; a smaller picture is enlarged only to MIN_SHORT_SIDE_PX.
        near: N x 4 x 2: boxes of an earlier look; strips of the picture without any are not looked at again.
    """
    height_px, width_px = image.shape[:2]
    scale = detector_scale(width_px, height_px, long_side_px)
    size = on_stride(width_px * scale), on_stride(height_px * scale)
    shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    rows = None if near is None else _rows_of(near * (size[1] / height_px), size[1])
    quads, heights_px, courses = boxes_of(probability_map(network, shrunk.astype(np.uint8, copy=False), rows))
    factor, most = (
        np.array([width_px / size[0], height_px / size[1]], np.float32),
        np.array([width_px, height_px], np.float32),
    )
    quads = np.clip(quads * factor, 0, most)
    return Detection(
        quads, heights_px, scale, {box: np.clip(edges * factor, 0, most) for box, edges in courses.items()}
    )


def _rows_of(quads: "NDArray[np.float32]", height_px: int) -> "NDArray[np.bool]":
    """The rows of a detector input that boxes of an earlier look reach, with a margin for what that look missed."""
    rows = np.zeros(height_px, np.bool)
    for top, bottom in zip(quads[:, :, 1].min(axis=1), quads[:, :, 1].max(axis=1), strict=True):
        rows[max(0, int(top) - TILE_MARGIN_PX) : int(bottom) + TILE_MARGIN_PX] = True
    return rows
