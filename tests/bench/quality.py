"""`quality_score` on pictures in graded degradation: does it tell them from clean ones, whatever their size?

Thresholds come from one half of the pictures (tests/data/quality_levels.py); the figures are of the other half.

`python -m tests.bench.quality` prints one JSON list of rows.
"""

import itertools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import cv2
from PIL import Image

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.job import Upload
from rythmiq_worker.stages.decode import decode
from rythmiq_worker.stages.quality import Quality, quality
from tests.data.own_files import own_portraits
from tests.data.portraits import portrait
from tests.data.quality_levels import (
    DEGRADATIONS,
    Clean,
    Degradation,
    Kind,
    as_jpeg,
    blurred,
    clean_pictures,
    exposed,
    reduced,
)
from tests.samples.camera import Shot, photograph
from tests.samples.pages import admit_card, marksheet
from tests.samples.portrait import phone_photo
from tests.support.uploads import context

Large = tuple[Kind, Callable[[], Image.Image]]
"""A picture's kind, and what makes it."""

LEAST_AUC = 0.95
MOST_MOVE = 0.05
SIZES_PX = (1000, 2000, 4000)
NAMED = {
    "blur": WarningCode.BLURRED,
    "motion blur": WarningCode.BLURRED,
    "noise": WarningCode.NOISY,
    "blur and noise": WarningCode.BLURRED,
    "JPEG": WarningCode.COMPRESSED,
    "under-exposure": WarningCode.TOO_DARK,
    "over-exposure": WarningCode.TOO_BRIGHT,
    "low contrast": WarningCode.LOW_CONTRAST,
    "enlargement": WarningCode.LOW_RESOLUTION,
}
"""What the worst level of each degradation is to be called."""


def judged(upload: bytes, kind: Kind) -> Quality:
    """What QUALITY says of an upload."""
    ctx = context(kind=kind)
    return quality(decode(Upload((upload,)), ctx), ctx).quality


def ladder(clean: Clean, degradation: Degradation) -> list[float]:
    """The score of a clean picture and of each level, mildest first."""
    files = [as_jpeg(clean.image), *(degradation.file(clean.image, level) for level in degradation.levels)]
    return [judged(data, clean.kind).score for data in files]


def area_under_curve(clean: Sequence[float], spoilt: Sequence[float]) -> float:
    """How probably a clean picture scores above a spoilt one, a tie counting half (Mann and Whitney)."""
    wins = sum((one > other) + 0.5 * (one == other) for one in clean for other in spoilt)
    return wins / (len(clean) * len(spoilt))


def moves(pictures: Mapping[str, Large]) -> dict[str, float]:
    """How far the score of each picture moves between the sizes."""
    moved = {}
    for name, (kind, make) in pictures.items():
        image = make()
        scores = [judged(as_jpeg(reduced(image, size_px)), kind).score for size_px in SIZES_PX]
        moved[name] = max(scores) - min(scores)
    return moved


def large_pictures() -> dict[str, Large]:
    """Pictures of 4000 pixels, clean and spoilt."""
    pictures: dict[str, Large] = {
        "photo, phone": ("photo", partial(phone_photo, seed=21)),
        "photo, white wall": ("photo", lambda: portrait("white-wall").image),
        "page, admit card": ("document", lambda: photograph(admit_card(921).image, Shot(size_px=(4000, 3000)), seed=1)),
        "page, marksheet": ("document", lambda: photograph(marksheet(922).image, Shot(size_px=(3000, 4000)), seed=2)),
    }
    spoils: dict[str, Callable[[Image.Image], Image.Image]] = {
        "blurred": partial(blurred, share=0.003),
        "dark": partial(exposed, stops=-2),
        "bright": partial(exposed, stops=1),
    }
    spoilt = {
        f"{name}, {fault}": (kind, partial(_spoilt, spoil, make))
        for name, (kind, make) in pictures.items()
        for fault, spoil in spoils.items()
    }
    return pictures | spoilt


def _spoilt(spoil: Callable[[Image.Image], Image.Image], make: Callable[[], Image.Image]) -> Image.Image:
    return spoil(make())


def _rows(pictures: Sequence[Clean]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    clean = {picture.name: judged(as_jpeg(picture.image), picture.kind) for picture in pictures}
    falls = 0
    for degradation in DEGRADATIONS:
        print(f"  {degradation.name}", file=sys.stderr)
        levels: list[list[Quality]] = [
            [judged(degradation.file(picture.image, level), picture.kind) for picture in pictures]
            for level in degradation.levels
        ]
        scores = [[verdict.score for verdict in level] for level in levels]
        before = [clean[picture.name].score for picture in pictures]
        each = [area_under_curve(before, level) for level in scores]
        whole = area_under_curve(before, [score for level in scores for score in level])
        named = sum(NAMED[degradation.name] in verdict.reasons for verdict in levels[-1])
        by_level = ", ".join(f"{level:g}: {value:.2f}" for level, value in zip(degradation.levels, each, strict=True))
        told = f"{named} of {len(pictures)} are told {NAMED[degradation.name].name}"
        note = f"by level {by_level}; at the last, {told}"
        rows.append(_row(f"AUC, clean above {degradation.name}", whole, f">= {LEAST_AUC}", whole >= LEAST_AUC, note))
        for column in zip(before, *scores, strict=True):
            falls += any(worse > better for better, worse in itertools.pairwise(column))
    note = f"of {len(pictures) * len(DEGRADATIONS)} ladders from clean to the last level"
    rows.append(_row("ladders on which a worse level scores higher", falls, "<= 0", falls == 0, note))
    warned = sum(bool(verdict.reasons) for verdict in clean.values())
    rows.append(_row("clean pictures with a warning", warned, "<= 0", warned == 0, f"of {len(pictures)}"))
    return rows


def _move_row() -> dict[str, object]:
    moved = moves(large_pictures())
    worst = max(moved, key=lambda name: moved[name])
    what = f"score's move between {SIZES_PX[0]} and {SIZES_PX[-1]} px of the same picture, largest"
    return _row(what, moved[worst], f"<= {MOST_MOVE}", moved[worst] <= MOST_MOVE + 1e-9, f"{worst}, of {len(moved)}")


def _row(what: str, measured: float, bar: str | None, holds: bool | None, note: str) -> dict[str, object]:  # noqa: FBT001  a row's columns
    return {"what": what, "measured": round(measured, 4), "bar": bar, "unit": None, "holds": holds, "note": note}


def main() -> None:
    """Print the rows."""
    cv2.setNumThreads(1)
    own = [Clean(file.name, "photo", "judge", partial(getattr, file, "image")) for file in own_portraits()]
    pictures = own or [picture for picture in clean_pictures() if picture.half == "judge"]
    print(json.dumps([*_rows(pictures), _move_row()]))


if __name__ == "__main__":
    main()
