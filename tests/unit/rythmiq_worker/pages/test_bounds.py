"""Each threshold by which a page is believed, missed or unbent: just short of it, and just beyond."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.pages import find, is_drawn, is_surrounded, shape
from rythmiq_worker.pages.edges import Rim, Sides
from rythmiq_worker.pages.find import Found, certain, dark_card, partly, plausible
from rythmiq_worker.pages.proposals import Outline
from rythmiq_worker.pages.shape import Rows
from tests.support.bounds import above, below

SQUARE = np.array([(10.0, 10.0), (90.0, 10.0), (90.0, 90.0), (10.0, 90.0)])
LOOK: Any = SimpleNamespace(size=np.array([100, 100]), long_px=100, shares=lambda points: points)


def _sides(**changed: tuple[float, ...]) -> Sides:
    """Four perfect sides, but for the first figures of some measures."""
    perfect = {"cover": 1.0, "straight": 1.0, "contrast": 40.0, "within": 90.0, "beyond": 50.0}
    values = {name: np.full(4, value) for name, value in perfect.items()}
    for name, first in changed.items():
        values[name][: len(first)] = first
    return Sides(**values)


@pytest.mark.parametrize(
    ("sides", "believed"),
    [
        (_sides(cover=(above(0.85), above(0.85))), True),
        (_sides(cover=(below(0.85), above(0.85))), False),
        (_sides(cover=(above(0.6),)), True),
        (_sides(cover=(below(0.6),)), False),
        (_sides(cover=(0.7, above(0.88))), True),
        (_sides(cover=(0.7, below(0.88))), False),
        (_sides(straight=(above(0.8),)), True),
        (_sides(straight=(below(0.8),)), False),
        (_sides(contrast=(above(5.0),)), True),
        (_sides(contrast=(below(5.0),)), False),
        (_sides(contrast=(6.0,), within=(50.0 - below(2.0),)), True),
        (_sides(contrast=(6.0,), within=(50.0 - above(2.0),)), False),
        (_sides(contrast=(above(8.0),), within=(40.0,)), True),
        (_sides(contrast=(below(8.0),), within=(40.0,)), False),
        (_sides(within=(40.0,)), True),
        (_sides(within=(40.0, 40.0)), False),
    ],
)
def test_four_sides_are_one_sheets(sides: Sides, *, believed: bool) -> None:
    assert certain(sides) is believed


@pytest.mark.parametrize("name", ["cover", "straight", "contrast"])
def test_two_sides_that_meet_are_a_part_of_a_sheet(name: str) -> None:
    bound = {"cover": 0.9, "straight": 0.9, "contrast": 8.0}[name]
    for value, believed in ((above(bound), True), (below(bound), False)):
        others = {"cover": (0.0, 1.0, 1.0, 0.0)} if name != "cover" else {}
        sides = _sides(**others, **{name: (0.0, value, value, 0.0)})
        assert partly(sides) is believed


@pytest.mark.parametrize(
    ("changed", "side", "ink", "uneven", "believed"),
    [
        ({}, 0.5, 0.0, 0.0, True),
        ({"cover": (above(0.95),)}, 0.5, 0.0, 0.0, True),
        ({"cover": (below(0.95),)}, 0.5, 0.0, 0.0, False),
        ({"straight": (above(0.9),)}, 0.5, 0.0, 0.0, True),
        ({"straight": (below(0.9),)}, 0.5, 0.0, 0.0, False),
        ({"contrast": (above(8.0),)}, 0.5, 0.0, 0.0, True),
        ({"contrast": (below(8.0),)}, 0.5, 0.0, 0.0, False),
        ({"beyond": (below(93.0),)}, 0.5, 0.0, 0.0, True),
        ({"beyond": (above(93.0),)}, 0.5, 0.0, 0.0, False),
        ({}, above(0.15) ** 0.5, 0.0, 0.0, True),
        ({}, below(0.15) ** 0.5, 0.0, 0.0, False),
        ({}, 0.5, below(0.1), 0.0, True),
        ({}, 0.5, above(0.1), 0.0, False),
        ({}, 0.5, 0.0, below(9.0), True),
        ({}, 0.5, 0.0, above(9.0), False),
    ],
)
def test_a_dark_card_lies_on_a_bare_desk(  # noqa: PLR0913, PLR0917  the columns of a table
    changed: dict[str, tuple[float, ...]],
    side: float,
    ink: float,
    uneven: float,
    believed: bool,  # noqa: FBT001  what is due
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(find, "ink_beside", lambda *_: ink)
    monkeypatch.setattr(find, "_unevenness", lambda *_: uneven)
    monkeypatch.setattr(find, "_parts", lambda *_: (None, None))
    corners = 100 * side * np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    assert dark_card(LOOK, corners, _sides(**changed)) is believed


def _leaning(degrees: float) -> NDArray[np.float64]:
    """A parallelogram, with corners so far off the right angle."""
    radians = np.radians(90 - degrees)
    across, down = np.array([40.0, 0.0]), 60 * np.array([np.cos(radians), np.sin(radians)])
    return np.array([(0.0, 0.0), across, across + down, down])


def _of_area(share: float) -> NDArray[np.float64]:
    return np.asarray(100 * share**0.5 * np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]), np.float64)


@pytest.mark.parametrize(
    ("corners", "may_be"),
    [
        (_of_area(above(0.06)), True),
        (_of_area(below(0.06)), False),
        (_of_area(below(0.97)), True),
        (_of_area(above(0.97)), False),
        (_leaning(below(60.0)), True),
        (_leaning(above(60.0)), False),
    ],
)
def test_a_camera_sees_a_page_so(corners: NDArray[np.float64], *, may_be: bool) -> None:
    assert plausible(corners, LOOK) is may_be


@pytest.mark.parametrize(("ink", "found"), [(below(0.25), 1), (above(0.25), 0)])
def test_little_may_be_written_beside_a_page(ink: float, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "settle", lambda _look, corners, **_: corners)
    monkeypatch.setattr(find, "measure", lambda *_: _sides())
    monkeypatch.setattr(find, "ink_beside", lambda *_: ink)
    monkeypatch.setattr(find, "dark_card", lambda *_: False)
    search = find._Search(LOOK)
    search.judge(SQUARE)
    assert len(search.certain) == found


@pytest.mark.parametrize(
    ("filled", "cover", "worst", "area", "ink", "found", "likely"),
    [
        (above(0.88), 1.0, 1.0, 0.5, 0.0, True, True),
        (below(0.88), 1.0, 1.0, 0.5, 0.0, False, False),
        (1.0, above(0.88), 1.0, 0.5, 0.0, True, True),
        (1.0, below(0.88), 1.0, 0.5, 0.0, False, True),
        (1.0, 1.0, above(0.5), 0.5, 0.0, True, True),
        (1.0, 1.0, below(0.5), 0.5, 0.0, False, True),
        (1.0, 1.0, 1.0, 0.5, below(0.25), True, True),
        (1.0, 1.0, 1.0, 0.5, above(0.25), False, True),
        (1.0, above(0.75), 1.0, 0.5, 0.0, False, True),
        (1.0, below(0.75), 1.0, 0.5, 0.0, False, False),
        (1.0, 0.8, 1.0, above(0.15), 0.0, False, True),
        (1.0, 0.8, 1.0, below(0.15), 0.0, False, False),
    ],
)
def test_an_outline_is_a_bent_pages_or_may_be_one(  # noqa: PLR0913, PLR0917  the columns of a table
    filled: float,
    cover: float,
    worst: float,
    area: float,
    ink: float,
    found: bool,  # noqa: FBT001  what is due
    likely: bool,  # noqa: FBT001  what is due
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(find, "measure_rim", lambda *_: Rim(SQUARE, cover, worst))
    monkeypatch.setattr(find, "ink_beside", lambda *_: ink)
    seen = find._found_rim(LOOK, [Outline(SQUARE, SQUARE, filled, area)])
    assert (seen.rim is not None, seen.likely) == (found, likely)


def _desk(paper: int, ground: int, share: float = 1.0, print_px: int = 100, *, foot: bool = True) -> Any:
    """A printed page with a desk to its left, and above and below it over a share of its width."""
    gray = np.full((320, 320), paper, np.uint8)
    gray[:, :12] = gray[:12, : round(320 * share)] = ground
    if foot:
        gray[-12:, : round(320 * share)] = ground
    gray[100 : 100 + print_px, 100:200:6] = gray[100 : 100 + print_px, 101:200:6] = 20
    colours = np.repeat(gray[..., None], 3, axis=2)
    return SimpleNamespace(shrunk=lambda _: colours)


@pytest.mark.parametrize(
    ("look", "around"),
    [
        (_desk(250, 90, 0.49), False),
        (_desk(250, 90, 0.51), True),
        (_desk(144, 176), False),
        (_desk(144, 177), True),
        (_desk(250, 90, foot=False), False),
        (_desk(250, 90, print_px=16), False),
        (_desk(250, 90, print_px=17), True),
    ],
)
def test_a_desk_is_told_from_paper(look: Any, *, around: bool) -> None:
    """By half of three sides; by 12 of L*, as 60 and 72 are; around so much print as is two hundredths."""
    assert is_surrounded(look) is around


@pytest.mark.parametrize(("noisy", "drawn"), [(0.29, True), (0.31, False)])
def test_what_is_even_over_seven_tenths_is_drawn(noisy: float, *, drawn: bool) -> None:
    gray = np.full((500, 500), 200, np.uint8)
    rows = round(300 * noisy)
    gray[100 : 100 + rows] = np.random.default_rng(1).integers(0, 256, (rows, 500), np.uint8)
    assert is_drawn(Image.fromarray(gray)) is drawn


BENT = Rows(letters=1000, count=20, sag=1.0, fan_deg=10.0, likeness=0.9)
FLAT = Rows(letters=1000, count=20, sag=0.1, fan_deg=1.0, likeness=0.9)


def _rows(monkeypatch: pytest.MonkeyPatch, before: Rows, after: Rows, agreement: float = 1.0) -> None:
    looks = iter((before, after))
    grid = SimpleNamespace(outline=SQUARE)
    monkeypatch.setattr(shape, "rows_of", lambda _: next(looks))
    monkeypatch.setattr(shape, "find_grid", lambda *_: grid)
    monkeypatch.setattr(shape, "unbent", lambda *_: None)
    monkeypatch.setattr(shape, "_overlap", lambda *_: agreement)


def _with(rows: Rows, **changed: Any) -> Rows:
    return Rows(**{name: changed.get(name, getattr(rows, name)) for name in Rows.__dataclass_fields__})


@pytest.mark.parametrize(
    ("before", "after", "unbent"),
    [
        (_with(BENT, sag=above(0.4)), FLAT, True),
        (_with(BENT, sag=below(0.4)), FLAT, False),
        (_with(BENT, count=8), FLAT, True),
        (_with(BENT, count=7), FLAT, False),
        (_with(BENT, letters=202), FLAT, True),
        (_with(BENT, letters=198), FLAT, False),
        (_with(BENT, likeness=above(0.5)), FLAT, True),
        (_with(BENT, likeness=below(0.5)), FLAT, False),
        (BENT, _with(FLAT, sag=below(0.6)), True),
        (BENT, _with(FLAT, sag=above(0.6)), False),
        (BENT, _with(FLAT, fan_deg=below(6.0)), True),
        (BENT, _with(FLAT, fan_deg=above(6.0)), False),
        (_with(BENT, fan_deg=2.0), _with(FLAT, fan_deg=below(3.5)), True),
        (_with(BENT, fan_deg=2.0), _with(FLAT, fan_deg=above(3.5)), False),
        (BENT, _with(FLAT, letters=808), True),
        (BENT, _with(FLAT, letters=792), False),
    ],
)
def test_print_that_is_bent_is_unbent_where_that_helps(
    before: Rows,
    after: Rows,
    unbent: bool,  # noqa: FBT001  what is due
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _rows(monkeypatch, before, after)
    assert (shape._bent(Image.new("RGB", (9, 9))) is not None) is unbent


@pytest.mark.parametrize(
    ("before", "after", "agreement", "cover", "taken"),
    [
        (BENT, FLAT, above(0.9), 0.9, True),
        (BENT, FLAT, below(0.9), 0.9, False),
        (_with(BENT, count=5), FLAT, 1.0, 0.9, True),
        (_with(BENT, count=4), FLAT, 1.0, 0.9, False),
        (_with(BENT, letters=101), FLAT, 1.0, 0.9, True),
        (_with(BENT, letters=99), FLAT, 1.0, 0.9, False),
        (Rows(), Rows(), 1.0, above(0.95), True),
        (Rows(), Rows(), 1.0, below(0.95), False),
        (_with(BENT, sag=0.1), _with(FLAT, sag=below(0.35)), 1.0, 0.9, True),
        (_with(BENT, sag=0.1), _with(FLAT, sag=above(0.35)), 1.0, 0.9, False),
        (_with(BENT, fan_deg=1.0), _with(FLAT, fan_deg=below(3.5)), 1.0, 0.9, True),
        (_with(BENT, fan_deg=1.0), _with(FLAT, fan_deg=above(3.5)), 1.0, 0.9, False),
        (BENT, _with(FLAT, letters=808), 1.0, 0.9, True),
        (BENT, _with(FLAT, letters=792), 1.0, 0.9, False),
    ],
)
def test_a_grid_within_an_outline_is_taken_where_it_does_no_harm(  # noqa: PLR0913, PLR0917  the columns of a table
    before: Rows,
    after: Rows,
    agreement: float,
    cover: float,
    taken: bool,  # noqa: FBT001  what is due
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _rows(monkeypatch, before, after, agreement)
    found = Found(rim=SQUARE / 100, rim_cover=cover)
    assert (shape._within(Image.new("RGB", (9, 9)), found) is not None) is taken
