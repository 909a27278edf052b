"""From measures to sub-scores, one score and reasons: how good an upload is for its kind.

Each sub-score is a logistic curve that gives .9 at `good` and .1 at `bad`; a reason is given below .5. The score is
half the geometric mean and half the worst, so that one real defect cannot be averaged away.

Source of the thresholds: one half of the graded pictures of tests/data/quality_levels.py (docs/decisions.md).
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from rythmiq.contracts.advice import WarningCode

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
_FACE_EDGE_WIDTH: Final = Curve(5.2, 5.8)  # a reason from the middle on, as people.face_quality has it
_FACE_SMEAR: Final = Curve(0.67, 0.73)
_FACE_DARK: Final = Curve(0.0, 0.9)  # yes or no: what makes a face dark is no single figure (people.face_quality)
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
