"""What ENHANCE does for reading: characters misread before and after, and never worse than nothing.

A defect's level rises until our engine misreads a tenth of the page; there it must be mended. Everywhere else, reading
must not suffer. And portraits are left alone.

`python -m tests.bench.enhance` prints one JSON list of rows.
"""

import json
import sys
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from rythmiq_worker.engines import TextLine, TurningEngine, rapidocr
from rythmiq_worker.stages.enhance import enhance
from tests.bench.ocr import error_rate, normal
from tests.data.own_files import own_portraits
from tests.data.page_defects import DEFECTS, Defect, Pixels, pages
from tests.data.portraits import portraits
from tests.samples.pages import Page
from tests.support.uploads import context, decoded

RAISED_TO = 0.10
MENDED_TO = 0.02
MENDED_SHARE = 3
MOST_HARM = 0.01
MOST_DELTA_E = 1.0


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
    ctx = context(kind=kind, rotate=0, crop=None, enhance="auto", color="rgb")
    made = enhance(decoded(Image.fromarray(pixels)), "photo" if kind == "photo" else "document", ctx)
    done = [operation.op for operation in made.operations if operation.parameters.get("by") != "whole"]
    return np.ascontiguousarray(made.pages[0].image()), done


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
    rows.append(row("CER, mended less raw, worst elsewhere", excess, f"<= {MOST_HARM}", excess <= MOST_HARM, note))
    return rows


def _mended_row(defect: Defect, hurt: list[Read]) -> dict[str, object]:
    what = f"{defect.name}: pages mended to max({MENDED_TO}, raw / {MENDED_SHARE})"
    if not hurt:
        return row(what, 1.0, None, None, f"no level up to {defect.levels[-1]:g} hurts any page")
    share = sum(read.as_mended for read in hurt) / len(hurt)
    note = "; ".join(map(str, hurt))
    return row(what, share, ">= 1", share >= 1, note)


def portrait_row() -> dict[str, object]:
    """Mean CIEDE2000 of ENHANCE on portraits."""
    changes = {}
    for sample in own_portraits() or portraits():
        before = np.asarray(sample.image.reduce(max(1, max(sample.image.size) // 800)), np.uint8)
        after, _ = mended(before, "photo")
        changes[sample.name] = float(np.mean(deltaE_ciede2000(rgb2lab(before), rgb2lab(after))))
    worst = max(changes, key=lambda name: changes[name])
    what = "mean CIEDE2000 of a portrait after ENHANCE, worst picture"
    return row(what, changes[worst], f"< {MOST_DELTA_E:g}", changes[worst] < MOST_DELTA_E, worst)


def row(what: str, measured: float, bar: str | None, holds: bool | None, note: str) -> dict[str, object]:  # noqa: FBT001  a row's columns
    return {"what": what, "measured": round(measured, 4), "bar": bar, "unit": None, "holds": holds, "note": note}


def main() -> None:
    """Print the rows."""
    cv2.setNumThreads(1)
    print(json.dumps([*defect_rows(rapidocr.load()), portrait_row()]))


if __name__ == "__main__":
    main()
