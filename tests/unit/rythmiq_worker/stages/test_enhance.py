"""ENHANCE: a photo keeps its tones, and a page loses a shadow only when that cannot hurt."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from skimage import color as skimage_color

from rythmiq_worker.imaging import cleanup as paper_module
from rythmiq_worker.imaging.cleanup import RANGE_THAT_IS_A_DEFECT
from rythmiq_worker.job import Upload
from rythmiq_worker.stages.decode import decode
from rythmiq_worker.stages.enhance import enhance
from rythmiq_worker.stages.quality import quality
from tests.support.enhanced_pictures import enhanced, shaded, signature
from tests.support.uploads import context, decoded, difference, encode, portrait

LINE = "statement of marks obtained in the examination held in march"


def page(width_px: int = 1000, height_px: int = 1400, sheet: tuple[int, int, int] = (244, 242, 236)) -> Image.Image:
    """A printed page that fills the picture."""
    image = Image.new("RGB", (width_px, height_px), sheet)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(26)
    for top in range(100, height_px - 100, 42):
        draw.text((80 + top % 37, top), LINE, font=font, fill=(28, 28, 32))
    return image


def print_error(image: Image.Image, truth: NDArray[np.bool_]) -> float:
    """The share of pixels that one global threshold (Otsu's) takes for the wrong one of print and paper.

    The soft rims of the glyphs are neither.
    """
    gray = np.asarray(image.convert("L"))
    level, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    wrong = (gray <= level) != truth
    rim = cv2.morphologyEx(truth.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return float(wrong[~rim].mean())


def test_a_clean_portrait_goes_through_untouched() -> None:
    """Portals match a photo with a live one: mean dE00 below 1 from upload to SCHEMA, the loss of the JPEG included."""
    ctx = context(kind="photo")
    upload = decode(Upload((encode(portrait(800, 800), "JPEG", quality=95, subsampling=0),)), ctx)
    before = upload.pages[0].image()
    made = enhance(upload, quality(upload, ctx).kind, ctx)
    after = made.pages[0].image()
    assert difference(before, after) == 0
    assert made.operations == ()
    assert made.pages[0].lossless_jpeg() is not None
    assert _mean_delta_e(portrait(800, 800), after) < 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image.point(lambda level: level // 3),
        lambda image: image.filter(ImageFilter.GaussianBlur(4)),
        lambda image: shaded(image, 0.5, noise=20),
    ],
    ids=["dark", "blurred", "shaded and noisy"],
)
def test_a_bad_portrait_gets_nothing_tonal_either(spoil) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  lambdas
    """It gets advice, not make-up."""
    image = spoil(portrait(600, 600))
    after, operations = enhanced(image, "photo")
    assert difference(image, after) == 0
    assert operations == []


@pytest.mark.parametrize("kind", ["photo", "document", "signature", "thumb"])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_the_owners_turn_is_made_and_said(kind: str, degrees: int) -> None:
    """Clockwise, for every kind, also when the slot wants no enhancement."""
    image = portrait(300, 200)
    after, operations = enhanced(image, kind, rotate=degrees, enhance_rule="off")
    assert difference(after, image.rotate(-degrees, expand=True)) == 0
    assert operations == ["turn"]


@pytest.mark.parametrize("kind", ["signature", "thumb", "document"])
def test_enhance_off_leaves_the_pixels_alone(kind: str) -> None:
    """A slot may forbid it."""
    image = signature(depth=0.5)
    after, operations = enhanced(image, kind, enhance_rule="off")
    assert difference(image, after) == 0
    assert operations == []


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (3, 3)])
@pytest.mark.parametrize("kind", ["signature", "thumb", "document"])
def test_tiny_and_thin_pictures_pass(size: tuple[int, int], kind: str) -> None:
    """Nothing to find in them, and nothing breaks."""
    after, operations = enhanced(Image.new("RGB", size, (200, 200, 200)), kind)
    assert (after.size, operations) == (size, [])


@pytest.mark.parametrize(
    "depth", [0.5, *(pytest.param(depth, marks=pytest.mark.pixels) for depth in (0.35, 0.6, 0.75))]
)
@pytest.mark.parametrize("sheet", [(244, 242, 236), (240, 232, 180)], ids=["white", "yellow"])
def test_a_shadow_over_a_page_is_taken_off(depth: float, sheet: tuple[int, int, int]) -> None:
    """One threshold then reads the print as on the page without the shadow, where it failed before."""
    bare = page(sheet=sheet)
    truth = np.asarray(bare.convert("L")) < 130
    dark = shaded(bare, depth)
    after, operations = enhanced(dark, "document")
    assert operations == ["shadow_division"]
    assert print_error(after, truth) < 0.002
    assert after.size == bare.size
    if depth >= 0.5:
        assert print_error(dark, truth) > 0.1


def _with_photo() -> Image.Image:
    image = page()
    image.paste(portrait(320, 320), (600, 150))
    return image


def _with_head() -> Image.Image:
    image = page()
    image.paste((60, 110, 190), (0, 0, 1000, 400))
    return image


@pytest.mark.parametrize(
    "draw",
    [
        page,
        lambda: shaded(page(), 0.2),
        _with_photo,
        lambda: shaded(_with_photo(), 0.5),
        _with_head,
        lambda: shaded(page(), 0.9),
        lambda: shaded(page(), 0.5, softness=80),
        lambda: portrait(700, 700),
        lambda: page().point(lambda level: level // 4),
    ],
    ids=[
        "clean",
        "faint shadow",
        "photo on it",
        "photo and shadow",
        "coloured head",
        "too deep",
        "hard edge",
        "a face",
        "too dark",
    ],
)
def test_what_may_be_no_shadow_is_left_alone(draw: Callable[[], Image.Image]) -> None:
    """Never worse: where division could hurt, or there is no defect, not a pixel changes."""
    image = draw()
    after, operations = enhanced(image, "document")
    assert operations == []
    assert difference(image, after) == 0


@pytest.mark.pixels
@pytest.mark.parametrize("depth", np.linspace(0, 0.95, 12).round(2).tolist())
def test_shadow_division_is_never_worse(depth: float) -> None:
    """Over the whole range of shadows the print is separable at least as well as before."""
    truth = np.asarray(page().convert("L")) < 130
    dark = shaded(page(), depth)
    after, _ = enhanced(dark, "document")
    assert print_error(after, truth) <= print_error(dark, truth) + 0.002


def test_colours_on_a_shaded_page_keep_their_hue() -> None:
    """A red stamp stays red when its shadow goes."""
    stamped = page()
    ImageDraw.Draw(stamped).line((700, 700, 900, 700), fill=(200, 30, 40), width=12)
    after, operations = enhanced(shaded(stamped, 0.5), "document")
    assert operations == ["shadow_division"]
    red, green, blue = np.asarray(after)[700, 750:850].mean(axis=0)
    assert red > 150
    assert max(green, blue) < 0.35 * red


def test_the_gate_is_the_measured_range() -> None:
    """The operation stands in the receipt with what was measured."""
    ctx = context(kind="document", output_format="pdf")
    made = enhance(decoded(shaded(page(), 0.5), page()), "document", ctx)
    (operation,) = [done for done in made.operations if done.op != "page"]
    assert operation.op == "shadow_division"
    assert operation.parameters["page"] == 1
    measured = operation.parameters["paper_range"]
    assert isinstance(measured, float)
    assert RANGE_THAT_IS_A_DEFECT < measured < 0.55


def test_a_large_picture_is_divided_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the strips fall, the result is the same."""
    image = signature(depth=0.4)
    whole, _ = enhanced(image, "signature")
    monkeypatch.setattr(paper_module, "_STRIP_ROWS", 37)
    strips, _ = enhanced(image, "signature")
    assert np.abs(np.asarray(whole, dtype=int) - np.asarray(strips)).max() <= 1


def test_enhancing_is_deterministic() -> None:
    """The same picture gives the same pixels."""
    for kind, image in (("signature", signature(depth=0.4)), ("document", shaded(page(), 0.5))):
        assert difference(enhanced(image, kind)[0], enhanced(image, kind)[0]) == 0


def test_many_enhanced_pages_are_not_held_at_once() -> None:
    """Each is computed when it is asked for; asking for the next lets go of the last."""
    upload = encode(shaded(page(), 0.5), "TIFF", save_all=True, append_images=[shaded(page(), 0.5)])
    ctx = context(kind="document", output_format="pdf")
    first, second = enhance(decode(Upload((upload,)), ctx), "document", ctx).pages
    kept = first.image()
    assert first.image() is kept
    second.image()
    assert first.image() is not kept
    assert difference(first.image(), kept) == 0


def _mean_delta_e(one: Image.Image, other: Image.Image) -> float:
    labs = [skimage_color.rgb2lab(np.asarray(image)) for image in (one, other)]
    return float(skimage_color.deltaE_ciede2000(*labs).mean())
