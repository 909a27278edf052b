"""Where the faces of a picture are: a fast detector with a low threshold, and a mesh that confirms.

BlazeFace proposes boxes and eyes; the mesh of 468 points, cut out upright by those eyes, says whether that is a face. A
picture that has none upright is looked at lying on its sides and upside down.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import Box, Face
from rythmiq_worker.people.networks import run_face_network, run_mesh_network

LEAST_SCORE = 0.5
"""Of the mesh: below it, what is in the box is no face."""
_SIDE_PX = 256
_PROPOSED = 0.4
_SAME = 0.3
_ANCHORS = ((16, 2), (32, 6))  # every so many pixels, so many
_LEFT_EYE, _RIGHT_EYE = slice(4, 6), slice(6, 8)
_MESH_PX = 192
_MESH_PER_BOX = 1.5
_MESH_PER_FACE_BOX = 1.25  # the same square, about the box that a Face has
_QUARTERS = (1, 3, 2)


@dataclass(frozen=True, slots=True)
class _Proposal:
    """What the detector sees: a square box in pixels, the roll of its eyes, and how sure it is."""

    box: Box
    roll_deg: float
    score: float


def find_faces(rgb: NDArray[np.uint8]) -> tuple[Face, ...]:
    """Find the faces of a picture, the largest first; lying and upside down only where none is upright.

    Args:
        rgb: H x W x 3, uint8, RGB; 500 px and more on its longer side are enough.

    Raises:
        ModelsMissingError: the networks are not installed.
    """
    found = _find_upright(rgb)
    for quarters in _QUARTERS:
        if found:
            break
        turned = np.ascontiguousarray(np.rot90(rgb, -quarters))
        sides = turned.shape[1::-1]
        found = tuple(face.turned(-quarters, *sides) for face in _find_upright(turned))
    return tuple(sorted(found, key=lambda face: (-face.box.height, face.box.x, face.box.y)))


def read_mesh(rgb: NDArray[np.uint8], box: Box, roll_deg: float) -> Face | None:
    """Look at the one place where a face is expected.

    Args:
        rgb: H x W x 3, uint8, RGB.
        box: of the face, as `Face.box`.
        roll_deg: of the face, as `Face.roll_deg`.

    Returns:
        The face, or None where the mesh sees none.

    Raises:
        ModelsMissingError: the networks are not installed.
    """
    return _meshed(rgb, box.centre, _MESH_PER_FACE_BOX * max(box.width, box.height), roll_deg)


def _find_upright(rgb: NDArray[np.uint8]) -> tuple[Face, ...]:
    faces: list[Face] = []
    for proposal in _proposals(rgb):
        side = _MESH_PER_BOX * max(proposal.box.width, proposal.box.height)
        face = _meshed(rgb, proposal.box.centre, side, proposal.roll_deg)
        if face is not None and not any(_overlap(face.box, other.box) > _SAME for other in faces):
            faces.append(face)
    return tuple(faces)


def _meshed(rgb: NDArray[np.uint8], centre: tuple[float, float], side_px: float, roll_deg: float) -> Face | None:
    angle = math.radians(roll_deg)
    scale = _MESH_PX / side_px
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    x, y = centre
    half = _MESH_PX / 2
    to_crop = np.array(((cos, sin, half - cos * x - sin * y), (-sin, cos, half + sin * x - cos * y)))
    crop = cv2.warpAffine(rgb, to_crop, (_MESH_PX, _MESH_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    logit, points = run_mesh_network(np.asarray(crop, np.float32) / np.float32(255))
    score = _sigmoid(logit)
    if score < LEAST_SCORE:
        return None
    return Face.of_points(points, score).moved(np.asarray(cv2.invertAffineTransform(to_crop)))


def _proposals(rgb: NDArray[np.uint8]) -> list[_Proposal]:
    height_px, width_px = rgb.shape[:2]
    scale = _SIDE_PX / max(height_px, width_px)
    width, height = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    left, top = (_SIDE_PX - width) // 2, (_SIDE_PX - height) // 2
    square = np.zeros((_SIDE_PX, _SIDE_PX, 3), np.uint8)
    square[top : top + height, left : left + width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    logits, offsets = run_face_network(square.astype(np.float32) / np.float32(127.5) - np.float32(1))
    scores = np.array([_sigmoid(float(logit)) for logit in logits])
    order = [int(index) for index in np.argsort(-scores, kind="stable") if scores[index] >= _PROPOSED]
    kept: list[_Proposal] = []
    for index in order:
        anchor = _anchors()[index]
        x, y = offsets[index, :2] + anchor
        w, h = offsets[index, 2:4]
        across, down = (offsets[index, _RIGHT_EYE] - offsets[index, _LEFT_EYE]).tolist()
        box = Box((x - w / 2 - left) / scale, (y - h / 2 - top) / scale, w / scale, h / scale)
        if not any(_overlap(box, other.box) > _SAME for other in kept):
            kept.append(_Proposal(box, math.degrees(math.atan2(down, across)), float(scores[index])))
    return kept


@lru_cache(maxsize=1)
def _anchors() -> NDArray[np.float32]:
    """896 x 2, float32: where the detector's boxes are measured from, in its pixels."""
    rows = [
        ((column + 0.5) * stride, (row + 0.5) * stride)
        for stride, each in _ANCHORS
        for row in range(_SIDE_PX // stride)
        for column in range(_SIDE_PX // stride)
        for _ in range(each)
    ]
    return np.array(rows, np.float32)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, across) * max(0.0, down)
    whole = one.width * one.height + other.width * other.height - shared
    return shared / whole if whole > 0 else 0.0
