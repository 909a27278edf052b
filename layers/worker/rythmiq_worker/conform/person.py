"""The person on a photo: found on the upload, placed on the document, and measured there.

Sharpness and light are of the upload: a document that was made smaller looks sharper than what it was made of.

From a portrait follows a layout: which way up, how level, and what of the picture is taken around the head. A head that
leans is levelled where the slot allows it and the pixels around it suffice; else by half, else not at all.
"""

import math
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import Layout, Levelling, Region, Subject, chosen_region, lay_out
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.people.backdrop import Backdrop, backdrop_of
from rythmiq_worker.people.face import Face
from rythmiq_worker.people.head import Head, head_of, mask_bottom
from rythmiq_worker.people.looks import FACE_SIDE_PX, Look, face_light, face_sharpness, look_of
from rythmiq_worker.people.portrait import (
    FindFaces,
    Portrait,
    Rgb,
    Wish,
    onto_picture,
    read_portrait,
    scale_of,
    small_copy,
)
from rythmiq_worker.people.search import find_faces, read_mesh

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
    thumbnail = picture.thumbnail()
    copy, large = small_copy(thumbnail), small_copy(thumbnail, max(thumbnail.size))
    # A face of a twentieth of the picture is 25 px high on the copy, too few for the mesh.
    shrink = copy.shape[1] / large.shape[1]
    portrait = read_portrait(copy, wish, lambda _: tuple(face.scaled(shrink) for face in find(large)))
    if portrait.subject is None or portrait.upright is None or portrait.face is None or portrait.person is None:
        return portrait
    return portrait._replace(
        sharpness=face_sharpness(*_up_close(picture, portrait.subject, portrait.size[0])),
        light=face_light(portrait.upright, portrait.face, portrait.person),
    )


def wish_of(options: Options) -> Wish:
    """The owner's options that choose the subject."""
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
    thumbnail = picture.thumbnail()
    on_thumbnail, on_picture = height_share * thumbnail.width, height_share * picture.width_px
    if on_thumbnail >= FACE_SIDE_PX or on_picture < _WORTH_DECODING * on_thumbnail:
        return thumbnail
    enlarge = min(1.0, FACE_SIDE_PX / on_picture)
    return picture.image(max(1, round(picture.width_px * enlarge)), max(1, round(picture.height_px * enlarge)))


LEVEL_FROM_DEG: Final = 3.0
LEVEL_TO_DEG: Final = 45.0  # what leans by more was left so by its owner
_SHARES_OF_LEVELLING: Final = (1.0, 0.5, 0.0)


class Placed(NamedTuple):
    """A photo that lies as its subject does, and what is to be taken of it.

    Attributes:
        picture: turned upright.
        bounds: the owner's crop in its pixels, or all of it.
        subject: the head and its levelling; None frames the middle of the bounds.
    """

    picture: Picture
    bounds: Region
    subject: Subject | None


