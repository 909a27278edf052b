"""Folded and curved pages: unbent where print or outline prove a bend and it helps, and only then."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rythmiq.contracts.errors import ErrorCode
from rythmiq_worker import installation as model_files
from rythmiq_worker.installation import ModelsMissingError
from rythmiq_worker.pages import flatten as unbend_module
from rythmiq_worker.pages import shape as shape_module
from rythmiq_worker.pages.flatten import WHOLE, Grid, find_grid, sheet_of, unbent
from rythmiq_worker.pages.shape import bent_sheet, find_shape, rows_of
from tests.data.desks import GREEN, SLATE, WOOD, Pixels, Points, bent, desk, laid, printed

SLANTED = [(0.15, 0.2), (0.8, 0.12), (0.88, 0.85), (0.1, 0.8)]


def overlap(one: Points, other: Points) -> float:
    masks = []
    for outline in (one, other):
        mask = np.zeros((500, 500), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 500).astype(np.int32)], 1)
        masks.append(mask > 0)
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def close(bend: float = 0.05) -> Image.Image:
    """A bent page that fills the picture, and no edge of it."""
    image, _ = bent(printed(1000, 1400), desk(1200, 1600), margin=-0.03, bend=bend)
    return image


def flat_grid() -> Grid:
    across, down = np.meshgrid(np.linspace(0, 1, 31), np.linspace(0, 1, 45))
    return Grid(np.stack([across, down], axis=2))


@pytest.mark.pixels
@pytest.mark.parametrize("colour", [WOOD, SLATE, GREEN], ids=["wood", "slate", "green"])
@pytest.mark.parametrize("bend", [0.02, 0.05], ids=["a little", "much"])
def test_a_bent_page_on_a_desk_is_made_flat(colour: tuple[int, int, int], bend: float) -> None:
    image, outline = bent(printed(900, 1200), desk(1200, 1600, colour), bend=bend)
    shape = find_shape(image)
    assert shape.by == "unwarp"
    assert shape.grid is not None
    assert overlap(shape.grid.outline, outline) > 0.93
    before, after = rows_of(image), rows_of(shape.applied(image))
    assert after.sag < 0.5 * before.sag
    assert after.letters > 0.9 * before.letters


@pytest.mark.pixels
def test_a_bent_page_that_fills_the_picture_is_made_flat_by_its_print() -> None:
    image = close()
    shape = find_shape(image)
    assert shape.by == "unwarp"
    assert rows_of(shape.applied(image)).sag < 0.5 * rows_of(image).sag


@pytest.mark.pixels
def test_owners_corners_of_a_bent_page_are_made_flat_too() -> None:
    image = close()
    shape = bent_sheet(image, sheet_of(WHOLE, *image.size))
    assert shape.grid is not None
    assert shape.corners is not None
    assert rows_of(shape.applied(image)).sag < 0.5 * rows_of(image).sag


@pytest.mark.pixels
@pytest.mark.parametrize(
    "draw",
    [
        lambda: printed(900, 1200),
        lambda: laid(printed(900, 1200), desk(1200, 1600), SLANTED),
        lambda: Image.fromarray(desk(900, 1200)),
        lambda: close(bend=0.002),
    ],
    ids=["a scan", "a flat page", "a bare desk", "hardly bent"],
)
def test_what_is_not_bent_never_asks_the_network(
    draw: Callable[[], Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = draw()
    monkeypatch.setattr(shape_module, "find_grid", lambda *_: pytest.fail("the network was asked"))
    assert find_shape(image).grid is None


def test_noise_and_patterns_are_not_bent_rows() -> None:
    """Their rows are bent by chance, and differently from each other."""
    pixels = np.asarray(printed(900, 1200), np.float32)
    down = np.mgrid[0:1200, 0:900].astype(np.float32)
    waves = 18 * np.sin(down[0] / 4 + 6 * np.sin(down[1] / 60))
    image = Image.fromarray(np.clip(pixels + waves[:, :, None], 0, 255).astype(np.uint8))
    assert find_shape(image).grid is None


def test_a_grid_that_makes_rows_no_straighter_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape_module, "find_grid", lambda *_: flat_grid())
    shape = find_shape(close())
    assert shape.grid is None


def test_a_grid_that_does_not_agree_with_the_outline_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the picture is kept, and said to be."""
    monkeypatch.setattr(shape_module, "find_grid", lambda *_: flat_grid())
    image, _ = bent(printed(900, 1200), desk(1200, 1600, SLATE))
    shape = find_shape(image)
    assert shape.by == "whole"
    assert shape.missed


