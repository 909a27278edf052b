"""From a picture to the portrait that it is: faces, subject, and how sharp and lit the face came.

What is measured here is of the upload: a document that was made smaller looks sharper than what it was made of.
"""

from dataclasses import replace
from typing import Final

from rythmiq.contracts.payload import Options
from rythmiq_worker.people.light import face_light
from rythmiq_worker.people.portrait import FindFaces, Portrait, Rgb, Wish, read_portrait, small_copy
from rythmiq_worker.people.search import find_faces
from rythmiq_worker.people.sharpness import FACE_SIDE_PX, face_sharpness
from rythmiq_worker.picture import Picture

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
    portrait = read_portrait(small_copy(glance), wish, find)
    if portrait.subject is None or portrait.upright is None or portrait.face is None or portrait.person is None:
        return portrait
    larger = _with_a_large_face(picture, portrait)
    return replace(
        portrait,
        sharpness=face_sharpness(larger, portrait.subject.scaled(larger.shape[1] / portrait.size[0])),
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


def _with_a_large_face(picture: Picture, portrait: Portrait) -> Rgb:
    """The picture with so many pixels that sharpness can be told: H x W x 3, uint8, RGB."""
    glance = picture.glance()
    height_px = portrait.subject.box.height / portrait.size[0] if portrait.subject is not None else 1.0
    on_glance, on_picture = height_px * glance.width, height_px * picture.width_px
    if on_glance >= FACE_SIDE_PX or on_picture < _WORTH_DECODING * on_glance:
        return small_copy(glance, max(glance.size))
    enlarge = min(1.0, FACE_SIDE_PX / on_picture)
    image = picture.image(max(1, round(picture.width_px * enlarge)), max(1, round(picture.height_px * enlarge)))
    return small_copy(image, max(image.size))
