"""From a picture to the portrait that it is: faces, subject, and how sharp and lit the face came.

What is measured here is of the upload: a document that was made smaller looks sharper than what it was made of.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from PIL import Image

from rythmiq.contracts.payload import Options
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.people.face import Face
from rythmiq_worker.people.light import face_light
from rythmiq_worker.people.portrait import FindFaces, Portrait, Rgb, Wish, read_portrait, small_copy
from rythmiq_worker.people.search import find_faces
from rythmiq_worker.people.sharpness import FACE_SIDE_PX, face_sharpness

_WORTH_DECODING: Final = 1.3


def portrait_of(picture: Picture, wish: Wish, find: FindFaces = find_faces) -> Portrait:
    """Find who stands on a picture.

    Args:
        picture: upright by EXIF and turned as its owner wishes.
        wish: what the owner said of the subject.
        find: finds faces.

    Raises:
        JobError: DECODE_FAILED.
    """
    glance = picture.glance()
    copy, large = small_copy(glance), small_copy(glance, max(glance.size))
    # A face of a twentieth of the picture is 25 px high on the copy, too few for the mesh.
    shrink = copy.shape[1] / large.shape[1]
    portrait = read_portrait(copy, wish, lambda _: tuple(face.scaled(shrink) for face in find(large)))
    if portrait.subject is None or portrait.upright is None or portrait.face is None or portrait.person is None:
        return portrait
    return replace(
        portrait,
        sharpness=face_sharpness(*_up_close(picture, portrait.subject, portrait.size[0])),
        light=face_light(portrait.upright, portrait.face, portrait.person),
    )


def wish_of(options: Options) -> Wish:
    """What the owner's options say of the subject."""
    point, crop = options.face, options.crop
    return Wish(
        point=None if point is None else (point.x, point.y),
        crop=None if crop is None else (crop.x, crop.y, crop.x + crop.width, crop.y + crop.height),
        turned=options.rotate is not None,
    )


def _up_close(picture: Picture, subject: Face, width_px: int) -> tuple[Rgb, Face]:
    """The part of the picture that the face is in, with so many pixels that sharpness can be told.

    Args:
        picture: upright.
        subject: in a copy of it.
        width_px: of that copy.

    Returns:
        H x W x 3, uint8, RGB, and the face in it.
    """
    image = _with_a_large_face(picture, subject.box.height / width_px)
    face = subject.scaled(image.width / width_px)
    near, far = face.points[:, :2].min(axis=0), face.points[:, :2].max(axis=0)
    left, top = max(0, int(near[0])), max(0, int(near[1]))
    right, bottom = min(image.width, max(left + 1, int(far[0]) + 1)), min(image.height, max(top + 1, int(far[1]) + 1))
    part = image.crop((left, top, right, bottom))
    return small_copy(part, max(part.size)), face.moved(np.array(((1.0, 0.0, -left), (0.0, 1.0, -top))))


def _with_a_large_face(picture: Picture, height_share: float) -> Image.Image:
    """The picture with so many pixels that sharpness can be told of a face so high, in shares of its width."""
    glance = picture.glance()
    on_glance, on_picture = height_share * glance.width, height_share * picture.width_px
    if on_glance >= FACE_SIDE_PX or on_picture < _WORTH_DECODING * on_glance:
        return glance
    enlarge = min(1.0, FACE_SIDE_PX / on_picture)
    return picture.image(max(1, round(picture.width_px * enlarge)), max(1, round(picture.height_px * enlarge)))
