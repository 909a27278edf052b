"""The pictures of `ocr`, on OpenVINO in bfloat16, against RapidOCR as it comes; no row where the CPU has no bfloat16.

In the environment of the PaddleOCR engine, which has OpenVINO; the worker takes it by itself where it gains something.
"""

import json
import sys
import tempfile
from pathlib import Path

from rythmiq_worker.engines.models import is_worth_trying
from tests.bench import ocr

MAX_WARM_RATIO = 0.25
PAGES, RUNS = 40, 3


def main() -> None:
    """Print the rows as one JSON list."""
    rows = []
    if is_worth_trying():
        with tempfile.TemporaryDirectory() as folder:
            sheets = ocr.write_sheets("tests.data.pages", PAGES, Path(folder))
            rows = [
                *ocr.cold_rows(sheets, RUNS, most=None),  # OpenVINO itself starts in a third of a second
                *ocr.memory_rows(sheets),
                *ocr.cer_rows(sheets, most_warm=MAX_WARM_RATIO),
            ]
    else:
        print("ocr_bf16: this CPU has no bfloat16", file=sys.stderr)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
