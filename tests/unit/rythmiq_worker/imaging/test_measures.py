"""Measures of a picture: each follows its defect and nothing else."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import measure as skimage_measure

from rythmiq_worker.imaging import measures
from rythmiq_worker.imaging.measures import Gray
from rythmiq_worker.job import Upload
from rythmiq_worker.stages.decode import decode
from tests.support.spoilt_pictures import blurred, flattened, gray, lit, noisy, page, photo
from tests.support.uploads import context, encode, portrait


@pytest.mark.parametrize("side_px", [500, 512, 1000, 2400])
def test_edge_width_does_not_depend_on_the_size_of_the_picture(side_px: int) -> None:
    """The same portrait at half a megapixel and at six measures the same."""
    assert measures.edge_width(gray(portrait(side_px, side_px))) == pytest.approx(3.8, abs=0.15)


def test_edge_width_grows_with_blur_and_not_with_noise() -> None:
    """Noise makes a Laplacian take a blurred picture for a sharp one; edge width is not fooled."""
    sharp, soft = portrait(1024, 1024), blurred(portrait(1024, 1024), 4)
    widths = [measures.edge_width(gray(blurred(sharp, sigma))) for sigma in (0, 1, 2, 3, 4)]
    assert widths == sorted(widths)
    assert widths[0] < 4.2
    assert widths[-1] > 5.2
    assert measures.edge_width(gray(noisy(soft, 15))) == pytest.approx(widths[-1], abs=0.3)
    assert measures.laplacian_variance(gray(noisy(soft, 15))) > measures.laplacian_variance(gray(soft)) * 5


def test_edge_width_does_not_depend_on_contrast() -> None:
    """A flat picture is not a blurred one."""
    image = portrait(800, 800)
    assert measures.edge_width(gray(flattened(image, 0.4))) == pytest.approx(measures.edge_width(gray(image)), abs=0.2)


def test_a_picture_without_edges_has_the_widest() -> None:
    """Blank paper is not sharp."""
    assert measures.edge_width(np.full((300, 200), 200, np.uint8)) == 9.0


def _skimage_blur_effect(image: Gray) -> float:
    return float(skimage_measure.blur_effect(image))


@pytest.mark.parametrize("sigma", [0, 1, 2, 4])
@pytest.mark.parametrize("size", [(512, 512), (512, 300), (181, 512)])
def test_blur_effect_agrees_with_scikit_image(sigma: float, size: tuple[int, int]) -> None:
    """Ours costs a hundredth and is the same figure."""
    image = gray(blurred(portrait(*size), sigma))
    assert measures.blur_effect(image) == pytest.approx(_skimage_blur_effect(image), abs=0.01)


def test_blur_effect_sees_motion_in_either_direction() -> None:
    """A smear along one axis counts as much as along the other."""
    image = gray(portrait(512, 512))
    for kernel in ((15, 1), (1, 15)):
        smeared = np.asarray(cv2.blur(image, kernel), dtype=np.uint8)
        assert measures.blur_effect(smeared) > measures.blur_effect(image) + 0.15


@pytest.mark.parametrize("sigma", [3.0, 6.0, 10.0, 15.0])
def test_noise_is_measured_where_the_picture_is_flat(sigma: float) -> None:
    """The estimate is near the truth on a portrait and on a printed page."""
    for image in (portrait(1000, 1000), page(900, 1000)):
        clean = measures.noise_sigma(measures.fine_gray(image))
        measured = measures.noise_sigma(measures.fine_gray(noisy(image, sigma)))
        assert clean < 1.5
        assert 0.5 * sigma < measured < 1.3 * sigma


def test_white_paper_and_print_are_no_noise() -> None:
    """A clean scan has no flat place but clipped paper: nothing can be said, and nothing is said."""
    scan = page().point(lambda level: 255 if level > 200 else level)
    assert measures.noise_sigma(measures.fine_gray(scan)) == 0.0


def test_blockiness_follows_the_compression_and_ignores_the_content() -> None:
    """It is far from a warning before compression and grows as the quality falls, on any picture."""
    for image in (photo(), page()):
        native = np.asarray(image.convert("L"), dtype=np.uint8)
        assert measures.blockiness(native) < 0.25
        compressed = [_blockiness_at(image, percent) for percent in (60, 40, 25, 12, 6)]
        assert compressed == sorted(compressed)
        assert compressed[-1] > compressed[0] + 0.4


def _blockiness_at(image: Image.Image, percent: int) -> float:
    (page,) = decode(Upload((encode(image, "JPEG", quality=percent),)), context(kind="photo")).pages
    return measures.blockiness(np.asarray(page.native_patch(), dtype=np.uint8))


def test_blockiness_finds_the_grid_of_a_cropped_picture() -> None:
    """A screenshot or a crop of a compressed picture has its grid anywhere."""
    compressed = decode(Upload((encode(photo(), "JPEG", quality=12),)), context())
    native = np.asarray(compressed.pages[0].image().convert("L"), dtype=np.uint8)
    whole = measures.blockiness(native)
    assert whole > 1
    assert measures.blockiness(native[3:, 5:]) == pytest.approx(whole, rel=0.1)


def test_detail_tells_an_enlarged_picture() -> None:
    """A thumbnail blown up has less detail than its pixels."""
    native = measures.detail(gray(portrait(1024, 1024)))
    enlarged = portrait(160, 160).resize((1024, 1024), Image.Resampling.BICUBIC)
    assert native > 0.3
    assert measures.detail(gray(enlarged)) < 0.2


def test_glare_is_told_from_white_paper() -> None:
    """A reflection swallows the print; white paper holds it."""
    dim = np.asarray(lit(page(), 0.75).convert("L"), dtype=np.float32)
    down, across = np.mgrid[0 : dim.shape[0], 0 : dim.shape[1]]
    lamp = 255 * np.clip((300 - np.hypot(across - 600, down - 800)) / 40, 0, 1)
    reflected = gray(Image.fromarray(np.clip(dim + lamp, 0, 255).astype(np.uint8)))
    card = Image.new("L", (1400, 1400), 70)
    card.paste(page(500, 600).convert("L").point(lambda level: 255 if level > 200 else level), (300, 300))
    assert measures.glare(reflected) > 0.05
    assert measures.glare(gray(card)) == 0.0
    assert measures.glare(gray(page())) == 0.0
    assert measures.glare(np.full((40, 40), 255, np.uint8)) == 0.0


def test_glare_on_an_empty_margin_swallows_no_print() -> None:
    """The same lamp beside the text costs nothing."""
    image = Image.new("RGB", (1240, 1754), (238, 236, 230))
    image.paste(page(1240, 900), (0, 0))
    dim = np.asarray(lit(image, 0.75).convert("L"), dtype=np.float32)
    down, across = np.mgrid[0 : dim.shape[0], 0 : dim.shape[1]]
    for middle, least, most in ((450, 0.03, 1.0), (1350, 0.0, 0.005)):
        lamp = 255 * np.clip((300 - np.hypot(across - 600, down - middle)) / 40, 0, 1)
        glare = measures.glare(gray(Image.fromarray(np.clip(dim + lamp, 0, 255).astype(np.uint8))))
        assert least <= glare <= most


def test_noise_on_white_paper_is_seen_though_half_of_it_is_clipped() -> None:
    """A sensor's noise on a white scan measures as it does on gray paper, to a third."""
    white = page(900, 1000).point(lambda level: 255 if level > 200 else level)
    dim = page(900, 1000).point(lambda level: 190 if level > 200 else level)
    for sigma in (6.0, 12.0, 25.0):
        on_gray, on_white = (measures.noise_sigma(measures.fine_gray(noisy(image, sigma))) for image in (dim, white))
        assert on_white == pytest.approx(on_gray, rel=0.45)
        assert on_white > 0.4 * sigma
