"""Whatever is wrong with an upload, DECODE finds it, says why, and nothing but DECODE_FAILED leaves."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq_worker.decode import decoder_door
from rythmiq_worker.decode import raster as raster_in
from rythmiq_worker.decode.jpeg_scan import MAX_SCANS
from tests.support.uploads import as_pdf, encode, page_of, pages_of, portrait

SMALL = portrait(96, 80)
HEIF = Path(__file__).parents[3] / "data" / "heif"


@cache
def samples() -> dict[str, bytes]:
    """One small upload of each kind that decodes by code of its own."""
    jpeg = encode(SMALL, "JPEG")
    wide = Image.fromarray((np.asarray(SMALL.convert("L"), dtype=np.uint16)) * 257)
    return {
        "jpeg": jpeg,
        "jpeg progressive": encode(SMALL, "JPEG", progressive=True),
        "jpeg cmyk": encode(SMALL.convert("CMYK"), "JPEG"),
        "png": encode(SMALL, "PNG"),
        "png palette": encode(SMALL.convert("P"), "PNG"),
        "png 16 bits": encode(wide, "PNG"),
        "gif": encode(SMALL, "GIF"),
        "webp": encode(SMALL, "WEBP"),
        "webp lossless": encode(SMALL, "WEBP", lossless=True),
        "avif": encode(SMALL, "AVIF"),
        "bmp": encode(SMALL, "BMP"),
        "tiff": encode(SMALL, "TIFF"),
        "tiff lzw": encode(SMALL, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encode(SMALL, "TIFF", compression="jpeg"),
        "tiff fax": encode(SMALL.convert("1"), "TIFF", compression="group4"),
        "heif": (HEIF / "plain.heic").read_bytes(),
        "pdf scan": as_pdf(jpeg),
        "pdf drawn": as_pdf(encode(SMALL, "PNG")),
    }


# What may be missing at the end of a file whose picture is complete: a trailer that holds no pixels.
TRAILER_BYTES = {
    "png": 24,
    "png palette": 24,
    "png 16 bits": 24,
    "gif": 3,
    "tiff fax": 8,
    "pdf scan": 32,
    "pdf drawn": 32,
}


def reason_of(data: bytes, *, max_pixels: int = 80_000_000) -> str:
    """The reason with which an upload is refused."""
    with pytest.raises(JobError) as caught:
        pages_of(data, max_pixels=max_pixels)
    assert caught.value.code is ErrorCode.DECODE_FAILED
    assert caught.value.stage == "decode"
    assert caught.value.detail is not None
    return str(caught.value.detail["reason"])


@pytest.mark.pixels
@pytest.mark.parametrize("name", samples())
def test_a_file_cut_short_anywhere_is_found_when_it_is_opened(name: str) -> None:
    """A truncated file never reaches a later stage, wherever it was cut; a decoder-scaled decode notices it too."""
    data = samples()[name]
    end = len(data) - TRAILER_BYTES.get(name, 0)
    for cut in sorted({*range(1, end, max(1, end // 40)), end - 1, end}):
        if cut < len(data):
            assert reason_of(data[:cut]) in {"truncated", "damaged", "unknown_format"}, cut


@pytest.mark.parametrize("scale_px", [96, 700, 3000])
def test_a_large_jpeg_cut_short_is_found_at_every_decoder_scale(scale_px: int) -> None:
    """Whether the opening decode runs at 1/1, 1/2 or less, the missing end is noticed, up to the last byte."""
    data = encode(portrait(scale_px, scale_px), "JPEG", quality=60)
    page_of(data)
    for cut in (len(data) // 3, len(data) - 2000, len(data) - 100, len(data) - 3, len(data) - 2, len(data) - 1):
        assert reason_of(data[: max(30, cut)]) == "truncated"


def test_a_truncated_picture_says_so() -> None:
    """The usual cause, a broken transfer, has a reason of its own."""
    for name in ("jpeg", "jpeg progressive", "png", "bmp", "gif", "tiff", "pdf scan"):
        data = samples()[name]
        assert reason_of(data[: len(data) * 2 // 3]) == "truncated"


def test_truncated_pictures_are_never_tolerated() -> None:
    """Pillow's switch that fills what is missing with gray stays off."""
    page_of(samples()["jpeg"])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_nothing_is_refused_as_empty() -> None:
    """An upload of no bytes."""
    assert reason_of(b"") == "empty"


@pytest.mark.parametrize("data", [b"hello", b"%PD", b"PK\x03\x04" + bytes(50), b"\x00" * 1000, b"<svg/>", b"II*"])
def test_what_we_do_not_read_is_an_unknown_format(data: bytes) -> None:
    """Text, archives, zeros and drawings."""
    assert reason_of(data) == "unknown_format"


