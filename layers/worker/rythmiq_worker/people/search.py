"""Find the faces of a picture: a fast detector with a low threshold, and a mesh that confirms.

BlazeFace proposes boxes and eyes; the mesh of 468 points, cut out upright by those eyes, says whether that is a face. A
picture that has none upright is looked at lying on its sides and upside down.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people import run_network
from rythmiq_worker.people.face import LEAST_SCORE, LEAST_SUBJECT_SCORE, Box, Face

FACE_FILE = "face_detection_back.tflite"
MESH_FILE = "face_landmark.tflite"
MESH_PX = 192
# The square about a face: its side, of the height of the face's box, and how far below that box's middle its own lies.
# So it is the square about the detector's box, by which the chin is found where people see it.
_SIDE_PER_BOX, _BELOW_MIDDLE = 1.3, 0.08
# What is tolerated before it is worth 5 ms to look again.
_ASKEW_SIDE, _ASKEW_SHIFT, _ASKEW_DEG = 1.2, 0.1, 8.0
_LEAST_SHRINK = 2.0


class Cut(NamedTuple):
    """A square of a picture: its middle and side in pixels, and by how much it is turned (as `Face.roll_deg`)."""

    x: float
    y: float
    side_px: float
    roll_deg: float

    @classmethod
    def about(cls, box: Box, roll_deg: float) -> "Cut":
        """The square about a face."""
        x, y = box.centre
        below, angle = _BELOW_MIDDLE * box.height, math.radians(roll_deg)
        side_px = max(1.0, _SIDE_PER_BOX * box.height)
        return cls(x - below * math.sin(angle), y + below * math.cos(angle), side_px, roll_deg)

    def is_askew_of(self, other: "Cut") -> bool:
        """Whether another square is so much larger, elsewhere or otherwise turned that the face is seen ill in this."""
        larger = max(self.side_px, other.side_px) / min(self.side_px, other.side_px)
        shift = math.hypot(self.x - other.x, self.y - other.y) / self.side_px
        turn = abs((self.roll_deg - other.roll_deg + 180) % 360 - 180)
        return larger > _ASKEW_SIDE or shift > _ASKEW_SHIFT or turn > _ASKEW_DEG


def cut_out(rgb: NDArray[np.uint8], cut: Cut) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cut the square out, upright; beyond the picture its edge goes on.

    Args:
        rgb: H x W x 3, uint8, RGB.
        cut: the square.

    Returns:
        MESH_PX x MESH_PX x 3, uint8, and the 2 x 3 matrix from its pixels to the picture's.
    """
    angle, scale = math.radians(cut.roll_deg), cut.side_px / MESH_PX
    cos, sin, half = scale * math.cos(angle), scale * math.sin(angle), MESH_PX / 2
    to_picture = np.array(((cos, -sin, cut.x - half * (cos - sin)), (sin, cos, cut.y - half * (sin + cos))))
    pixels, to_source = rgb, to_picture
    if scale > _LEAST_SHRINK:
        pixels, left, top, shrink = _shrunk_about(rgb, cut, scale)
        to_source = np.column_stack((to_picture[:, :2] / shrink, (to_picture[:, 2] - (left, top)) / shrink))
    # warpAffine counts from the middles of pixels; edges, as here, are half a pixel off.
    by_middles = to_source.copy()
    by_middles[:, 2] += to_source[:, :2].sum(axis=1) / 2 - 0.5
    crop = cv2.warpAffine(
        pixels,
        by_middles,
        (MESH_PX, MESH_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, np.uint8), to_picture


def _shrunk_about(rgb: NDArray[np.uint8], cut: Cut, shrink: float) -> tuple[NDArray[np.uint8], float, float, float]:
    """The part of a picture about a square, smaller by about `shrink`: its left and top in the picture, and by what."""
    height_px, width_px = rgb.shape[:2]
    reach = cut.side_px / math.sqrt(2) + shrink
    left, top = max(0, int(cut.x - reach)), max(0, int(cut.y - reach))
    right, bottom = min(width_px, math.ceil(cut.x + reach)), min(height_px, math.ceil(cut.y + reach))
    if right - left < shrink or bottom - top < shrink:
        return rgb, 0.0, 0.0, 1.0
    step = int(shrink)
    part = rgb[top : top + (bottom - top) // step * step, left : left + (right - left) // step * step]
    small = cv2.resize(part, (part.shape[1] // step, part.shape[0] // step), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), float(left), float(top), float(step)


# The mesh's answer before the sigmoid: 18 to 60 in 73 of 73 visible faces, up to 4 in dogs, patterns and covered faces,
# up to 19 in faces that stand on their head; its own sigmoid is 1 to three digits from 7 on.
_MIDDLE, _SPREAD = 8.0, 4.0
_SURE = 25.0
# From when on the detector sees a place well: dogs and hands were seen at .57 to .67, faces alone at .72 and more.
_WELL = 0.7
# The least answer of the mesh for a face that stands alone, and beside such a one: there one that is cut counts, and
# one in profile or out of focus, that the mesh hardly sees, as far as the detector makes up for it.
_ALONE, _ALONE_SEEN_ILL = _MIDDLE, 12.0
_BESIDE, _BESIDE_PROPOSED, _BESIDE_BOTH, _LOGITS_PER_SCORE = 4.0, 0.6, 0.48, 20.0
_BESIDE_LEANING_DEG = 45.0
_SIDE_PX = 256
_PROPOSED = 0.3
_MOST_PROPOSED = 16
_SAME = 0.3
_ANCHORS = ((16, 2), (32, 6))  # every so many pixels, so many
_LEFT_EYE, _RIGHT_EYE = slice(4, 6), slice(6, 8)
_CUT_PER_PROPOSAL = 1.7  # the side of the square that the mesh sees, of the detector's box
_MOST_AGAIN = 3
_QUARTERS = (1, 3, 2)


class _Proposal(NamedTuple):
    """A detection: a square box in pixels, the roll of its eyes, and its score."""

    box: Box
    roll_deg: float
    score: float


class _Seen(NamedTuple):
    """The mesh's answer for a place; `logit` is before the sigmoid."""

    face: Face
    logit: float
    cut: Cut


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
        The face, or None where the mesh sees none; one that is cut or half covered is still a face here.

    Raises:
        ModelsMissingError: the networks are not installed.
    """
    seen = _look_well(rgb, Cut.about(box, roll_deg))
    return seen.face if seen.face.score >= LEAST_SUBJECT_SCORE else None


def _find_upright(rgb: NDArray[np.uint8]) -> tuple[Face, ...]:
    looked = [(proposal, _look_at(rgb, proposal)) for proposal in _proposals(rgb)]
    if not any(_can_stand_alone(proposal, seen) for proposal, seen in looked):
        return ()
    seen_all = [seen for proposal, seen in looked if _can_stand_beside(proposal, seen)]
    faces: list[Face] = []
    for seen in sorted(seen_all, key=lambda one: -one.logit):
        if not any(_are_one(seen.face.box, face.box) for face in faces):
            faces.append(seen.face)
    return tuple(faces)


def _can_stand_alone(proposal: _Proposal, seen: _Seen) -> bool:
    return seen.logit >= (_ALONE if proposal.score >= _WELL else _ALONE_SEEN_ILL)


def _can_stand_beside(proposal: _Proposal, seen: _Seen) -> bool:
    if seen.logit >= _BESIDE:
        return True
    both = proposal.score + seen.logit / _LOGITS_PER_SCORE
    leans = abs(proposal.roll_deg) > _BESIDE_LEANING_DEG
    return proposal.score >= _BESIDE_PROPOSED and both >= _BESIDE_BOTH and not leans


def _look_at(rgb: NDArray[np.uint8], proposal: _Proposal) -> _Seen:
    side_px = _CUT_PER_PROPOSAL * max(proposal.box.width, proposal.box.height)
    seen = _look_well(rgb, Cut(*proposal.box.centre, side_px, proposal.roll_deg))
    if seen.face.score >= LEAST_SCORE and seen.logit < _SURE:
        # The mesh takes some faces that stand on their head for upright ones, though never for good ones.
        overturned = _look_well(rgb, Cut(seen.cut.x, seen.cut.y, seen.cut.side_px, seen.cut.roll_deg + 180))
        seen = max(seen, overturned, key=lambda one: one.logit)
    return seen


def _look_well(rgb: NDArray[np.uint8], cut: Cut) -> _Seen:
    """Look, and again about the face itself as long as the mesh grows surer: where it is not sure or the cut was askew.

    A face gains by that, small ones much; a dog's or a covered one does not.
    """
    seen = _look(rgb, cut)
    for _ in range(_MOST_AGAIN):
        better = Cut.about(seen.face.box, seen.face.roll_deg)
        if seen.logit <= 0 or (seen.logit >= _SURE and not seen.cut.is_askew_of(better)):
            break
        again = _look(rgb, better)
        if again.logit <= seen.logit:
            break
        seen = again
    return seen


def _look(rgb: NDArray[np.uint8], cut: Cut) -> _Seen:
    crop, to_picture = cut_out(rgb, cut)
    logit, points = run_mesh_network(np.asarray(crop, np.float32) / np.float32(255))
    face = Face.of_points(points, _sigmoid((logit - _MIDDLE) / _SPREAD)).moved(to_picture)
    return _Seen(face, logit, cut)


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
        x, y = (offsets[index, :2] + _anchors()[index]).tolist()
        w, h = offsets[index, 2:4].tolist()
        across, down = (offsets[index, _RIGHT_EYE] - offsets[index, _LEFT_EYE]).tolist()
        box = Box((x - w / 2 - left) / scale, (y - h / 2 - top) / scale, w / scale, h / scale)
        if not any(_overlap(box, other.box) > _SAME for other in kept):
            kept.append(_Proposal(box, math.degrees(math.atan2(down, across)), float(scores[index])))
    return sorted(kept, key=lambda proposal: -proposal.box.height)[:_MOST_PROPOSED]


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


def _are_one(one: Box, other: Box) -> bool:
    """Whether two boxes are of one face: they overlap, or the middle of the smaller lies in the larger."""
    smaller, larger = sorted((one, other), key=lambda box: box.height)
    return _overlap(one, other) > _SAME or larger.holds(*smaller.centre)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, across) * max(0.0, down)
    whole = one.width * one.height + other.width * other.height - shared
    return shared / whole if whole > 0 else 0.0


def run_face_network(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Look for faces.

    Args:
        pixels: 256 x 256 x 3, float32, RGB, -1 to 1.

    Returns:
        896 scores before the sigmoid, and 896 x 16 offsets from the anchors in the network's pixels.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    scores, offsets = run_network(FACE_FILE, pixels, ("classificators", "regressors"))
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
    score, points = run_network(MESH_FILE, pixels, ("conv2d_30", "conv2d_20"))
    return float(score.reshape(-1)[0]), points.reshape(468, 3)
