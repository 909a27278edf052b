"""QUALITY: the judgement follows the defect, warns of what is wrong, and of nothing else."""

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.job import Upload
from rythmiq_worker.people.face import Box, Face
from rythmiq_worker.people.portrait import Rgb
from rythmiq_worker.stages.decode import decode
from rythmiq_worker.stages.quality import CURVES, Curve, Quality, judge, quality
from tests.data.faces import face_at
from tests.support.spoilt_pictures import blurred, flattened, lit, noisy, page, photo
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


def judged(image: Image.Image, kind: str = "photo", *, quality_percent: int = 95) -> Quality:
    """What QUALITY says of a picture that was saved as JPEG."""
    ctx = context(kind=kind)
    verdict = quality(decode(Upload((encode(image, "JPEG", quality=quality_percent),)), ctx), ctx).quality
    assert set(verdict.reasons) <= {notice.code for notice in ctx.warnings}
    return verdict


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


def test_a_hard_compressed_page_of_many_pixels_scores_as_it_does_when_it_is_reduced() -> None:
    """Reducing by a fifteenth hides the grid of the blocks, and changes nothing that anybody sees."""
    enlarged = page(1000, 700).resize((3000, 2100), Image.Resampling.BICUBIC)
    picture = blurred(noisy(enlarged, 14), 2.5)
    native = judged(picture, "document", quality_percent=20)
    coded = Image.open(io.BytesIO(encode(picture, "JPEG", quality=20)))
    reduced = judged(coded.resize((2800, 1960), Image.Resampling.LANCZOS), "document")
    assert native.measures["blockiness"] > 0.07
    assert native.score == pytest.approx(reduced.score, abs=0.05)
