"""What an owner may say of a page: its four corners, or that the picture is it; in payloads and requests alike."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rythmiq.contracts.job_bodies import JobOptions
from rythmiq.contracts.payload import PAYLOAD_VERSION, Options, payload_version

SLANTED = [[0.1, 0.2], [0.8, 0.1], [0.9, 0.9], [0.2, 0.8]]
CROP = {"x": 0.1, "y": 0.1, "width": 0.5, "height": 0.5}


def square(side: float) -> list[list[float]]:
    return [[0.1, 0.1], [0.1 + side, 0.1], [0.1 + side, 0.1 + side], [0.1, 0.1 + side]]


@pytest.mark.parametrize("model", [Options, JobOptions])
def test_corners_come_back_as_they_were_given(model: type[Options | JobOptions]) -> None:
    options = model.model_validate({"corners": SLANTED})
    assert options.model_dump(mode="json", exclude_none=True) == {"corners": SLANTED}


@pytest.mark.parametrize("model", [Options, JobOptions])
@pytest.mark.parametrize(
    "corners",
    [
        SLANTED[::-1],
        [SLANTED[0], SLANTED[2], SLANTED[1], SLANTED[3]],
        [[0.1, 0.1], [0.9, 0.1], [0.3, 0.3], [0.1, 0.9]],
        [[0.1, 0.1], [0.5, 0.1], [0.9, 0.1], [0.5, 0.9]],
        SLANTED[:3],
        [*SLANTED, [0.1, 0.5]],
        [[-0.01, 0.2], *SLANTED[1:]],
        [[0.1, 0.2], [1.01, 0.1], *SLANTED[2:]],
        [[math.nan, 0.2], *SLANTED[1:]],
        square(0.0999),
    ],
    ids=[
        "anticlockwise", "crossed", "bent inwards", "three on a line", "three", "five", "left of it", "right of it",
        "not a number", "a splinter",
    ],
)  # fmt: skip
def test_corners_that_no_page_has_are_refused(model: type[Options | JobOptions], corners: list[list[float]]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate({"corners": corners})


def test_a_hundredth_of_the_picture_is_enough() -> None:
    assert Options.model_validate({"corners": square(0.1001)}).corners is not None


@given(st.lists(st.floats(0.8, 1.5), min_size=4, max_size=4), st.floats(0.3, 0.5))
def test_four_points_clockwise_on_a_circle_are_corners(turns: list[float], radius: float) -> None:
    angles = [sum(turns[:index]) for index in range(4)]
    points = [(0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)) for angle in angles]
    assert Options.model_validate({"corners": points}).corners == tuple(points)


@pytest.mark.parametrize("model", [Options, JobOptions])
@pytest.mark.parametrize(
    "several",
    [
        {"corners": SLANTED, "crop": CROP},
        {"page": "whole", "crop": CROP},
        {"corners": SLANTED, "page": "whole"},
        {"corners": SLANTED, "page": "whole", "crop": CROP},
    ],
    ids="+".join,
)
def test_what_is_the_page_is_said_in_one_way(model: type[Options | JobOptions], several: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(several)
    assert "in several ways" in str(refused.value)


@pytest.mark.parametrize("options", [{"corners": SLANTED}, {"page": "whole"}], ids=["corners", "page"])
def test_a_worker_that_knows_no_pages_is_not_asked(options: dict[str, object]) -> None:
    assert payload_version(options, {}) == PAYLOAD_VERSION
    assert payload_version({"rotate": 90}, {}) == 1
