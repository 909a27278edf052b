"""QUALITY: the measures follow the defect and nothing else, and the judgement warns of what is wrong."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from skimage import measure as skimage_measure

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.imaging import measures
from rythmiq_worker.imaging.measures import Gray
from rythmiq_worker.job import Upload
from rythmiq_worker.people.face import Box, Face
from rythmiq_worker.people.portrait import Rgb
from rythmiq_worker.stages.decode import decode
from rythmiq_worker.stages.quality import CURVES, Curve, Quality, judge, quality
from tests.data.faces import face_at
from tests.support.uploads import context, decoded, encode, exif, portrait

Spoil = Callable[[Image.Image], Image.Image]
LINE = "statement of marks obtained in the examination held in march"
DEFECTS = frozenset(
    {
        WarningCode.BLURRED,
        WarningCode.TOO_DARK,
        WarningCode.TOO_BRIGHT,
        WarningCode.LOW_CONTRAST,
        WarningCode.NOISY,
        WarningCode.COMPRESSED,
        WarningCode.LOW_RESOLUTION,
    }
)


class FaceAt:
    """A search that finds what it was told, and remembers what it was shown."""

    def __init__(self, *boxes: Box) -> None:
        self.boxes = boxes
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, rgb: Rgb) -> tuple[Face, ...]:
        """Answer without looking."""
        self.shown.append(rgb.shape)
        return tuple(face_at(box) for box in self.boxes)


def photo(width_px: int = 900, height_px: int = 900) -> Image.Image:
    """A clean portrait with a sensor's grain, so that enlarging did not leave it unnaturally smooth."""
    pixels = np.asarray(portrait(width_px, height_px), dtype=np.float32)
    grain = np.random.default_rng(1).normal(0, 2, (height_px, width_px, 1))
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def page(width_px: int = 1240, height_px: int = 1754) -> Image.Image:
    """A printed page on paper that is not quite white."""
    image = Image.new("RGB", (width_px, height_px), (238, 236, 230))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(30)
    for top in range(120, height_px - 120, 46):
        draw.text(
            (100 + top % 37, top),
            "statement of marks obtained in the examination held in march",
            font=font,
            fill=(30, 30, 34),
        )
    return image


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """Out of focus."""
    return image.filter(ImageFilter.GaussianBlur(sigma))


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """With a sensor's noise, the same in all channels."""
    noise = np.random.default_rng(2).normal(0, sigma, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.float32) + noise, 0, 255).astype(np.uint8))


def lit(image: Image.Image, gain: float) -> Image.Image:
    """Exposed more or less."""
    return image.point(lambda level: min(255, int(level * gain)))


def flattened(image: Image.Image, gain: float) -> Image.Image:
    """With less contrast."""
    return image.point(lambda level: int(128 + (level - 128) * gain))


def judged(image: Image.Image, kind: str = "photo", *, quality_percent: int = 95) -> Quality:
    """What QUALITY says of a picture that was saved as JPEG."""
    ctx = context(kind=kind)
    verdict = quality(decode(Upload((encode(image, "JPEG", quality=quality_percent),)), ctx), ctx).quality
    assert set(verdict.reasons) <= {notice.code for notice in ctx.warnings}
    return verdict


def gray(image: Image.Image, side_px: int = 512) -> Gray:
    """At the canonical size."""
    return measures.shrunk(np.asarray(image.convert("L"), np.uint8), side_px)


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


def test_a_small_drawn_page_that_never_was_a_jpeg_shows_no_blocks() -> None:
    """Strokes favour some columns by chance; a grid is one column in eight, and in both directions."""
    for size in ((380, 260), (450, 320), (640, 200)):
        drawn = Image.new("RGB", size, "white")
        draw = ImageDraw.Draw(drawn)
        for line, top in enumerate(range(10, size[1] - 30, 44)):
            draw.text((12 + 5 * line, top), LINE[line % 7 : 40], font=ImageFont.load_default(28), fill=(0, 130, 20))
        data = encode(drawn, "PNG")
        ctx = context(kind="document")
        verdict = quality(decode(Upload((data,)), ctx), ctx).quality
        assert WarningCode.COMPRESSED not in verdict.reasons
        assert verdict.measures["blockiness"] < 0.25


