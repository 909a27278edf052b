"""Each threshold on a person: what lies just short of it and what lies just beyond."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.people import search
from rythmiq_worker.people.backdrop import Backdrop, Rule, backdrop_of
from rythmiq_worker.people.face import Box, Face, rivals_of, subject_of
from rythmiq_worker.people.head import Head, head_of
from rythmiq_worker.people.looks import FaceLight, Look, Sharpness
from rythmiq_worker.people.portrait import Wish, read_portrait
from rythmiq_worker.people.search import Cut
from tests.data.faces import face_at
from tests.support.bounds import PASS_TO_FAIL, above, below, grades_around
from tests.support.people import needs_networks

pytestmark = needs_networks  # `face_at` is the astronaut's own
Pixels = NDArray[np.uint8]
LOOK = Look(0.0, 0.0, 0.0, eyes_open=0.5, mouth_open=0.0, dark_glasses=0.0, chroma=20.0)
LIGHT = FaceLight(skin=70, shine=80, eye_white=40, difference=0, behind=60)
SHARP = Sharpness(4.0, 0.5)
PLAIN = Backdrop(lightness=95, darkest=93, chroma=2, things=0, edges=0, share=0.3)


@pytest.mark.parametrize(
    ("measured", "field", "grade", "passes", "fails"),
    [
        (LOOK, "yaw_deg", "pose", 17.0, 25.0),
        (LOOK, "pitch_deg", "pose", 18.0, 26.0),
        (LOOK, "roll_deg", "roll", 8.0, 15.0),
        (LOOK, "eyes_open", "eyes", 0.17, 0.12),
        (LOOK, "mouth_open", "mouth", 0.25, 0.40),
        (LOOK, "dark_glasses", "glasses", 0.45, 0.60),
        (LOOK, "chroma", "colour", 6.0, 4.0),
        (LIGHT, "difference", "evenness", 20.0, 30.0),
        (SHARP, "edge_width_px", "grade", 5.5, 6.0),
        (SHARP, "smear", "grade", 0.70, 0.75),
    ],
)
def test_a_face_passes_up_to_one_figure_and_fails_from_another(
    measured: Any, field: str, grade: str, passes: float, fails: float
) -> None:
    def graded(value: float) -> str:
        found: str = getattr(measured._replace(**{field: value}), grade)
        return found

    assert grades_around(graded, passes, fails) == PASS_TO_FAIL


@pytest.mark.parametrize(
    ("rule", "field", "passes", "fails"),
    [
        ("white", "lightness", 88.0, 84.0),
        ("light", "lightness", 75.0, 70.0),
        ("white", "darkest", 75.0, 62.0),
        ("light", "darkest", 66.0, 58.0),
        ("white", "chroma", 8.0, 9.0),
        ("light", "chroma", 9.0, 11.0),
        ("light", "things", 0.003, 0.006),
        ("light", "edges", 0.06, 0.10),
    ],
)
def test_a_background_passes_up_to_one_figure_and_fails_from_another(
    rule: Rule, field: str, passes: float, fails: float
) -> None:
    def graded(value: float) -> str:
        return PLAIN._replace(**{field: value}).judged(rule).grade

    assert grades_around(graded, passes, fails) == PASS_TO_FAIL


@pytest.mark.parametrize(
    ("light", "dark"),
    [
        (LIGHT._replace(shine=above(58.0)), None),
        (LIGHT._replace(shine=below(58.0)), "face"),
        (LIGHT._replace(shine=50, eye_white=below(48.0)), "face"),
        (LIGHT._replace(shine=50, eye_white=above(48.0)), None),
        (LIGHT._replace(shine=below(60.0), behind=99), "backlit"),
        (LIGHT._replace(shine=above(60.0), behind=99), None),
        (LIGHT._replace(shine=59, behind=59 + above(36.0)), "backlit"),
        (LIGHT._replace(shine=59, behind=59 + below(36.0)), None),
    ],
)
def test_a_face_is_dark_from_one_figure_on(light: FaceLight, dark: str | None) -> None:
    assert light.dark == dark


def _face(height: float, x: float = 0.0, score: float = 1.0) -> Face:
    found = face_at(Box(x, 0, height, height))
    return Face(found.box, found.roll_deg, score, found.points)


@pytest.mark.parametrize(("share", "rivals"), [(below(0.5), 0), (above(0.5), 1)])
def test_a_face_of_half_the_subjects_height_may_be_meant_instead(share: float, rivals: int) -> None:
    subject = _face(1000)
    assert len(rivals_of((subject, _face(1000 * share)), subject)) == rivals


@pytest.mark.parametrize(("score", "largest"), [(below(0.25), False), (above(0.25), True)])
def test_a_face_that_is_hardly_seen_is_no_subject(score: float, *, largest: bool) -> None:
    doubtful = _face(1000, score=score)
    assert (subject_of((doubtful, _face(500)), 1000, 1000) is doubtful) is largest


@pytest.mark.parametrize(("share", "central"), [(below(0.97), False), (above(0.97), True)])
def test_of_two_faces_as_large_the_more_central_is_the_subject(share: float, *, central: bool) -> None:
    aside, middle = _face(1000, 0), _face(1000 * share, 2000)
    assert (subject_of((aside, middle), 5000, 1000) is middle) is central


@pytest.mark.parametrize(
    ("x", "y", "taken"),
    [(below(0.75), 0, True), (above(0.75), 0, False), (0, below(1.0), True), (0, above(1.0), False)],
)
def test_a_point_takes_a_face_whose_head_may_be_there(x: float, y: float, *, taken: bool) -> None:
    face = face_at(Box(400, 400, 200, 200))
    (across, down), box = face.box.centre, face.box
    point = ((across + x * box.width) / 1000, (down + y * box.height) / 1000)
    portrait = read_portrait(np.full((1000, 1000, 3), 200, np.uint8), Wish(point=point), lambda _: (face,))
    assert (portrait.subject is face) is taken


@pytest.mark.parametrize(("roll_deg", "levelled"), [(0.9, False), (1.0, True)])
def test_a_head_that_leans_by_a_degree_is_looked_at_level(roll_deg: float, *, levelled: bool) -> None:
    face = face_at(Box(200, 200, 200, 200), roll_deg)
    portrait = read_portrait(np.full((600, 600, 3), 200, np.uint8), Wish(), lambda _: (face,))
    assert (portrait.level_deg != 0) is levelled


BOX = Box(0, 0, 100, 100)
CUT = Cut(50, 50, 100, 0)


@pytest.mark.parametrize(
    ("proposed", "logit", "alone"),
    [
        (above(0.7), above(8.0), True),
        (above(0.7), below(8.0), False),
        (below(0.7), above(8.0), False),
        (below(0.7), above(12.0), True),
        (below(0.7), below(12.0), False),
    ],
)
def test_a_face_alone_is_to_be_seen_well(proposed: float, logit: float, *, alone: bool) -> None:
    assert search._can_stand_alone(search._Proposal(BOX, 0, proposed), search._Seen(_face(100), logit, CUT)) is alone


@pytest.mark.parametrize(
    ("proposed", "roll_deg", "logit", "beside"),
    [
        (0.3, 0, above(4.0), True),
        (0.3, 0, below(4.0), False),
        (above(0.6), 0, 3.0, True),
        (below(0.6), 0, 3.0, False),
        (0.9, 0, above(-8.4), True),
        (0.9, 0, below(-8.4), False),
        (0.7, 0, above(-4.4), True),
        (0.7, 0, below(-4.4), False),
        (0.9, below(45.0), 0.0, True),
        (0.9, above(45.0), 0.0, False),
    ],
)
def test_a_face_beside_a_sure_one_may_be_cut_or_out_of_focus(
    proposed: float, roll_deg: float, logit: float, *, beside: bool
) -> None:
    proposal = search._Proposal(BOX, roll_deg, proposed)
    assert search._can_stand_beside(proposal, search._Seen(_face(100), logit, CUT)) is beside


@pytest.mark.parametrize(
    ("score", "logit", "looks"),
    [(above(0.5), below(25.0), 2), (below(0.5), below(25.0), 1), (above(0.5), above(25.0), 1)],
)
def test_a_face_that_may_stand_on_its_head_is_looked_at_overturned(
    score: float, logit: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[Cut] = []

    def look(_rgb: Pixels, cut: Cut) -> search._Seen:
        cuts.append(cut)
        return search._Seen(_face(100, score=score), logit, cut)

    monkeypatch.setattr(search, "_look_well", look)
    search._look_at(np.zeros((9, 9, 3), np.uint8), search._Proposal(BOX, 0, 0.9))
    assert len(cuts) == looks


@pytest.mark.parametrize(("score", "found"), [(below(0.3), 0), (above(0.3), 1)])
def test_the_detector_proposes_from_a_low_score_on(score: float, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, offsets = np.full(896, -60.0), np.zeros((896, 16), np.float32)
    logits[300] = np.log(score / (1 - score))
    offsets[300, 2:4] = 40
    monkeypatch.setattr(search, "run_face_network", lambda _: (logits, offsets))
    assert len(search._proposals(np.zeros((256, 256, 3), np.uint8))) == found


@pytest.mark.parametrize(
    ("other", "askew"),
    [
        (Cut(50, 50, 100 * below(1.2), 0), False),
        (Cut(50, 50, 100 * above(1.2), 0), True),
        (Cut(50 + 100 * below(0.1), 50, 100, 0), False),
        (Cut(50 + 100 * above(0.1), 50, 100, 0), True),
        (Cut(50, 50, 100, below(8.0)), False),
        (Cut(50, 50, 100, above(8.0)), True),
    ],
)
def test_a_square_off_the_face_is_worth_another_look(other: Cut, *, askew: bool) -> None:
    assert CUT.is_askew_of(other) is askew


@pytest.mark.parametrize(("aside", "one"), [(0.535, True), (0.541, False)])
def test_boxes_that_share_three_tenths_are_of_one_face(aside: float, *, one: bool) -> None:
    """Side by side by `aside` of a width, two equal boxes share (1 - aside) / (1 + aside)."""
    other = Box(aside * 1000, 0, 1000, 1000)
    assert (search._overlap(Box(0, 0, 1000, 1000), other) > 0.3) is one
    assert search._are_one(Box(0, 0, 1000, 1000), other) is one


HEAD_BOX = Box(800, 1000, 400, 400)


def _head(mask: Pixels) -> Head:
    return head_of(np.zeros((*mask.shape, 3), np.uint8), face_at(HEAD_BOX), mask)


def _mask_above(rows_from: float, width: float, level: int = 255) -> Pixels:
    """A person to the forehead, and something narrow on top of that about the middle of the face."""
    face = face_at(HEAD_BOX)
    mask = np.zeros((2000, 2000), np.uint8)
    mask[round(face.box.y) :, round(face.box.x) : round(face.box.x + face.box.width)] = 255
    middle = (face.points[:, 0].min() + face.points[:, 0].max()) / 2
    mask[round(rows_from) : round(face.box.y), round(middle - width / 2) : round(middle + width / 2)] = level
    return mask


@pytest.mark.parametrize(
    ("width", "level", "counts"),
    [(0.245, 255, False), (0.26, 255, True), (0.5, 126, False), (0.5, 130, True)],
)
def test_a_quarter_of_the_faces_width_is_hair_or_headwear(width: float, level: int, *, counts: bool) -> None:
    box = face_at(HEAD_BOX).box
    head = _head(_mask_above(box.y - 0.3 * box.height, width * box.width, level))
    assert (head.crown_y == pytest.approx(box.y - 0.3 * box.height, abs=1)) is counts


@pytest.mark.parametrize(("above_box", "as_seen"), [(below(0.8), True), (above(0.8), False)])
def test_what_rises_higher_than_any_headwear_is_not_the_heads(above_box: float, *, as_seen: bool) -> None:
    box = face_at(HEAD_BOX).box
    head = _head(_mask_above(box.y - above_box * box.height, 0.5 * box.width))
    due = above_box if as_seen else 0.35
    assert head.crown_y == pytest.approx(box.y - due * box.height, abs=1)


@pytest.mark.parametrize(("gap_px", "cut"), [(20, True), (21, False)])
def test_hair_within_a_hundredth_of_the_edge_is_cut(gap_px: int, *, cut: bool) -> None:
    """Of the height of the face, which is 2010 px."""
    face = face_at(Box(100, 1000, 2010, 2010))
    mask = np.zeros((1500, 2300), np.uint8)
    mask[gap_px:, 300:1900] = 255
    assert head_of(np.zeros((1500, 2300, 3), np.uint8), face, mask).cut_at_top is cut


@pytest.mark.parametrize(("reach", "due"), [(1.24, 1.24), (1.26, 1.25), (1.5, 1.25)])
def test_a_head_is_no_wider_than_hair_can_be(reach: float, due: float) -> None:
    face = face_at(HEAD_BOX)
    middle = float((face.points[:, 0].min() + face.points[:, 0].max()) / 2)
    mask = np.zeros((2000, 2000), np.uint8)
    mask[800:, round(middle - reach * face.box.width) : round(middle + reach * face.box.width)] = 255
    assert _head(mask).left_x == pytest.approx(middle - due * face.box.width, abs=1)


def _strip(rows: int, columns: int) -> Pixels:
    """The mask of a person who leaves so much of 256 x 256, inside a rim of 4 px and beside a hair's edge of 5."""
    mask = np.full((256, 256), 255, np.uint8)
    mask[: 4 + rows + 5, : 4 + columns + 5] = 0
    return mask


@pytest.mark.parametrize(("columns", "seen"), [(162, False), (166, True)])
def test_less_than_half_a_hundredth_of_the_picture_is_no_background(columns: int, *, seen: bool) -> None:
    """Of 65,536 pixels 328."""
    found = backdrop_of(np.full((256, 256, 3), 250, np.uint8), _strip(2, columns))
    assert (found is not None) is seen


@pytest.mark.parametrize(("columns", "busy"), [(243, False), (248, True)])
def test_structure_is_looked_for_from_three_hundredths_of_the_picture_on(columns: int, *, busy: bool) -> None:
    """Of 65,536 pixels 1,966, in 8 rows."""
    rgb = np.full((256, 256, 3), 250, np.uint8)
    rgb[:, 100:130] = 60
    found = backdrop_of(rgb, _strip(8, columns))
    assert found is not None
    assert (found.things > 0) is busy
