"""Every odd file of the shared list becomes what the list says."""

import pytest

from rythmiq.contracts.errors import ErrorCode, JobError
from tests.data.hostile import OPENS, Upload, upload, uploads, upright
from tests.support.uploads import difference, pages_of


@pytest.mark.parametrize("odd", uploads(), ids=lambda odd: odd.name)
def test_an_odd_file_becomes_what_the_list_says(odd: Upload) -> None:
    """It opens with its pages and a warning where something is dropped, or is refused for its reason."""
    if odd.outcome == OPENS:
        opened = pages_of(odd.data)
        assert len(opened.pages) == odd.pages
        assert bool(opened.warnings) == odd.dropped
        assert all(page.image().mode == "RGB" for page in opened.pages)
        return
    with pytest.raises(JobError) as caught:
        pages_of(odd.data)
    assert caught.value.code is ErrorCode.DECODE_FAILED
    assert caught.value.detail is not None
    assert caught.value.detail["reason"] == odd.outcome


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_person_is_upright_whatever_the_orientation(orientation: int) -> None:
    """All eight files show the same picture."""
    page = pages_of(upload(f"orientation-{orientation}").data).pages[0]
    assert difference(page.image(), upright()) < 6


def test_a_profile_that_calls_itself_srgb_and_is_not_is_applied() -> None:
    """Its primaries tell, not its name: the colours are more saturated than the numbers in the file."""
    page = pages_of(upload("display-p3").data).pages[0]
    plain = pages_of(upload("nul-tail").data).pages[0]
    assert difference(page.image(), plain.image()) > 2
    assert page.lossless_jpeg() is None
