"""Text recognition against RapidOCR's own defaults, in one run: CPU of whole processes, characters misread, memory.

Both sides read the same JPEG files. The character error rate (CER) of a page is the Levenshtein distance over the
length of the truth, of the lines joined in reading order by one space, every run of white space made one space. Both
sides' boxes are put in order by the same code, so that only reading is compared.

Hindi is read by ours alone, because RapidOCR's defaults know no Devanagari.

`python -m tests.bench.ocr [--pages N] [--runs N] [--only cold,memory,cer,hindi]` prints one JSON list of rows.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rythmiq_worker.walls.sibling import ENVIRONMENT
from tests.data.own_files import own_pages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
PARTS = ("cold", "memory", "cer", "hindi")
TWELVE_MEGAPIXELS = 11_500_000
SAMPLE_EVERY_S = 0.01
MAX_COLD_RATIO = 0.30
MAX_WARM_RATIO = 0.33
MAX_CER_EXCESS = 0.002
MAX_PSS_MB = 600
MAX_HINDI_CER = 0.02
MAX_CARD_CER = 0.03
LIMIT_S = 600.0
LONG_LINES = "long lines, which the other side hardly pads either, so that both do nearly the same arithmetic"
"""Why a page full of prose gains less than a card or a table: docs/decisions.md."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One picture on disk with its truth: words and white space, in reading order."""

    name: str
    path: Path
    truth: str
    pixels: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and all it waited for used: CPU seconds, and the largest sum of PSS in MB (None: not sampled)."""

    cpu_s: float
    pss_mb: float | None


# --- what is compared --------------------------------------------------------


def ours(path: Path) -> None:
    """Read one file as the worker's DECODE and OCR stages do."""
    from rythmiq_worker.decode.picture import open_pages  # noqa: PLC0415  ditto
    from rythmiq_worker.engines.child import read_page, write_frame  # noqa: PLC0415  belongs to what is measured

    page = open_pages(path.read_bytes(), max_pixels=80_000_000, max_pages=1, first_only=True).pages[0]
    with write_frame(page.image()) as frame:
        page.release()
        if not read_page(frame, timeout_s=LIMIT_S).lines:
            raise SystemExit("no text")


def theirs(path: Path) -> None:
    """Read one file with RapidOCR as it comes."""
    from rapidocr import RapidOCR  # noqa: PLC0415  belongs to what is measured

    found: Any = RapidOCR()(str(path))
    if not found.txts:
        raise SystemExit("no text")


def read_ours(paths: Sequence[Path]) -> list[tuple[str, float]]:
    """Our text of each file and the CPU seconds it took, models loaded."""
    import numpy as np  # noqa: PLC0415  as above
    from PIL import Image  # noqa: PLC0415  as above

    from rythmiq_worker.engines import rapidocr  # noqa: PLC0415  as above

    engine = rapidocr.load()

    def read(path: Path) -> str:
        lines = engine.read(np.asarray(Image.open(path).convert("RGB")))
        return joined([line.text for line in lines], np.array([line.quad for line in lines], np.float32))

    return [_timed(read, path) for path in paths]


def read_theirs(paths: Sequence[Path]) -> list[tuple[str, float]]:
    """RapidOCR's text of each file and the CPU seconds it took, models loaded."""
    import numpy as np  # noqa: PLC0415  as above
    from rapidocr import RapidOCR  # noqa: PLC0415  as above

    engine = RapidOCR()

    def read(path: Path) -> str:
        found: Any = engine(str(path))
        if found.txts is None:
            return ""
        return joined(list(found.txts), np.array(found.boxes, np.float32))

    return [_timed(read, path) for path in paths]


def _timed(read: Callable[[Path], str], path: Path) -> tuple[str, float]:
    start_s = time.process_time()
    text = read(path)
    print(f"  {path.name}", file=sys.stderr)
    return text, time.process_time() - start_s


SIDES: dict[str, Callable[[Path], None]] = {"ours": ours, "theirs": theirs}
READERS: dict[str, Callable[[Sequence[Path]], list[tuple[str, float]]]] = {"ours": read_ours, "theirs": read_theirs}


# --- text --------------------------------------------------------------------


def joined(texts: Sequence[str], quads: "NDArray[np.float32]") -> str:
    """Lines in reading order, joined by one space."""
    from rythmiq_worker.engines.layout import reading_order  # noqa: PLC0415  brings numpy

    return normal(" ".join(texts[index] for index in reading_order(quads.reshape(-1, 4, 2))))


def normal(text: str) -> str:
    """The text with every run of white space made one space, and none at its ends."""
    return " ".join(text.split())