def test_a_drawn_white_page_within_gray_is_not_over_exposed_and_the_burnt_photo_of_one_is() -> None:
    """A screenshot or a rendered card has no sensor's noise; a photo keeps some wherever it is not clipped."""
    card = Image.new("RGB", (1400, 1000), (150, 150, 154))
    card.paste(page(1000, 700).point(lambda level: 255 if level > 200 else level), (200, 150))
    drawn = judged(card, "document")
    assert drawn.measures["paper_blown"] > 0.8
    assert WarningCode.TOO_BRIGHT not in drawn.reasons
    assert WarningCode.TOO_BRIGHT in judged(lit(noisy(lit(card, 0.9), 4), 1.5), "document").reasons


@pytest.mark.parametrize("kind", ["photo", "document"])
def test_a_clean_upload_scores_high_and_warns_of_nothing(kind: str) -> None:
    """A good portrait and a good scan are not nagged about."""
    verdict = judged(photo() if kind == "photo" else page(), kind)
    assert verdict.reasons == ()
    assert verdict.score >= 0.8


def test_a_portrait_before_white_is_not_over_exposed() -> None:
    """A white background is what portals ask for."""
    image = Image.new("RGB", (1000, 1000), "white")
    image.paste(photo(600, 600).crop((120, 0, 480, 480)), (320, 300))
    verdict = judged(image)
    assert WarningCode.TOO_BRIGHT not in verdict.reasons
    assert verdict.measures["blown"] > 0.5


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: blurred(image, 5), WarningCode.BLURRED),
        (lambda image: noisy(blurred(image, 5), 12), WarningCode.BLURRED),
        (lambda image: lit(image, 0.25), WarningCode.TOO_DARK),
        (lambda image: lit(image, 2.2), WarningCode.TOO_BRIGHT),
        (lambda image: flattened(image, 0.3), WarningCode.LOW_CONTRAST),
        (lambda image: noisy(image, 25), WarningCode.NOISY),
        (
            lambda image: image.resize((110, 110)).resize(image.size, Image.Resampling.BICUBIC),
            WarningCode.LOW_RESOLUTION,
        ),
        (lambda image: image.resize((120, 120)), WarningCode.LOW_RESOLUTION),
    ],
    ids=["blur", "blur under noise", "dark", "bright", "flat", "noise", "enlarged", "tiny"],
)
def test_each_defect_of_a_photo_is_named(spoil: Spoil, reason: WarningCode) -> None:
    """The reason names the defect, and the score falls below any clean picture's."""
    verdict = judged(spoil(photo()))
    assert reason in verdict.reasons
    assert verdict.score < 0.6


def test_heavy_compression_is_named() -> None:
    """WhatsApp's copy is told from the camera's file."""
    assert WarningCode.COMPRESSED in judged(photo(), quality_percent=12).reasons
    assert WarningCode.COMPRESSED not in judged(photo(), quality_percent=85).reasons


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: blurred(image, 5), WarningCode.BLURRED),
        (lambda image: lit(image, 0.2), WarningCode.TOO_DARK),
        (lambda image: flattened(image, 0.2), WarningCode.LOW_CONTRAST),
        (lambda image: noisy(image, 25), WarningCode.NOISY),
    ],
    ids=["blur", "dark", "flat", "noise"],
)
def test_each_defect_of_a_page_is_named(spoil: Spoil, reason: WarningCode) -> None:
    """Pages have thresholds of their own."""
    assert reason in judged(spoil(page()), "document").reasons


@pytest.mark.pixels
def test_a_worse_picture_never_scores_higher() -> None:
    """The score falls as each defect grows."""
    spoils: tuple[Callable[[int], Image.Image], ...] = (
        lambda step: blurred(photo(), 2.5 * step),
        lambda step: noisy(photo(), 9 * step),
        lambda step: lit(photo(), 0.62**step),
        lambda step: flattened(photo(), 0.6**step),
    )
    for spoil in spoils:
        scores = [judged(spoil(step)).score for step in range(4)]
        assert scores == sorted(scores, reverse=True)
        assert scores[-1] < 0.5


