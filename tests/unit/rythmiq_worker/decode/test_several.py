"""Several uploads are the pages of one file: in their order, bounded together, and named where one does not decode."""

import io

import pytest
from PIL import Image
from pypdfium2 import PdfDocument

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq_worker.decode.picture import Pages, open_pages


def photo(width_px: int, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width_px, 40), "white").save(out, kind)
    return out.getvalue()


def pdf(pages: int) -> bytes:
    out = io.BytesIO()
    with PdfDocument.new() as document:
        for number in range(pages):
            document.new_page(100 + number, 200)
        document.save(out)
    return out.getvalue()


def opened(*uploads: bytes, max_pages: int = 10, first_only: bool = False) -> Pages:
    return open_pages(*uploads, max_pixels=10_000_000, max_pages=max_pages, first_only=first_only)


def test_pages_follow_each_other_whatever_their_formats() -> None:
    pages = opened(photo(50), photo(60, "PNG"), pdf(2), photo(70)).pages
    assert [page.source_format for page in pages] == ["JPEG", "PNG", "PDF", "PDF", "JPEG"]
    assert [pages[index].width_px for index in (0, 1, 4)] == [50, 60, 70]
    assert all(page.thumbnail().width for page in pages)


@pytest.mark.parametrize(
    ("max_pages", "formats"),
    [
        (4, ["JPEG", "PDF", "PDF", "PNG"]),
        (3, ["JPEG", "PDF", "PDF"]),
        (2, ["JPEG", "PDF"]),
        (1, ["JPEG"]),
    ],
)
def test_what_is_more_than_the_pages_that_are_taken_is_dropped_with_a_warning(
    max_pages: int, formats: list[str]
) -> None:
    found = opened(photo(50), pdf(2), photo(60, "PNG"), max_pages=max_pages)
    assert [page.source_format for page in found.pages] == formats
    assert found.warnings == (() if max_pages == 4 else (WarningCode.PAGES_DROPPED,))


@pytest.mark.parametrize(
    ("broken", "reason"), [(b"", "empty"), (b"text", "unknown_format"), (b"\xff\xd8\xff", "damaged")]
)
def test_the_one_that_does_not_decode_is_named(broken: bytes, reason: str) -> None:
    with pytest.raises(JobError) as refused:
        opened(photo(50), broken, photo(60))
    assert refused.value.code is ErrorCode.DECODE_FAILED
    assert refused.value.detail is not None
    assert refused.value.detail["upload"] == 2
    assert refused.value.detail["reason"] in {reason, "truncated"}
    assert refused.value.message.startswith("File 2: ")


def test_one_alone_has_no_number() -> None:
    with pytest.raises(JobError) as refused:
        opened(b"text")
    assert refused.value.detail == {"reason": "unknown_format"}
