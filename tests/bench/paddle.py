"""The default engine, and the PaddleOCR engine, against PaddleOCR as it comes: CPU, memory, and what is read.

All sides read the same JPEG files with the same networks. PaddleOCR runs with its defaults (detector from 64 up to 4000
pixels, threads as its runtimes choose), but for the models that are not here: orientation of pages and of lines, and
unwarping, which are off. It is measured on ONNX Runtime and, on the card alone, on its own default engine, Paddle with
oneDNN, for which the networks are converted: on the densest page that takes 17 GB.

Run where PaddleOCR is installed: `make bench-paddle` writes the section of docs/benchmarks.md,
`python -m tests.bench.paddle [--pages N] [--runs N] [--only cold,text]` prints one JSON list of rows.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rythmiq_worker.engines import ModelChoice, OcrEngine, paddle, rapidocr
from tests.bench.measuring import Spent, run_process
from tests.bench.ocr import LIMIT_S, LONG_LINES, Sheet, error_rate, large_of, row, write_sheets
from tests.paddle import models

PARTS = ("cold", "text")
MAX_CPU_RATIO = 0.20
MAX_DIFFERENCE = 0.001
OURS: Mapping[str, str] = {"default engine": "rapidocr", "PaddleOCR engine": "paddleocr"}
THEIRS: Mapping[str, str | None] = {"onnx": "onnxruntime", "paddle": None}


def ours(engine: str, path: Path, folder: Path) -> None:
    """Read one file as the worker's DECODE and OCR stages do."""
    from rythmiq_worker.decode.picture import open_pages  # noqa: PLC0415  ditto
    from rythmiq_worker.engines.child import read_page, write_frame  # noqa: PLC0415  belongs to what is measured

    page = open_pages(path.read_bytes(), max_pixels=80_000_000, max_pages=1, first_only=True).pages[0]
    with write_frame(page.image()) as frame:
        page.release()
        if not read_page(frame, timeout_s=LIMIT_S, engine=engine, models=ModelChoice("en", folder)).lines:
            raise SystemExit("no text")


def theirs(engine: str | None, path: Path, folder: Path) -> None:
    """Read one file with PaddleOCR as it comes."""
    from paddleocr import PaddleOCR  # noqa: PLC0415  belongs to what is measured

    detection, recognition = paddle.DETECTION, paddle.RECOGNITION["en"]
    (found,) = PaddleOCR(
        text_detection_model_name=detection,
        text_detection_model_dir=str(folder / detection),
        text_recognition_model_name=recognition,
        text_recognition_model_dir=str(folder / recognition),
        use_doc_orientation_classify=False,
        use_doc_unwarping=False,
        use_textline_orientation=False,
        engine=engine,
    ).predict(str(path))
    if not found["rec_texts"]:
        raise SystemExit("no text")


def read(side: str, path: Path, folder: Path) -> None:
    """Read one file with one side."""
    if side in OURS:
        ours(OURS[side], path, folder)
    else:
        with paddle.one_opencv():
            theirs(THEIRS[side], path, folder)


def cold(side: str, sheet: Sheet, folder: Path) -> Spent:
    """CPU and memory of a process that reads one file."""
    return run_process(
        [sys.executable, "-m", "tests.bench.paddle", "--read", side, str(sheet.path), str(folder)],
        environ={**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True"},
    )


def cold_rows(sheets: Sequence[Sheet], folders: Mapping[str, Path], runs: int) -> list[dict[str, Any]]:
    """CPU from process start to exit on the sparsest and the densest picture of 12 MP, the least of some runs."""
    large = sorted(large_of(sheets), key=lambda sheet: len(sheet.truth))
    rows = []
    for name, sheet in {"card": large[0], "dense page": large[-1]}.items():
        rivals = [side for side in THEIRS if side != "paddle" or name == "card"]
        spent: dict[str, list[Spent]] = {side: [] for side in (*OURS, *rivals)}
        for _ in range(runs):
            for side, found in spent.items():
                found.append(cold(side, sheet, folders.get(side, folders["onnx"])))
                print(f"  {sheet.name}: {side} {found[-1]}", file=sys.stderr)
        cpu_s = {side: min(one.cpu_s for one in found) for side, found in spent.items()}
        peak_mb = {side: max(one.peak_mb for one in found) for side, found in spent.items()}
        for rival in rivals:
            engine = "on Paddle" if rival == "paddle" else "on ONNX Runtime"
            for side in OURS:
                ratio = round(cpu_s[side] / cpu_s[rival], 3)
                bar = MAX_CPU_RATIO if side == "default engine" else None
                note = (
                    f"{sheet.name}: {cpu_s[side]:.1f} of {cpu_s[rival]:.1f} s, least of {runs}; "
                    f"largest process {peak_mb[side]:.0f} of {peak_mb[rival]:.0f} MB"
                )
                if bar is not None and ratio > bar:
                    note += f"; {LONG_LINES}"
                what = f"CPU, start to exit, 12 MP {name}, {side}, of PaddleOCR's defaults {engine}"
                rows.append(row(what, ratio, most=bar, note=note))
    return rows


def text_rows(sheets: Sequence[Sheet], folder: Path) -> list[dict[str, Any]]:
    """How far the PaddleOCR engine's text is from the default engine's, and both from the truth."""
    import numpy as np  # noqa: PLC0415  after the processes that are measured
    from PIL import Image  # noqa: PLC0415  ditto

    engines: dict[str, OcrEngine] = {"default": rapidocr.load(), "paddle": paddle.load(ModelChoice("en", folder))}
    rates: dict[str, list[float]] = {name: [] for name in engines}
    apart: list[float] = []
    for sheet in sheets:
        pixels = np.asarray(Image.open(sheet.path).convert("RGB"))
        text = {name: " ".join(line.text for line in engine.read(pixels)) for name, engine in engines.items()}
        for name, found in text.items():
            rates[name].append(error_rate(found, sheet.truth))
        apart.append(error_rate(text["paddle"], text["default"]))
        print(f"  {sheet.name}: {apart[-1]:.4f} apart", file=sys.stderr)
    cer = {name: sum(values) / len(values) for name, values in rates.items()}
    worst = max(range(len(sheets)), key=lambda index: apart[index])
    note = (
        f"mean of {len(sheets)} pictures, {apart.count(0.0)} the same to the letter; worst {apart[worst]:.4f}, "
        f"{sheets[worst].name}; CER {cer['paddle']:.4f} and {cer['default']:.4f}"
    )
    what = "characters of the PaddleOCR engine that differ from the default engine's"
    return [row(what, round(sum(apart) / len(apart), 5), most=MAX_DIFFERENCE, note=note)]


def main() -> None:
    """Print the rows as one JSON list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=20, metavar="N", help="how many pictures (default 20)")
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="cold runs a side (default 2)")
    parser.add_argument("--only", default=",".join(PARTS), help="some of cold,text")
    parser.add_argument("--read", nargs=3, metavar=("SIDE", "FILE", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        side, path, folder = given.read
        read(side, Path(path), Path(folder))
        return
    with tempfile.TemporaryDirectory() as scratch:
        onnx = models.onnx_models(Path(scratch, "onnx"))
        sheets = write_sheets("tests.data.pages", given.pages, Path(scratch))
        rows: list[dict[str, Any]] = []
        if "cold" in given.only:
            folders = {"onnx": onnx, "paddle": models.paddle_models(Path(scratch, "paddle"), onnx)}
            rows += cold_rows(sheets, folders, given.runs)
        if "text" in given.only:
            rows += text_rows(sheets, onnx)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
