"""Every clause, warning and option of a photo with a picture: as it should be, and with one fault, and no other.

Each picture goes through the stages of a whole job, from the file's bytes to the receipt. Whoever adds a clause, a
warning or an option adds its picture: the last tests compare the tables with the contracts.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from skimage import data as skimage_data

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.payload import Options
from rythmiq.contracts.result import Clause, ClauseName, Operation, Receipt
from rythmiq_worker.intake import admitted
from rythmiq_worker.job import Upload
from rythmiq_worker.stages import conformed
from tests.data.portraits import portrait as sample
from tests.samples import faults
from tests.samples.faults import Pixels, sitter, sitters_face
from tests.support.people import needs_networks
from tests.support.uploads import context, encode, portrait

pytestmark = needs_networks

STATED: dict[str, Any] = {
    "faces": "one",
    "centring": "centred",
    "roll": "level",
    "pose": "frontal",
    "eyes": "open",
    "mouth": "closed",
    "glasses": "clear",
    "headwear": "none",
    "grey": "forbidden",
    "face_light": "even",
}
RULES: dict[str, Any] = {
    "kind": "photo",
    "target_width": 413,
    "target_height": 531,
    "max_kb": 200,
    "face": "required",
    "face_ratio": [0.7, 0.8],
    "background": "white",
    "background_edit": "allowed",
    "caption": "allowed",
    "ocr": "off",
    **STATED,
}
CAPTION = {"name": "Asha Rao", "date": "2026-11-28"}
WHOLE = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}
LIGHT, GRAY, BLUE = (232, 232, 230), (150, 152, 155), (90, 130, 190)


@dataclass(frozen=True)
class Seen:
    """What a job said."""

    receipt: Receipt
    warnings: dict[str, str | None]

    def clause(self, name: str) -> Clause:
        return next(each for each in self.receipt.clauses if each.clause == name)

    def operation(self, name: str) -> Operation | None:
        return next((each for each in self.receipt.operations if each.op == name), None)

    def verdicts(self, verdict: str) -> set[str]:
        return {each.clause for each in self.receipt.clauses if each.verdict == verdict}


@dataclass(frozen=True)
class Fault:
    """A picture with one fault.

    Attributes:
        what: is wrong with it.
        picture: the upload.
        says: the warning, `CODE` or `CODE reason`.
        fails: the clauses that fail by it.
        also: codes of other warnings that the same fault brings.
        rules: that differ from RULES.
        options: the owner's.
        quality: of the upload's JPEG.
    """

    what: str
    picture: Callable[[], Pixels]
    says: str
    fails: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    rules: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    quality: int = 95


def done(rgb: Pixels, options: dict[str, Any] | None = None, quality: int = 95, **rules: Any) -> Seen:
    ctx = context(options={"rotate": None, **(options or {})}, **{**RULES, **rules})
    content = encode(Image.fromarray(rgb), "JPEG", quality=quality)
    made = conformed(Upload((content,)), ctx, lambda _: nullcontext())
    return Seen(made.document.receipt, {notice.code.value: _reason(dict(notice.parameters)) for notice in ctx.warnings})


def _reason(parameters: dict[str, Any]) -> str | None:
    return parameters.get("reason")


@cache
def good() -> Seen:
    return done(sitter())


def company() -> Pixels:
    return np.hstack((sitter(), sitter()[:, ::-1]))


def close_company() -> Pixels:
    """Another shoulder in the picture."""
    return np.hstack((sitter()[:, :780], sitter()[:, ::-1][:, 570:]))


def half_a_face() -> Pixels:
    return np.ascontiguousarray(sitter()[:, int(sitters_face().box.centre[0]) :])


def sized(rgb: Pixels, side_px: int) -> Pixels:
    image = Image.fromarray(rgb)
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return np.asarray(image)


def blown_up(rgb: Pixels, side_px: int) -> Pixels:
    return np.asarray(Image.fromarray(sized(rgb, side_px)).resize(rgb.shape[1::-1], Image.Resampling.BICUBIC))


def busy_wall() -> Pixels:
    """A dark thing on the wall, on either side of the head."""
    wall, person = np.array(sitter()), faults.sitters_share()
    wall[300:600, 440:500] = wall[700:800, 850:900] = (60, 40, 70)
    return np.asarray(np.rint(sitter() * person + wall * (1 - person)), np.uint8)


def coffee() -> Pixels:
    return np.asarray(skimage_data.coffee())


def named(*names: str) -> frozenset[str]:
    return frozenset(names)


def of(edit: Callable[..., Pixels], **how: float) -> Callable[[], Pixels]:
    return lambda: edit(sitter(), sitters_face(), **how)


WHITE_PLEASE = {"background": "white"}
# fmt: off
FAULTS = (
    Fault("another person beside", company, "FACES_SEVERAL", named("faces")),
    Fault("a cup", coffee, "FACE_NOT_FOUND", named("face", "background"), named("BACKGROUND", "UPSCALED")),
    Fault("a point beside the face", lambda: sitter(LIGHT), "FACE_NOT_FOUND point", named("face"),
          options={"face": {"x": 0.03, "y": 0.97}}),
    Fault("a crop beside the face", lambda: sitter((205, 205, 203)), "FACE_NOT_FOUND crop", named("face"),
          rules={"background": "light"}, options={"crop": {"x": 0.0, "y": 0.0, "width": 0.32, "height": 0.4}}),
    Fault("a shape that leaves a strip of the face", sitter, "FACE_NOT_FOUND cut", named("face"),
          rules={"target_width": 900, "target_height": 90}),
    Fault("half a face", half_a_face, "HEAD_DOES_NOT_FIT", named("face", "face_size", "centring"),
          named("HEAD_OFF_CENTRE")),
    Fault("a head cut off above", lambda: sitter()[630:], "HEAD_DOES_NOT_FIT cut", named("face", "face_size"),
          named("UPSCALED")),
    Fault("a head too small", sitter, "FACE_SIZE small", named("face_size"),
          rules={"fit": "contain"}, options={"crop": WHOLE}),
    Fault("a head too large", sitter, "FACE_SIZE large", named("face_size"), rules={"face_ratio": [0.1, 0.15]}),
    Fault("a head at the side", lambda: np.ascontiguousarray(sitter()[:, 480:]), "HEAD_OFF_CENTRE", named("centring"),
          rules={"fit": "contain", "face_ratio": None}),
    Fault("eyes too low", sitter, "HEAD_OFF_CENTRE", named("centring"), rules={"eye_line": [0.9, 0.95]}),
    Fault("a leaning head", of(faults.leaning, degrees_clockwise=24), "HEAD_TILTED", named("roll"),
          rules={"level": "forbidden"}),
    Fault("a head turned aside", lambda: np.asarray(sample("profile").image), "NOT_FRONTAL", named("pose"),
          named("NO_COLOUR", "BLURRED", "UPSCALED"), rules={"background": "any", "grey": "any"}),
    Fault("a look upwards", of(faults.that_looks_up, up_deg=40), "NOT_FRONTAL", named("pose"), named("UPSCALED")),
    Fault("closed eyes", of(faults.with_closed_eyes), "EYES_CLOSED", named("eyes")),
    Fault("an open mouth", of(faults.with_an_open_mouth), "MOUTH_OPEN", named("mouth")),
    Fault("dark glasses", of(faults.in_dark_glasses), "DARK_GLASSES", named("glasses")),
    Fault("black and white", lambda: faults.black_and_white(sitter()), "NO_COLOUR", named("grey")),
    Fault("light from one side", of(faults.lit_from_one_side), "FACE_LIGHT", named("face_light")),
    Fault("a gray wall", lambda: sitter(GRAY), "BACKGROUND dark", named("background")),
    Fault("a blue wall", lambda: sitter(BLUE), "BACKGROUND coloured", named("background")),
    Fault("things on the wall", busy_wall, "BACKGROUND busy", named("background")),
    Fault("white for one of two", close_company, "BACKGROUND_KEPT several_people",
          named("face", "faces", "background"), named("FACES_SEVERAL", "BACKGROUND"),
          options=WHITE_PLEASE | {"face": {"x": 0.35, "y": 0.4}}),
    Fault("white behind a soft outline", lambda: faults.out_of_focus(sitter(GRAY), 9),
          "BACKGROUND_KEPT unclear_edge", named("background", "sharpness"),
          named("BACKGROUND", "BLURRED", "LOW_RESOLUTION"), options=WHITE_PLEASE),
    Fault("white behind clothes of the wall's colour", lambda: faults.dressed_like_the_wall((120, 122, 125)),
          "BACKGROUND_KEPT same_colour", named("background"), named("BACKGROUND"), options=WHITE_PLEASE),
    Fault("white for a cup", coffee, "BACKGROUND_KEPT no_face", named("face", "background"),
          named("FACE_NOT_FOUND", "BACKGROUND", "UPSCALED"), options=WHITE_PLEASE),
    Fault("out of focus", lambda: faults.out_of_focus(sitter(), 4.5), "BLURRED face", named("sharpness"),
          named("LOW_RESOLUTION")),
    Fault("in the dark", lambda: faults.lit(sitter(), 0.06), "TOO_DARK face", named("face_light", "background"),
          named("BACKGROUND", "LOW_CONTRAST")),
    Fault("before a bright window", lambda: faults.before_a_bright_window(sitter()), "TOO_DARK backlit",
          named("face_light")),
    Fault("in a flash", lambda: faults.lit(sitter(), 4), "TOO_BRIGHT"),
    Fault("in haze", lambda: faults.flat(sitter(), 0.4), "LOW_CONTRAST"),
    Fault("little light, much grain", lambda: faults.grainy(sitter(), 25), "NOISY"),
    Fault("sent on by a messenger", lambda: np.asarray(portrait(1400, 1400)), "COMPRESSED",
          rules={"background": "any"}, quality=8),
    Fault("a thumbnail blown up", lambda: blown_up(sitter(), 200), "LOW_RESOLUTION", named("sharpness"),
          named("BLURRED")),
    Fault("few pixels", lambda: sized(sitter(), 1200), "UPSCALED face"),
    Fault("nobody gave a caption", sitter, "NAME_DATE_STRIP", rules={"caption": "required"}),
    Fault("more pixels than the kilobytes hold", lambda: faults.grainy(sitter(), 60), "PIXELS_REDUCED",
          also=named("NOISY"),
          rules={"target_width": None, "target_height": None, "min_width": 200, "max_width": 800, "max_kb": 7}),
    Fault("rules of another year", sitter, "PORTAL_RULES_OLD", rules={"valid_to": "2025-12-31"}),
)
# fmt: on


@pytest.mark.pixels
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what.replace(" ", "-"))
def test_a_fault_is_told_and_its_clauses_fail_and_no_others(fault: Fault) -> None:
    seen = done(fault.picture(), fault.options, fault.quality, **fault.rules)
    code, _, reason = fault.says.partition(" ")
    assert code in seen.warnings
    assert seen.warnings[code] == (reason or seen.warnings[code])
    assert set(seen.warnings) - {code} == fault.also
    assert seen.verdicts("fail") == fault.fails


def test_a_good_photo_passes_every_clause_that_can_be_passed_and_nothing_is_said() -> None:
    assert good().receipt.conforms
    assert good().warnings == {}
    assert good().verdicts("advice") == set()
    assert good().verdicts("not_checked") == {"headwear"}


@dataclass(frozen=True)
class Choice:
    """An option that does what its owner wants of a picture that conforms by it.

    Attributes:
        picture: the upload.
        options: the owner's.
        op: what the receipt then tells, with these parameters.
    """

    picture: Callable[[], Pixels]
    options: dict[str, Any]
    op: str
    parameters: dict[str, object]


def lying() -> Pixels:
    return np.ascontiguousarray(np.rot90(sitter()))


CHOICES = {
    "face": Choice(company, {"face": {"x": 0.25, "y": 0.4}}, "face", {"by": "owner"}),
    "crop": Choice(company, {"crop": {"x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0}}, "crop", {"by": "owner"}),
    "rotate": Choice(lying, {"rotate": 90}, "face", {"by": "size"}),
    "background": Choice(lambda: sitter(BLUE), {"background": "white"}, "background", {"to": "white", "by": "owner"}),
    "caption": Choice(sitter, {"caption": CAPTION}, "caption", {"by": "owner"}),
}
"""By the option's name."""


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_made_and_its_photo_conforms(name: str) -> None:
    choice = CHOICES[name]
    seen = done(choice.picture(), choice.options, faces="any")
    told = seen.operation(choice.op)
    assert told is not None
    assert told.parameters.items() >= choice.parameters.items()
    assert seen.receipt.conforms


