"""Clauses that speak of a person: each has a side that passes, and one that fails where the slot states the rule."""

from typing import Any

import pytest

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.content_clauses import Finding
from rythmiq_worker.conform.person import Person
from rythmiq_worker.conform.person_clauses import (
    CENTRING_BOUNDS,
    EYE_LINE_BOUNDS,
    FACE_SIZE_BOUNDS,
    person_findings,
)
from rythmiq_worker.people.face import Box
from rythmiq_worker.people.head import Head
from rythmiq_worker.people.looks import (
    COLOUR,
    DARK_GLASSES,
    EYES_OPEN,
    MOUTH_OPEN,
    PITCH_DEG,
    ROLL_DEG,
    UNEVEN,
    YAW_DEG,
    FaceLight,
    Look,
)
from rythmiq_worker.people.portrait import Portrait
from tests.data.faces import face_at

SIZE = (400, 500)
LOOK = Look(0.0, 0.0, 0.0, eyes_open=0.5, mouth_open=0.0, dark_glasses=0.0, chroma=20.0)
LIGHT = FaceLight(skin=60, shine=75, eye_white=70, difference=0, behind=80)
HEAD = Head(crown_y=50, chin_y=425, left_x=80, right_x=320, eye_y=240, centre_x=200, cut_at_top=False)
FACE = face_at(Box(120, 120, 160, 200))
STATED: dict[str, Any] = {
    "faces": "one",
    "centring": "centred",
    "roll": "level",
    "pose": "frontal",
    "eyes": "open",
    "mouth": "closed",
    "glasses": "clear",
    "grey": "forbidden",
    "face_light": "even",
    "face_ratio": [0.7, 0.8],
}


def person(**changes: Any) -> Person:
    """A person who keeps every rule, but for some changes."""
    faces = changes.pop("faces", 1)
    look = LOOK._replace(**{name: value for name, value in changes.items() if name in LOOK._fields})
    head = HEAD._replace(**{name: value for name, value in changes.items() if name in HEAD._fields})
    return Person(faces, face=FACE, head=head, size=SIZE, look=look)


def portrait(rivals: int = 0, **light: Any) -> Portrait:
    """An upload of that person."""
    return Portrait(SIZE, (FACE,), FACE, face=FACE, rivals=(FACE,) * rivals, light=LIGHT._replace(**light))


def finding(name: str, seen: Person | None = None, came: Portrait | None = None, **rules: Any) -> Finding:
    """What is found of one clause."""
    definition = SchemaDefinition.model_validate({"kind": "photo", "face": "required", **rules})
    found = person_findings(definition, came or portrait(), person() if seen is None else seen)
    return next(each for each in found if each.clause.clause == name)


CASES = [
    ("faces", portrait(0), portrait(1), WarningCode.FACES_SEVERAL),
    ("centring", person(), person(centre_x=200 + 400 * (CENTRING_BOUNDS[1] + 0.01)), WarningCode.HEAD_OFF_CENTRE),
    ("roll", person(roll_deg=ROLL_DEG.passes), person(roll_deg=-ROLL_DEG.fails), WarningCode.HEAD_TILTED),
    ("pose", person(yaw_deg=YAW_DEG.passes), person(yaw_deg=-YAW_DEG.fails), WarningCode.NOT_FRONTAL),
    ("pose", person(pitch_deg=PITCH_DEG.passes), person(pitch_deg=-PITCH_DEG.fails), WarningCode.NOT_FRONTAL),
    ("eyes", person(eyes_open=EYES_OPEN.passes), person(eyes_open=EYES_OPEN.fails), WarningCode.EYES_CLOSED),
    ("mouth", person(mouth_open=MOUTH_OPEN.passes), person(mouth_open=MOUTH_OPEN.fails), WarningCode.MOUTH_OPEN),
    (
        "glasses",
        person(dark_glasses=DARK_GLASSES.passes),
        person(dark_glasses=DARK_GLASSES.fails),
        WarningCode.DARK_GLASSES,
    ),
    ("grey", person(chroma=COLOUR.passes), person(chroma=COLOUR.fails), WarningCode.NO_COLOUR),
    ("face_light", portrait(difference=-UNEVEN.passes), portrait(difference=UNEVEN.fails), WarningCode.FACE_LIGHT),
    ("face_size", person(), person(crown_y=425 - 500 * (0.7 - FACE_SIZE_BOUNDS[1] - 0.001)), WarningCode.FACE_SIZE),
    ("face_size", person(), person(crown_y=425 - 500 * (0.8 + FACE_SIZE_BOUNDS[1] + 0.001)), WarningCode.FACE_SIZE),
]


def found_in(name: str, what: Person | Portrait, **rules: Any) -> Finding:
    return finding(name, came=what, **rules) if isinstance(what, Portrait) else finding(name, what, **rules)


