"""A whole page, from its file to the document: what the search for pages and other scripts cost where none is needed.

A flat page is held against the tree before both came, the commit BEFORE; a page in Devanagari against one in English
with as many lines, as wide, in letters of one size: a few lines, and as many as a page holds. All of it by `rythmiq
conform`, which both trees have and which needs no store; a process's children count with it.

`python -m tests.bench.page_job [--rounds N]` prints one JSON list of rows.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.bench.measuring import run_process
from tests.bench.measuring_tree import peak_pss_mb
from tests.data.turned_pages import prose
from tests.samples.camera import Shot, photograph
from tests.samples.pages import marksheet

ROOT = Path(__file__).parents[2]
BEFORE = "067c99f"
ROUNDS = 5
LINES = 14
DENSE = 56
MOST_OF_BEFORE = 1.05
MOST_OF_ENGLISH = 2.5
MOST_PSS_MB = 700.0
_START = "from rythmiq_cli import main; getattr(main, 'main', main)()"  # before, a module of that name
_ROOMS = ("core", "layers/worker", "infra/cli")


def tree_before(folder: Path) -> Path:
    """Unpack the packages of the commit BEFORE."""
    command = ["git", "archive", BEFORE, *_ROOMS]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def command_of(page: Path, out: Path) -> list[str]:
    """The command that makes a document of a page and reads it."""
    slot = ["--portal", "college-generic", "--slot", "document"]
    return [sys.executable, "-c", _START, "conform", str(page), *slot, "-o", str(out), "--json"]


def environ_of(tree: Path) -> dict[str, str]:
    """The environment in which a tree's packages are imported."""
    paths = os.pathsep.join(str(tree / room) for room in _ROOMS)
    return os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}


def spent_s(runs: Mapping[str, tuple[Path, Path]], out: Path, rounds: int) -> dict[str, list[float]]:
    """The CPU of each run (a page, and the tree that makes it) in every round, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, (page, tree) in runs.items():
            spent[name].append(run_process(command_of(page, out), environ=environ_of(tree)).cpu_s)
        print(f"  round {number + 1} of {rounds}", file=sys.stderr)
    return spent


def _saved(image: Image.Image, path: Path) -> Path:
    image.save(path, quality=92)
    return path


def _ratio_row(what: str, over: list[float], under: list[float], most: float, note: str) -> dict[str, object]:
    ratio = min(over) / min(under)
    middle = statistics.median(one / other for one, other in zip(over, under, strict=True))
    return {
        "what": what,
        "measured": round(ratio, 3),
        "bar": f"<= {most:g}",
        "unit": None,
        "holds": ratio <= most,
        "note": f"{note}: {min(over):.2f} and {min(under):.2f} s; least of {len(over)} runs each, "
        f"median of the pairs {middle:.3f}",
    }


def rows(rounds: int) -> list[dict[str, object]]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        old, out = tree_before(place / "before"), place / "out"
        drawn = _saved(marksheet(6, 1200).image, place / "scan.jpg")
        seen = _saved(photograph(marksheet(6, 1200).image, Shot(size_px=(3000, 4000)), seed=3), place / "photo.jpg")
        english = _saved(prose(4, LINES, in_hindi=False), place / "english.jpg")
        hindi = _saved(prose(4, LINES, in_hindi=True), place / "hindi.jpg")
        dense_english = _saved(prose(4, DENSE, in_hindi=False), place / "dense-english.jpg")
        dense_hindi = _saved(prose(4, DENSE, in_hindi=True), place / "dense-hindi.jpg")
        runs = {
            "scan": (drawn, ROOT),
            "scan before": (drawn, old),
            "photo": (seen, ROOT),
            "photo before": (seen, old),
            "english": (english, ROOT),
            "hindi": (hindi, ROOT),
            "dense english": (dense_english, ROOT),
            "dense hindi": (dense_hindi, ROOT),
        }
        spent = spent_s(runs, out, rounds)
        large = _saved(prose(5, LINES, in_hindi=True).resize((3500, 3290)), place / "large.jpg")
        pss_mb = peak_pss_mb(command_of(large, out), stdin=b"", environ=environ_of(ROOT))
    before = f"CPU of a flat page's job, start to exit, over that of {BEFORE}"
    return [
        _ratio_row(f"{before}, scan", spent["scan"], spent["scan before"], MOST_OF_BEFORE, "a marksheet"),
        _ratio_row(f"{before}, photo", spent["photo"], spent["photo before"], MOST_OF_BEFORE, "the same, of 12 MP"),
        *(
            _ratio_row(
                f"CPU of a page in Devanagari over the same in English, {lines} lines",
                spent[f"{which}hindi"],
                spent[f"{which}english"],
                MOST_OF_ENGLISH,
                "drawn",
            )
            for which, lines in (("", LINES), ("dense ", DENSE))
        ),
        {
            "what": "peak of the summed proportional set sizes, page of 12 MP in Devanagari",
            "measured": round(pss_mb, 1),
            "bar": f"<= {MOST_PSS_MB:g}",
            "unit": "MB",
            "holds": pss_mb <= MOST_PSS_MB,
            "note": f"{LINES} lines; parent and children, read as often as could be",
        },
    ]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"runs of each (default {ROUNDS})")
    print(json.dumps(rows(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
