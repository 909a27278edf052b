"""The hard set (tests/data/hard_pages.py) against RapidOCR's own defaults: CPU cold and warm, and characters misread.

And whether our confidence is what it says: the share of a line's letters that are right. That takes pages that are
misread, so it is measured on the same set once more, damaged.

`python -m tests.bench.ocr_hard [--pages N] [--runs N]` prints one JSON list of rows.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.engines import rapidocr
from tests.bench.ocr import TWELVE_MEGAPIXELS, Sheet, compared, large_of, normal, row, run_cold, write_sheets
from tests.data.hard_pages import damaged_pages
from tests.data.own_files import own_pages
from tests.data.pages import PagePhoto

Values = NDArray[np.float64]

MAX_CER_EXCESS = 0.002
MAX_CER_FROM_AFAR = 0.05
MAX_WARM_RATIO = 0.33
MAX_COLD_RATIO = 0.30
COLD = ("id-card-plain", "grade-sheet-angled", "hall-ticket-plain")
FROM_AFAR = ("-distant-", "-tiny-")
MAX_CALIBRATION_ERROR = 0.02
BINS = 10


def main() -> None:
    """Measure, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=48, metavar="N", help="how many pictures (default 48)")
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="cold runs a side (default 2)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sheets = write_sheets("tests.data.hard_pages", given.pages, Path(folder))
        rows = [*_cold(sheets, given.runs), *_warm(sheets)]
    if not own_pages():
        rows += _calibration(damaged_pages())
    print(json.dumps(rows))


def _cold(sheets: list[Sheet], runs: int) -> list[dict[str, object]]:
    rows = []
    large = [sheet for sheet in sheets if sheet.name.startswith(COLD) and sheet.pixels >= TWELVE_MEGAPIXELS]
    for sheet in large or large_of(sheets)[:1]:
        pairs = [(run_cold("ours", sheet.path).cpu_s, run_cold("theirs", sheet.path).cpu_s) for _ in range(runs)]
        mine, other = (min(pair[side] for pair in pairs) for side in (0, 1))
        note = f"{sheet.name}, {len(sheet.truth)} characters: {mine:.1f} of {other:.1f} s, least of {runs}"
        what = f"CPU, start to exit, {sheet.name.rpartition('-12mp')[0]}, of RapidOCR's"
        rows.append(row(what, round(mine / other, 3), most=MAX_COLD_RATIO, note=note))
    return rows


def _warm(sheets: list[Sheet]) -> list[dict[str, object]]:
    ours, theirs = compared(sheets)
    large = [index for index, sheet in enumerate(sheets) if sheet in large_of(sheets)]
    mine, other = (sum(side[index].cpu_s for index in large) for side in (ours, theirs))
    means = [sum(read.error_rate for read in side) / len(side) for side in (ours, theirs)]
    afar = [index for index, sheet in enumerate(sheets) if any(word in sheet.name for word in FROM_AFAR)]
    afar = afar or list(range(len(sheets)))
    worst = max(afar, key=lambda index: ours[index].error_rate)
    return [
        row(
            "CPU, models loaded, pictures of 12 MP, of RapidOCR's",
            round(mine / other, 3),
            most=MAX_WARM_RATIO,
            note=f"{len(large)} pictures: {mine:.0f} of {other:.0f} s",
        ),
        row(
            "CER, mean difference to RapidOCR's",
            round(means[0] - means[1], 4),
            most=MAX_CER_EXCESS,
            note=f"mean of {len(sheets)} pictures: ours {means[0]:.4f}, RapidOCR {means[1]:.4f}",
        ),
        row(
            "CER, worst page from afar or small card",
            round(ours[worst].error_rate, 4),
            most=MAX_CER_FROM_AFAR,
            note=f"{sheets[worst].name}, of {len(afar)}; RapidOCR {theirs[worst].error_rate:.4f} there",
        ),
    ]


def _calibration(pages: Sequence[PagePhoto]) -> list[dict[str, object]]:
    """Confidence against the share of letters that are right, over all lines; each line weighs as its letters do."""
    engine = rapidocr.load()
    said, right, letters = [], [], []
    for page in pages:
        truth = " ".join(normal(line) for line in page.lines)
        for line in engine.read(np.asarray(page.image)):
            text = normal(line.text)
            said.append(line.confidence)
            right.append(max(0.0, 1 - distance_within(text, truth) / len(text)))
            letters.append(len(text))
    error = calibration_error(np.array(said), np.array(right), np.array(letters))
    share = np.average(right, weights=letters)
    note = f"{len(said)} lines of {len(pages)} damaged pictures; {share:.1%} of their letters are right"
    what = f"confidence less the share of right letters, mean over {BINS} bins (expected calibration error)"
    return [row(what, round(error, 4), most=MAX_CALIBRATION_ERROR, note=note)]


def calibration_error(said: Values, right: Values, weights: Values) -> float:
    """The expected calibration error (Naeini et al., 2015): the bins' differences, weighed by what is in them."""
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in set(bins.tolist()):
        chosen = bins == number
        error += abs(float(((said[chosen] - right[chosen]) * weights[chosen]).sum()))
    return float(error / weights.sum())


def distance_within(text: str, whole: str) -> int:
    """The edit distance to the part of a text that is most like another (Sellers, 1980)."""
    row_before = [0] * (len(whole) + 1)
    for place, character in enumerate(text, 1):
        row_now = [place]
        for column, wanted in enumerate(whole, 1):
            nearest = min(row_before[column] + 1, row_now[-1] + 1, row_before[column - 1] + (character != wanted))
            row_now.append(nearest)
        row_before = row_now
    return min(row_before)


if __name__ == "__main__":
    main()