@pytest.mark.parametrize(
    ("name", "rules"), [("background", {"background_edit": "forbidden"}), ("caption", {"caption": "none"})]
)
def test_a_choice_that_the_slot_does_not_allow_is_refused_before_a_picture_is_read(
    name: str, rules: dict[str, Any]
) -> None:
    asked = context(options=CHOICES[name].options, **(RULES | rules))
    with pytest.raises(JobError, match=f"/options/{name}") as refused:
        admitted(asked.payload, asked.settings)
    assert refused.value.code is ErrorCode.PAYLOAD_INVALID


def test_a_photo_turned_the_wrong_way_does_not_conform() -> None:
    seen = done(sitter(), {"rotate": 90})
    turn = seen.operation("turn")
    assert turn is not None
    assert "decided_by" not in turn.parameters
    assert "roll" in seen.verdicts("fail")


def test_a_caption_passes_the_clause_that_is_not_checked_without_it() -> None:
    assert done(sitter(), {"caption": CAPTION}, caption="required").clause("name_date_strip").verdict == "pass"
    assert done(sitter(), caption="required").clause("name_date_strip").verdict == "not_checked"


# --- are these all? -----------------------------------------------------------

NEVER_FAILS = {"headwear", "name_date_strip"}
OF_TEXT_AND_INK = {"legibility", "completeness", "ink", "signatures"}
NOT_OF_A_PHOTO = {
    *("PLAINTEXT_JOB", "PAGES_DROPPED", "FRAMES_DROPPED"),  # of any upload
    *("TEXT_UNCLEAR", "TEXT_NOT_READ", "TEXT_MISSING", "TEXT_LAYER_DROPPED", "SCRIPT_NOT_READ", "NO_TEXT"),
    *("PAGE_NOT_FOUND", "NO_INK", "SEVERAL_LINES", "INK_TOUCHES_EDGE", "PRINTED_TEXT", "SIGNATURES"),
}
OF_DOCUMENTS = {"ocr_language", "corners", "page", "text_layer", "by_page"}


def test_every_clause_has_a_picture_that_passes_and_one_that_fails() -> None:
    soft = {each.clause for each in good().receipt.clauses if not each.hard}
    hard = {each.clause for each in good().receipt.clauses if each.hard} | {"dpi", "aspect", "compression_ratio"}
    assert soft | hard | OF_TEXT_AND_INK | NEVER_FAILS == set(get_args(ClauseName))
    assert {clause for fault in FAULTS for clause in fault.fails} == soft - NEVER_FAILS


def test_every_warning_about_a_photo_has_a_picture() -> None:
    told = {tuple(fault.says.partition(" ")[::2]) for fault in FAULTS}
    due = {
        (code.value, reason)
        for code in WarningCode
        if code.value not in NOT_OF_A_PHOTO
        for reason in (code.variants or {"": ""})
    }
    assert due <= told
    assert not NOT_OF_A_PHOTO & {code for code, _ in told}


def test_every_option_of_a_photo_has_a_picture() -> None:
    assert CHOICES.keys() == Options.model_fields.keys() - OF_DOCUMENTS
