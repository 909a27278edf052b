"""Analyse a portrait: its faces, its subject, the head's orientation and lean, and the person's mask.

Everything is looked up once, on a small copy, and travels with the job; lengths are in pixels of that copy.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.people.face import Face, rivals_of, subject_of
from rythmiq_worker.people.head import Head, head_of, person_mask
from rythmiq_worker.people.looks import FaceLight, Sharpness
from rythmiq_worker.people.search import find_faces

SEARCH_SIDE_PX: Final = 512
_LEAST_LEAN_DEG: Final = 1.0

Rgb = NDArray[np.uint8]
FindFaces = Callable[[Rgb], tuple[Face, ...]]
Missing = Literal["point", "crop"]


class Portrait(NamedTuple):
    """Analysis of a small copy of an upload, upright by EXIF and turned as its owner wishes.

    Attributes:
        size: width and height of the copy as its owner turned it.
        faces: all of them, the largest first, in the pixels of that.
        subject: the one whose photo it is, in the same pixels; None when there is none.
        missing: why there is no subject although there may be faces: the owner's point or crop holds none.
        turn_clockwise: by how many degrees the copy must be turned further so that the subject is upright: 0, 90, ...
        upright: the copy so turned and levelled about the subject: H x W x 3, uint8, RGB.
        level_deg: by how much it was turned clockwise to be level, about the middle of the subject's face.
        face: the subject in the pixels of `upright`.
        rivals: in the same pixels: the others that are at least half as high, within the owner's crop if there is one.
        person: how surely a pixel of `upright` is the person: H x W, uint8.
        head: in the pixels of `upright`.
        sharpness: of the subject's face on the upload; None where nobody looked.
        light: on the subject's face on the upload; None where nobody looked.
    """

    size: tuple[int, int]
    faces: tuple[Face, ...] = ()
    subject: Face | None = None
    missing: Missing | None = None
    turn_clockwise: int = 0
    upright: Rgb | None = None
    level_deg: float = 0.0
    face: Face | None = None
    rivals: tuple[Face, ...] = ()
    person: NDArray[np.uint8] | None = None
    head: Head | None = None
    sharpness: Sharpness | None = None
    light: FaceLight | None = None


class Wish(NamedTuple):
    """The owner's choice of the subject, in shares of the picture as they turned it.

    Attributes:
        point: x and y on the face to take.
        crop: left, top, right, bottom of the part to take.
        turned: whether they said how it is to be turned, so that a face that lies on its side stays so.
    """

    point: tuple[float, float] | None = None
    crop: tuple[float, float, float, float] | None = None
    turned: bool = False


def small_copy(image: Image.Image, side_px: int = SEARCH_SIDE_PX) -> Rgb:
    """A copy with a long side of at most `side_px`: H x W x 3, uint8, RGB."""
    rgb = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    shrink = max(image.size) / side_px
    if shrink <= 1:
        return np.ascontiguousarray(rgb)
    # By area only as far as a whole number goes: between whole numbers that costs ten times as much.
    times = int(shrink)
    if times > 1:
        rgb = _reduced(rgb, (max(1, image.width // times), max(1, image.height // times)), cv2.INTER_AREA)
    return _reduced(rgb, (max(1, round(image.width / shrink)), max(1, round(image.height / shrink))), cv2.INTER_LINEAR)


def _reduced(rgb: Rgb, size: tuple[int, int], how: int) -> Rgb:
    return np.asarray(cv2.resize(rgb, size, interpolation=how), dtype=np.uint8)


def read_portrait(copy: Rgb, wish: Wish, find: FindFaces = find_faces) -> Portrait:
    """Find the faces of a small copy, whose photo it is, and where that person's head is.

    Args:
        copy: H x W x 3, uint8, RGB.
        wish: what the owner said.
        find: finds faces.
    """
    faces = find(copy)
    height_px, width_px = copy.shape[:2]
    candidates = _within(faces, wish.crop, width_px, height_px)
    if not candidates:
        return Portrait((width_px, height_px), faces, missing="crop" if faces and wish.crop else None)
    if wish.point is None:
        subject = subject_of(candidates, width_px, height_px)
    else:
        pointed = _at(candidates, wish.point[0] * width_px, wish.point[1] * height_px)
        if pointed is None:
            return Portrait((width_px, height_px), faces, missing="point")
        subject = pointed
    return _upright(copy, faces, candidates, subject, may_turn=not wish.turned)


def _upright(
    copy: Rgb, faces: tuple[Face, ...], candidates: tuple[Face, ...], subject: Face, *, may_turn: bool
) -> Portrait:
    height_px, width_px = copy.shape[:2]
    quarters = _quarter_turns(subject.roll_deg) if may_turn else 0
    upright = np.ascontiguousarray(np.rot90(copy, -quarters))  # rot90 goes anticlockwise
    face, *rivals = (face.turned(quarters, width_px, height_px) for face in (subject, *rivals_of(candidates, subject)))
    level_deg = -face.roll_deg if abs(face.roll_deg) >= _LEAST_LEAN_DEG else 0.0
    if level_deg:
        matrix = rotation(level_deg, *face.box.centre)
        upright = np.asarray(
            cv2.warpAffine(
                upright, matrix, upright.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ),
            dtype=np.uint8,
        )
        face, *rivals = (each.moved(matrix) for each in (face, *rivals))
    person = person_mask(upright, face)
    return Portrait(
        size=(width_px, height_px),
        faces=faces,
        subject=subject,
        turn_clockwise=90 * quarters,
        upright=upright,
        level_deg=level_deg,
        face=face,
        rivals=tuple(rivals),
        person=person,
        head=head_of(upright, face, person),
    )


def onto_picture(portrait: Portrait, width_px: int) -> NDArray[np.float64]:
    """From the pixels of `upright` to those of the picture that lies as `upright` does before it was levelled.

    Args:
        portrait: with a subject.
        width_px: of that picture.

    Returns:
        3 x 3, float64.
    """
    if portrait.face is None:
        raise AssertionError("a portrait without a subject lies nowhere")
    scale = scale_of(portrait, width_px)
    back = np.vstack([rotation(-portrait.level_deg, *portrait.face.box.centre), (0, 0, 1)])
    scaled: NDArray[np.float64] = np.diag([scale, scale, 1.0]) @ back
    return scaled


def scale_of(portrait: Portrait, width_px: int) -> float:
    """Pixels of a picture of this width, oriented as `upright` is, over pixels of `upright`."""
    if portrait.upright is None:
        raise AssertionError("a portrait without a subject lies nowhere")
    return width_px / float(portrait.upright.shape[1])


def rotation(degrees_clockwise: float, x: float, y: float) -> NDArray[np.float64]:
    """The turn of a picture about a point: 2 x 3, float64."""
    return np.asarray(
        cv2.getRotationMatrix2D((x, y), -degrees_clockwise, 1.0), np.float64
    )  # OpenCV turns the other way


def _within(
    faces: tuple[Face, ...], crop: tuple[float, float, float, float] | None, width_px: int, height_px: int
) -> tuple[Face, ...]:
    """The faces whose middle is inside the owner's crop."""
    if crop is None:
        return faces
    left, top, right, bottom = crop
    return tuple(
        face
        for face in faces
        if left * width_px <= face.box.centre[0] <= right * width_px
        and top * height_px <= face.box.centre[1] <= bottom * height_px
    )


def _at(faces: tuple[Face, ...], x: float, y: float) -> Face | None:
    """The face at a point: of those whose head may be there, the one whose middle is nearest."""
    near = [
        face
        for face in faces
        if abs(face.box.centre[0] - x) <= 0.75 * face.box.width and abs(face.box.centre[1] - y) <= face.box.height
    ]
    return min(near, key=lambda face: (face.box.centre[0] - x) ** 2 + (face.box.centre[1] - y) ** 2, default=None)


def _quarter_turns(roll_deg: float) -> int:
    """Quarter turns clockwise that bring a face with this roll to a lean of at most 45 degrees."""
    return round(-roll_deg / 90) % 4