def edit_distance(text: str, other: str) -> int:
    """Levenshtein's distance, by Myers' bit vectors (1999) in the form of Hyyro (2003): one big integer a column."""
    if not text:
        return len(other)
    places: dict[str, int] = {}
    for place, character in enumerate(text):
        places[character] = places.get(character, 0) | 1 << place
    whole, last = (1 << len(text)) - 1, 1 << (len(text) - 1)
    plus, minus, distance = whole, 0, len(text)
    for character in other:
        match = places.get(character, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        rise, fall = minus | ~(diagonal | plus) & whole, plus & diagonal
        distance += bool(rise & last) - bool(fall & last)
        rise, fall = (rise << 1 | 1) & whole, fall << 1 & whole
        plus, minus = fall | ~(diagonal | rise) & whole, rise & diagonal
    return distance


def error_rate(text: str, truth: str) -> float:
    """Characters to change, per character of the truth."""
    return edit_distance(normal(text), normal(truth)) / max(1, len(normal(truth)))


# --- processes ---------------------------------------------------------------


def run_cold(side: str, path: Path, *, sample: bool = False) -> Usage:
    """Run one side in a fresh process and take what it used, its children included."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.ocr", "--read", side, str(path)], cwd=ROOT)
    peak_mb = 0.0
    while sample:
        peak_mb = max(peak_mb, pss_mb(process.pid))
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(SAMPLE_EVERY_S)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{side} failed on {path.name}")
    return Usage(used.ru_utime + used.ru_stime, peak_mb if sample else None)


def pss_mb(pid: int) -> float:
    """Proportional set size of a process and its descendants now; shared pages count once."""
    total = 0.0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(pss_mb(int(child)) for child in (task / "children").read_text(encoding="ascii").split())
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended meanwhile
    return total


# --- rows --------------------------------------------------------------------


def row(what: str, measured: float, *, most: float | None = None, unit: str | None = None, note: str) -> dict[str, Any]:
    """One row of the benchmark; `most` is the bar."""
    return {
        "what": what,
        "measured": measured,
        "bar": None if most is None else f"<= {most:g}",
        "unit": unit,
        "holds": None if most is None else measured <= most,
        "note": note,
    }


def cold_rows(sheets: Sequence[Sheet], runs: int, *, most: float | None = MAX_COLD_RATIO) -> list[dict[str, Any]]:
    """CPU from process start to exit on the sparsest and the densest picture of 12 MP, the least of some runs."""
    large = large_of(sheets)
    chosen = {"card": min(large, key=_letters), "dense page": max(large, key=_letters)}
    rows = []
    for name, sheet in chosen.items():
        least = {side: [] for side in SIDES}  # type: dict[str, list[float]]
        for _ in range(runs):
            for side, seconds in least.items():
                seconds.append(run_cold(side, sheet.path).cpu_s)
        mine, other = min(least["ours"]), min(least["theirs"])
        ratio = round(mine / other, 3)
        note = f"{sheet.name}, {_letters(sheet)} characters: {mine:.1f} of {other:.1f} s, least of {runs}"
        if most is not None and ratio > most:
            note += f"; {LONG_LINES}"
        rows.append(row(f"CPU, start to exit, 12 MP {name}, of RapidOCR's", ratio, most=most, note=note))
    return rows


def memory_rows(sheets: Sequence[Sheet]) -> list[dict[str, Any]]:
    """Peak of parent and child together on the densest picture of 12 MP, and on those that take the closest look."""
    large = large_of(sheets)
    densest = max(large, key=_letters)
    rows = []
    for name, sheet in (("densest", densest), *(("distant", sheet) for sheet in large if "-far-" in sheet.name)):
        mine, other = (run_cold(side, sheet.path, sample=True).pss_mb for side in ("ours", "theirs"))
        note = f"{sheet.name}, {_letters(sheet)} characters; RapidOCR {other:.0f} MB"
        what = f"PSS of parent and child, {name} 12 MP page"
        rows.append(row(what, round(mine or 0), most=MAX_PSS_MB, unit="MB", note=note))
    return rows


@dataclass(frozen=True, slots=True)
class Read:
    """One picture as one side read it, models loaded."""

    error_rate: float
    cpu_s: float


def compared(sheets: Sequence[Sheet]) -> tuple[list[Read], list[Read]]:
    """Every picture as ours and as theirs read it, each side in a process of its own."""
    sides = []
    for side in READERS:
        print(f"{side} reads {len(sheets)} pictures", file=sys.stderr)
        command = [sys.executable, "-m", "tests.bench.ocr", "--read-all", side]
        done = subprocess.run(
            [*command, *(str(sheet.path) for sheet in sheets)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            env=os.environ | (dict(ENVIRONMENT) if side == "ours" else {}),
        )
        answers = json.loads(done.stdout.splitlines()[-1])
        sides.append(
            [Read(error_rate(text, sheet.truth), cpu_s) for (text, cpu_s), sheet in zip(answers, sheets, strict=True)]
        )
    for sheet, mine, other in zip(sheets, *sides, strict=True):
        print(f"  {sheet.name}: ours {mine.error_rate:.4f}, RapidOCR {other.error_rate:.4f}", file=sys.stderr)
    return sides[0], sides[1]


def cer_rows(sheets: Sequence[Sheet], *, most_warm: float = MAX_WARM_RATIO) -> list[dict[str, Any]]:
    """Characters misread on every picture, both sides; and the CPU of it with models loaded."""
    ours, theirs = compared(sheets)
    mine, other = (sum(read.error_rate for read in side) / len(side) for side in (ours, theirs))
    excess = [one.error_rate - another.error_rate for one, another in zip(ours, theirs, strict=True)]
    worst = max(range(len(sheets)), key=lambda index: excess[index])
    large = large_of(sheets)
    at = [index for index, sheet in enumerate(sheets) if sheet in large]
    mine_s, other_s = (sum(side[index].cpu_s for index in at) for side in (ours, theirs))
    ratio, note = round(mine_s / other_s, 3), f"{len(at)} pictures: {mine_s:.0f} of {other_s:.0f} s"
    if ratio > most_warm:
        note += f"; one in four is a letter: {LONG_LINES}"
    return [
        row(
            "CER, mean difference to RapidOCR's",
            round(mine - other, 4),
            most=MAX_CER_EXCESS,
            note=f"mean of {len(sheets)} pictures: ours {mine:.4f}, RapidOCR {other:.4f}",
        ),
        row("CER, worst picture's difference", round(excess[worst], 4), note=sheets[worst].name),
        row("CPU, models loaded, pictures of 12 MP, of RapidOCR's", ratio, most=most_warm, note=note),
    ]


def hindi_rows() -> list[dict[str, Any]]:
    """Characters misread on drawn pages in Hindi, and on a card in two scripts; none without Tesseract's data."""
    import numpy as np  # noqa: PLC0415  the parent of the cold runs stays light

    from rythmiq_worker.engines import rapidocr  # noqa: PLC0415  ditto
    from rythmiq_worker.engines.tesseract import folder_of  # noqa: PLC0415  ditto
    from tests.data.hindi_pages import SIZES_PX, card, form  # noqa: PLC0415  ditto

    if folder_of(("eng", "hin")) is None:
        return []
    engine = rapidocr.load()
    rows = []
    for what, draw, most in (("a form in Hindi", form, MAX_HINDI_CER), ("a card in two scripts", card, MAX_CARD_CER)):
        rates = []
        for size_px in SIZES_PX:
            page = draw(size_px)
            text = " ".join(line.text for line in engine.read_turned(np.asarray(page.image)).lines)
            rates.append(error_rate(text, " ".join(page.lines)))
        told = ", ".join(f"{size_px} px: {rate:.4f}" for size_px, rate in zip(SIZES_PX, rates, strict=True))
        rows.append(row(f"CER, {what}, worst", round(max(rates), 4), most=most, note=f"letters of {told}"))
    return rows


def _letters(sheet: Sheet) -> int:
    return len(sheet.truth)


def write_sheets(module: str, count: int, folder: Path) -> list[Sheet]:
    """Put the pictures with known text on disk: the user's own, where there are some.

    Raises:
        SystemExit: none of the user's has a text beside it.
    """
    own = own_pages()
    pages = [page for page in own if page.lines] if own else importlib.import_module(module).ocr_pages(count)
    if not pages:
        raise SystemExit("No page in RYTHMIQ_PAGES has its text in a .txt of the same name.")
    return [
        Sheet(page.name, write(folder / f"{page.name}.jpg", page.jpeg), normal(" ".join(page.lines)), page.pixels)
        for page in pages
    ]


def large_of(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Those of 12 MP and more; all, where there are none."""
    return [sheet for sheet in sheets if sheet.pixels >= TWELVE_MEGAPIXELS] or list(sheets)


def write(path: Path, data: bytes) -> Path:
    """Write a file and say where."""
    path.write_bytes(data)
    return path


def main() -> None:
    """Print the rows as one JSON list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=40, metavar="N", help="how many pictures (default 40)")
    parser.add_argument("--runs", type=int, default=2, metavar="N", help="cold runs a side (default 2)")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--from", dest="module", default="tests.data.pages", help="module with ocr_pages(n)")
    parser.add_argument("--read", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--read-all", nargs="+", metavar="SIDE FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        SIDES[given.read[0]](Path(given.read[1]))
        return
    if given.read_all:
        print(json.dumps(READERS[given.read_all[0]]([Path(name) for name in given.read_all[1:]])))
        return
    parts = given.only.split(",")
    with tempfile.TemporaryDirectory() as folder:
        sheets = write_sheets(given.module, given.pages, Path(folder))
        rows: list[dict[str, Any]] = []
        if "cold" in parts:
            rows += cold_rows(sheets, given.runs)
        if "memory" in parts:
            rows += memory_rows(sheets)
        if "cer" in parts:
            rows += cer_rows(sheets)
    if "hindi" in parts:
        rows += hindi_rows()
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
