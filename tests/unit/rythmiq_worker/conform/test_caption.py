"""The strip with name and date: every letter that a name may have is printed, whole, inside the strip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rythmiq.contracts.choices import Caption, is_latin
from rythmiq_worker.conform import render
from rythmiq_worker.conform.render import date_words, print_caption

LATIN = [chr(code) for code in range(0x20, 0x1F00) if is_latin(chr(code))]
NAMES = st.text(
    st.sampled_from([*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz .'-", "é", "ñ", "ữ"]),
    min_size=1,
    max_size=60,
)


def printed(name: str, size: tuple[int, int] = (413, 531), strip_px: int = 79) -> np.ndarray:
    """A gray picture with a caption, as H x W x 3."""
    image = Image.new("RGB", size, (120, 120, 120))
    print_caption(image, Caption(name=name, date="2026-11-28"), strip_px)
    return np.asarray(image)


def test_there_are_as_many_letters_as_european_names_need() -> None:
    assert len(LATIN) > 300


@pytest.mark.parametrize("letter", LATIN)
def test_the_typeface_has_every_letter_that_a_name_may_have(letter: str) -> None:
    font = render._font(32)
    missing = font.getmask("\ue000")
    mask = font.getmask(letter)
    assert (mask.size, bytes(mask)) != (missing.size, bytes(missing))


@settings(deadline=None, max_examples=40)
@given(NAMES.filter(lambda name: name.strip()))
def test_a_name_of_any_length_stays_inside_its_strip(name: str) -> None:
    pixels = printed(name)
    assert (pixels[:-79] == 120).all()
    strip = pixels[-79:]
    assert (strip[:, [0, -1]] == 255).all()
    assert (strip[[0, -1]] == 255).all()
    assert strip.min() < 60


def test_a_long_name_is_broken_rather_than_made_tiny() -> None:
    """Two lines of it are larger than one."""
    one, _ = render._fitted(Caption(name="Asha Rao", date="2026-11-28"), 380, 79)
    two, _ = render._fitted(
        Caption(name="Venkata Subramanian Lakshminarayanan Thiruvengadam", date="2026-11-28"), 380, 79
    )
    assert len(one) == 2
    assert len(two) == 3


def test_the_same_words_give_the_same_pixels() -> None:
    assert (printed("Asha Rao") == printed("Asha Rao")).all()


def test_a_date_is_printed_with_its_day_first() -> None:
    assert date_words("2026-11-05") == "05-11-2026"
