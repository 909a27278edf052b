"""Ink: a signature is found on any paper and left as it is; what is no signature is called what it is."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import Operation
from rythmiq_worker.conform import Labels
from rythmiq_worker.conform.check import check
from rythmiq_worker.conform.content_clauses import ink_clauses, ink_notices
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.ink import find_ink, sheet_mask
from rythmiq_worker.ink.judge import InkKind, InkSight, judge_ink
from rythmiq_worker.ink.ruling import find_ruling
from rythmiq_worker.job import Texts
from rythmiq_worker.stages.enhance import enhance
from rythmiq_worker.stages.quality import quality
from rythmiq_worker.stages.schema import schema
from tests.bench.real_ink import NO_SIGNATURE, said
from tests.bench.real_pictures import VARIABLE, real_pages, real_signatures
from tests.data.ink_pictures import (
    INK,
    PAPER,
    RULE,
    SENTENCES,
    on_desk,
    printed,
    seal,
    shaded,
    sheet,
    signature,
    thumb,
    written,
)
from tests.support.uploads import context, decoded, difference, portrait

INK_CODES = frozenset(
    {WarningCode.NO_INK, WarningCode.SEVERAL_LINES, WarningCode.PRINTED_TEXT, WarningCode.INK_TOUCHES_EDGE}
)
SEEDS = (0, 1, 2, 3)


class Inked(NamedTuple):
    """ENHANCE's value, and what was warned of."""

    pages: tuple[Picture, ...]
    operations: tuple[Operation, ...]
    ink: InkSight | None
    warnings: list[Notice]


def enhanced(image: Image.Image, kind: str = "signature", **rules: object) -> Inked:
    """What ENHANCE makes of a picture in a slot, and what is then said of its ink."""
    ctx = context(kind=kind, **rules)  # type: ignore[arg-type]
    resolved: InkKind = "thumb" if kind == "thumb" else "signature"
    made = enhance(decoded(image), resolved, ctx)
    ctx.warn(*ink_notices(ctx.payload.portal_schema.schema_definition, resolved, made.ink))
    return Inked(*made, ctx.warnings)


def codes(made: Inked) -> set[WarningCode]:
    """What was said of the ink."""
    return {notice.code for notice in made.warnings} & (INK_CODES | {WarningCode.SIGNATURES})


def operations(made: Inked) -> list[str]:
    """What was done."""
    return [operation.op for operation in made.operations]


def seen(image: Image.Image, kind: str = "signature") -> InkSight:
    """What a small picture shows."""
    return find_ink(image, "signature" if kind == "signature" else "thumb")[1]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.pixels) for seed in SEEDS[1:])])
@pytest.mark.parametrize("rules", [0, 9, 16])
def test_a_signature_on_paper_is_taken_without_a_word(seed: int, rules: int) -> None:
    made = enhanced(shaded(sheet(signature(seed), rules=rules)))
    assert codes(made) == set()
    assert made.ink == InkSight("ink", 1)


@pytest.mark.pixels
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("degrees", [0.0, 6.0, -9.0])
def test_a_signature_on_a_sheet_on_a_desk_is_taken_without_a_word(seed: int, degrees: float) -> None:
    made = enhanced(shaded(on_desk(sheet(signature(seed), rules=8 * (seed % 2)), degrees)))
    assert codes(made) == set()


@pytest.mark.parametrize("degrees", [0.0, 6.0])
def test_the_desk_goes_and_the_ink_stays(degrees: float) -> None:
    made = enhanced(on_desk(sheet(signature(2)), degrees))
    pixels = np.asarray(made.pages[0].image()).astype(int)
    assert "crop_to_ink" in operations(made)
    dark = pixels.min(axis=2) < 128
    assert 0.01 < dark.mean() < 0.25
    assert (pixels[dark][:, 2] > pixels[dark][:, 0]).mean() > 0.95, "brown is desk, blue is ink"
    assert np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).min() > 240


