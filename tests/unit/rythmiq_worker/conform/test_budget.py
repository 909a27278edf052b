"""Byte budgets: the cap is never passed, the floor is reached inside the file, and what cannot fit is refused."""

import io

import numpy as np
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform import Conformed, Labels, conform
from rythmiq_worker.conform.measure import measure
from rythmiq_worker.conform.pdf import Page, balanced, fit_pdf
from rythmiq_worker.conform.raster import MAX_ENCODES, TooLargeError, fit_jpeg, fit_png, pad_jpeg, pad_png
from rythmiq_worker.decode.picture import open_pages

LABELS = Labels("p", "s", "1", "11111111-1111-4111-8111-111111111111", "scan.jpg")


def noise(width_px: int, height_px: int, seed: int = 3) -> Image.Image:
    """The hardest picture there is to compress."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8))


def scene(width_px: int = 300, height_px: int = 380) -> Image.Image:
    """Smooth areas, edges and a little grain, as a photo has."""
    image = Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.ellipse((width_px // 4, height_px // 5, 3 * width_px // 4, 3 * height_px // 4), fill=(200, 160, 130))
    pen.rectangle((0, 4 * height_px // 5, width_px, height_px), fill=(30, 40, 90))
    return Image.blend(image, noise(width_px, height_px), 0.06)


SCENE = scene()


def png_of(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def conformed(image: Image.Image, pages: int = 1, **rules: object) -> Conformed:
    picture = open_pages(png_of(image), max_pixels=10**7, max_pages=1, first_only=True).pages[0]
    definition = SchemaDefinition.model_validate({"kind": "document", "ocr": "off", **rules})
    return conform([picture] * pages, definition, LABELS)


@pytest.mark.parametrize(("side_px", "enlarged"), [(99, True), (100, False)])
def test_a_document_with_more_pixels_than_its_picture_is_said_to_be_enlarged(side_px: int, enlarged: bool) -> None:  # noqa: FBT001
    done = conformed(scene(side_px, side_px), target_width=100, target_height=100)
    assert (WarningCode.UPSCALED in [notice.code for notice in done.warnings]) is enlarged


# --- JPEG --------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(6_000, 120_000))
def test_the_cap_is_never_passed_and_tight_ones_are_filled(max_bytes: int) -> None:
    made = fit_jpeg(SCENE, max_bytes=max_bytes, dpi=200)
    assert len(made.data) <= max_bytes
    assert made.encodes <= MAX_ENCODES
    if made.scale > 0.1:
        assert len(made.data) >= 0.95 * max_bytes


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 300_000))
def test_a_jpeg_is_padded_to_the_byte_and_still_ends_with_its_end(missing: int) -> None:
    data = fit_jpeg(SCENE, max_bytes=20_000, dpi=200).data
    padded = pad_jpeg(data, len(data) + missing)
    facts = measure(padded)
    assert len(data) + missing <= len(padded) <= len(data) + max(missing, 4) + 4
    assert (facts.fault, facts.trailing_bytes, facts.metadata) == (None, 0, ())
    assert facts.padded_bytes == len(padded) - len(data)


def test_padding_changes_no_pixel() -> None:
    data = fit_jpeg(SCENE, max_bytes=20_000, dpi=200).data
    padded = pad_jpeg(data, 200_000)
    assert Image.open(io.BytesIO(data)).tobytes() == Image.open(io.BytesIO(padded)).tobytes()


def test_a_floor_is_reached_by_detail_before_padding() -> None:
    loose = fit_jpeg(SCENE, max_bytes=None, quality=30, dpi=200)
    raised = fit_jpeg(SCENE, max_bytes=None, min_bytes=len(loose.data) + 4_000, quality=30, dpi=200)
    assert raised.padded_bytes == 0
    assert raised.scale < loose.scale


def test_a_flat_picture_reaches_the_floor_by_padding() -> None:
    made = fit_jpeg(Image.new("RGB", (200, 230), "white"), max_bytes=50_000, min_bytes=20_480, dpi=200)
    assert 20_480 <= len(made.data) <= 50_000
    assert made.padded_bytes > 10_000


def test_noise_that_cannot_fit_is_refused_with_the_smallest_size() -> None:
    with pytest.raises(TooLargeError) as caught:
        fit_jpeg(noise(400, 400), max_bytes=3_000, dpi=200)
    assert 3_000 < caught.value.smallest_bytes < 40_000


def test_a_small_noisy_picture_at_full_quality_is_encoded_whole() -> None:
    made = fit_jpeg(noise(64, 64), max_bytes=None, dpi=200)  # larger than Pillow's usual buffer for so few pixels
    assert measure(made.data).fault is None


@pytest.mark.parametrize(("quality", "finer"), [(30, 60), (60, 95)])
def test_quality_is_a_cap_in_pillows_scale(quality: int, finer: int) -> None:
    coarse, fine = (fit_jpeg(SCENE, max_bytes=None, quality=level, dpi=200) for level in (quality, finer))
    assert len(coarse.data) < len(fine.data)


@pytest.mark.parametrize("dpi", [72, 200, 600])
def test_the_jfif_header_states_the_resolution(dpi: int) -> None:
    facts = measure(fit_jpeg(SCENE, max_bytes=40_000, dpi=dpi).data)
    assert (facts.jfif, facts.dpi) == (True, dpi)


def test_gray_stays_gray() -> None:
    assert measure(fit_jpeg(SCENE.convert("L"), max_bytes=30_000, dpi=None).data).colour == "gray"


# --- PNG ---------------------------------------------------------------------


@pytest.mark.parametrize("dpi", [72, 96, 150, 200, 300, 600])
def test_a_png_states_the_resolution_to_half_a_dot(dpi: int) -> None:
    facts = measure(fit_png(SCENE, max_bytes=None, dpi=dpi).data)
    assert facts.dpi == pytest.approx(dpi, abs=0.5)


def test_a_png_is_lossless_where_it_fits() -> None:
    made = fit_png(SCENE, max_bytes=None, dpi=None)
    assert made.scale == 0
    assert Image.open(io.BytesIO(made.data)).tobytes() == SCENE.tobytes()


def test_a_png_that_is_too_large_gives_up_colours() -> None:
    lossless = len(fit_png(SCENE, max_bytes=None, dpi=None).data)
    made = fit_png(SCENE, max_bytes=lossless // 3, dpi=None)
    assert len(made.data) <= lossless // 3
    assert made.scale >= 1


def test_a_png_that_cannot_fit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        fit_png(noise(200, 200), max_bytes=2_000, dpi=None)


@given(st.integers(1, 50_000))
def test_a_png_is_padded_in_a_chunk_of_its_own(missing: int) -> None:
    data = _SMALL_PNG
    padded = pad_png(data, len(data) + missing)
    facts = measure(padded)
    assert len(padded) >= len(data) + missing
    assert (facts.fault, facts.trailing_bytes, facts.metadata) == (None, 0, ())
    assert facts.padded_bytes == len(padded) - len(data)
    Image.open(io.BytesIO(padded)).load()


_SMALL_PNG = fit_png(Image.new("RGB", (20, 20), "white"), max_bytes=None, dpi=200).data


# --- PDF ---------------------------------------------------------------------


@pytest.mark.parametrize("pages", [1, 3])
def test_a_pdf_holds_every_page_within_the_cap(pages: int) -> None:
    made = fit_pdf([Page(SCENE)] * pages, max_bytes=60_000, dpi=200)
    assert len(made.data) <= 60_000
    with pypdfium2.PdfDocument(made.data) as document:
        assert len(document) == pages


def test_a_scan_that_fits_is_embedded_byte_for_byte() -> None:
    scan = fit_jpeg(SCENE, max_bytes=30_000, dpi=200).data
    made = fit_pdf([Page(SCENE, scan)], max_bytes=60_000, dpi=200)
    assert scan in made.data
    assert made.encodes == 0


def test_what_an_easy_page_leaves_goes_to_the_next() -> None:
    made = fit_pdf([Page(Image.new("RGB", (200, 200))), Page(noise(200, 200))], max_bytes=30_000, dpi=200)
    assert 0.9 * 30_000 < len(made.data) <= 30_000


def scales(*pages: Page, left_bytes: int) -> list[float]:
    fits = balanced(pages, left_bytes, 200)
    assert sum(len(fit.data) for fit in fits) <= left_bytes
    return [fit.scale for fit in fits]


LARGE = SCENE.resize((1200, 1500))
BUSY = Image.blend(LARGE, noise(1200, 1500), 0.4)


@pytest.mark.parametrize("order", [1, -1])
def test_pages_that_weigh_differently_are_quantised_alike(order: int) -> None:
    found = scales(*[Page(LARGE), Page(BUSY), Page(LARGE)][::order], left_bytes=400_000)
    assert max(found) < 1.25 * min(found)
    assert max(found) < 0.8 * fit_jpeg(BUSY, max_bytes=400_000 // 3, dpi=200).scale  # than with an equal share


def test_a_page_that_no_equal_share_holds_is_given_more() -> None:
    hard, blank = noise(600, 600), Page(Image.new("RGB", (600, 600), "white"))
    with pytest.raises(TooLargeError) as alone:
        fit_jpeg(hard, max_bytes=8_000, dpi=200)
    left_bytes = 2 * alone.value.smallest_bytes
    with pytest.raises(TooLargeError):
        fit_jpeg(hard, max_bytes=left_bytes // 4, dpi=200)
    found = balanced([Page(hard), *[blank] * 3], left_bytes, 200)
    assert all(fit.data for fit in found)
    assert sum(len(fit.data) for fit in found) <= left_bytes


def test_more_than_all_pages_can_make_of_it_leaves_each_near_lossless() -> None:
    assert max(scales(Page(SCENE), Page(SCENE), left_bytes=10_000_000)) == pytest.approx(0.04)


def test_a_pdf_reaches_its_floor() -> None:
    made = fit_pdf([Page(Image.new("RGB", (200, 200), "white"))], max_bytes=100_000, min_bytes=51_200, dpi=200)
    assert 51_200 <= len(made.data) <= 100_000
    assert made.padded_bytes > 0


def test_a_cap_below_what_any_pdf_has_is_refused() -> None:
    with pytest.raises(TooLargeError):
        fit_pdf([Page(SCENE)] * 4, max_bytes=3_000, dpi=200)


def test_the_same_pages_make_the_same_pdf() -> None:
    one, other = (fit_pdf([Page(SCENE)], max_bytes=40_000, dpi=200).data for _ in range(2))
    assert one == other


# --- through conform ---------------------------------------------------------


def test_what_cannot_fit_is_a_failure_that_names_the_smallest_file() -> None:
    with pytest.raises(JobError) as caught:
        conformed(noise(600, 600), target_width=600, target_height=600, max_kb=4)
    assert caught.value.code is ErrorCode.SIZE_EXCEEDED
    assert caught.value.detail is not None
    assert caught.value.detail["smallest_bytes"] > 4_000  # type: ignore[operator]  # an integer, of JSON
    assert (caught.value.detail["width_px"], caught.value.detail["height_px"]) == (600, 600)


def test_pixels_are_given_up_for_the_cap_where_the_portal_leaves_a_choice() -> None:
    made = conformed(noise(900, 900), min_width=200, max_width=1000, min_height=200, max_height=1000, max_kb=20)
    assert made.receipt.document.width_px < 900
    assert "PIXELS_REDUCED" in [code.code.value for code in made.warnings]


def test_a_hard_rule_that_cannot_be_met_fails_the_job() -> None:
    with pytest.raises(JobError) as caught:
        conformed(scene(400, 400), min_width=100, max_width=110, min_height=100, max_height=110, aspect_min=2, max_kb=9)
    assert caught.value.code is ErrorCode.SCHEMA_FAILED
    assert "100 x 100 px to 110 x 110 px" in caught.value.message


def test_a_compression_ratio_is_a_floor_on_bytes() -> None:
    made = conformed(
        Image.new("RGB", (600, 600), "white"), target_width=600, target_height=600, max_compression_ratio=20
    )
    assert 600 * 600 * 3 / len(made.document) <= 20


@pytest.mark.parametrize(("file_format", "colour"), [("jpeg", "gray"), ("png", "gray"), ("png", "bw"), ("jpeg", "bw")])
def test_the_colour_that_the_portal_asks_for_is_made(file_format: str, colour: str) -> None:
    made = conformed(SCENE, output_format=file_format, color=colour, max_kb=200)
    verdicts = {clause.clause: clause.verdict for clause in made.receipt.clauses}
    assert verdicts["colour"] == "pass"
    assert verdicts["format"] == "pass"


@pytest.mark.parametrize("file_format", ["jpeg", "png", "pdf"])
def test_the_same_picture_makes_the_same_file_and_receipt(file_format: str) -> None:
    one, other = (conformed(SCENE, output_format=file_format, target_dpi=200, max_kb=150) for _ in range(2))
    assert one.document == other.document
    assert one.receipt.model_dump_json() == other.receipt.model_dump_json()
