"""What the tests of people share: NASA's astronaut as pixels, turned and in company."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.installation import ModelsMissingError, find_model
from rythmiq_worker.people.search import FACE_FILE
from tests.data.portraits import ASTRONAUT_FACE
from tests.samples.portrait import astronaut


def _are_missing() -> bool:
    try:
        find_model(FACE_FILE)
    except ModelsMissingError:
        return True
    return False


needs_networks = pytest.mark.skipif(_are_missing(), reason="the networks of layers/worker/models are not fetched")


def astronaut_rgb() -> NDArray[np.uint8]:
    """512 x 512 x 3, uint8, RGB."""
    return np.asarray(astronaut())


def turned_about_face(degrees_clockwise: float, room_px: int = 200) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The astronaut on a larger, replicated canvas, turned about the middle of her face, and where that is."""
    x, y, width, height = ASTRONAUT_FACE
    framed = cv2.copyMakeBorder(astronaut_rgb(), room_px, room_px, room_px, room_px, cv2.BORDER_REPLICATE)
    centre = (x + width / 2 + room_px, y + height / 2 + room_px)
    turn = cv2.getRotationMatrix2D(centre, -degrees_clockwise, 1.0)
    turned = cv2.warpAffine(framed, turn, framed.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), centre
