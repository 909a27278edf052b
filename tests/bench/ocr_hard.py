"""The hard set (tests/data/hard_pages.py) against RapidOCR's own defaults: CPU cold and warm, and characters misread.

`python -m tests.bench.ocr_hard [--pages N] [--runs N]` prints one JSON list of rows.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tests.bench.ocr import TWELVE_MEGAPIXELS, Sheet, compared, row, run_cold, write_sheets

MAX_CER_EXCESS = 0.002
MAX_CER_FROM_AFAR = 0.05
MAX_WARM_RATIO = 0.33
MAX_COLD_RATIO = 0.30
COLD = ("id-card-plain", "grade-sheet-angled", "hall-ticket-plain")
FROM_AFAR = ("-distant-", "-tiny-")


def main() -> None:
    """Measure, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=48, metavar="N", help="how many pictures (default 48)")
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="cold runs a side (default 2)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sheets = write_sheets("tests.data.hard_pages", given.pages, Path(folder))
        print(json.dumps([*_cold(sheets, given.runs), *_warm(sheets)]))


def _cold(sheets: list[Sheet], runs: int) -> list[dict[str, object]]:
    rows = []
    for sheet in (sheet for sheet in sheets if sheet.name.startswith(COLD) and sheet.pixels >= TWELVE_MEGAPIXELS):
        pairs = [(run_cold("ours", sheet.path).cpu_s, run_cold("theirs", sheet.path).cpu_s) for _ in range(runs)]
        mine, other = (min(pair[side] for pair in pairs) for side in (0, 1))
        note = f"{sheet.name}, {len(sheet.truth)} characters: {mine:.1f} of {other:.1f} s, least of {runs}"
        what = f"CPU, start to exit, {sheet.name.rpartition('-12mp')[0]}, of RapidOCR's"
        rows.append(row(what, round(mine / other, 3), most=MAX_COLD_RATIO, note=note))
    return rows


def _warm(sheets: list[Sheet]) -> list[dict[str, object]]:
    ours, theirs = compared(sheets)
    large = [index for index, sheet in enumerate(sheets) if sheet.pixels >= TWELVE_MEGAPIXELS]
    mine, other = (sum(side[index].cpu_s for index in large) for side in (ours, theirs))
    means = [sum(read.error_rate for read in side) / len(side) for side in (ours, theirs)]
    afar = [index for index, sheet in enumerate(sheets) if any(word in sheet.name for word in FROM_AFAR)]
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


if __name__ == "__main__":
    main()