@pytest.mark.parametrize(
    ("seed", "rule"),
    [*((seed, RULE) for seed in SEEDS), *((seed, (90, 90, 100)) for seed in SEEDS if seed % 2 == 0)],
)
def test_ruled_lines_go_and_the_strokes_stay(seed: int, rule: tuple[int, int, int]) -> None:
    """Pale rules, and rules as dark as a stroke where none runs along them."""
    bare, ruled = sheet(signature(seed)), sheet(signature(seed), rules=9, rule=rule)
    made = enhanced(ruled)
    removed = next(operation for operation in made.operations if operation.op == "ink_alone")
    assert removed.parameters["ruled_lines"] == 9
    left, top = (float(str(made.operations[-1].parameters[side])) for side in ("left", "top"))
    pixels = np.asarray(made.pages[0].image()).min(axis=2)
    x, y = round(left * bare.width), round(top * bare.height)
    truth = np.asarray(bare.crop((x, y, x + pixels.shape[1], y + pixels.shape[0]))).min(axis=2) < 90
    core = cv2.erode(truth.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert (pixels[core] < 160).mean() > 0.99, "strokes are whole"
    away = cv2.dilate(truth.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    assert (pixels[away] > 245).mean() > 0.995, "rules are gone"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_underline_is_no_rule(seed: int) -> None:
    """A pen's line under the name is part of it."""
    darkness = np.asarray(signature(seed * 2 + 1)).min(axis=2)
    assert find_ruling(np.ascontiguousarray(darkness)).count == 0


def test_two_parallel_lines_are_rules_and_one_is_not() -> None:
    for lines, count in ((1, 0), (2, 2)):
        image = Image.new("L", (800, 400), 255)
        for index in range(lines):
            ImageDraw.Draw(image).line([(100, 150 + 80 * index), (700, 152 + 80 * index)], fill=150, width=3)
        assert find_ruling(np.asarray(image)).count == count


def test_one_line_from_edge_to_edge_is_a_rule() -> None:
    image = Image.new("L", (800, 400), 255)
    ImageDraw.Draw(image).line([(0, 150), (800, 155)], fill=150, width=3)
    assert find_ruling(np.asarray(image)).count == 1


def test_a_margin_line_is_a_rule_too() -> None:
    image = Image.new("L", (800, 400), 255)
    ImageDraw.Draw(image).line([(90, 0), (92, 400)], fill=150, width=3)
    found = find_ruling(np.asarray(image))
    assert found.count == 1
    assert found.mask[200, 91]


def test_a_printed_box_around_the_signature_goes() -> None:
    paper = sheet(signature(2))
    ImageDraw.Draw(paper).rectangle([180, 120, 1420, 980], outline=(40, 40, 40), width=5)
    made = enhanced(paper)
    assert codes(made) == set()
    pixels = np.asarray(made.pages[0].image()).min(axis=2)
    assert np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).min() > 240


@pytest.mark.parametrize(
    "draw",
    [
        lambda: Image.new("RGB", (1200, 800), PAPER),
        lambda: shaded(Image.new("RGB", (1200, 800), PAPER)),
        lambda: sheet(rules=14),
        lambda: shaded(sheet(rules=9)),
        lambda: on_desk(sheet(rules=9), 5.0),
        lambda: Image.new("RGB", (1200, 800), "black"),
    ],
    ids=["blank", "blank in shade", "ruled", "ruled in shade", "ruled on a desk", "black"],
)
@pytest.mark.parametrize("kind", ["signature", pytest.param("thumb", marks=pytest.mark.pixels)])
def test_paper_without_ink_is_called_so(draw: Callable[[], Image.Image], kind: str) -> None:
    image = draw()
    made = enhanced(image, kind)
    assert codes(made) == {WarningCode.NO_INK}


@pytest.mark.parametrize(
    "draw",
    [lambda: portrait(700, 900), seal, lambda: sheet(seal()), thumb],
    ids=["face", "seal", "seal on paper", "thumb"],
)
def test_what_is_no_signature_is_called_so_and_left_alone(draw: Callable[[], Image.Image]) -> None:
    image = draw()
    made = enhanced(image)
    assert codes(made) == {WarningCode.NO_INK}
    assert [n.parameters for n in made.warnings if n.code is WarningCode.NO_INK] == [{"reason": "not_ink"}]
    assert difference(made.pages[0].image(), image) == 0


@pytest.mark.parametrize("lines", [1, 2, 3])
@pytest.mark.parametrize("size_px", [24, 44, 90])
def test_print_is_called_print(lines: int, size_px: int) -> None:
    assert codes(enhanced(printed(*SENTENCES[:lines], size_px=size_px))) == {WarningCode.PRINTED_TEXT}


def test_print_under_a_signature_is_no_reason_to_complain() -> None:
    """A form's words below the strokes."""
    image = sheet(signature(0))
    image.paste(
        printed("Signature of the candidate", size_px=30, colour=(60, 60, 60)).crop((6, 6, 380, 54)), (420, 900)
    )
    assert codes(enhanced(image)) == set()


def test_print_that_runs_down_the_picture_is_print() -> None:
    assert codes(enhanced(printed(*SENTENCES).transpose(Image.Transpose.ROTATE_90))) == {WarningCode.PRINTED_TEXT}


@pytest.mark.parametrize(
    ("lines", "said"), [(1, set()), (2, set()), (4, {WarningCode.SEVERAL_LINES}), (6, {WarningCode.SEVERAL_LINES})]
)
def test_writing_of_several_lines_is_told_from_a_signature(lines: int, said: set[WarningCode]) -> None:
    made = enhanced(written(lines))
    assert codes(made) == said
    if said:
        notice = next(n for n in made.warnings if n.code is WarningCode.SEVERAL_LINES)
        assert notice.parameters == {"found": lines}


@pytest.mark.parametrize("wanted", [2, pytest.param(3, marks=pytest.mark.pixels)])
@pytest.mark.parametrize("made", [1, 2, 3, 4])
def test_stacked_signatures_are_counted(made: int, wanted: int) -> None:
    freed = enhanced(shaded(sheet(*(signature(seed) for seed in range(made)), size=(1200, 1600))), signatures=wanted)
    notice = next((n for n in freed.warnings if n.code is WarningCode.SIGNATURES), None)
    assert notice == (None if made == wanted else Notice(WarningCode.SIGNATURES, {"found": made, "wanted": wanted}))
    assert codes(freed) <= {WarningCode.SIGNATURES}


def test_strokes_that_run_over_the_edge_are_told_and_one_that_ends_there_is_not() -> None:
    """Half the name is missing below; the tight crop of a whole one grazes its border."""
    whole = signature(2)
    columns = np.flatnonzero((np.asarray(whole).min(axis=2) < 128).any(axis=0))
    rows = np.flatnonzero((np.asarray(whole).min(axis=2) < 128).any(axis=1))
    tight = whole.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    middle = int(rows[0] + rows[-1]) // 2
    assert seen(tight).cut is False
    assert codes(enhanced(tight)) == set()
    assert codes(enhanced(whole.crop((0, 0, whole.width, middle)))) == {WarningCode.INK_TOUCHES_EDGE}


def test_the_owners_crop_is_what_is_looked_at() -> None:
    """A page with a signature at its foot, and a crop around that."""
    page = Image.new("RGB", (1600, 1800), "white")
    page.paste(printed(*SENTENCES * 3, size_px=36), (120, 60))
    page.paste(signature(1), (300, 1400))
    crop = {"x": 0.15, "y": 0.76, "width": 0.65, "height": 0.22}
    assert codes(enhanced(page)) == {WarningCode.PRINTED_TEXT}
    assert codes(enhanced(page, crop=crop)) == set()


def test_a_slot_that_wants_no_change_still_hears_of_its_ink() -> None:
    blank = Image.new("RGB", (900, 500), PAPER)
    made = enhanced(blank, enhance="off")
    assert codes(made) == {WarningCode.NO_INK}
    assert operations(made) == []


@pytest.mark.parametrize(
    "draw",
    [thumb, lambda: shaded(thumb(), 0.35), lambda: on_desk(thumb(), 4.0)],
    ids=["plain", "shade", "desk"],
)
def test_a_thumb_impression_is_taken_without_a_word(draw: Callable[[], Image.Image]) -> None:
    image = draw()
    assert codes(enhanced(image, "thumb")) == set()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: signature(1),
        lambda: sheet(signature(2)),
        lambda: printed(*SENTENCES),
        lambda: portrait(600, 600),
        seal,
    ],
    ids=["signature", "signature on paper", "print", "face", "seal"],
)
def test_what_is_no_thumb_is_called_so(draw: Callable[[], Image.Image]) -> None:
    image = draw()
    made = enhanced(image, "thumb")
    assert [n.parameters.get("reason") for n in made.warnings if n.code is WarningCode.NO_INK] == ["not_thumb"]


