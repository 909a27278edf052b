"""`quality_score` tells spoilt pictures from clean ones it was not fitted to, falls as they get worse, ignores size.

A photo and a page of the half that judges; CI takes two more, and `make bench` all of them.
"""

from functools import cache

import pytest

from tests.bench.quality import (
    LEAST_AUC,
    MOST_MOVE,
    NAMED,
    area_under_curve,
    judged,
    ladder,
    large_pictures,
    moves,
)
from tests.data.quality_levels import DEGRADATIONS, Clean, Degradation, as_jpeg, clean_pictures

CHOSEN = ("photo, blue wall", "page, grade sheet", "photo, head and shoulders", "page, small licence")


@cache
def chosen() -> dict[str, Clean]:
    return {picture.name: picture for picture in clean_pictures() if picture.name in CHOSEN}


@cache
def scores_of(name: str, degradation: Degradation) -> tuple[float, ...]:
    """Of a picture and of its worse and worse copies."""
    return tuple(ladder(chosen()[name], degradation))


def test_the_halves_share_no_picture() -> None:
    names = [picture.name for picture in clean_pictures()]
    assert len(set(names)) == len(names)
    assert {picture.half for picture in chosen().values()} == {"judge"}
    for half in ("fit", "judge"):
        assert {picture.kind for picture in clean_pictures() if picture.half == half} == {"photo", "document"}


def test_every_degradation_has_a_warning_of_its_own() -> None:
    assert set(NAMED) == {degradation.name for degradation in DEGRADATIONS}


@pytest.mark.pixels
@pytest.mark.parametrize("degradation", DEGRADATIONS, ids=lambda degradation: degradation.name)
def test_a_spoilt_picture_scores_below_any_clean_one(degradation: Degradation) -> None:
    ladders = [scores_of(name, degradation) for name in CHOSEN]
    clean = [scores[0] for scores in ladders]
    spoilt = [score for scores in ladders for score in scores[1:]]
    assert area_under_curve(clean, spoilt) >= LEAST_AUC


@pytest.mark.pixels
@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("degradation", DEGRADATIONS, ids=lambda degradation: degradation.name)
def test_a_worse_level_never_scores_higher(degradation: Degradation, name: str) -> None:
    scores = scores_of(name, degradation)
    assert list(scores) == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_clean_picture_is_not_nagged_about(name: str) -> None:
    picture = chosen()[name]
    assert judged(as_jpeg(picture.image), picture.kind).reasons == ()


@pytest.mark.parametrize("name", ["photo, phone", "page, admit card, dark"])
def test_the_same_picture_scores_the_same_at_any_size(name: str) -> None:
    assert moves({name: large_pictures()[name]})[name] <= MOST_MOVE + 1e-9


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    assert area_under_curve([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert area_under_curve([0.9, 0.5], [0.5, 0.7]) == 0.625