def test_a_missing_network_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model_files, "folders", lambda _: (tmp_path,))
    with pytest.raises(ModelsMissingError, match=r"uvdoc\.onnx") as missing:
        find_grid(close())
    assert missing.value.code is ErrorCode.INTERNAL_ERROR


def test_a_flat_grid_changes_nothing() -> None:
    image = printed(400, 520)
    assert flat_grid().size_px(*image.size) == image.size
    off = np.abs(np.asarray(unbent(image, flat_grid()), np.int16) - np.asarray(image, np.int16))
    assert off.max() <= 2


def test_strips_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for places between pixels that OpenCV rounds to a 32nd of one."""
    image = printed(300, 420)
    places = flat_grid().places.copy()
    places[:, :, 1] += 0.04 * np.sin(3 * places[:, :, 0])
    whole = np.asarray(unbent(image, Grid(places)))
    monkeypatch.setattr(unbend_module, "_STRIP_ROWS", 37)
    off = np.abs(np.asarray(unbent(image, Grid(places)), np.int16) - whole.astype(np.int16))
    assert off.max() <= 12
    assert off.mean() < 0.05


def test_the_page_keeps_its_pixels_and_makes_no_more_of_them() -> None:
    places = 0.1 + 0.5 * flat_grid().places
    assert Grid(places).size_px(1000, 800) == (500, 400)
    folded = flat_grid().places.copy()
    folded[:, ::2, 1] = np.clip(folded[:, ::2, 1] + 0.2, 0, 1)
    width, height = Grid(folded).size_px(1000, 800)
    assert width * height <= 1000 * 800 * 1.01


def _digest(threads: str) -> str:
    """The digest of an unbent page in a process that may use so many threads."""
    code = (
        "import hashlib, numpy as np\n"
        "from rythmiq_worker.pages.shape import find_shape\n"
        "from tests.unit.rythmiq_worker.pages.test_bends import close\n"
        "image = close()\n"
        "print(hashlib.sha256(np.asarray(find_shape(image).applied(image)).tobytes()).hexdigest())\n"
    )
    settings = {"OMP_NUM_THREADS": threads, "OPENCV_FOR_THREADS_NUM": threads, "PATH": ""}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings)
    return ran.stdout.strip()


@pytest.mark.pixels
def test_the_same_page_gives_the_same_pixels_with_any_number_of_threads() -> None:
    assert len({_digest("1"), _digest("3")}) == 1


@pytest.mark.parametrize(("wave", "alike"), [(1.0, True), (-1.0, False)], ids=["alike", "in turns"])
def test_rows_that_are_bent_alike_are_told_from_chance(wave: float, alike: bool) -> None:  # noqa: FBT001  what is due
    """Rows of dots, each an arc; every second one the other way round."""
    pixels: Pixels = np.full((1000, 900), 255, np.uint8)
    for row in range(16):
        way = 1.0 if row % 2 == 0 else wave
        for column in range(50):
            x = 80 + 15 * column
            y = 60 + 56 * row + way * 12 * np.sin(np.pi * column / 49)
            cv2.rectangle(pixels, (x, round(y)), (x + 8, round(y) + 9), 0, -1)
    rows = rows_of(Image.fromarray(pixels).convert("RGB"))
    assert rows.count >= 12
    assert rows.sag > 0.4
    assert (rows.likeness > 0.5) is alike


@pytest.mark.parametrize("size", [(20, 20), (900, 24)])
def test_a_picture_too_small_for_rows_has_none(size: tuple[int, int]) -> None:
    assert rows_of(Image.new("RGB", size, "white")).count == 0
