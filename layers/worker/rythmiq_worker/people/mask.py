"""Which pixels are the person, hair and headwear included."""

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import Face
from rythmiq_worker.people.networks import run_mask_network

_SIDE_PX = 256
_SIDE_PER_FACE = 3.4  # head and shoulders, with air around them
_BOTTOM_SHARE = 0.55  # of that square, what lies below the middle of the face


def person_mask(rgb: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Tell the person from what is behind.

    The network sees a square of real pixels about the head, never stretched; its answer is rounded to 8 bits before it
    is enlarged, which keeps documents byte-identical on other CPUs and thread counts.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: whose person it is, in this picture.

    Returns:
        H x W, uint8: 0 behind, 255 the person; 0 outside the square that was looked at.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    height_px, width_px = rgb.shape[:2]
    left, top, side = _square(face, width_px, height_px)
    right, bottom = min(width_px, left + side), min(height_px, top + side)
    inside = rgb[max(0, top) : bottom, max(0, left) : right]
    framed = cv2.copyMakeBorder(
        inside,
        max(0, -top),
        top + side - bottom,
        max(0, -left),
        left + side - right,
        cv2.BORDER_REPLICATE,
    )
    small = cv2.resize(framed, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    alpha = run_mask_network(np.asarray(small, np.float32) / np.float32(255))
    rounded = np.asarray(np.clip(np.rint(alpha * np.float32(255)), 0, 255), np.uint8)
    large = np.asarray(cv2.resize(rounded, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    mask = np.zeros((height_px, width_px), np.uint8)
    mask[max(0, top) : bottom, max(0, left) : right] = large[max(0, -top) : bottom - top, max(0, -left) : right - left]
    return mask


def _square(face: Face, width_px: int, height_px: int) -> tuple[int, int, int]:
    """Left, top and side of the square that is looked at; it lies inside the picture as far as that goes."""
    wanted = _SIDE_PER_FACE * face.box.height
    longer = max(width_px, height_px)
    side = longer if wanted >= longer else max(1, round(wanted))
    x, y = face.box.centre
    left = _placed(x - side / 2, side, width_px)
    top = _placed(y - side * (1 - _BOTTOM_SHARE), side, height_px)
    return left, top, side


def _placed(start: float, side: int, length_px: int) -> int:
    if side >= length_px:
        return -((side - length_px) // 2)
    return round(min(max(start, 0), length_px - side))