def test_a_signature_is_judged_as_ink() -> None:
    """Little ink on much paper is no lack of contrast, and white paper no over-exposure."""
    image = Image.new("RGB", (900, 400), "white")
    ImageDraw.Draw(image).line([(200, 200), (400, 120), (500, 260), (700, 180)], fill=(20, 30, 120), width=5)
    verdict = judged(image, "signature")
    assert WarningCode.LOW_CONTRAST not in verdict.reasons
    assert WarningCode.TOO_BRIGHT not in verdict.reasons


def test_the_score_is_half_mean_and_half_worst() -> None:
    """One real defect cannot be averaged away."""
    good = {name: getattr(CURVES["photo"], name).good for name in CURVES["photo"]._fields}
    all_good = judge("photo", good)
    assert all_good.score == pytest.approx(0.9, abs=0.005)
    assert all_good.reasons == ()
    one_bad = judge("photo", good | {"noise_sigma": CURVES["photo"].noise_sigma.bad})
    assert one_bad.score == pytest.approx(0.5 * (0.9**5 * 0.1) ** (1 / 6) + 0.05, abs=0.006)
    assert one_bad.reasons == (WarningCode.NOISY,)
    assert round(one_bad.score, 2) == one_bad.score


def test_reasons_stand_worst_first() -> None:
    """A person reads the gravest advice first."""
    good = {name: getattr(CURVES["photo"], name).good for name in CURVES["photo"]._fields}
    verdict = judge("photo", good | {"noise_sigma": 7.0, "blockiness": 3.0, "edge_width": 5.0})
    assert verdict.reasons == (WarningCode.COMPRESSED, WarningCode.NOISY, WarningCode.BLURRED)


@given(value=st.floats(-1e6, 1e6), good=st.floats(-100, 100), width=st.floats(0.01, 100), rising=st.booleans())
def test_a_curve_is_a_score(value: float, good: float, width: float, *, rising: bool) -> None:
    """Every value scores 0..1; good is .9, bad is .1, whichever is larger."""
    curve = Curve(good, good + width if rising else good - width)
    assert 0 <= curve.score(value) <= 1
    assert curve.score(curve.good) == pytest.approx(0.9)
    assert curve.score(curve.bad) == pytest.approx(0.1)


@settings(max_examples=40)
@given(
    width=st.sampled_from([1, 2, 3, 7, 9, 40]),
    height=st.sampled_from([1, 2, 3, 8, 700]),
    seed=st.integers(0, 3),
    kind=st.sampled_from(["photo", "signature", "thumb", "document", "auto"]),
)
def test_tiny_thin_and_empty_pictures_are_judged_without_nonsense(
    width: int, height: int, seed: int, kind: str
) -> None:
    """One pixel, a thread, a blank: finite numbers, a score in 0..1, no crash."""
    pixels = np.random.default_rng(seed).integers(0, 256 if seed else 1, (height, width, 3), dtype=np.uint8)
    verdict = quality(decoded(Image.fromarray(pixels)), context(kind=kind)).quality
    assert 0 <= verdict.score <= 1
    assert all(math.isfinite(value) for value in verdict.measures.values())
    assert all(0 <= value <= 1 for value in verdict.sub_scores.values())
    assert set(verdict.reasons) <= DEFECTS


def test_measures_that_are_not_trusted_are_still_reported() -> None:
    """Laplacian variance and histogram spread stand beside the others, for comparison."""
    verdict = judged(photo())
    assert {"laplacian_variance", "histogram_spread", "edge_width", "blur_effect", "noise_sigma"} <= set(
        verdict.measures
    )
    assert set(verdict.sub_scores) == {"sharpness", "exposure", "contrast", "noise", "compression", "resolution"}


def test_the_upload_is_judged_the_same_twice() -> None:
    """The same bytes give the same figures to the last digit."""
    assert judged(photo()) == judged(photo())


