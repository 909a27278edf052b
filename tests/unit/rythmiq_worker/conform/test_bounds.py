"""Each threshold of a clause on a person, a page's text or a background: just short of it, and just beyond."""

from typing import Any

import numpy as np
import pytest

from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.clauses import _sharpness
from rythmiq_worker.conform.content_clauses import text_clauses
from rythmiq_worker.conform.geometry import resolve_kind
from rythmiq_worker.conform.person import Person, has_company, place
from rythmiq_worker.conform.person_clauses import person_findings
from rythmiq_worker.conform.sight import Rim, Sight
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.engines import TextSight
from rythmiq_worker.people.face import Box
from rythmiq_worker.people.head import Head
from rythmiq_worker.people.portrait import Portrait
from tests.data.faces import face_at, portrait_with
from tests.support.bounds import PASS_TO_FAIL, above, below, grades_around
from tests.support.people import needs_networks
from tests.support.uploads import portrait as picture_of_her

SIZE = (1000, 1000)
HEAD = Head(crown_y=100, chin_y=850, left_x=300, right_x=700, eye_y=400, centre_x=500, cut_at_top=False)


def _verdict(name: str, head: Head, **rules: Any) -> str:
    definition = SchemaDefinition.model_validate({"kind": "photo", "face": "required", **rules})
    person = Person(1, face=face_at(Box(400, 300, 200, 250)), head=head, size=SIZE)
    found = person_findings(definition, None, person)
    return next(each.clause.verdict for each in found if each.clause.clause == name)


@needs_networks
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_head_may_be_so_much_smaller_or_larger_than_the_portal_says(sign: int) -> None:
    """The portal takes 70 to 80 %."""

    def graded(off: float) -> str:
        share = 0.7 - off if sign < 0 else 0.8 + off
        return _verdict("face_size", HEAD._replace(chin_y=100 + 1000 * share), face_ratio=[0.7, 0.8])

    assert grades_around(graded, 0.04 - 1e-9, 0.08 + 1e-9) == PASS_TO_FAIL


@needs_networks
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_head_may_be_so_far_beside_the_middle(sign: int) -> None:
    def graded(off: float) -> str:
        return _verdict("centring", HEAD._replace(centre_x=500 + sign * 1000 * off), centring="centred")

    assert grades_around(graded, 0.06 - 1e-9, 0.12 + 1e-9) == PASS_TO_FAIL


@needs_networks
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_eyes_may_be_so_far_from_where_the_portal_wants_them(sign: int) -> None:
    """It takes 56 to 69 % above the lower edge."""

    def graded(off: float) -> str:
        at = 0.56 - off if sign < 0 else 0.69 + off
        return _verdict("centring", HEAD._replace(eye_y=1000 * (1 - at)), eye_line=[0.56, 0.69])

    assert grades_around(graded, 0.03 - 1e-9, 0.06 + 1e-9) == PASS_TO_FAIL


@pytest.mark.parametrize(("clause", "passes", "fails"), [(0, 0.85, 0.60), (1, 0.97, 0.75)])
def test_text_is_legible_and_complete_from_one_share_on(clause: int, passes: float, fails: float) -> None:
    def graded(share: float) -> str:
        if clause == 0:
            return text_clauses([TextSight(1000, 1000 * share)])[0].verdict
        return text_clauses([TextSight(100_000, 100_000.0, 100_000 / share - 100_000)])[1].verdict

    assert grades_around(graded, passes + 1e-9, fails - 1e-9) == PASS_TO_FAIL


def test_a_page_is_sharp_up_to_one_width_of_its_edges() -> None:
    def graded(width: float) -> str:
        return _sharpness(Sight("document", edge_width=width)).verdict

    assert grades_around(graded, 5.2, 5.8) == PASS_TO_FAIL


@pytest.mark.parametrize(
    ("lightness", "chroma", "white", "light"),
    [
        (above(88.0), below(8.0), True, True),
        (below(88.0), below(8.0), False, True),
        (above(88.0), above(8.0), False, True),
        (above(70.0), below(14.0), False, True),
        (below(70.0), below(14.0), False, False),
        (above(70.0), above(14.0), False, False),
    ],
)
def test_a_rim_is_white_or_light_from_one_figure_on(
    lightness: float, chroma: float, *, white: bool, light: bool
) -> None:
    rim = Rim(lightness, chroma)
    assert (rim.white, rim.light) == (white, light)


def _levelled_by(lean_deg: float) -> float:
    picture = Picture.from_image(picture_of_her(1000, 1000))
    portrait = portrait_with(SIZE, Box(400, 350, 200, 250))._replace(level_deg=-lean_deg)
    found = place(picture, portrait, SchemaDefinition(kind="photo"), Options(), captioned=False)
    assert found.subject is not None
    return found.subject.levelling.degrees_clockwise


@needs_networks
@pytest.mark.parametrize(
    ("lean_deg", "levelled"), [(below(3.0), False), (above(3.0), True), (below(45.0), True), (above(45.0), False)]
)
def test_a_head_is_levelled_between_these(lean_deg: float, *, levelled: bool) -> None:
    assert (_levelled_by(lean_deg) != 0) is levelled


OTHER = Box(1000, 1000, 100, 100)


@needs_networks
@pytest.mark.parametrize(
    ("left", "top", "company"),
    [
        (below(1.2), 0, True),
        (above(1.2), 0, False),
        (-below(1.2), 0, True),
        (-above(1.2), 0, False),
        (0, below(2.0), True),
        (0, above(2.0), False),
        (0, -below(0.8), True),
        (0, -above(0.8), False),
    ],
)
def test_a_persons_shoulders_hair_and_chest_reach_so_far(left: float, top: float, *, company: bool) -> None:
    """In faces, from the middle of the other's face to the document's nearest edge."""
    rival = face_at(OTHER)
    (x, y), box = rival.box.centre, rival.box
    side = 300.0
    across = x + left * box.width if left > 0 else x + left * box.width - side if left else x - side / 2
    down = y + top * box.height if top > 0 else y + top * box.height - side if top else y - side / 2
    onto = np.array([[1, 0, -across], [0, 1, -down], [0, 0, 1.0]])
    assert has_company(Portrait(SIZE, rivals=(rival,)), onto, (300, 300)) is company


@needs_networks
@pytest.mark.parametrize(
    ("height", "other", "kind"),
    [
        (below(200), 0, "document"),
        (above(200), 0, "photo"),
        (500, 500 * below(0.7), "photo"),
        (500, 500 * above(0.7), "document"),
    ],
)
def test_a_face_that_dominates_makes_a_portrait(height: float, other: float, kind: str) -> None:
    """Of 1000 px; beside another one it is to be clearly the larger."""
    faces = tuple(face_at(Box(0, 0, size, size)) for size in (height, other) if size)
    assert resolve_kind(SchemaDefinition(kind="auto"), Portrait(SIZE, faces)) == kind
