"""Whether a face is sharp, whatever stands behind it: a soft background is what a good portrait has."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.imaging.measures import blur_effect, edge_width
from rythmiq_worker.people.bounds import Bounds, Grade, worst
from rythmiq_worker.people.face import Face

FACE_SIDE_PX = 256
_LEAST_PX = 8

EDGE_WIDTH_PX = Bounds(5.5, 6.0)
"""Of a face 256 px high. Labelled portraits: 48 sharp ones up to 5.3, 4 soft ones from 5.9 (docs/decisions.md)."""
SMEAR = Bounds(0.70, 0.75)
"""Of the worse direction: a face that a shaking hand drew along one line keeps sharp edges along it. Sharp: to .66."""


@dataclass(frozen=True, slots=True)
class Sharpness:
    """How sharp a face is.

    Attributes:
        edge_width_px: how many pixels its strongest edges are wide, on a face 256 px high; larger is softer. A face of
            few pixels is enlarged, and so rightly soft.
        smear: 0 sharp .. 1 blurred, in the worse of the two directions.
    """

    edge_width_px: float
    smear: float

    @property
    def grade(self) -> Grade:
        """Whether it is sharp enough."""
        return worst(EDGE_WIDTH_PX.grade(self.edge_width_px), SMEAR.grade(self.smear))

    @property
    def blurred(self) -> bool:
        """Whether its owner is to be told."""
        return self.edge_width_px > EDGE_WIDTH_PX.passes or self.smear > SMEAR.passes


def face_sharpness(rgb: NDArray[np.uint8], face: Face) -> Sharpness | None:
    """Measure a face from forehead to chin; it is not turned, because turning blurs.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: in that picture.

    Returns:
        None where next to nothing of the face is in the picture.
    """
    points = face.points[:, :2]
    left, top = (max(0, int(value)) for value in points.min(axis=0))
    right, bottom = (max(0, int(value)) for value in points.max(axis=0))
    part = rgb[top:bottom, left:right]
    if min(part.shape[:2]) < _LEAST_PX:
        return None
    gray = np.asarray(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY), np.uint8)
    factor = FACE_SIDE_PX / max(gray.shape)
    size = (max(_LEAST_PX, round(gray.shape[1] * factor)), max(_LEAST_PX, round(gray.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(gray, size, interpolation=how), np.uint8)
    return Sharpness(edge_width(scaled), blur_effect(scaled))
