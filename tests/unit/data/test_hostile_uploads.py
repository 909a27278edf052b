"""The odd and hostile uploads are what their list says, as Pillow and PDFium alone see them."""

import hashlib
import io
import warnings
import zipfile
from collections.abc import Iterator

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageCms, ImageOps

from tests.data import hostile


def opened(name: str) -> Image.Image:
    """Decode an upload by Pillow alone."""
    image = Image.open(io.BytesIO(hostile.upload(name).data))
    image.load()
    return image


@pytest.fixture
def strict_pillow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("strict_pillow")
@pytest.mark.parametrize(
    "name", [each.name for each in hostile.uploads() if each.outcome != hostile.OPENS and "bomb" not in each.name]
)
def test_what_must_be_refused_is_no_picture_to_pillow(name: str) -> None:
    with pytest.raises((OSError, SyntaxError)):
        opened(name)


@pytest.mark.usefixtures("strict_pillow")
@pytest.mark.parametrize(("name", "pixels"), [("png-bomb", 65536**2), ("gif-bomb", 65535**2)])
def test_a_bomb_is_small_and_claims_to_be_large(name: str, pixels: int) -> None:
    assert len(hostile.upload(name).data) < 1000
    with pytest.raises(Image.DecompressionBombError, match=str(pixels)):
        opened(name)


@pytest.mark.parametrize("share", [2, 25, 60, 98])
@pytest.mark.parametrize("file_format", ["jpeg", "png"])
def test_a_cut_file_begins_well(file_format: str, share: int) -> None:
    data = hostile.upload(f"{file_format}-cut-{share}").data
    assert data.startswith({"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG"}[file_format])


@pytest.mark.parametrize(
    ("name", "file_format", "mode", "frames"),
    [
        ("cmyk", "JPEG", "CMYK", 1),
        ("cmyk-with-rgb-profile", "JPEG", "CMYK", 1),
        ("png-16-bit", "PNG", "I;16", 1),
        ("tiff-16-bit", "TIFF", "I;16", 1),
        ("palette", "PNG", "P", 1),
        ("gif-animated", "GIF", "P", 3),
        ("webp-animated", "WEBP", "RGB", 3),
        ("tiff-pages", "TIFF", "RGB", 3),
        ("avif", "AVIF", "RGB", 1),
    ],
)
def test_an_odd_picture_is_of_its_kind(name: str, file_format: str, mode: str, frames: int) -> None:
    image = opened(name)
    assert (image.format, image.mode, getattr(image, "n_frames", 1)) == (file_format, mode, frames)
    assert image.size == hostile.SIZE_PX


def test_sixteen_bits_use_their_range() -> None:
    assert np.asarray(opened("png-16-bit")).max() > 60000
    assert "transparency" in opened("palette").info


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_shows_the_same_when_it_is_obeyed(orientation: int) -> None:
    image = opened(f"orientation-{orientation}")
    assert image.getexif()[0x0112] == orientation
    error = np.asarray(ImageOps.exif_transpose(image), np.int16) - np.asarray(hostile.upright(), np.int16)
    assert np.abs(error).mean() < 4


def test_metadata_lies_and_tells() -> None:
    assert opened("dpi-lie").info["dpi"] == (4294967295, 4294967295)
    assert opened("gps").getexif().get_ifd(0x8825)[2] == (28.0, 36.0, 50.0)


def test_display_p3_is_wider_than_srgb_and_calls_itself_srgb() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(opened("display-p3").info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    srgb = ImageCms.createProfile("sRGB")
    red = ImageCms.profileToProfile(Image.new("RGB", (1, 1), (180, 60, 60)), profile, srgb)
    assert red is not None
    pixel = red.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 186


@pytest.mark.parametrize(("name", "pages", "images"), [("pdf-scan", 1, 1), ("pdf-pages", 12, 1), ("pdf-vector", 1, 0)])
def test_a_pdf_has_its_pages_and_pictures(name: str, pages: int, images: int) -> None:
    document = pypdfium2.PdfDocument(hostile.upload(name).data)
    assert len(document) == pages
    assert len(list(document[0].get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]))) == images
    document.close()


def test_no_password_opens_the_encrypted_pdf_and_the_empty_one_has_no_page() -> None:
    with pytest.raises(pypdfium2.PdfiumError, match="password"):
        pypdfium2.PdfDocument(hostile.upload("pdf-encrypted").data)
    assert b"/Kids []" in hostile.upload("pdf-no-pages").data


def test_the_polyglot_is_a_jpeg_and_a_zip() -> None:
    data = hostile.upload("polyglot-zip").data
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["hello.txt"]
    assert opened("polyglot-zip").format == "JPEG"


def test_the_tail_of_zeros_follows_the_end_of_the_picture() -> None:
    data = hostile.upload("nul-tail").data
    assert data[-4098:-4096] == b"\xff\xd9"
    assert not any(data[-4096:])


def test_the_heic_is_one() -> None:
    assert hostile.upload("heic").data[4:8] == b"ftyp"
    assert hostile.upload("heic").data[8:12] in {b"heic", b"mif1"}


def test_hostile_uploads_have_names_of_their_own_and_never_change() -> None:
    first = {each.name: hashlib.sha256(each.data).digest() for each in hostile.uploads()}
    assert len(first) == len(hostile.uploads())
    hostile.uploads.cache_clear()
    hostile._plain.cache_clear()
    assert {each.name: hashlib.sha256(each.data).digest() for each in hostile.uploads()} == first
