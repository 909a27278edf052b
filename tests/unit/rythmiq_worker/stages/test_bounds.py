"""Each figure at which QUALITY or OCR begins to warn: just short of it, and just beyond."""

import pytest

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.engines import TextLine
from rythmiq_worker.job import Enhanced, Texts
from rythmiq_worker.stages.ocr import _warn
from rythmiq_worker.stages.quality import CURVES, Kind, judge
from tests.support.uploads import context

W = WarningCode
QUAD = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))


@pytest.mark.parametrize(
    ("kind", "name", "warns_at", "code"),
    [
        ("photo", "edge_width", 4.7, W.BLURRED),
        ("photo", "blur_effect", 0.525, W.BLURRED),
        ("photo", "face_edge_width", 5.5, W.BLURRED),
        ("photo", "face_smear", 0.70, W.BLURRED),
        ("photo", "face_dark", 0.45, W.TOO_DARK),
        ("photo", "mean", 0.265, W.TOO_DARK),
        ("photo", "spread", 0.48, W.LOW_CONTRAST),
        ("photo", "noise_sigma", 5.5, W.NOISY),
        ("photo", "blockiness", 0.495, W.COMPRESSED),
        ("photo", "detail", 0.225, W.LOW_RESOLUTION),
        ("photo", "long_side_px", 250, W.LOW_RESOLUTION),
        ("photo", "subject_mean", 0.865, W.TOO_BRIGHT),
        ("photo", "subject_blown", 0.225, W.TOO_BRIGHT),
        ("document", "edge_width", 3.8, W.BLURRED),
        ("document", "blur_effect", 0.495, W.BLURRED),
        ("document", "mean", 0.25, W.TOO_DARK),
        ("document", "spread", 0.35, W.LOW_CONTRAST),
        ("document", "noise_sigma", 4.4, W.NOISY),
        ("document", "blockiness", 0.31, W.COMPRESSED),
        ("document", "detail", 0.34, W.LOW_RESOLUTION),
        ("document", "long_side_px", 500, W.LOW_RESOLUTION),
        ("document", "subject_mean", 1.75, W.TOO_BRIGHT),
        ("document", "subject_blown", 0.07, W.TOO_BRIGHT),
        ("document", "paper_blown", 0.60, W.TOO_BRIGHT),
        ("signature", "edge_width", 4.7, W.BLURRED),
        ("signature", "blur_effect", 0.575, W.BLURRED),
        ("signature", "mean", 0.25, W.TOO_DARK),
        ("signature", "noise_sigma", 4.4, W.NOISY),
        ("signature", "blockiness", 0.31, W.COMPRESSED),
        ("signature", "detail", 0.34, W.LOW_RESOLUTION),
        ("signature", "long_side_px", 100, W.LOW_RESOLUTION),
        ("thumb", "blur_effect", 0.575, W.BLURRED),
        ("thumb", "spread", 0.35, W.LOW_CONTRAST),
    ],
)
def test_a_warning_begins_at_one_figure(kind: Kind, name: str, warns_at: float, code: WarningCode) -> None:
    """Half a per cent on either side, with all else good."""
    curves = CURVES[kind]
    good = {each: getattr(curves, each).good for each in curves._fields if not each.startswith("face_")}
    worse = 1 if getattr(curves, name).bad > getattr(curves, name).good else -1
    if name in {"face_edge_width", "face_smear"}:
        good |= {"face_edge_width": 4.0, "face_smear": 0.5}
    short, beyond = (judge(kind, good | {name: warns_at * (1 + worse * off)}).reasons for off in (-0.005, 0.005))
    assert (short, beyond) == ((), (code,))


@pytest.mark.parametrize(("noise_sigma", "told"), [(0.099, False), (0.101, True)])
def test_white_that_no_camera_saw_swallows_nothing(noise_sigma: float, *, told: bool) -> None:
    page = CURVES["document"]
    good = {each: getattr(page, each).good for each in page._fields if not each.startswith("face_")}
    found = judge("document", good | {"noise_sigma": noise_sigma, "paper_blown": 0.9})
    assert (W.TOO_BRIGHT in found.reasons) is told


@pytest.mark.parametrize(("confidence", "told"), [(0.792, True), (0.808, False)])
def test_text_that_is_read_with_doubt_is_told(confidence: float, *, told: bool) -> None:
    ctx = context(kind="document")
    _warn(Texts(Enhanced(()), ((TextLine("words", confidence, QUAD),),), (None,)), ctx)
    assert (W.TEXT_UNCLEAR in {notice.code for notice in ctx.warnings}) is told