@pytest.mark.parametrize(
    "head",
    [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\x00", b"RIFF\0\0\0\0WEBP", b"%PDF-1.7"],
)
def test_a_good_beginning_and_garbage_after_it_is_damaged(head: bytes) -> None:
    """The name of a format is no picture."""
    garbage = np.random.default_rng(7).integers(0, 256, 600, dtype=np.uint8).tobytes()
    assert reason_of(head + garbage) in {"damaged", "truncated", "too_many_pixels"}


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "avif", "bmp", "tiff", "heif", "pdf scan"])
def test_the_pixel_budget_is_exact(name: str) -> None:
    """A picture of just max_pixels is taken, one of a pixel more is not."""
    pages_of(samples()[name], max_pixels=96 * 80)
    assert reason_of(samples()[name], max_pixels=96 * 80 - 1) == "too_many_pixels"


def test_the_budget_counts_each_page() -> None:
    """A later page over the budget is refused as the first would be."""
    data = encode(Image.new("1", (10, 10)), "TIFF", save_all=True, append_images=[Image.new("1", (200, 200))])
    assert reason_of(data, max_pixels=30_000) == "too_many_pixels"


def test_the_budget_is_checked_before_pixels_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb is refused on its header: no decoder is asked for a pixel of it."""

    def fail(*_: object) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    monkeypatch.setattr(raster_in.HeifSource, "decode", fail)
    for name in ("jpeg", "png", "gif", "webp", "avif", "bmp", "tiff", "heif"):
        assert reason_of(samples()[name], max_pixels=10) == "too_many_pixels"


def test_a_png_bomb_is_refused() -> None:
    """65,536 x 65,536 pixels in a few hundred bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 65_536, 65_536, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    assert reason_of(bomb) == "too_many_pixels"