def test_a_faint_thumb_is_told_from_a_clear_one() -> None:
    assert seen(thumb(strength=0.5), "thumb").finding == "ink"
    assert seen(thumb(strength=0.03), "thumb").finding == "no_ink"


def test_a_sheet_is_seen_on_a_desk_and_not_in_a_soft_shadow() -> None:
    assert sheet_mask(on_desk(sheet(signature(0)), 7.0)) is not None
    assert sheet_mask(shaded(sheet(signature(0)), 0.6)) is None
    assert sheet_mask(sheet(signature(0))) is None


def test_blue_ink_on_ruled_paper_keeps_its_colour() -> None:
    pixels = np.asarray(enhanced(shaded(sheet(signature(2), rules=9))).pages[0].image()).reshape(-1, 3)
    ink = pixels[pixels.min(axis=1) < 80].mean(axis=0)
    assert np.abs(ink - INK).max() < 45


@pytest.mark.parametrize(
    ("sight", "wanted", "said"),
    [
        (InkSight("ink", 1), None, []),
        (InkSight("ink", 2), None, []),
        (InkSight("ink", 3), 3, []),
        (InkSight("lines", 5), 3, [WarningCode.SIGNATURES]),
        (InkSight("lines", 5), None, [WarningCode.SEVERAL_LINES]),
        (InkSight("no_ink"), 3, [WarningCode.NO_INK, WarningCode.SIGNATURES]),
        (InkSight("ink", 1, cut=True), None, [WarningCode.INK_TOUCHES_EDGE]),
    ],
)
def test_each_finding_has_its_words(sight: InkSight, wanted: int | None, said: list[WarningCode]) -> None:
    rules = SchemaDefinition.model_validate({"kind": "signature", "output_format": "jpeg", "signatures": wanted})
    notices = ink_notices(rules, "signature", sight)
    assert [notice.code for notice in notices] == said
    assert all(str(notice) for notice in notices)
    verdicts = {clause.clause: clause.verdict for clause in ink_clauses(rules, "signature", sight)}
    assert ("signatures" in verdicts) == (wanted is not None)
    assert all(verdict == "pass" for verdict in verdicts.values()) == (not said)


