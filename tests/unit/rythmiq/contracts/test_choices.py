"""What an owner may choose: points and crops inside the picture, and captions that a Latin typeface prints."""

import datetime as dt
import string
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rythmiq.contracts.choices import Caption, Point, why_refused
from rythmiq.contracts.job_bodies import JobOptions
from rythmiq.contracts.payload import Options, payload_version, refused_options
from rythmiq.contracts.portal import SchemaDefinition, Source

PRINTED = string.ascii_letters + string.digits + " .'-,()/"
ACCENTED = "".join(map(chr, range(0xC0, 0x17F)))
DATE = "2026-11-28"


def named(name: str) -> str:
    """The name that is printed."""
    return Caption(name=name, date=DATE).name


def refusal(**fields: object) -> str:
    """Why a caption is refused, in all that is said of it."""
    with pytest.raises(ValidationError) as refused:
        Caption.model_validate({"name": "Asha Rao", "date": DATE} | fields)
    return str(refused.value)


@given(st.text(PRINTED, min_size=1, max_size=60).filter(str.strip))
def test_printable_latin_is_taken_with_single_spaces(name: str) -> None:
    assert named(name) == " ".join(name.split())


@given(st.text([c for c in ACCENTED if unicodedata.category(c).startswith("L")], min_size=1, max_size=20))
def test_accents_of_europe_are_taken_composed_or_not(name: str) -> None:
    assert named(unicodedata.normalize("NFD", name)) == named(name) == unicodedata.normalize("NFC", name)


@given(st.text(PRINTED, max_size=20), st.characters(), st.text(PRINTED, max_size=20))
def test_no_other_character_is_printed_and_none_is_quoted(before: str, other: str, after: str) -> None:
    try:
        said, printed = "", named(f"{before}QZQ{other}{after}")
    except ValidationError as error:
        said, printed = str(error), ""
    assert "QZQ" not in said
    assert all(c in PRINTED or unicodedata.name(c).startswith("LATIN ") for c in printed)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "Asha\x00Rao",
        "Asha\nRao",
        "Asha\tRao",
        "Asha\u2028Rao",
        "Asha\x7fRao",
        "\u202eAsha",
        "Asha\u200dRao",
        "\ufeffAsha",
        "عائشة",
        "עדי",
        "आशा राव",
        "অশা",
        "Аша",
        "旭",
        "Asha\u0328\u0338",
        "x\u0315",
        "Asha 😀",
        "Asha\u20e3",
        "Asha & Rao",
        "<b>Asha</b>",
        "Asha_Rao",
        "\ud800",
        "A" * 61,
    ],
)
def test_what_a_latin_typeface_does_not_print_is_refused(name: str) -> None:
    said = refusal(name=name)
    assert "name" in said
    assert "Asha" not in said


def test_sixty_characters_fit_and_sixty_one_do_not() -> None:
    assert named("A" * 60) == "A" * 60
    assert "60" in refusal(name="A" * 61)


@given(st.dates())
def test_a_date_of_the_calendar_is_taken_as_it_is_written(date: dt.date) -> None:
    assert Caption(name="Asha", date=date.isoformat()).date == date.isoformat()


@pytest.mark.parametrize(
    "date",
    [
        *("", "2026-02-29", "2026-13-01", "2026-00-10", "2026-11-31", "0000-01-01", "28-11-2026", "2026-1-2"),
        *("20261128", "2026-W48-6", "2026-11-28T00:00", " 2026-11-28", "2026-11-28\n", "२०२६-११-२८"),
    ],
)
def test_what_is_no_date_of_the_calendar_is_refused(date: str) -> None:
    assert "date" in refusal(date=date)


def test_a_leap_day_is_a_date_in_a_leap_year() -> None:
    assert Caption(name="Asha", date="2028-02-29").date == "2028-02-29"


@pytest.mark.parametrize("value", [None, 5, {"name": "x"}, ["a"]])
def test_a_caption_is_made_of_two_texts(value: object) -> None:
    assert "name" in refusal(name=value)


def test_a_caption_does_not_show_when_options_are_printed() -> None:
    options: dict[str, Any] = {"caption": {"name": "Asha Rao", "date": DATE}, "face": {"x": 0.5, "y": 0.25}}
    for model in (JobOptions, Options):
        printed = repr(model.model_validate(options))
        assert "Asha" not in printed
        assert DATE not in printed
        assert "0.25" in printed


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_point_is_anywhere_in_the_picture(x: float, y: float) -> None:
    assert Point(x=x, y=y) == Point.model_validate_json(Point(x=x, y=y).model_dump_json())


@pytest.mark.parametrize("x", [-1e-9, 1 + 1e-9, float("nan"), float("inf"), "left", None])
def test_a_point_outside_the_picture_is_refused(x: object) -> None:
    with pytest.raises(ValidationError):
        Point.model_validate({"x": x, "y": 0.5})


