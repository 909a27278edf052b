"""At equal bytes our file looks more like the picture than the best integer quality does, and no tone is changed.

A few pictures; `make bench` takes all of them.
"""

from functools import cache

import pytest

from tests.bench.conform import LOOSE_BYTES, LOOSE_PX, PORTRAIT_PX, Versus, tonal_change, versus
from tests.data.pages import page_photos
from tests.data.portraits import portrait

PORTRAIT = "white-wall"
PAGE = next(page for page in page_photos() if page.name == "forwarded")
PAGE_PX = (450, 600)
BITS = (1, 2)


@cache
def held(bits: int) -> tuple[Versus, ...]:
    """A few pictures at so many bits a pixel."""
    pictures = ((PORTRAIT, portrait(PORTRAIT).data, PORTRAIT_PX), (PAGE.name, PAGE.data, PAGE_PX))
    return tuple(versus(name, data, size, size[0] * size[1] * bits // 8) for name, data, size in pictures)


@pytest.mark.parametrize("bits", BITS)
def test_our_file_is_nearer_to_the_picture_than_the_best_integer_quality(bits: int) -> None:
    gains = [entry.gain for entry in held(bits)]
    assert sum(gains) / len(gains) >= 0.002
    assert min(gains) >= -0.0005


@pytest.mark.parametrize("bits", BITS)
def test_a_tight_budget_is_filled_in_few_encodes(bits: int) -> None:
    for entry in held(bits):
        assert entry.encodes <= 8
        assert entry.scale <= 0.1 or entry.fill >= 0.96


def test_where_bytes_are_plenty_hardly_anything_is_lost() -> None:
    assert versus(PORTRAIT, portrait(PORTRAIT).data, LOOSE_PX, LOOSE_BYTES).gain >= -0.001


def test_the_tones_of_a_clean_portrait_stay() -> None:
    """Mean CIEDE2000 against a plain resize."""
    assert tonal_change(portrait(PORTRAIT).data, PORTRAIT_PX) < 1