def test_a_receipt_and_a_check_have_a_clause_of_ink() -> None:
    """Made of paper without ink, the file stands and does not conform; what nobody looked at is not checked."""
    for image, verdict, code in (
        (sheet(signature(2)), "pass", None),
        (sheet(rules=9), "fail", WarningCode.NO_INK),
    ):
        ctx = context(kind="signature", output_format="jpeg", target_width=350, target_height=150)
        upload = decoded(image)
        judged = quality(upload, ctx)
        made = schema(Texts(enhance(upload, judged.kind, ctx)), judged, ctx)
        clause = next(clause for clause in made.receipt.clauses if clause.clause == "ink")
        assert (clause.verdict, clause.hard) == (verdict, False)
        assert made.receipt.conforms == (verdict == "pass")
        assert ({notice.code for notice in ctx.warnings} & INK_CODES) == ({code} if code else set())
        labels = Labels(portal="p", slot="s", version="1", job_id="j", original="a.jpg")
        rules = ctx.payload.portal_schema.schema_definition
        again = next(c for c in check(made.content, rules, labels).clauses if c.clause == "ink")
        assert again.verdict == verdict
    assert [c.verdict for c in ink_clauses(rules.model_copy(update={"signatures": 3}), "signature", None)] == [
        "not_checked",
        "not_checked",
    ]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 60).flatmap(
        lambda width: st.integers(1, 60).flatmap(
            lambda height: st.binary(min_size=width * height, max_size=width * height).map(
                lambda data: Image.frombytes("L", (width, height), data).convert("RGB")
            )
        )
    ),
    st.sampled_from(["signature", "thumb"]),
)
def test_any_picture_gets_an_answer(image: Image.Image, kind: str) -> None:
    """Noise of any size is judged, and never breaks anything."""
    made = enhanced(image, kind)
    assert made.ink is not None
    assert made.ink.lines >= 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2)])
def test_the_smallest_masks_are_judged(shape: tuple[int, int]) -> None:
    for kind in ("signature", "thumb"):
        assert judge_ink(np.ones(shape, bool), "signature" if kind == "signature" else "thumb").finding in {
            "ink",
            "no_ink",
            "not_ink",
            "print",
            "lines",
        }


@pytest.mark.skipif(not real_signatures(), reason=f"{VARIABLE} names no folder of labelled pictures")
@pytest.mark.parametrize("label", ["present", "absent"])
def test_real_pictures_are_called_what_people_see_in_them(label: str) -> None:
    for picture in real_signatures():
        if picture.label["signature"] == label:
            assert bool(said(picture) & NO_SIGNATURE) == (label == "absent")


@pytest.mark.skipif(not real_pages(), reason=f"{VARIABLE} names no folder of labelled pictures")
def test_a_real_page_never_passes_for_a_signature() -> None:
    assert [picture for picture in real_pages() if not said(picture) & NO_SIGNATURE] == []
