"""Whatever colour a file is stored in, what leaves is 8-bit sRGB on white."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from rythmiq_worker.decode.raster import is_srgb
from tests.support.uploads import (
    DISPLAY_P3_PRIMARIES,
    SRGB_PRIMARIES,
    difference,
    encode,
    matrix_profile,
    page_of,
    portrait,
)

SMALL = portrait(60, 40)
SRGB = matrix_profile(SRGB_PRIMARIES)
DISPLAY_P3 = matrix_profile(DISPLAY_P3_PRIMARIES)
RAMP_16 = np.linspace(0, 65535, 60 * 40).astype(np.uint16).reshape(40, 60)
RAMP_8 = Image.fromarray(np.round(RAMP_16 / 257).astype(np.uint8)).convert("RGB")


def close(image: Image.Image, at: tuple[int, int], wanted: tuple[int, int, int], levels: int) -> bool:
    """Whether one pixel is within some levels of a colour."""
    return bool(np.abs(np.asarray(image, dtype=np.int16)[at[1], at[0]] - wanted).max() <= levels)


@pytest.mark.parametrize(
    "profile",
    [
        SRGB,
        matrix_profile(SRGB_PRIMARIES, table=True),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    ],
    ids=["parametric", "table", "lcms"],
)
def test_an_srgb_profile_is_recognised(profile: bytes) -> None:
    """By its primaries and curve, whoever wrote it."""
    assert is_srgb(profile)


@pytest.mark.parametrize(
    "profile",
    [
        DISPLAY_P3,
        matrix_profile(SRGB_PRIMARIES, gamma=1.8),
        matrix_profile(SRGB_PRIMARIES).replace(b"mntrRGB ", b"mntrGRAY"),
        matrix_profile(SRGB_PRIMARIES).replace(b"cprt", b"A2B0"),
        SRGB[:200],
        b"",
        b"x" * 500,
    ],
    ids=["p3", "gamma", "gray", "lookup table", "cut", "empty", "garbage"],
)
def test_no_other_profile_passes_for_srgb(profile: bytes) -> None:
    """A wide gamut, another curve, a lookup table and a broken profile are not skipped as sRGB."""
    assert not is_srgb(profile)


def test_an_srgb_profile_changes_nothing() -> None:
    """The pixels of a tagged sRGB picture are its pixels."""
    assert difference(page_of(encode(SMALL, "PNG", icc_profile=SRGB)).image(), SMALL) == 0


def test_a_wide_gamut_is_converted() -> None:
    """Display P3, which iPhones write, becomes sRGB: greys stay, a P3 green moves as the standard says."""
    p3 = Image.new("RGB", (8, 8), (128, 128, 128))
    p3.paste((100, 200, 100), (0, 0, 4, 8))
    image = page_of(encode(p3, "PNG", icc_profile=DISPLAY_P3)).image()
    assert close(image, (6, 4), (128, 128, 128), 1)
    # P3 (100, 200, 100) is sRGB (46, 204, 89): CSS Color 4, display-p3 to srgb.
    assert close(image, (1, 4), (46, 204, 89), 3)


def test_a_jpeg_with_a_wide_gamut_is_converted_at_every_scale() -> None:
    """A decoder-scaled picture gets the profile too."""
    data = encode(Image.new("RGB", (64, 64), (100, 200, 100)), "JPEG", icc_profile=DISPLAY_P3, quality=95)
    page = page_of(data)
    for image in (page.image(), page.image(8, 8)):
        assert close(image, (4, 4), (46, 204, 89), 5)


@pytest.mark.parametrize("profile", [b"garbage", DISPLAY_P3[:150], DISPLAY_P3[:40] + b"\xff" * 400])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    """Without a usable profile the pixels are sRGB, as every viewer takes them."""
    assert difference(page_of(encode(SMALL, "PNG", icc_profile=profile)).image(), SMALL) == 0


def test_a_profile_of_another_colour_space_is_ignored() -> None:
    """An RGB profile on a gray picture does not fit it."""
    gray = SMALL.convert("L")
    assert difference(page_of(encode(gray, "PNG", icc_profile=DISPLAY_P3)).image(), gray.convert("RGB")) == 0


def test_a_profile_applies_under_transparency() -> None:
    """Colour is converted first and laid over white then."""
    p3 = Image.new("RGBA", (8, 8), (100, 200, 100, 255))
    p3.paste((0, 0, 0, 0), (0, 0, 4, 8))
    image = page_of(encode(p3, "PNG", icc_profile=DISPLAY_P3)).image()
    assert image.getpixel((1, 1)) == (255, 255, 255)
    assert close(image, (6, 4), (46, 204, 89), 3)


def test_cmyk_of_an_adobe_jpeg_is_not_inverted() -> None:
    """Adobe stores ink inverted; what was light stays light."""
    image = page_of(encode(SMALL.convert("CMYK"), "JPEG", quality=95)).image()
    assert difference(image, SMALL) < 6


def test_cmyk_of_a_tiff_is_read() -> None:
    """Ink in a TIFF is not inverted."""
    image = page_of(encode(SMALL.convert("CMYK"), "TIFF")).image()
    assert difference(image, SMALL) < 2


def test_ycck_is_read() -> None:
    """The same JPEG with Adobe's transform 2 means YCCK, which libjpeg turns into CMYK."""
    inks = Image.merge("CMYK", (*ImageOps.invert(SMALL).split(), SMALL.convert("L").point(lambda level: level // 4)))
    # Pillow stores each component inverted, and libjpeg inverts what it turns into C, M and Y: both cancel out.
    luma, blue, red = (ImageOps.invert(band) for band in Image.merge("RGB", inks.split()[:3]).convert("YCbCr").split())
    stored = encode(Image.merge("CMYK", (luma, blue, red, inks.getchannel("K"))), "JPEG", quality=100, subsampling=0)
    at = stored.index(b"Adobe")
    ycck = stored[: at + 11] + b"\x02" + stored[at + 12 :]
    assert difference(page_of(ycck).image(), inks.convert("RGB")) < 2
    assert difference(page_of(stored).image(), inks.convert("RGB")) > 20


@pytest.mark.parametrize(("file_format", "order"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
def test_sixteen_bits_are_scaled_not_clipped(file_format: str, order: str) -> None:
    """A 16-bit ramp becomes the 8-bit ramp."""
    wide = Image.fromarray(RAMP_16.astype(order))
    assert difference(page_of(encode(wide, file_format)).image(), RAMP_8) == 0


def test_thirty_two_bits_that_hold_sixteen_are_scaled() -> None:
    """A TIFF of 32-bit integers that use 16 bits is the same ramp."""
    wide = Image.fromarray(RAMP_16.astype(np.int32))
    assert wide.mode == "I"
    assert difference(page_of(encode(wide, "TIFF")).image(), RAMP_8) <= 0.5


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floats_are_scaled_by_their_range(top: float) -> None:
    """A float picture is 0..1, 0..255 or 0..65535."""
    wide = Image.fromarray((RAMP_16 / 65535 * top).astype(np.float32))
    assert difference(page_of(encode(wide, "TIFF")).image(), RAMP_8) <= 0.5


def test_sixteen_bits_of_colour_are_scaled() -> None:
    """A 48-bit PNG comes within a level of its 8-bit self."""
    data = encode(SMALL, "PNG")
    wide = np.asarray(SMALL, dtype=np.uint16) * 257
    assert difference(page_of(_png_48_bit(wide)).image(), page_of(data).image()) <= 1


def test_gray_black_and_white_and_palettes_become_colour() -> None:
    """Modes without colour of their own are shown as they look."""
    gray, bilevel, palette = SMALL.convert("L"), SMALL.convert("1"), SMALL.convert("P")
    for image in (gray, bilevel, palette):
        assert difference(page_of(encode(image, "PNG")).image(), image.convert("RGB")) == 0


def test_lab_is_converted() -> None:
    """A TIFF in CIELAB shows its colours."""
    to_lab = ImageCms.profileToProfile(
        SMALL, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert to_lab is not None
    assert difference(page_of(encode(to_lab, "TIFF")).image(), SMALL) < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_over_white(mode: str) -> None:
    """What is transparent is paper."""
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    image.paste((200, 200, 200, 255), (10, 0, 20, 10))
    file_format = "PNG" if mode != "PA" else "GIF"
    flat = page_of(encode(image.convert(mode) if mode != "PA" else image, file_format)).image()
    assert flat.getpixel((2, 5)) == (255, 255, 255)
    assert close(flat, (15, 5), (200, 200, 200), 3)


def test_half_transparency_is_mixed() -> None:
    """Black at half opacity over white is mid-gray."""
    flat = page_of(encode(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "PNG")).image()
    assert flat.getpixel((1, 1)) == (127, 127, 127)


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_a_transparent_colour_lies_over_white(mode: str) -> None:
    """PNG's tRNS on a palette, RGB or gray picture."""
    image = Image.new("RGB", (20, 10), (0, 0, 0))
    image.paste((255, 255, 255), (10, 0, 20, 10))
    image = image.convert(mode)
    transparent = {"P": image.getpixel((0, 0)), "RGB": (0, 0, 0), "L": 0}[mode]
    flat = page_of(encode(image, "PNG", transparency=transparent)).image()
    assert flat.getpixel((2, 5)) == (255, 255, 255)


def _png_48_bit(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> bytes:
    """A PNG of H x W x 3, uint16; Pillow reads such files but does not write them."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