def test_faces_are_looked_for_once_on_the_thumbnail() -> None:
    """SCHEMA gets them and need not look again."""
    detector = FaceAt(Box(200, 100, 400, 400))
    ctx = context(kind="photo")
    assessment = quality(decode(Upload((encode(portrait(2048, 1024), "JPEG"),)), ctx), ctx, detector)
    assert detector.shown == [(512, 1024, 3)]
    assert assessment.portrait is not None
    assert assessment.portrait.size == (512, 256)
    assert assessment.portrait.faces[0].box.height == pytest.approx(200, abs=1)
    assert assessment.kind == "photo"


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_real_face_is_found_on_the_turned_picture(rotate: int, orientation: int) -> None:
    """Wherever the file and its owner turn the picture, the box is where the face then is."""
    upright = portrait(1024, 1024)
    # Stored so that EXIF and then the owner's turn bring it upright.
    stored = upright.rotate(rotate, expand=True)
    if orientation == 6:
        stored = stored.transpose(Image.Transpose.ROTATE_90)
    ctx = context(kind="photo", rotate=rotate)
    upload = Upload((encode(stored, "JPEG", exif=exif(orientation), quality=90),))
    found = quality(decode(upload, ctx), ctx).portrait
    assert found is not None
    assert found.subject is not None
    x, y = found.subject.box.centre
    assert 0.3 < x / found.size[0] < 0.6
    assert 0.1 < y / found.size[1] < 0.4


@pytest.mark.pixels
def test_the_light_on_a_face_is_the_same_however_its_owner_turns_it() -> None:
    figures = []
    for rotate in (0, 90, 180, 270):
        upload = Upload((encode(portrait(1024, 1024).rotate(rotate, expand=True), "PNG"),))
        ctx = context(kind="photo", rotate=rotate)
        figures.append(quality(decode(upload, ctx), ctx).quality.measures["subject_mean"])
    assert figures == pytest.approx([figures[0]] * 4, abs=0.01)


@pytest.mark.parametrize(
    ("kind", "faces", "resolved"), [("auto", 1, "photo"), ("auto", 0, "document"), ("photo", 0, "photo")]
)
def test_the_kind_is_resolved_once(kind: str, faces: int, resolved: str) -> None:
    """`auto` is a photo when a face dominates, else a document; what a slot says stands."""
    detector = FaceAt(*[Box(150, 100, 250, 250)] * faces)
    assessment = quality(decoded(photo(600, 600)), context(kind=kind), detector)
    assert assessment.kind == resolved
    assert assessment.portrait is not None
    assert len(assessment.portrait.faces) == faces


@pytest.mark.parametrize("kind", ["signature", "thumb", "document"])
def test_kinds_without_faces_are_not_searched(kind: str) -> None:
    """The search costs more than all measures together; None says that nobody looked."""
    detector = FaceAt()
    assessment = quality(decoded(photo(600, 600)), context(kind=kind), detector)
    assert detector.shown == []
    assert assessment.portrait is None
    assert assessment.kind == kind


def test_a_blown_face_is_named_before_any_background() -> None:
    """Exposure is judged on the face."""
    image = lit(photo(600, 600), 0.8)
    image.paste((255, 252, 250), (150, 100, 400, 350))
    verdict = quality(decoded(image), context(kind="photo"), FaceAt(Box(128, 85, 213, 213))).quality
    assert WarningCode.TOO_BRIGHT in verdict.reasons


def test_quality_decodes_a_jpeg_once_and_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decode that DECODE checked the file with serves every measure; blockiness takes a patch; no full size."""
    scales: list[int] = []
    original = Picture.image

    def watched(self: Picture, min_width_px: int | None = None, min_height_px: int | None = None) -> Image.Image:
        image = original(self, min_width_px, min_height_px)
        scales.append(image.width * image.height)
        return image

    upload, ctx = Upload((encode(portrait(3000, 2000), "JPEG"),)), context(kind="photo")
    monkeypatch.setattr(Picture, "image", watched)
    opened = decode(upload, ctx)
    kept = opened.pages[0].thumbnail()
    quality(opened, ctx)
    assert opened.pages[0].thumbnail() is kept
    assert max(scales) == 1500 * 1000
