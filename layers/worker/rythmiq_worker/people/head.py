"""Segment a person, and measure the head with hair, turban or bun, from crown to chin."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people import run_network
from rythmiq_worker.people.face import CHIN, FOREHEAD, LEFT_EYE, RIGHT_EYE, Face

MASK_FILE = "selfie_segmentation.tflite"
_SIDE_PX = 256
_SIDE_PER_FACE = 3.4  # head and shoulders, with air around them
_BOTTOM_SHARE = 0.55  # of that square, what lies below the middle of the face


def person_mask(rgb: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """Separate the person from the background.

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


def run_mask_network(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tell the person from what is behind.

    Args:
        pixels: 256 x 256 x 3, float32, RGB, 0 to 1.

    Returns:
        256 x 256, float32: 0 behind, 1 the person.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    return run_network(MASK_FILE, pixels, ("activation_10",))[0].reshape(256, 256)


def mask_bottom(face: Face, width_px: int, height_px: int) -> int:
    """The row from which on `person_mask` did not look, though the person goes on; the picture's height if it saw all.

    Args:
        face: whose person it is.
        width_px: of the picture.
        height_px: of the picture.
    """
    _, top, side = _square(face, width_px, height_px)
    return min(height_px, top + side)


def _square(face: Face, width_px: int, height_px: int) -> tuple[int, int, int]:
    """Left, top and side of the square that is looked at; it lies inside the picture as far as possible."""
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


_PERSON = 128
# The crown is the highest row, without a gap from the forehead up, of which so much is person; shares of the width of
# the face's box. It is looked for this far to either side of the face's middle: a hand or a head beside it is not seen.
_CROWN_REACH, _CROWN_WIDTH = 0.5, 0.25
# Hair ends .06 to .38 of the box's height above it, hats and turbans up to .62. What goes on higher is another person
# or the wall, and the crown is then where high hair would end.
_MOST_ABOVE, _HIGH_HAIR = 0.8, 0.35
_SIDES_REACH = 1.25
_MOUTH = 13
_TOUCHES = 0.01  # of the box's height: the mask's own noise


class Head(NamedTuple):
    """A head in a picture in which it is nearly level; pixels.

    Attributes:
        crown_y: the top of hair or headwear; 0 where the picture's upper edge cuts it.
        chin_y: the lowest point of the chin, beard not counted; it may lie below the picture.
        left_x: where hair or headwear ends on the picture's left, down to the mouth.
        right_x: the same on its right.
        eye_y: of the line through the eyes.
        centre_x: of the face.
        cut_at_top: whether hair or headwear reaches the picture's upper edge.
    """

    crown_y: float
    chin_y: float
    left_x: float
    right_x: float
    eye_y: float
    centre_x: float
    cut_at_top: bool

    @property
    def height_px(self) -> float:
        """Crown to chin."""
        return self.chin_y - self.crown_y


def head_of(rgb: NDArray[np.uint8], face: Face, mask: NDArray[np.uint8]) -> Head:
    """Measure the head of a person.

    Args:
        rgb: H x W x 3, uint8, RGB; the face in it is nearly level.
        face: of that person, in this picture.
        mask: H x W, uint8, from `person_mask`.
    """
    points = face.points
    person = mask[: rgb.shape[0], : rgb.shape[1]] >= _PERSON
    centre_x = float((points[:, 0].min() + points[:, 0].max()) / 2)
    crown_y = _crown(person, face, centre_x)
    left_x, right_x = _sides(person, face, centre_x, crown_y)
    return Head(
        crown_y=crown_y,
        chin_y=float(points[CHIN, 1]),
        left_x=left_x,
        right_x=right_x,
        eye_y=float(points[list(LEFT_EYE + RIGHT_EYE), 1].mean()),
        centre_x=centre_x,
        cut_at_top=crown_y <= _TOUCHES * face.box.height,
    )


def _crown(person: NDArray[np.bool_], face: Face, centre_x: float) -> float:
    """The row at which the head begins."""
    forehead_y = float(face.points[FOREHEAD, 1])
    reach = _CROWN_REACH * face.box.width
    columns = person[: max(0, round(forehead_y)), max(0, round(centre_x - reach)) : max(0, round(centre_x + reach))]
    beyond = np.flatnonzero(columns.sum(axis=1) < _CROWN_WIDTH * face.box.width)
    crown_y = min(float(beyond[-1]) + 1 if beyond.size else 0.0, max(0.0, forehead_y))
    if crown_y < face.box.y - _MOST_ABOVE * face.box.height:
        return face.box.y - _HIGH_HAIR * face.box.height
    return crown_y


def _sides(person: NDArray[np.bool_], face: Face, centre_x: float, crown_y: float) -> tuple[float, float]:
    """Extent of the person without a gap to the left and right of the face's middle, from crown to mouth."""
    box, width_px = face.box, person.shape[1]
    least, most = max(0.0, box.x), min(float(width_px), box.x + box.width)
    rows = person[max(0, round(crown_y)) : max(0, round(float(face.points[_MOUTH, 1])))]
    middle = min(max(round(centre_x), 0), width_px - 1)
    rows = rows[rows[:, middle]]
    if not rows.size:
        return least, most
    reach = _SIDES_REACH * box.width
    left_of, right_of = ~rows[:, middle::-1], ~rows[:, middle:]
    left = middle + 1 - int(np.where(left_of.any(axis=1), left_of.argmax(axis=1), left_of.shape[1]).max())
    right = middle + int(np.where(right_of.any(axis=1), right_of.argmax(axis=1), right_of.shape[1]).max())
    return max(min(float(left), least), centre_x - reach, 0.0), min(max(float(right), most), centre_x + reach, width_px)