def test_pillows_own_limit_does_not_interfere() -> None:
    """Between Pillow's warning (89 MP) and its error (179 MP) the budget alone decides."""
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 62, 0, 0, 62, 40, 10_000, 9_000, 1, 1, 0, 0, 0, 0, 2, 2)
    data = header + bytes(4) + b"\xff\xff\xff\x00" + bytes(1252 * 9_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason_of(data) == "too_many_pixels"
        opened = pages_of(data, max_pixels=90_000_000)
    assert (opened.pages[0].width_px, opened.pages[0].height_px) == (10_000, 9_000)


def test_a_gif_frame_larger_than_its_canvas_counts() -> None:
    """A GIF's canvas may say little and its frame much."""
    data = bytearray(encode(Image.new("P", (10, 10)), "GIF"))
    at = data.index(b"\x2c")
    data[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    assert reason_of(bytes(data)) == "too_many_pixels"


def test_a_second_frame_header_does_not_hide_a_jpegs_size() -> None:
    """The budget is checked on the size that the decoder uses."""
    data = encode(SMALL, "JPEG")
    at = data.index(b"\xff\xc0")
    length = int.from_bytes(data[at + 2 : at + 4]) + 2
    huge = bytearray(data[at : at + length])
    huge[5:9] = b"\xff\xff\xff\xff"
    assert reason_of(data[:at] + bytes(huge) + data[at:]) in {"damaged", "too_many_pixels"}
    assert reason_of(data[: at + length] + bytes(huge) + data[at + length :]) in {"damaged", "too_many_pixels"}


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    """Each scan of a progressive JPEG costs a pass over all pixels; a thousand are an attack, not a photo."""
    data = encode(SMALL, "JPEG", progressive=True)
    last_scan = data.rindex(b"\xff\xda")
    assert data.count(b"\xff\xda") < MAX_SCANS
    assert reason_of(data[:-2] + data[last_scan:-2] * MAX_SCANS + data[-2:]) == "damaged"


def scan_bomb(sof: int, scans: int, between: bytes = b"") -> bytes:
    """A JPEG with more scans than its picture needs, each empty: ten bytes that cost a pass over all pixels."""
    plain = encode(portrait(64, 48), "JPEG", progressive=sof == 0xC2)
    at = plain.index(b"\xff\xc2" if sof == 0xC2 else b"\xff\xc0")
    empty = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + between
    return plain[: at + 1] + bytes([sof]) + plain[at + 2 : -2] + empty * scans + plain[-2:]


@pytest.mark.parametrize("sof", [0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF])
@pytest.mark.parametrize("between", [b"", b"\x12\x34", b"\xff\xe1\xff"], ids=["bare", "garbage", "broken segment"])
def test_a_jpeg_that_is_not_progressive_has_a_scan_a_component_at_most(sof: int, between: bytes) -> None:
    """Also where the segments between the scans do not follow each other as they should: a decoder reads on."""
    assert reason_of(scan_bomb(sof, 3, between=between)) == "damaged"


@pytest.mark.parametrize("sof", [0xC2, 0xC6, 0xCA, 0xCE])
def test_a_progressive_jpeg_of_any_code_has_a_hundred_scans_at_most(sof: int) -> None:
    assert reason_of(scan_bomb(sof, MAX_SCANS)) == "damaged"


def test_a_scan_bomb_inside_a_pdf_is_found_as_well() -> None:
    """It is the same JPEG behind another door."""
    assert reason_of(as_pdf(scan_bomb(0xC0, 3))) == "damaged"


def test_a_photo_whose_data_was_damaged_after_its_scan_began_still_opens() -> None:
    """Every viewer shows it; only the number of scans is held to."""
    data = bytearray(encode(portrait(64, 48), "JPEG"))
    at = data.rindex(b"\xff\xda") + 40
    data[at : at + 2] = b"\xff\xe4"
    assert page_of(bytes(data)).width_px == 64


@pytest.mark.parametrize("size", [(0, 10), (10, 0)])
def test_a_picture_without_pixels_is_damaged(size: tuple[int, int]) -> None:
    """A side of nothing."""
    data = bytearray(encode(SMALL, "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", size[1], size[0])
    assert reason_of(bytes(data)) == "damaged"


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (EOFError(), "truncated"),
        (OSError("image file is truncated (3 bytes not processed)"), "truncated"),
        (RecursionError(), "damaged"),
        (struct.error("x"), "damaged"),
        (SyntaxError("x"), "damaged"),
        (OverflowError(), "damaged"),
    ],
)
def test_every_exception_of_a_decoder_becomes_decode_failed(raised: Exception, reason: str) -> None:
    """Nothing else leaves the door, and the decoder's words stay inside."""
    with pytest.raises(JobError) as caught, decoder_door():
        raise raised
    assert caught.value.code is ErrorCode.DECODE_FAILED
    assert caught.value.detail == {"reason": reason}
    assert "processed" not in caught.value.message


def test_a_decoders_warning_is_not_a_verdict() -> None:
    """Metadata that a decoder grumbles about never survives anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with decoder_door():
            warnings.warn("Corrupt EXIF data", stacklevel=1)


def test_libtiff_does_not_write_into_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """STDERR holds JSON lines; libtiff's own complaints go nowhere."""
    data = samples()["tiff lzw"]
    reason_of(data[:300] + bytes(400) + data[700:])
    assert capfd.readouterr().err == ""


def _mutations(data: bytes) -> st.SearchStrategy[bytes]:
    edit = st.tuples(
        st.sampled_from(["set", "cut", "insert"]),
        st.one_of(st.integers(0, min(220, len(data) - 1)), st.integers(0, len(data) - 1)),
        st.binary(min_size=1, max_size=6),
    )

    def apply(edits: list[tuple[str, int, bytes]]) -> bytes:
        changed = bytearray(data)
        for how, at, content in edits:
            if how == "set":
                changed[at : at + len(content)] = content
            elif how == "cut":
                del changed[at : at + len(content)]
            else:
                changed[at:at] = content
        return bytes(changed)

    return st.lists(edit, min_size=1, max_size=8).map(apply)


def _survives(data: bytes) -> None:
    """Open, decode at two sizes and ask for everything that a later stage asks for."""
    failure: JobError | None = None
    try:
        for page in pages_of(data, max_pixels=1_000_000, max_pages=2).pages:
            image = page.image()
            assert (image.mode, image.size) == ("RGB", (page.width_px, page.height_px))
            assert page.native_patch().mode == "L"
            page.turned(90).image(8, 8)
            scan = page.lossless_jpeg()
            assert scan is None or Image.open(io.BytesIO(scan)).size == image.size
    except JobError as error:
        failure = error
    if failure is not None:
        assert failure.code is ErrorCode.DECODE_FAILED
        assert failure.detail is not None
        assert "reason" in failure.detail


def _mutation_test(name: str) -> Callable[[], None]:
    @settings(max_examples=60)
    @given(data=_mutations(samples()[name]))
    def run(data: bytes) -> None:
        _survives(data)

    return run


@pytest.mark.pixels
@pytest.mark.parametrize("name", samples())
def test_a_mutated_file_decodes_or_fails_as_decode_failed(name: str) -> None:
    """Bytes changed, cut out or slipped in anywhere: a picture, or DECODE_FAILED; nothing else."""
    _mutation_test(name)()


@settings(max_examples=100)
@given(data=st.binary(max_size=400))
def test_any_bytes_decode_or_fail_as_decode_failed(data: bytes) -> None:
    """Whatever the bytes."""
    _survives(data)
