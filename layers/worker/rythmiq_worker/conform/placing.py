"""From a portrait to a layout: which way up, how level, and what of the picture is taken around the head.

A head that leans is levelled where the slot allows it and the pixels around it suffice; else by half, else not at all.
"""

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import Layout, Levelling, Region, Subject, chosen_region, lay_out
from rythmiq_worker.decode.picture import Picture

if TYPE_CHECKING:
    from rythmiq_worker.people.head import Head
    from rythmiq_worker.people.portrait import Portrait

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
    picture: Picture, portrait: "Portrait | None", rules: SchemaDefinition, options: Options, *, captioned: bool
) -> Placed:
    """Turn a photo upright and choose how far its head is levelled.

    Args:
        picture: as its owner turned it.
        portrait: who stands on it; None and one without a subject leave it as it lies.
        rules: the slot's rules.
        options: the owner's; the crop is in shares of `picture`.
        captioned: whether a strip at the foot is kept free.
    """
    bounds = chosen_region(picture.width_px, picture.height_px, options.crop)
    if portrait is None or portrait.subject is None or portrait.head is None:
        return Placed(picture, bounds, None)
    bounds = _turned_region(bounds, portrait.turn_clockwise // 90, picture.width_px, picture.height_px)
    picture = picture.turned(portrait.turn_clockwise)
    subjects = [_subject(portrait, picture.width_px, share) for share in _levellings(portrait, rules)]
    layouts = [lay_out(rules, "photo", bounds, subject, caption=captioned) for subject in subjects]
    best = max(range(len(layouts)), key=lambda at: (_merit(layouts[at], subjects[at], rules), -at))
    return Placed(picture, bounds, subjects[best])


def _levellings(portrait: "Portrait", rules: SchemaDefinition) -> tuple[float, ...]:
    leans = LEVEL_FROM_DEG < abs(portrait.level_deg) <= LEVEL_TO_DEG
    return _SHARES_OF_LEVELLING if leans and rules.level == "allowed" else _SHARES_OF_LEVELLING[-1:]


def _merit(layout: Layout, subject: Subject, rules: SchemaDefinition) -> tuple[bool, bool]:
    """The whole head counts first, then that it has no more of the height than the portal takes."""
    share = subject.head.height_px / layout.region.height
    most = rules.face_ratio[1] if rules.face_ratio else 1.0
    return layout.head_fits, share <= most + 0.005


def _subject(portrait: "Portrait", width_px: int, share: float) -> Subject:
    """The head in full-size pixels, of the picture that is levelled by a share of the head's lean."""
    head, face = portrait.head, portrait.face
    if head is None or face is None:
        raise AssertionError("there is no subject")
    from rythmiq_worker.people.portrait import scale_of  # noqa: PLC0415  it is there, with its subject

    scale = scale_of(portrait, width_px)
    about_x, about_y = (value * scale for value in face.box.centre)
    levelling = Levelling(share * portrait.level_deg, about_x, about_y)
    grown = _scaled(head, scale)
    remaining = Levelling((share - 1) * portrait.level_deg, about_x, about_y)
    return Subject(grown if share == 1 else _leaning(grown, remaining), levelling)


def _scaled(head: "Head", factor: float) -> "Head":
    return head._replace(
        crown_y=head.crown_y * factor,
        chin_y=head.chin_y * factor,
        left_x=head.left_x * factor,
        right_x=head.right_x * factor,
        eye_y=head.eye_y * factor,
        centre_x=head.centre_x * factor,
    )


def _leaning(head: "Head", levelling: Levelling) -> "Head":
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
