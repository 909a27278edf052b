"""Each threshold of the gate before a white background: mattes that are exactly so, short of it and beyond."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.imaging import lightness
from rythmiq_worker.people import whiten
from rythmiq_worker.people.face import Box
from tests.data.faces import face_at
from tests.support.bounds import above, below
from tests.support.people import needs_networks

pytestmark = needs_networks  # `face_at` is the astronaut's own
Pixels = NDArray[np.uint8]
SIDE_PX = 420
ROWS, COLUMNS = slice(60, SIDE_PX), slice(110, 310)
PERSON, WALL = 60, 200
FACE_BOX = Box(150, 120, 120, 200)
OUTLINE_PX = 2 * (SIDE_PX - 2 - 60) + 200 + 2
"""Around the block, but for the picture's own border and the block's corners."""


class Sitter:
    """A block of one gray before a wall of another, its matte, and a face in it."""

    def __init__(self, person: int = PERSON, wall: int = WALL) -> None:
        self.alpha = np.zeros((SIDE_PX, SIDE_PX), np.float32)
        self.alpha[ROWS, COLUMNS] = 1
        self.gray = np.full((SIDE_PX, SIDE_PX), wall, np.uint8)
        self.gray[ROWS, COLUMNS] = person

    def kept(self) -> str | None:
        """Why the background is kept."""
        rgb = np.repeat(self.gray[..., None], 3, axis=2)
        cut = whiten._Cut(rgb, self.alpha, np.zeros(rgb.shape, np.float32), self.alpha)
        return whiten._gate(cut, whiten._background(cut), face_at(FACE_BOX))


def _first(part: NDArray[np.float32] | Pixels, count: float, value: float) -> None:
    """Give so many pixels of a part a value, row by row."""
    rows, columns = np.unravel_index(np.arange(round(count)), part.shape)
    part[rows, columns] = value


def test_a_block_before_a_wall_passes() -> None:
    assert Sitter().kept() is None


@pytest.mark.parametrize(("share", "kept"), [(below(0.0185), None), (above(0.0185), "unclear_edge")])
def test_so_wide_a_band_may_be_unsure(share: float, kept: str | None) -> None:
    """The face is 200 px high."""
    sitter = Sitter()
    _first(sitter.alpha[340:410, 130:290], share * 200 * OUTLINE_PX, 0.6)
    assert sitter.kept() == kept


@pytest.mark.parametrize(
    ("alpha", "kept"),
    [(below(0.18), None), (above(0.18), "unclear_edge"), (below(0.82), "unclear_edge"), (above(0.82), None)],
)
def test_between_these_a_pixel_is_unsure(alpha: float, kept: str | None) -> None:
    sitter = Sitter()
    part = sitter.alpha[345:405, 130:290] if alpha > 0.5 else sitter.alpha[100:200, 340:400]
    part[:] = alpha
    assert sitter.kept() == kept


@pytest.mark.parametrize(("share", "kept"), [(below(0.16), None), (above(0.16), "unclear_edge")])
def test_so_much_of_the_outline_may_be_undecided(share: float, kept: str | None) -> None:
    """A stretch of the left side without a certain pixel within 8 px, which the 8 px at either end still see."""
    sitter = Sitter()
    sitter.alpha[100 : 100 + 16 + round(share * OUTLINE_PX), 110:125] = 0.84
    assert sitter.kept() == kept


def _gray_at(level: float) -> int:
    """The darkest gray whose L* is at least so high."""
    grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return int(np.searchsorted(lightness(grays), level))


def _near_to(wall: int, apart: float) -> int:
    """The gray that is darker than a wall by so much L*, or next to nothing more."""
    own = float(lightness(np.full((1, 3), wall, np.uint8))[0])
    return _gray_at(own - apart) - 1


@pytest.mark.parametrize(("apart", "kept"), [(11.5, "same_colour"), (12.1, None)])
def test_so_near_to_the_walls_a_colour_is_the_same(apart: float, kept: str | None) -> None:
    assert Sitter(_near_to(WALL, apart), WALL).kept() == kept


@pytest.mark.parametrize(("level", "kept"), [(below(85.0), "same_colour"), (above(85.0), None)])
def test_on_a_wall_so_light_the_same_colour_does_no_harm(level: float, kept: str | None) -> None:
    wall = _gray_at(level)
    assert Sitter(wall, wall).kept() == kept


LEFT_OVER_PX = 0.012 * 200 * (SIDE_PX - 60)


@pytest.mark.parametrize(("share", "kept"), [(0.99, None), (1.01, "same_colour")])
def test_so_much_of_the_person_may_have_the_walls_colour(share: float, kept: str | None) -> None:
    """In a strip that is near the outline, and too far from it to be beside it."""
    sitter = Sitter()
    _first(sitter.gray[100:400, 120:128], share * LEFT_OVER_PX, WALL)
    assert sitter.kept() == kept


@pytest.mark.parametrize(("apart", "kept"), [(7.5, "same_colour"), (8.1, None)])
def test_so_near_to_the_walls_a_colour_is_left_over(apart: float, kept: str | None) -> None:
    sitter = Sitter()
    _first(sitter.gray[100:400, 120:128], 1.5 * LEFT_OVER_PX, _near_to(WALL, apart))
    assert sitter.kept() == kept


@pytest.mark.parametrize(("length_px", "kept"), [(65, None), (66, "same_colour")])
def test_so_much_of_the_outline_may_have_one_colour(length_px: int, kept: str | None) -> None:
    """A patch whose ends, mixed with the rest, are of another colour: .06 of the outline are 55 px."""
    sitter = Sitter()
    sitter.gray[150 : 150 + length_px, 110:119] = WALL
    assert sitter.kept() == kept


@pytest.mark.parametrize(("share", "kept"), [(below(0.003), None), (above(0.003), "unclear_edge")])
def test_so_much_may_be_taken_for_a_person_beside_the_subject(share: float, kept: str | None) -> None:
    sitter = Sitter()
    _first(sitter.alpha[20:50, 340:400], share * SIDE_PX**2, 0.4)
    assert sitter.kept() == kept


@pytest.mark.parametrize(("share", "kept"), [(0.11, None), (0.14, "unclear_edge")])
def test_the_face_is_to_be_surely_the_persons(share: float, kept: str | None) -> None:
    """With so much of it at .84 and the rest at 1 its mean is .982 and .978."""
    sitter, ellipse = Sitter(), np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    face = face_at(FACE_BOX)
    x, y = (round(value) for value in face.box.centre)
    cv2.ellipse(ellipse, (x, y), (int(face.box.width * 0.4), int(face.box.height * 0.45)), 0, 0, 360, 1, -1)
    rows, columns = np.nonzero(ellipse)
    some = slice(0, round(share * rows.size))
    sitter.alpha[rows[some], columns[some]] = 0.84
    assert sitter.kept() == kept


@pytest.mark.parametrize(("share", "company"), [(below(0.3), False), (above(0.3), True)])
def test_a_face_from_three_tenths_of_the_subjects_on_is_somebody(share: float, *, company: bool) -> None:
    subject, other = face_at(Box(500, 500, 1000, 1000)), face_at(Box(3000, 500, 1000 * share, 1000 * share))
    mask = np.zeros((2000, 4000), np.uint8)
    assert whiten._has_company(mask, (subject, other), subject) is company
