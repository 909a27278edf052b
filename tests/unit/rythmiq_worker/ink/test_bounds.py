"""Each threshold by which ink is a signature's, a thumb's or something else: just short of it, and just beyond."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.ink import find_ink, judge
from rythmiq_worker.ink.judge import Strokes, judge_ink
from tests.support.bounds import above, below

Mask = NDArray[np.bool_]
NAME = Strokes(height_px=200, pieces=3, letters=1, lines=1, largest=0.9, barred=0, alike=0, aligned=0)
TEXT = replace(NAME, lines=4, largest=0.2, alike=0.9, aligned=1.0)
LONG_SIDE_PX = 1000


def _found(part: Mask | None = None, **changed: Any) -> str:
    """What strokes are, in a box that is hardly filled."""
    box = np.eye(200, 600, dtype=bool) if part is None else part
    return judge._finding(box, replace(NAME, **changed), LONG_SIDE_PX)


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({}, "ink"),
        ({"height_px": above(15.0)}, "ink"),
        ({"height_px": below(15.0)}, "no_ink"),
        ({"barred": below(0.9)}, "ink"),
        ({"barred": above(0.9)}, "no_ink"),
        ({"lines": 3}, "ink"),
        ({"lines": 4}, "lines"),
        ({"lines": 3, "letters": 7, "largest": 0.2}, "ink"),
        ({"lines": 3, "letters": 8, "largest": 0.2}, "lines"),
        ({"lines": 3, "letters": 8, "largest": below(0.3)}, "lines"),
        ({"lines": 3, "letters": 8, "largest": above(0.3)}, "ink"),
        ({"lines": 2, "letters": 8, "largest": 0.2}, "ink"),
        ({"pieces": 60}, "ink"),
        ({"pieces": 61}, "not_ink"),
        ({"pieces": 25, "largest": 0.2}, "ink"),
        ({"pieces": 26, "largest": 0.2}, "not_ink"),
        ({"pieces": 26, "largest": above(0.3)}, "ink"),
        ({"dusty": below(0.1)}, "ink"),
        ({"dusty": above(0.1)}, "not_ink"),
    ],
)
def test_strokes_are_a_signature_or_not(changed: dict[str, Any], finding: str) -> None:
    assert _found(**changed) == finding


@pytest.mark.parametrize(("specks", "dusty"), [(60, 0.0), (61, 61 * 9 / (61 * 9 + 4000))])
def test_specks_count_where_they_are_more_than_a_signatures_pieces(specks: int, dusty: float) -> None:
    """Beside a stroke of 4,000 pixels; a speck has 3 x 3."""
    ink = np.zeros((300, 600), bool)
    ink[:20, :200] = True
    for speck in range(specks):
        ink[40 + 8 * (speck // 20) :, 8 * (speck % 20) :][:3, :3] = True
    assert judge.strokes_of(ink).dusty == pytest.approx(dusty)


@pytest.mark.parametrize(("share", "finding"), [(below(0.4), "ink"), (above(0.4), "not_ink")])
def test_a_signature_fills_its_box_by_so_much(share: float, finding: str) -> None:
    part = np.zeros((250, 2000), bool)
    part.ravel()[: round(share * part.size)] = True
    assert _found(part) == finding


@pytest.mark.parametrize(
    ("changed", "is_print"),
    [
        ({"letters": 4}, False),
        ({"letters": 5, "aligned": 0.985}, False),
        ({"letters": 5, "aligned": 0.995}, True),
        ({"letters": 7, "aligned": 0.9}, False),
        ({"letters": 8, "aligned": below(0.85)}, False),
        ({"letters": 8, "aligned": above(0.85)}, True),
        ({"letters": 15, "aligned": 0.7}, False),
        ({"letters": 16, "aligned": below(0.6)}, False),
        ({"letters": 16, "aligned": above(0.6)}, True),
        ({"letters": 59, "aligned": 0.55}, False),
        ({"letters": 60, "aligned": below(0.5)}, False),
        ({"letters": 60, "aligned": above(0.5)}, True),
        ({"letters": 60, "alike": below(0.55)}, False),
        ({"letters": 60, "alike": above(0.55)}, True),
        ({"letters": 60, "largest": below(0.45)}, True),
        ({"letters": 60, "largest": above(0.45)}, False),
        ({"letters": 30, "aligned": 0.0, "lines": 3}, True),
        ({"letters": 29, "aligned": 0.0, "lines": 3}, False),
        ({"letters": 30, "aligned": 0.0, "lines": 4}, False),
    ],
)
def test_letters_that_stand_on_their_lines_are_print(changed: dict[str, Any], *, is_print: bool) -> None:
    assert judge._is_print(replace(TEXT, **changed)) is is_print


def _extent(px: int) -> Mask:
    """A stroke of so many pixels in a picture of a thousand."""
    ink = np.zeros((600, LONG_SIDE_PX), bool)
    ink[100 : 100 + px, 100 : 100 + px] = np.eye(px, dtype=bool)
    return ink


@pytest.mark.parametrize(("px", "seen"), [(19, False), (20, True)])
def test_what_is_smaller_than_a_fiftieth_of_the_picture_is_dust(px: int, *, seen: bool) -> None:
    assert (judge_ink(_extent(px), "signature").finding != "no_ink") is seen


@pytest.mark.parametrize(("px", "finding"), [(59, "not_ink"), (61, "ink")])
def test_a_thumb_is_so_large(px: int, finding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "_is_thumb", lambda _: True)
    assert judge_ink(_extent(px), "thumb").finding == finding


def _blot(share: float) -> Mask:
    """An ellipse at 45 degrees, which fills the upright ellipse in its box by a share."""
    aspect = (1 - (1 - share**2) ** 0.5) / share
    canvas = np.zeros((1200, 1200), np.uint8)
    cv2.ellipse(canvas, (600, 600), (500, round(500 * aspect)), 45, 0, 360, 1, -1)
    rows, columns = np.flatnonzero(canvas.any(axis=1)), np.flatnonzero(canvas.any(axis=0))
    return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] > 0


@pytest.mark.parametrize(("share", "is_round"), [(0.92, False), (0.945, True)])
def test_a_seal_fills_the_ellipse_in_its_box(share: float, *, is_round: bool) -> None:
    assert judge._is_round(_blot(share)) is is_round


@pytest.mark.parametrize(
    ("wide", "high", "is_round"), [(69, 100, False), (71, 100, True), (139, 100, True), (141, 100, False)]
)
def test_a_seal_is_about_as_wide_as_high(wide: int, high: int, *, is_round: bool) -> None:
    blot = np.zeros((10 * high, 10 * wide), np.uint8)
    cv2.ellipse(blot, (5 * wide, 5 * high), (5 * wide - 1, 5 * high - 1), 0, 0, 360, 1, -1)
    assert judge._is_round(blot > 0) is is_round


@pytest.mark.parametrize(("share", "is_thumb"), [(0.79, False), (0.81, True)])
def test_most_of_the_ink_is_the_thumbs(share: float, *, is_thumb: bool) -> None:
    part = np.zeros((500, 800), bool)
    part[:, :400] = _print(400, 500, 8, 4)
    beside = part[:, 600:]
    rows, columns = np.unravel_index(np.arange(round(part.sum() * (1 / share - 1))), beside.shape)
    beside[rows, columns] = True
    assert judge._is_thumb(part) is is_thumb


@pytest.mark.parametrize(("share", "is_thumb"), [(0.885, True), (0.915, False)])
def test_a_thumb_leaves_the_corners_of_its_box(share: float, *, is_thumb: bool) -> None:
    """A box of 400 x 500 with round corners fills so much of itself."""
    radius = round(((1 - share) * 400 * 500 / (4 - np.pi)) ** 0.5)
    smear = np.zeros((500, 400), np.uint8)
    for x, y in ((radius, radius), (399 - radius, radius), (radius, 499 - radius), (399 - radius, 499 - radius)):
        cv2.circle(smear, (x, y), radius, 1, -1)
    smear[radius : 500 - radius] = smear[:, radius : 400 - radius] = 1
    ridges = (np.arange(500) % 8 < 4)[:, None]
    assert judge._is_thumb((smear > 0) & ridges) is is_thumb


def _print(wide: int, high: int, period: int = 20, thick: int = 10) -> Mask:
    """A thumb's ridges, straight, in an ellipse."""
    canvas = np.zeros((high, wide), np.uint8)
    cv2.ellipse(canvas, (wide // 2, high // 2), (wide // 2 - 1, high // 2 - 1), 0, 0, 360, 1, -1)
    ridges = (np.arange(high) % period < thick)[:, None]
    return (canvas > 0) & ridges


@pytest.mark.parametrize(
    ("part", "is_thumb"),
    [
        (_print(360, 1000), True),
        (_print(340, 1000), False),
        (_print(1000, 352), True),
        (_print(1000, 338), False),
        (_print(400, 500, 13, 3), True),
        (_print(400, 500, 14, 3), False),
        (_print(400, 500, 152, 134), True),
        (_print(400, 500, 156, 138), False),
    ],
    ids=["narrow", "too narrow", "wide", "too wide", "faint", "too faint", "four ridges", "fewer"],
)
def test_a_thumb_has_a_shape_ink_and_ridges(part: Mask, *, is_thumb: bool) -> None:
    assert judge._is_thumb(part) is is_thumb


@pytest.mark.parametrize(("strokes", "px", "cut"), [(2, 41, True), (2, 39, False), (1, 41, False)])
def test_several_strokes_that_end_at_one_side_are_cut(strokes: int, px: int, *, cut: bool) -> None:
    """Together they are to be a twenty-fifth of the ink's length, here of a thousand pixels."""
    ink = np.zeros((500, 1200), bool)
    first = px if strokes == 1 else px // 2
    ink[0, 100 : 100 + first] = True
    ink[0, 400 : 400 + px - first] = True
    assert judge._is_cut(ink, (400, 1000)) is cut


@pytest.mark.parametrize(("level", "finding"), [(69, "not_ink"), (71, "no_ink")])
def test_what_is_darker_than_any_paper_is_none(level: int, finding: str) -> None:
    assert find_ink(Image.new("RGB", (400, 300), (level,) * 3), "signature")[1].finding == finding


@pytest.mark.parametrize(("level", "seen"), [(212, True), (218, False)])
def test_ink_is_darker_than_so_faint_a_trace(level: int, *, seen: bool) -> None:
    gray = np.full((300, 600), 255, np.uint8)
    cv2.polylines(
        gray,
        [np.array([(100, 200), (200, 80), (300, 220), (450, 100)], np.int32)],
        isClosed=False,
        color=level,
        thickness=7,
    )
    assert (find_ink(Image.fromarray(gray).convert("RGB"), "signature")[1].finding != "no_ink") is seen
