"""The parts of a mask of dark things: ink, specks, frames and what lies outside them, and what reaches in."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# A speck holds less than this share of all ink; only what holds more pulls the box.
_SPECK_SHARE: Final = 0.004
_SPECK_PX: Final = 6
_SOLID: Final = 0.5
_RIM_SHARE: Final = 0.04
_LEANING: Final = 0.5
# A stroke meets the border in a few places; a desk, a finger or a neighbouring sheet lies along it.
_ALONG_BORDER: Final = 0.15
# A frame is a piece with a hole nearly as large as the picture, and the hole is a rectangle, as no loop of a pen is.
_FRAME: Final = 0.4
_FRAME_FILL: Final = 0.9


def unframed(mask: Mask) -> Mask:
    """Leave out a frame around the ink, as a printed box or the edge of the sheet, and what lies outside it."""
    if not mask.any():
        return mask
    contours, levels = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    height, width = mask.shape
    for contour, (_, _, _, outside) in zip(contours, levels[0].tolist(), strict=True):
        _, _, wide, high = cv2.boundingRect(contour)
        is_hole = outside >= 0
        if not is_hole or wide < _FRAME * width or high < _FRAME * height:
            continue
        _, (one, other), _ = cv2.minAreaRect(contour)
        if cv2.contourArea(contour) < _FRAME_FILL * one * other:
            continue
        inside = np.zeros(mask.shape, np.uint8)
        cv2.drawContours(inside, [contour], -1, 1, cv2.FILLED)
        framed = mask & (cv2.erode(inside, np.ones((5, 5), np.uint8)) > 0)
        if framed.any():
            return framed
    return mask


def sorted_ink(mask: Mask) -> tuple[Mask | None, Mask | None]:
    """Leave out specks, and dark things that reach in over the border.

    Returns:
        the ink, and the dark things; None each where there is none.
    """
    height, width = mask.shape
    join = max(3, round(0.015 * max(mask.shape)) | 1)
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((join, join), np.uint8))
    count, found, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    labels = np.asarray(found, np.int32)
    weights = np.bincount(labels[mask], minlength=count)
    weights[0] = 0
    across, down = _along_border(np.where(mask, labels, 0), count)
    wide, high, area = stats[:, 2], stats[:, 3], stats[:, 4]
    rim = (wide / width < _RIM_SHARE) | (high / height < _RIM_SHARE)
    solid = area > _SOLID * wide * high
    leaning = (across >= _LEANING * wide) | (down >= _LEANING * high)
    intruder = (across > _ALONG_BORDER * width) | (down > _ALONG_BORDER * height) | (leaning & (rim | solid))
    least = max(_SPECK_PX, _SPECK_SHARE * float(weights[~intruder].sum()))
    kept = ~intruder & (weights >= least)
    kept[0] = False
    foreign = intruder & (weights >= least)
    foreign[0] = False
    return (kept[labels] & mask if kept.any() else None), (foreign[labels] & mask if foreign.any() else None)


def _along_border(labels: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Along how many pixels of the picture's top or bottom, and of its left or right, each piece lies."""
    top, bottom, left, right = (
        np.bincount(side, minlength=count) for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    )
    return np.maximum(top, bottom), np.maximum(left, right)