@pytest.mark.parametrize("options", [{"background": "blue"}, {"background": ""}, {"rotate": 45}, {"faces": 1}])
def test_a_choice_that_there_is_not_is_refused_in_requests(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        JobOptions.model_validate(options)


def test_nothing_is_chosen_by_default() -> None:
    assert JobOptions().model_dump(exclude_none=True) == Options().model_dump(exclude_none=True) == {}


# --- by page ----------------------------------------------------------------------------------------------------------

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
LISTS: dict[str, Any] = {"rotate": [90, None], "corners": [None, SQUARE, None], "page": ["whole"]}


def test_lists_hold_for_their_pages_and_nothing_for_the_others() -> None:
    options = Options.model_validate(LISTS | {"ocr_language": "hi"})
    pages = [options.of_page(index) for index in range(4)]
    assert [page.rotate for page in pages] == [90, None, None, None]
    assert [page.page for page in pages] == ["whole", None, None, None]
    assert [page.corners is not None for page in pages] == [False, True, False, False]
    assert {page.ocr_language for page in pages} == {"hi"}


def test_what_is_no_list_holds_for_all_pages_and_a_page_s_own_goes_first() -> None:
    options = Options.model_validate({"rotate": 180, "page": "whole", "by_page": [{"rotate": 0}, {}]})
    assert [options.of_page(index).rotate for index in range(3)] == [0, 180, 180]
    assert [options.of_page(index).page for index in range(3)] == ["whole"] * 3


def test_lists_survive_json() -> None:
    options = Options.model_validate(LISTS)
    assert Options.model_validate_json(options.model_dump_json(exclude_none=True)) == options
    asked = JobOptions.model_validate_json(JobOptions.model_validate(LISTS).model_dump_json(exclude_none=True))
    assert Options.model_validate(asked.model_dump(mode="json", exclude_none=True)) == options


@pytest.mark.parametrize(
    "options",
    [
        {"corners": [SQUARE], "page": ["whole"]},
        {"corners": [None, SQUARE], "page": [None, "whole"]},
        {"corners": SQUARE, "page": ["whole"]},
        {"corners": [SQUARE], "page": "whole"},
        {"page": ["whole"], "crop": {"x": 0, "y": 0, "width": 1, "height": 1}},
        {"rotate": [45]},
        {"rotate": []},
        {"rotate": [0] * 101},
        {"page": ["half"]},
        {"corners": [SQUARE[::-1]]},
        {"corners": []},
    ],
)
def test_lists_that_contradict_themselves_or_their_kind_are_refused_everywhere(options: dict[str, Any]) -> None:
    for model in (JobOptions, Options):
        with pytest.raises(ValidationError):
            model.model_validate(options)


def test_corners_and_the_whole_picture_may_take_turns() -> None:
    turns = {"corners": [SQUARE, None], "page": [None, "whole"]}
    assert JobOptions.model_validate(turns).model_dump(mode="json", exclude_none=True) == turns
    assert Options.model_validate(turns).of_page(1).page == "whole"


# --- which slot allows what -------------------------------------------------------------------------------------------

ALL = Options.model_validate({"background": "white", "caption": {"name": "Asha", "date": DATE}, "text_layer": True})


@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ({}, ("background", "caption", "text_layer")),
        ({"kind": "photo", "background_edit": "allowed"}, ("caption", "text_layer")),
        ({"kind": "photo", "caption": "allowed"}, ("background", "text_layer")),
        ({"kind": "auto", "caption": "required", "background_edit": "allowed"}, ("text_layer",)),
        ({"kind": "photo", "name_date_strip": True, "background_edit": "allowed"}, ("text_layer",)),
        (
            {"kind": "signature", "caption": "required", "background_edit": "allowed"},
            ("background", "caption", "text_layer"),
        ),
        ({"kind": "document", "output_format": "pdf", "text_layer": "allowed"}, ("background", "caption")),
        ({"kind": "auto", "formats": ["pdf", "jpeg"], "text_layer": "allowed"}, ("background", "caption")),
        ({"kind": "document", "output_format": "pdf"}, ("background", "caption", "text_layer")),
        ({"kind": "document", "text_layer": "allowed"}, ("background", "caption", "text_layer")),
        (
            {"kind": "signature", "output_format": "pdf", "text_layer": "allowed"},
            ("background", "caption", "text_layer"),
        ),
    ],
)
def test_a_slots_rules_allow_or_refuse_an_option(rules: dict[str, object], refused: tuple[str, ...]) -> None:
    definition = SchemaDefinition.model_validate(rules)
    assert refused_options(ALL, definition) == refused
    assert refused_options(Options(text_layer=False), definition) == ()


def test_a_refusal_cites_the_rules_note_and_address() -> None:
    source = Source(
        source_url="https://x.org/a", source_kind="official", checked_on=dt.date(2026, 11, 28), confidence="high"
    )
    plain = "the portal's rules do not allow it"
    assert why_refused("caption", None) == plain
    assert why_refused("background", None).startswith(f"{plain}: nothing says")
    assert why_refused("background", source.model_dump()) == f"{plain}; see https://x.org/a"
    noted = source.model_copy(update={"note": "no edits"})
    assert why_refused("caption", noted.model_dump()) == f"{plain}: no edits (https://x.org/a)"


@pytest.mark.parametrize(
    ("options", "rules", "version"),
    [
        ({}, {}, 1),
        ({"rotate": 90, "crop": {"x": 0, "y": 0, "width": 1, "height": 1}}, {"max_kb": 100}, 1),
        ({"background": "white"}, {}, 2),
        ({"caption": {"name": "Asha", "date": DATE}}, {}, 2),
        ({"face": {"x": 0.5, "y": 0.5}}, {}, 2),
        ({"rotate": [90, None]}, {}, 2),
        ({"page": "whole"}, {}, 2),
        ({"text_layer": True}, {}, 2),
        ({}, {"text_layer": "allowed"}, 2),
        ({}, {"level": "forbidden"}, 2),
        ({}, {"sources": {"max_kb": {"source_kind": "none_found"}}}, 2),
    ],
)
def test_a_payload_says_two_where_a_worker_must_know_something_newer(
    options: dict[str, object], rules: dict[str, object], version: int
) -> None:
    assert payload_version(options, rules) == version
    assert payload_version(options, rules, several=True) == 2
