"""Where a head ends: its crown with hair, turban or bun, its chin and its sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import CHIN, FOREHEAD, LEFT_EYE, RIGHT_EYE, Face

_PERSON = 128
_COLUMNS = 0.35  # about the face's middle, of its width: where the crown is looked for
_TOUCHES = 0.01  # of the picture's height


@dataclass(frozen=True, slots=True)
class Head:
    """A head in a picture in which it is nearly level; pixels.

    Attributes:
        crown_y: the top of hair or headwear.
        chin_y: the lowest point of the chin, beard not counted.
        left_x: where hair or headwear ends on the picture's left.
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
    height_px, width_px = rgb.shape[:2]
    points = face.points
    chin_y = float(points[CHIN, 1])
    eyes = points[list(LEFT_EYE + RIGHT_EYE), :2]
    centre_x = float((points[:, 0].min() + points[:, 0].max()) / 2)
    brow_y = float(points[FOREHEAD, 1])
    reach = _COLUMNS * face.box.width
    columns = slice(max(0, round(centre_x - reach)), max(1, min(width_px, round(centre_x + reach))))
    above = (mask[: max(1, min(height_px, round(brow_y))), columns] >= _PERSON).mean(axis=1) >= 0.5  # noqa: PLR2004
    free = np.flatnonzero(~above)
    crown_y = min(float(free[-1]) + 1 if free.size else 0.0, brow_y)
    rows = mask[max(0, round(crown_y)) : max(1, round(chin_y))] >= _PERSON
    person = np.flatnonzero(rows.any(axis=0)) if rows.size else np.array([], np.int64)
    left_x = float(person[0]) if person.size else face.box.x
    right_x = float(person[-1] + 1) if person.size else face.box.x + face.box.width
    return Head(crown_y, chin_y, left_x, right_x, float(eyes[:, 1].mean()), centre_x, crown_y <= _TOUCHES * height_px)