@pytest.mark.parametrize(("name", "good", "bad", "code"), CASES)
def test_a_stated_rule_passes_up_to_its_bound_and_fails_past_it(
    name: str, good: Person | Portrait, bad: Person | Portrait, code: WarningCode
) -> None:
    kept, broken = found_in(name, good, **STATED), found_in(name, bad, **STATED)
    assert (kept.clause.verdict, kept.notice) == ("pass", None)
    assert broken.clause.verdict == "fail"
    assert broken.notice is not None
    assert broken.notice.code is code
    assert str(broken.notice)


@pytest.mark.parametrize(
    ("name", "bad", "code"), [(name, bad, code) for name, _, bad, code in CASES if name != "face_size"]
)
def test_without_the_rule_the_same_is_advice(name: str, bad: Person | Portrait, code: WarningCode) -> None:
    advised = found_in(name, bad)
    assert advised.clause.verdict == "advice"
    assert advised.notice is not None
    assert advised.notice.code is code


@pytest.mark.parametrize("name", [name for name in STATED if name not in {"face_ratio", "faces", "face_light"}])
def test_a_stated_rule_is_not_checked_where_no_face_is_seen(name: str) -> None:
    found = finding(name, Person(0, size=SIZE), **STATED)
    assert (found.clause.verdict, found.notice) == ("not_checked", None)


def test_no_rule_is_named_that_the_slot_does_not_state_where_no_face_is_seen() -> None:
    rules = SchemaDefinition.model_validate({"kind": "photo"})
    found = person_findings(rules, None, Person(0, size=SIZE))
    assert [each.clause.clause for each in found] == ["face"]


@pytest.mark.parametrize(
    ("faces", "verdict", "measured"), [(0, "fail", "no face found"), (1, "pass", "one face"), (2, "fail", "2 faces")]
)
def test_one_face_is_due_in_the_document(faces: int, verdict: str, measured: str) -> None:
    clause = finding("face", person(faces=faces)).clause
    assert (clause.verdict, clause.measured) == (verdict, measured)


def test_a_second_person_on_the_upload_is_counted_there() -> None:
    found = finding("faces", came=portrait(2), faces="one")
    assert found.clause.measured == "3 people on the upload"
    assert found.notice is not None
    assert "3 faces were found" in str(found.notice)


def test_glasses_are_never_passed_where_none_are_allowed() -> None:
    """Clear ones are not seen."""
    found = finding("glasses", person(dark_glasses=0.0), glasses="none")
    assert (found.clause.verdict, found.notice) == ("not_checked", None)
    assert finding("glasses", person(dark_glasses=0.9), glasses="none").clause.verdict == "fail"


@pytest.mark.parametrize("rule", ["none", "religious"])
def test_headwear_is_never_passed(rule: str) -> None:
    assert finding("headwear", headwear=rule).clause.verdict == "not_checked"


def test_a_head_that_is_cut_off_is_of_no_size_that_a_portal_takes() -> None:
    found = finding("face_size", person()._replace(whole_head=False), **STATED)
    assert (found.clause.verdict, found.notice) == ("fail", None)
    assert "cut off" in (found.clause.measured or "")


def test_eyes_behind_glasses_are_not_judged() -> None:
    assert finding("eyes", person(eyes_open=None), eyes="open").clause.verdict == "not_checked"


@pytest.mark.parametrize(("behind", "measured"), [(None, "too dark"), (95.0, "dark before a bright background")])
def test_a_dark_face_fails_its_light_and_leaves_the_advice_to_quality(behind: float | None, measured: str) -> None:
    dark = portrait(skin=20, shine=40, eye_white=30, behind=behind)
    found = finding("face_light", came=dark, face_light="even")
    assert (found.clause.verdict, found.notice) == ("fail", None)
    assert found.clause.measured == f"{measured}, on the upload"


@pytest.mark.parametrize(
    ("eyes_at", "verdict"),
    [(0.56, "pass"), (0.561 - EYE_LINE_BOUNDS[0], "pass"), (0.56 - EYE_LINE_BOUNDS[1] - 0.001, "fail"), (0.80, "fail")],
)
def test_the_eyes_stand_where_the_portal_wants_them(eyes_at: float, verdict: str) -> None:
    seen = person(eye_y=500 * (1 - eyes_at))
    assert finding("centring", seen, eye_line=[0.56, 0.69]).clause.verdict == verdict


def test_a_clause_cites_the_source_of_its_rule() -> None:
    source = {
        "source_url": "https://example.org/rules",
        "source_kind": "official",
        "checked_on": "2026-11-28",
        "confidence": "high",
    }
    clause = finding("pose", pose="frontal", sources={"pose": source}).clause
    assert clause.source is not None
    assert clause.source.source_url == "https://example.org/rules"
