"""What ENHANCE and the turn by text do for reading: characters misread before and after, and never worse than nothing.

A defect's level rises until our engine misreads a tenth of the page; there it must be mended. Everywhere else, reading
must not suffer. And: is a turned page set upright, is a picture without text left alone, are portraits left alone?

`python -m tests.bench.enhance [--turned N]` prints one JSON list of rows.
"""

import argparse
import json
import sys
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from rythmiq_cli.samples.pages import Page
from rythmiq_worker.engines import rapidocr
from rythmiq_worker.engines.text import TextLine, TurningEngine
from rythmiq_worker.frame import Frame
from rythmiq_worker.picture import Picture
from rythmiq_worker.stages.enhance import enhance
from tests.bench.ocr import error_rate, normal
from tests.data.own_files import own_portraits
from tests.data.page_defects import DEFECTS, Defect, Pixels, pages
from tests.data.portraits import portraits
from tests.data.turned_pages import textless, upright_pages
from tests.unit.uploads import context

RAISED_TO = 0.10
MENDED_TO = 0.02
MENDED_SHARE = 3
MOST_HARM = 0.01
LEAST_UPRIGHT = 0.99
MOST_DELTA_E = 1.0
TURNED_PER_KIND = 10


@dataclass(frozen=True, slots=True)
class Read:
    """One page at one level: characters misread as it is, and mended; what was done to it."""

    page: str
    level: float
    raw: float
    mended: float
    operations: tuple[str, ...]

    @property
    def as_mended(self) -> bool:
        """Whether a page that could hardly be read can now."""
        return self.mended <= max(MENDED_TO, self.raw / MENDED_SHARE)

    def __str__(self) -> str:
        return f"{self.page} at {self.level:g}: {self.raw:.3f} to {self.mended:.3f}"


def mended(pixels: Pixels, kind: str = "document") -> tuple[Pixels, list[str]]:
    """A picture after ENHANCE, and what was done to it."""
    frame = Frame(pages=[Picture.from_image(Image.fromarray(pixels))])
    frame.kind = "photo" if kind == "photo" else "document"
    enhance(frame, context(kind=kind, rotate=0, crop=None, enhance="auto", color="rgb"))
    return np.ascontiguousarray(frame.pages[0].image()), [operation.op for operation in frame.operations]


def read_both(engine: TurningEngine, name: str, page: Page, defect: Defect, level: float) -> Read:
    """Read a spoilt page as it is, and as the worker does: mended and turned."""
    truth = normal(" ".join(page.lines))
    spoilt = np.ascontiguousarray(defect.spoil(np.asarray(page.image, np.uint8), level))
    pixels, operations = mended(spoilt)
    turned = engine.read_turned(pixels)
    if turned.turn is not None:
        operations.append(f"turn {turned.turn.degrees_clockwise}")
    as_it_is = engine.read(spoilt) if operations else turned.lines  # nothing was done: it is the same reading
    read = Read(
        name, level, error_rate(_text(as_it_is), truth), error_rate(_text(turned.lines), truth), tuple(operations)
    )
    print(f"  {defect.name}: {read} {', '.join(operations)}", file=sys.stderr)
    return read


def _text(lines: list[TextLine]) -> str:
    return " ".join(line.text for line in lines)


def defect_rows(engine: TurningEngine) -> list[dict[str, object]]:
    """Each defect on each page: the level at which it hurts, and the harm done wherever it does not."""
    rows: list[dict[str, object]] = []
    harm: list[tuple[str, Read]] = []
    for defect in DEFECTS:
        hurt: list[Read] = []
        for name, page in pages().items():
            for level in defect.levels:
                read = read_both(engine, name, page, defect, level)
                if defect.mended and read.raw >= RAISED_TO:
                    hurt.append(read)
                    break
                harm.append((defect.name, read))
        if defect.mended:
            rows.append(_mended_row(defect, hurt))
    name, worst = max(harm, key=lambda found: found[1].mended - found[1].raw)
    excess = worst.mended - worst.raw
    note = f"{name}, {worst}; of {len(harm)} pages at levels that do not hurt, or that nothing mends"
    rows.append(_row("CER, mended less raw, worst elsewhere", excess, f"<= {MOST_HARM}", excess <= MOST_HARM, note))
    return rows


def _mended_row(defect: Defect, hurt: list[Read]) -> dict[str, object]:
    what = f"{defect.name}: pages mended to max({MENDED_TO}, raw / {MENDED_SHARE})"
    if not hurt:
        return _row(what, 1.0, None, None, f"no level up to {defect.levels[-1]:g} hurts any page")
    share = sum(read.as_mended for read in hurt) / len(hurt)
    note = "; ".join(map(str, hurt))
    return _row(what, share, ">= 1", share >= 1, note)


def turned_rows(engine: TurningEngine, per_kind: int) -> list[dict[str, object]]:
    """Pages of many kinds, each turned four ways; and pictures without text."""
    wrong: dict[str, int] = {}
    upright = upright_pages(per_kind)
    for kind, image in upright:
        for quarter in range(4):  # np.rot90 turns anticlockwise, so that many clockwise bring it back
            turn = engine.read_turned(np.ascontiguousarray(np.rot90(np.asarray(image, np.uint8), quarter))).turn
            found = 0 if turn is None else turn.degrees_clockwise
            wrong[kind] = wrong.get(kind, 0) + (found != 90 * quarter)
        print(f"  {kind}: {wrong[kind]} wrong", file=sys.stderr)
    count = 4 * len(upright)
    share = 1 - sum(wrong.values()) / count
    kinds = ", ".join(f"{kind} {number}" for kind, number in wrong.items() if number) or "none"
    left = {name: engine.read_turned(pixels).turn for name, pixels in textless().items()}
    moved = [name for name, turn in left.items() if turn is not None]
    return [
        _row(
            "turned pages set upright",
            share,
            f">= {LEAST_UPRIGHT}",
            share >= LEAST_UPRIGHT,
            f"of {count}, {len(wrong)} kinds; wrong: {kinds}",
        ),
        _row(
            "pictures without text that were turned",
            len(moved),
            "<= 0",
            not moved,
            f"of {len(left)}{': ' * bool(moved)}{', '.join(moved)}",
        ),
    ]


def portrait_row() -> dict[str, object]:
    """Mean CIEDE2000 of ENHANCE on portraits."""
    changes = {}
    for sample in own_portraits() or portraits():
        before = np.asarray(sample.image.reduce(max(1, max(sample.image.size) // 800)), np.uint8)
        after, _ = mended(before, "photo")
        changes[sample.name] = float(np.mean(deltaE_ciede2000(rgb2lab(before), rgb2lab(after))))
    worst = max(changes, key=lambda name: changes[name])
    what = "mean CIEDE2000 of a portrait after ENHANCE, worst picture"
    return _row(what, changes[worst], f"< {MOST_DELTA_E:g}", changes[worst] < MOST_DELTA_E, worst)


def _row(what: str, measured: float, bar: str | None, holds: bool | None, note: str) -> dict[str, object]:  # noqa: FBT001  a row's columns
    return {"what": what, "measured": round(measured, 4), "bar": bar, "unit": None, "holds": holds, "note": note}


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turned", type=int, default=TURNED_PER_KIND, metavar="N", help="pages a kind (default 10)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    engine = rapidocr.load()
    print(json.dumps([*defect_rows(engine), *turned_rows(engine, given.turned), portrait_row()]))


if __name__ == "__main__":
    main()
