"""The original scan without its metadata, and the part of a scan that decodes alone."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from rythmiq_worker.decode.jpeg_scan import first_rows, read_header, without_metadata
from tests.support.uploads import (
    DISPLAY_P3_PRIMARIES,
    SRGB_PRIMARIES,
    encode,
    exif,
    matrix_profile,
    page_of,
    pages_of,
    portrait,
)

PHOTO = portrait(200, 160)


def pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The decoded samples of a JPEG, as Pillow gives them."""
    return np.asarray(Image.open(io.BytesIO(data)))


def segments(data: bytes) -> list[bytes]:
    """The markers before the first scan, each with its identifier."""
    found, at = [], 2
    while data[at + 1] != 0xDA:
        length = struct.unpack_from(">H", data, at + 2)[0]
        found.append(data[at : at + 2] + (data[at + 4 : at + 9] if data[at + 1] >= 0xE0 else b""))
        at += 2 + length
    return found


def rgb_stored(image: Image.Image, *, adobe: bool) -> bytes:
    """A JPEG whose components are RGB themselves, told by Adobe's transform 0 or by their names."""
    data = encode(image, "JPEG", quality=95, keep_rgb=True)
    at = data.index(b"\xff\xe0") if b"JFIF" in data[:30] else None
    bare = data if at is None else data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]
    marker = bare.find(b"\xff\xee")
    if adobe and marker < 0:
        return bare[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00" + bare[2:]
    if not adobe and marker >= 0:
        return bare[:marker] + bare[marker + 2 + int.from_bytes(bare[marker + 2 : marker + 4]) :]
    return bare


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_the_scan_without_metadata_decodes_to_the_same_pixels(options: dict[str, int]) -> None:
    """What is dropped is nothing that a decoder needs."""
    profile = matrix_profile(SRGB_PRIMARIES)
    data = encode(PHOTO, "JPEG", exif=exif(1), comment=b"made by", icc_profile=profile, **options)
    scan = page_of(data).lossless_jpeg()
    assert scan is not None
    assert np.array_equal(pixels(scan), pixels(data))
    assert len(scan) < len(data)


def test_the_scan_keeps_no_metadata_and_says_jfif() -> None:
    """APPn and COM go, GPS with them; one JFIF header is written, and the file ends with its picture."""
    data = encode(PHOTO, "JPEG", exif=exif(1), comment=b"made by", dpi=(300, 300)) + b"a tail after the end"
    scan = page_of(data).lossless_jpeg()
    assert scan is not None
    assert [marker for marker in segments(scan) if marker[1] >= 0xE0] == [b"\xff\xe0JFIF\x00"]
    for word in (b"Exif", b"Phone", b"made by", b"tail"):
        assert word not in scan
    assert scan.endswith(b"\xff\xd9")
    assert not dict(Image.open(io.BytesIO(scan)).getexif())


def test_a_second_picture_in_the_file_goes() -> None:
    """Of an MPO only the first picture is kept."""
    data = encode(PHOTO, "MPO", save_all=True, append_images=[Image.new("RGB", (50, 40), "red")])
    scan = pages_of(data).pages[0].lossless_jpeg()
    assert scan is not None
    assert scan.count(b"\xff\xd8\xff") == 1
    assert np.array_equal(pixels(scan), pixels(data))


def test_a_gray_scan_stays_gray() -> None:
    """One component of 8 bits is a JPEG like any other."""
    data = encode(PHOTO.convert("L"), "JPEG")
    scan = page_of(data).lossless_jpeg()
    assert scan is not None
    assert np.array_equal(pixels(scan), pixels(data))


@pytest.mark.parametrize("adobe", [True, False], ids=["by Adobe's transform", "by component names"])
def test_a_scan_of_rgb_itself_keeps_its_colours(*, adobe: bool) -> None:
    """A JFIF header would make a decoder take RGB for YCbCr, so such a scan gets none."""
    data = rgb_stored(PHOTO, adobe=adobe)
    assert read_header(data).stored_as_rgb
    scan = page_of(data).lossless_jpeg()
    assert scan is not None
    assert b"JFIF" not in scan
    assert np.array_equal(pixels(scan), pixels(data))
    assert np.abs(pixels(scan).astype(int) - np.asarray(PHOTO)).mean() < 4


def test_nothing_is_lossless_when_something_has_to_be_done() -> None:
    """A turn, a profile, ink, another format: the pixels are not the file's."""
    assert page_of(encode(PHOTO, "JPEG", exif=exif(6))).lossless_jpeg() is None
    assert page_of(encode(PHOTO, "JPEG")).turned(90).lossless_jpeg() is None
    assert page_of(encode(PHOTO, "JPEG", icc_profile=matrix_profile(DISPLAY_P3_PRIMARIES))).lossless_jpeg() is None
    assert page_of(encode(PHOTO.convert("CMYK"), "JPEG")).lossless_jpeg() is None
    assert page_of(encode(PHOTO, "PNG")).lossless_jpeg() is None
    page = page_of(encode(PHOTO, "JPEG"))
    assert page.derived(lambda image: image, 200, 160).lossless_jpeg() is None


def test_turning_back_to_upright_makes_the_scan_good_again() -> None:
    """A wish to rotate by 180 undoes an EXIF orientation of 180."""
    data = encode(PHOTO, "JPEG", exif=exif(3))
    assert page_of(data).lossless_jpeg() is None
    # The stored pixels are then upright as they are.
    scan = page_of(data).turned(180).lossless_jpeg()
    assert scan is not None
    assert np.array_equal(pixels(scan), pixels(data))


@pytest.mark.parametrize("marker", [0xC3, 0xC9, 0xCA])
def test_a_process_that_few_read_is_not_passed_on(marker: int) -> None:
    """Lossless and arithmetic JPEG are no master."""
    data = bytearray(encode(PHOTO, "JPEG"))
    data[data.index(b"\xff\xc0") + 1] = marker
    assert without_metadata(bytes(data)) is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_the_first_rows_of_a_scan_decode_alone(options: dict[str, int]) -> None:
    """They are the rows of the full decode, but for the last ones, whose chroma lacks its neighbours."""
    data = encode(portrait(400, 400), "JPEG", **options)
    top, whole = pixels(first_rows(data, 128)), pixels(data)
    assert top.shape == (128, 400, 3)
    assert np.array_equal(top[:120], whole[:120])


def test_rows_beyond_the_picture_are_not_invented() -> None:
    """A small picture is its own patch."""
    data = encode(PHOTO, "JPEG")
    assert np.array_equal(pixels(first_rows(data, 5000)), pixels(data))


def test_the_native_patch_is_of_native_pixels() -> None:
    """About a megapixel as it was coded, gray: of a JPEG the first rows, else the middle."""
    large = portrait(3000, 1200)
    rows, middle = (page_of(encode(large, file_format)).native_patch() for file_format in ("JPEG", "PNG"))
    for patch in (rows, middle):
        assert patch.mode == "L"
        assert 900_000 < patch.width * patch.height <= 1024 * 1024
    assert page_of(encode(PHOTO, "JPEG")).native_patch().size == (200, 160)
    gray = np.asarray(large.convert("L"))
    assert np.array_equal(np.asarray(middle), gray[88:1112, 988:2012])