def place(
    picture: Picture, portrait: Portrait, rules: SchemaDefinition, options: Options, *, captioned: bool
) -> Placed:
    """Turn a photo upright and choose how far its head is levelled.

    Args:
        picture: as its owner turned it.
        portrait: who stands on it; one without a subject leaves it as it lies.
        rules: the slot's rules.
        options: the owner's; the crop is in shares of `picture`.
        captioned: whether a strip at the foot is kept free.
    """
    bounds = chosen_region(picture.width_px, picture.height_px, options.crop)
    if portrait.subject is None or portrait.head is None:
        return Placed(picture, bounds, None)
    bounds = _turned_region(bounds, portrait.turn_clockwise // 90, picture.width_px, picture.height_px)
    picture = picture.turned(portrait.turn_clockwise)
    subjects = [_subject(portrait, picture.width_px, share) for share in _levellings(portrait, rules)]
    layouts = [lay_out(rules, "photo", bounds, subject, caption=captioned) for subject in subjects]
    best = max(range(len(layouts)), key=lambda at: (_merit(layouts[at], subjects[at], rules), -at))
    return Placed(picture, bounds, subjects[best])


def _levellings(portrait: Portrait, rules: SchemaDefinition) -> tuple[float, ...]:
    leans = LEVEL_FROM_DEG < abs(portrait.level_deg) <= LEVEL_TO_DEG
    return _SHARES_OF_LEVELLING if leans and rules.level == "allowed" else _SHARES_OF_LEVELLING[-1:]


def _merit(layout: Layout, subject: Subject, rules: SchemaDefinition) -> tuple[bool, bool]:
    """The whole head counts first, then that it has no more of the height than the portal takes."""
    share = subject.head.height_px / layout.region.height
    most = rules.face_ratio[1] if rules.face_ratio else 1.0
    return layout.head_fits, share <= most + 0.005


def _subject(portrait: Portrait, width_px: int, share: float) -> Subject:
    """The head in full-size pixels, of the picture that is levelled by a share of the head's lean."""
    head, face = portrait.head, portrait.face
    if head is None or face is None:
        raise AssertionError("there is no subject")
    scale = scale_of(portrait, width_px)
    about_x, about_y = (value * scale for value in face.box.centre)
    levelling = Levelling(share * portrait.level_deg, about_x, about_y)
    grown = _scaled(head, scale)
    remaining = Levelling((share - 1) * portrait.level_deg, about_x, about_y)
    return Subject(grown if share == 1 else _leaning(grown, remaining), levelling)


def _scaled(head: Head, factor: float) -> Head:
    return head._replace(
        crown_y=head.crown_y * factor,
        chin_y=head.chin_y * factor,
        left_x=head.left_x * factor,
        right_x=head.right_x * factor,
        eye_y=head.eye_y * factor,
        centre_x=head.centre_x * factor,
    )


def _leaning(head: Head, levelling: Levelling) -> Head:
    """A head's bounds after it is turned back: those of its outline's ellipse."""
    middle_x, middle_y = (head.left_x + head.right_x) / 2, (head.crown_y + head.chin_y) / 2
    radians = math.radians(levelling.degrees_clockwise)
    half_width, half_height = (head.right_x - head.left_x) / 2, head.height_px / 2
    across = math.hypot(half_width * math.cos(radians), half_height * math.sin(radians))
    down = math.hypot(half_width * math.sin(radians), half_height * math.cos(radians))
    turn = levelling.forth
    x, y = turn[:, :2] @ (middle_x, middle_y) + turn[:, 2]
    eye_x, eye_y = turn[:, :2] @ (head.centre_x, head.eye_y) + turn[:, 2]
    return head._replace(
        crown_y=y - down,
        chin_y=y + down,
        left_x=x - across,
        right_x=x + across,
        eye_y=eye_y,
        centre_x=(eye_x + x) / 2,
    )


def _turned_region(region: Region, quarters_clockwise: int, width_px: int, height_px: int) -> Region:
    """A region of a picture, in the pixels of the picture after quarter turns."""
    for _ in range(quarters_clockwise):
        region = Region(height_px - region.bottom, region.left, height_px - region.top, region.right)
        width_px, height_px = height_px, width_px
    return region


# How far a person reaches from the middle of the face, in faces: to the shoulders' ends, above the hair, to the chest.
_SHOULDERS, _HAIR, _CHEST = 1.2, 0.8, 2.0


class Person(NamedTuple):
    """The person on the document, above its caption.

    Attributes:
        faces: how many faces are seen in it.
        company: whether somebody else is in it, be it with a shoulder only.
        face: the subject's, in the document's pixels; None where the mesh sees none.
        head: in the document's pixels.
        whole_head: whether all of it is there, from chin to the top of hair or headwear.
        size: width and height of the part above the caption.
        look: pose, eyes, mouth and glasses.
        backdrop: what is behind the person.
    """

    faces: int
    company: bool = False
    face: Face | None = None
    head: Head | None = None
    whole_head: bool = True
    size: tuple[int, int] = (1, 1)
    look: Look | None = None
    backdrop: Backdrop | None = None


def look_at_person(rgb: "Rgb", portrait: Portrait, onto: NDArray[np.float64], *, head_fits: bool = True) -> Person:
    """Look for the subject where it must be, and at what is around it.

    Args:
        rgb: the document above its caption: H x W x 3, uint8, RGB.
        portrait: of the upload.
        onto: from the pixels of `portrait.upright` to those of `rgb`: 3 x 3.
        head_fits: whether the document has room for the whole head.
    """
    height_px, width_px = rgb.shape[:2]
    size = (width_px, height_px)
    if portrait.face is None or portrait.person is None:
        return Person(0, size=size)
    expected = portrait.face.moved(onto[:2])
    face = read_mesh(rgb, expected.box, expected.roll_deg)
    person = projected(portrait.person, onto, size)
    if face is None:
        return Person(0, size=size, backdrop=_backdrop(rgb, portrait, person, onto))
    return Person(
        1 + others_in(portrait, onto, size),
        has_company(portrait, onto, size),
        face,
        head_of(rgb, face, person),
        head_fits and portrait.head is not None and not portrait.head.cut_at_top,
        size,
        look_of(rgb, face),
        _backdrop(rgb, portrait, person, onto),
    )


def _backdrop(rgb: "Rgb", portrait: Portrait, person: NDArray[np.uint8], onto: NDArray[np.float64]) -> Backdrop | None:
    """What is behind the person, as far down as the person was looked for: below, a body would pass for a wall."""
    if portrait.face is None or portrait.upright is None:
        return None
    bottom = mask_bottom(portrait.face, portrait.upright.shape[1], portrait.upright.shape[0])
    rows = round(float(onto[1] @ (portrait.face.box.centre[0], bottom, 1.0)))
    return backdrop_of(rgb[: max(1, rows)], person[: max(1, rows)])


def upright_onto(portrait: Portrait | None, layout: Layout, width_px: int) -> NDArray[np.float64] | None:
    """From the pixels of `portrait.upright` to a document's: 3 x 3; None without a subject.

    Args:
        portrait: of the upload.
        layout: of the document.
        width_px: of the picture that it was made of, which lies as the subject does.
    """
    if portrait is None or portrait.face is None:
        return None
    document = np.vstack([layout.onto_document, (0, 0, 1)])
    onto: NDArray[np.float64] = document @ onto_picture(portrait, width_px)
    return onto


def others_in(portrait: Portrait, onto: NDArray[np.float64], size: tuple[int, int]) -> int:
    """Count the other faces whose middle is in the document.

    Args:
        portrait: of the upload.
        onto: from the pixels of `portrait.upright` to the document's: 3 x 3.
        size: width and height of the document above its caption.
    """
    middles = [onto[:2, :2] @ face.box.centre + onto[:2, 2] for face in portrait.rivals]
    return sum(0 <= x < size[0] and 0 <= y < size[1] for x, y in middles)


def has_company(portrait: Portrait, onto: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Whether another person's head or shoulders reach into the document; arguments as of `others_in`."""
    for face in portrait.rivals:
        box, (x, y) = face.box, face.box.centre
        corners = [
            onto[:2, :2] @ (x + across * box.width, y + down * box.height) + onto[:2, 2]
            for across in (-_SHOULDERS, _SHOULDERS)
            for down in (-_HAIR, _CHEST)
        ]
        xs, ys = [float(corner[0]) for corner in corners], [float(corner[1]) for corner in corners]
        if max(xs) > 0 and min(xs) < size[0] and max(ys) > 0 and min(ys) < size[1]:
            return True
    return False


def projected(person: NDArray[np.uint8], onto: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The person's mask in another picture of the same: H x W, uint8.

    Args:
        person: of `Portrait.upright`.
        onto: from its pixels to those of the other: 3 x 3.
        size: width and height of the other.
    """
    mask = cv2.warpAffine(person, onto[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(mask, dtype=np.uint8)
