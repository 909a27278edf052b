"""QUALITY: score the upload, measured on the original before anything is done to it.

One decoder-scaled decode serves every measure and the search for faces; blockiness alone needs native pixels, of which
a patch is decoded. A photo is judged by its face: a soft background is what portrait modes make, and a dark room or a
white wall says nothing of the light that falls on the person.

Each sub-score is a logistic curve that gives .9 at `good` and .1 at `bad`; a reason is given below .5. The score is
half the geometric mean and half the worst, so that one real defect cannot be averaged away. The thresholds come from
one half of the graded pictures of tests/data/quality_levels.py (docs/decisions.md).
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq_worker.conform.geometry import resolve_kind
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.imaging import measures
from rythmiq_worker.job import Assessment, Context, Decoded

if TYPE_CHECKING:
    from rythmiq.contracts.payload import Crop
    from rythmiq_worker.people.portrait import FindFaces, Portrait

Kind = Literal["photo", "signature", "thumb", "document"]
_STEEPNESS: Final = 2 * math.log(9)
_REASON_BELOW: Final = 0.5
_SENSOR_NOISE: Final = 0.1


class Quality(NamedTuple):
    """How good the upload is.

    Attributes:
        score: 0..1, two decimals.
        sub_scores: 0..1 by name (sharpness, exposure, contrast, noise, compression, resolution).
        reasons: what is wrong with it, worst first.
        measures: the raw figures by name, for the log and for calibration.
    """

    score: float
    sub_scores: dict[str, float]
    reasons: tuple[WarningCode, ...]
    measures: dict[str, float]


class Curve(NamedTuple):
    """Where a measure is good (.9) and where it is bad (.1); either may be the larger."""

    good: float
    bad: float

    def score(self, value: float) -> float:
        """Score one measure, 0..1."""
        exponent = _STEEPNESS * (value - (self.good + self.bad) / 2) / (self.bad - self.good)
        return 1 / (1 + math.exp(min(60.0, max(-60.0, exponent))))


class Curves(NamedTuple):
    """The thresholds of one kind."""

    edge_width: Curve
    blur_effect: Curve
    face_edge_width: Curve
    face_smear: Curve
    face_dark: Curve
    mean: Curve
    spread: Curve
    noise_sigma: Curve
    blockiness: Curve
    detail: Curve
    long_side_px: Curve
    subject_mean: Curve
    subject_blown: Curve
    paper_blown: Curve


_PAPER_BLOWN: Final = Curve(0.45, 0.75)
_FACE_EDGE_WIDTH: Final = Curve(5.2, 5.8)  # a reason from the middle on, as people.looks has it
_FACE_SMEAR: Final = Curve(0.67, 0.73)
_FACE_DARK: Final = Curve(0.0, 0.9)  # yes or no: what makes a face dark is no single figure (people.looks)
_PHOTO: Final = Curves(
    edge_width=Curve(4.2, 5.2),
    blur_effect=Curve(0.45, 0.60),
    face_edge_width=_FACE_EDGE_WIDTH,
    face_smear=_FACE_SMEAR,
    face_dark=_FACE_DARK,
    mean=Curve(0.33, 0.20),
    spread=Curve(0.60, 0.36),
    noise_sigma=Curve(3.0, 8.0),
    blockiness=Curve(0.14, 0.85),
    detail=Curve(0.30, 0.15),
    long_side_px=Curve(350, 150),
    subject_mean=Curve(0.80, 0.93),
    subject_blown=Curve(0.10, 0.35),
    paper_blown=_PAPER_BLOWN,
)
_PAGE: Final = Curves(
    edge_width=Curve(3.4, 4.2),
    blur_effect=Curve(0.42, 0.57),
    face_edge_width=_FACE_EDGE_WIDTH,
    face_smear=_FACE_SMEAR,
    face_dark=_FACE_DARK,
    mean=Curve(0.33, 0.17),
    spread=Curve(0.45, 0.25),
    noise_sigma=Curve(1.8, 7.0),
    blockiness=Curve(0.12, 0.5),
    detail=Curve(0.42, 0.26),
    long_side_px=Curve(700, 300),
    subject_mean=Curve(1.5, 2.0),  # white paper is no over-exposure
    subject_blown=Curve(0.02, 0.12),
    paper_blown=_PAPER_BLOWN,
)
_INK: Final = Curves(
    edge_width=_PHOTO.edge_width,
    blur_effect=Curve(0.50, 0.65),
    face_edge_width=_FACE_EDGE_WIDTH,
    face_smear=_FACE_SMEAR,
    face_dark=_FACE_DARK,
    mean=_PAGE.mean,
    spread=_PAGE.spread,
    noise_sigma=_PAGE.noise_sigma,
    blockiness=_PAGE.blockiness,
    detail=_PAGE.detail,
    long_side_px=Curve(140, 60),
    subject_mean=_PAGE.subject_mean,
    subject_blown=_PAGE.subject_blown,
    paper_blown=_PAPER_BLOWN,
)
CURVES: Final[Mapping[Kind, Curves]] = MappingProxyType(
    {"photo": _PHOTO, "signature": _INK, "thumb": _INK, "document": _PAGE}
)


def judge(kind: Kind, measures: Mapping[str, float]) -> Quality:
    """Judge an upload of a kind by its measures.

    Args:
        kind: the resolved kind.
        measures: by the names of `Curves`; `subject_*` are of the face or, on a page, of its glare. Those that a kind
            does not have, as `paper_blown` of a photo, may be absent; `face_*` go before the whole's.
    """
    sub_scores, darker = _sub_scores(CURVES[kind], measures)
    codes = {
        "sharpness": WarningCode.BLURRED,
        "exposure": WarningCode.TOO_DARK if darker else WarningCode.TOO_BRIGHT,
        "contrast": WarningCode.LOW_CONTRAST,
        "noise": WarningCode.NOISY,
        "compression": WarningCode.COMPRESSED,
        "resolution": WarningCode.LOW_RESOLUTION,
    }
    values = list(sub_scores.values())
    geometric = math.prod(values) ** (1 / len(values))
    worst_first = sorted(sub_scores, key=lambda name: sub_scores[name])
    return Quality(
        score=round(0.5 * geometric + 0.5 * min(values), 2),
        sub_scores={name: round(value, 3) for name, value in sub_scores.items()},
        reasons=tuple(codes[name] for name in worst_first if sub_scores[name] < _REASON_BELOW),
        measures=dict(measures),
    )


def _sub_scores(curves: Curves, measures: Mapping[str, float]) -> tuple[dict[str, float], bool]:
    """The sub-scores by name, and whether darkness weighs at least as much as brightness."""

    def score(*names: str) -> float:
        return min(getattr(curves, name).score(measures[name]) if name in measures else 1.0 for name in names)

    # A soft background is no blur. But noise draws edges on a soft face, and less on the whole picture made smaller.
    asks_face = "face_edge_width" in measures and score("noise_sigma") >= _REASON_BELOW
    whole = 1.0 if asks_face else score("edge_width", "blur_effect")
    dark = score("face_dark" if "face_dark" in measures else "mean")
    # What no camera saw is white because it is drawn so, and swallows nothing.
    drawn = measures.get("noise_sigma", _SENSOR_NOISE) < _SENSOR_NOISE
    bright = score("subject_mean", "subject_blown", *(() if drawn else ("paper_blown",)))
    sub_scores = {
        "sharpness": min(score("face_edge_width", "face_smear"), whole),
        "exposure": min(dark, bright),
        "contrast": score("spread"),
        "noise": score("noise_sigma"),
        "compression": score("blockiness"),
        "resolution": score("detail", "long_side_px"),
    }
    return sub_scores, dark <= bright


_KINDS_WITH_FACES: Final = frozenset({"photo", "auto"})


def quality(decoded: Decoded, ctx: Context, find: "FindFaces | None" = None) -> Assessment:
    """Score the first page, find its face and resolve its kind; warn of what is wrong with it.

    Faces are searched on the picture as its owner wants it turned, in the pixels of a small copy of that.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules, options = ctx.payload.portal_schema.schema_definition, ctx.payload.options.of_page(0)
    page = decoded.pages[0]
    portrait: Portrait | None = None
    thumbnail = page.thumbnail()
    fine = measures.fine_gray(thumbnail)
    canonical = measures.shrunk(fine, measures.CANONICAL_PX)
    native = np.asarray(page.native_patch(), dtype=np.uint8)
    if rules.kind in _KINDS_WITH_FACES:
        # Imported here: a signature or a page has no face, and its job need not know how to look at one.
        from rythmiq_worker.conform.person import portrait_of, wish_of  # noqa: PLC0415

        turned = page.turned(options.rotate or 0)
        portrait = portrait_of(turned, wish_of(options), *([find] if find else []))
    kind = resolve_kind(rules, portrait)
    light = measures.light(canonical)
    figures = _figures(page, fine, canonical, native) | {
        "mean": light.mean,
        "spread": light.deep_spread if kind in {"signature", "thumb"} else light.spread,
        "histogram_spread": light.middle_spread,
        "blown": light.blown,
    }
    if kind == "photo":
        turned_gray = np.rot90(canonical, -((options.rotate or 0) // 90))  # as its owner turned it, where faces stand
        figures |= _of_the_face(turned_gray, portrait, options.crop)
    elif kind == "document":
        figures |= {"subject_blown": measures.glare(canonical), "paper_blown": measures.paper_blown(canonical)}
    judged = judge(kind, figures)
    measured = portrait if kind == "photo" else None
    ctx.warn(*(_notice(code, measured) for code in judged.reasons))
    return Assessment(kind, judged, portrait)


def _figures(page: Picture, fine: measures.Gray, canonical: measures.Gray, native: measures.Gray) -> dict[str, float]:
    long_side_px = max(page.width_px, page.height_px)
    # Blocks are of native pixels, and count by the area that they show at the size at which a picture is looked at.
    shown = min(1.0, measures.FINE_PX / long_side_px) ** 2
    return {
        "edge_width": measures.edge_width(canonical),
        "blur_effect": measures.blur_effect(canonical),
        "noise_sigma": measures.noise_sigma(fine),
        "blockiness": shown * measures.blockiness(native),
        "detail": measures.detail(canonical),
        "long_side_px": float(long_side_px),
        "laplacian_variance": measures.laplacian_variance(canonical),
    }


def _of_the_face(canonical: measures.Gray, portrait: "Portrait | None", crop: "Crop | None") -> dict[str, float]:
    """The figures that a photo has of its subject: light, and sharpness where there is a face."""
    if portrait is None or portrait.subject is None:
        return _exposure(canonical, _middle(crop))
    box, (width, height) = portrait.subject.box, portrait.size
    shares = (box.x / width, box.y / height, (box.x + box.width) / width, (box.y + box.height) / height)
    own = _exposure(canonical, shares)
    if portrait.sharpness is not None:
        own |= {"face_edge_width": portrait.sharpness.edge_width_px, "face_smear": portrait.sharpness.smear}
    if portrait.light is not None:
        own |= {"face_dark": 0.0 if portrait.light.dark is None else 1.0}
    return own


def _middle(crop: "Crop | None") -> tuple[float, float, float, float]:
    """Where the subject of a photo is taken to be when there is no face: in the middle of what is taken."""
    x, y, width, height = (0.0, 0.0, 1.0, 1.0) if crop is None else (crop.x, crop.y, crop.width, crop.height)
    return x + width / 4, y + height / 4, x + 3 * width / 4, y + 3 * height / 4


def _exposure(canonical: measures.Gray, shares: tuple[float, float, float, float]) -> dict[str, float]:
    """The light on the subject; its background may be white by the portal's own rule."""
    height, width = canonical.shape
    left, top = max(0, int(shares[0] * width)), max(0, int(shares[1] * height))
    right, bottom = max(left + 1, int(shares[2] * width)), max(top + 1, int(shares[3] * height))
    light = measures.light(np.ascontiguousarray(canonical[top:bottom, left:right]))
    return {"subject_mean": light.mean, "subject_blown": light.blown}


def _notice(code: WarningCode, portrait: "Portrait | None") -> Notice:
    """Make a reason a warning, about the face where the face was measured."""
    if code is WarningCode.BLURRED and portrait is not None and portrait.sharpness is not None:
        return Notice(code, {"reason": "face"})
    if code is WarningCode.TOO_DARK and portrait is not None and portrait.light is not None and portrait.light.dark:
        return Notice(code, {"reason": portrait.light.dark})
    return Notice(code)
