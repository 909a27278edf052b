"""DECODE as a stage: how many pages a slot takes, whose budget holds, and what a plain photo does not pay for."""

import subprocess
import sys

import pytest

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq_worker.job import Upload
from rythmiq_worker.stages.decode import decode
from tests.support.uploads import as_pdf, context, encode, portrait

SMALL = portrait(60, 40)
THREE_PAGES = as_pdf(*[encode(SMALL, "JPEG")] * 3)

PHOTO_ONLY = """
import io, sys
from PIL import Image
from rythmiq_worker.decode.picture import open_pages
upload = io.BytesIO()
Image.new("RGB", (64, 48), "red").save(upload, "JPEG", exif=b"Exif\\0\\0MM\\0*\\0\\0\\0\\x08\\0\\0")
page = open_pages(upload.getvalue(), max_pixels=10**6, max_pages=1, first_only=True).pages[0]
page.image()
page.lossless_jpeg()
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize(("output_format", "pages"), [("pdf", 3), ("jpeg", 1), ("png", 1)])
def test_a_pdf_slot_takes_all_pages_and_a_picture_slot_one(output_format: str, pages: int) -> None:
    """What is left out is said."""
    ctx = context(output_format=output_format)
    assert len(decode(Upload((THREE_PAGES,)), ctx).pages) == pages
    assert [notice.code for notice in ctx.warnings] == ([] if pages == 3 else [WarningCode.PAGES_DROPPED])


def test_max_pages_is_the_settings() -> None:
    """Eleven pages of a ten-page limit."""
    ctx, upload = context(output_format="pdf"), Upload((as_pdf(*[encode(SMALL, "JPEG")] * 11),))
    assert len(decode(upload, ctx).pages) == 10
    assert [notice.code for notice in ctx.warnings] == [WarningCode.PAGES_DROPPED]


def test_max_pixels_is_the_settings() -> None:
    """The operator's budget, to the pixel."""
    decode(Upload((encode(SMALL, "PNG"),)), context(max_pixels=2400))
    with pytest.raises(JobError) as caught:
        decode(Upload((encode(SMALL, "PNG"),)), context(max_pixels=2399))
    assert caught.value.code is ErrorCode.DECODE_FAILED
    assert caught.value.detail == {
        "reason": "too_many_pixels",
        "width_px": 60,
        "height_px": 40,
        "max_pixels": 2399,
    }


def test_a_plain_photo_imports_no_other_formats_decoder() -> None:
    """HEIF, PDF, AVIF, colour management and numpy are loaded by the uploads that need them."""
    # The command is this file's own text.
    ran = subprocess.run([sys.executable, "-c", PHOTO_ONLY], capture_output=True, check=True, text=True)
    loaded = set(ran.stdout.split())
    assert "PIL.JpegImagePlugin" in loaded
    dear = {"numpy", "cv2", "pi_heif", "pypdfium2", "PIL.ImageCms", "PIL.AvifImagePlugin", "PIL.WebPImagePlugin"}
    assert loaded & dear == set()
