"""Faces: where they are, behind a port.

The detector is OpenCV's Haar cascade `alt2`, which the headless wheel below 5 brings: one face found on 15 of 15 single
portraits, none on 10 documents (docs/decisions.md). It finds upright, frontal faces only.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.picture import Picture

SEARCH_SIDE_PX = 512

# A Haar alt2 box spans from the middle of the forehead to just above the chin. A head is crown (with hair) to chin.
HEAD_PER_BOX = 1.48
CROWN_ABOVE_BOX = 0.36
LEAST_FACE = 0.08
LEAST_PORTRAIT_FACE = 0.2
_LARGE_FACE = 0.16
_LEAST_FACE_PX = 20
# How many windows must agree. A large face makes 24 to 44 of them do, a seal on a marksheet up to 5.
_LARGE_NEIGHBOURS, _SMALL_NEIGHBOURS = 9, 4


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    def scaled(self, factor: float) -> "Box":
        """The same rectangle in a picture `factor` times as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    @property
    def head_height_px(self) -> float:
        """Crown to chin."""
        return self.height * HEAD_PER_BOX

    @property
    def crown_y(self) -> float:
        """Where the head begins."""
        return self.y - self.height * CROWN_ABOVE_BOX


class FaceDetector(Protocol):
    """Finds faces."""

    def find(self, gray: NDArray[np.uint8]) -> tuple[Box, ...]:
        """Find upright faces in an H x W, uint8 picture; the largest first, in its pixels."""
        ...


class HaarFaces:
    """OpenCV's Haar cascade `alt2`, large faces first: the small ones take three times as long to rule out.

    Args:
        least_share: the smallest face that is looked for where no large one is, of the picture's shorter side.
    """

    def __init__(self, least_share: float = LEAST_FACE) -> None:
        self._least_share = least_share

    def find(self, gray: NDArray[np.uint8]) -> tuple[Box, ...]:
        """Find upright faces in an H x W, uint8 picture; the largest first, in its pixels."""
        side = min(gray.shape)
        large = _side_px(side * max(self._least_share, _LARGE_FACE))
        found = _search(gray, large, side, _LARGE_NEIGHBOURS)
        if not found and self._least_share < _LARGE_FACE:
            found = _search(gray, _side_px(side * self._least_share), large, _SMALL_NEIGHBOURS)
        return tuple(sorted(found, key=lambda box: (-box.height, box.x, box.y)))


def _side_px(share: float) -> int:
    return max(_LEAST_FACE_PX, round(share))


def _search(gray: NDArray[np.uint8], least_px: int, most_px: int, neighbours: int) -> list[Box]:
    if least_px > most_px:
        return []
    found = _cascade().detectMultiScale(
        gray, scaleFactor=1.1, minNeighbors=neighbours, minSize=(least_px, least_px), maxSize=(most_px, most_px)
    )
    return [Box(float(x), float(y), float(w), float(h)) for x, y, w, h in found]


@lru_cache(maxsize=1)
def _cascade() -> Any:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"))


def gray_at(image: Image.Image, side_px: int) -> tuple[NDArray[np.uint8], float]:
    """A gray copy with a long side of at most `side_px`, and how many times smaller it is.

    Returns:
        H x W, uint8, and the factor from its pixels to the picture's.
    """
    factor = max(image.size) / side_px
    gray = np.asarray(image.convert("L"))
    if factor <= 1:
        return gray, 1.0
    size = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), factor


def find_faces(picture: Picture, detector: FaceDetector) -> tuple[Box, ...]:
    """Find faces in a picture, in its full-size pixels; the search runs on a 512 px copy."""
    shrink = SEARCH_SIDE_PX / max(picture.width_px, picture.height_px)
    image = picture.image(round(picture.width_px * shrink), round(picture.height_px * shrink))
    gray, factor = gray_at(image, SEARCH_SIDE_PX)
    full = factor * picture.width_px / image.width
    return tuple(box.scaled(full) for box in detector.find(gray))
