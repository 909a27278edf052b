"""`make bench`: runs every benchmark in a process of its own and writes its section of docs/benchmarks.md.

Each benchmark is a module with a `main` that prints one JSON list of rows
`{"what", "measured", "bar", "unit", "holds", "note"}`; `bar` and `holds` are null for figures that have no bar.
`python -m tests.bench BENCH ...` runs some (`million` only so); the other sections stay as they were, each with its
date and commit.
With RYTHMIQ_PORTRAITS or RYTHMIQ_PAGES set they run on one's own files, and the page is printed but not written.
"""

import argparse
import datetime as dt
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.data.own_files import is_private

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BENCHES = {
    "conform": "the file that fits: bytes used, picture quality, CPU",
    "worker": "a whole job: CPU and memory",
    "page_job": "a page, read and made into a file: CPU and memory",
    "quality": "`quality_score` on graded pictures",
    "enhance": "what ENHANCE does for reading",
    "turn": "which way up a page lies",
    "ocr": "text against RapidOCR as it comes, on cards, marksheets, letters and small print",
    "ocr_hard": "text against RapidOCR as it comes, on the hard set",
    "ocr_bf16": "the same on OpenVINO in bfloat16, where the CPU has it",
    "cold_start": "the first call of a function, and the next ones, against boto3 and `supabase`",
    "database": "pages touched by calls of the database, as the table of jobs grows",
    "settle": "a webhook's settlement, over the SQL functions alone",
    "waiting": "when a client that waits learns of the end",
    "attack": "five accounts beside one at its worst",
    "scale": "a long time of service: queue, database, limits and cost",
    "million": "the same with a million jobs, when it is named",
    "people": "faces and heads on labelled real pictures",
    "pages": "pages on labelled real pictures: found, made flat, read",
    "paddle": "text against PaddleOCR as it comes, on the same networks",
}
"""Every benchmark and what its section is called."""
ELSEWHERE = dict.fromkeys(("ocr_bf16", "paddle"), ROOT / ".venv-paddle" / "bin" / "python")
"""Benchmarks that need an environment of their own."""
WHEN_NAMED = frozenset({"million"})
"""Benchmarks that take more than an hour."""
HEAD = """# Benchmarks

Made by `make bench`; do not edit. Each section says when, at which commit and on what it was measured.

Method: CPU time (user and system, children too) as ratios within one run, the least of several interleaved runs; memory
as the kernel's peak; picture quality against a full decode with LANCZOS; characters misread (CER) as edit distance over
the length of the truth. The pictures are in [test-pictures.md](test-pictures.md). A bar that does not hold says **no**,
and why.
"""
PACKAGES = ("pillow", "numpy", "opencv-python-headless", "onnxruntime", "rapidocr", "scikit-image")


def rows_of(bench: str) -> list[dict[str, object]]:
    """Run one benchmark; its progress goes to STDERR, its rows come back."""
    print(f"bench: {bench} ...", file=sys.stderr)
    python = ELSEWHERE.get(bench, Path(sys.executable))
    paths = os.pathsep.join(("core", "layers/worker", "infra/cli"))
    done = subprocess.run(
        [python, "-m", f"tests.bench.{bench}"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | ({"PYTHONPATH": paths} if bench in ELSEWHERE else {}),
    )
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def provenance() -> str:
    """When, of what and on what the figures are measured."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    return (
        f"{today}, commit {commit}, {os.cpu_count()} cores of {model}; Python {platform.python_version()}, {versions}."
    )


def section(bench: str, rows: list[dict[str, object]]) -> str:
    """The Markdown section of a benchmark."""
    lines = [f"## {bench}: {BENCHES[bench]}", "", provenance(), ""]
    lines += ["| what | measured | bar | holds | note |", "|---|---|---|---|---|"]
    for row in rows:
        holds = {True: "yes", False: "**no**", None: ""}[row.get("holds")]  # type: ignore[index]  # JSON's own three
        unit = f" {row['unit']}" if row.get("unit") else ""
        cells = (row["what"], f"{row['measured']}{unit}", row.get("bar") or "", holds, row.get("note") or "")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def page(sections: Mapping[str, str], before: str) -> str:
    """The page with new sections in place of its old ones, in the order of BENCHES."""
    kept = {part.partition(":")[0]: f"## {part}" for part in before.split("\n## ")[1:]}
    all_of_them = {name: text.rstrip("\n") + "\n" for name, text in {**kept, **sections}.items()}
    return "\n".join([HEAD, *(all_of_them[name] for name in BENCHES if name in all_of_them)])


def main() -> int:
    """Run the benchmarks; exit 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", nargs="*", metavar="BENCH", help=f"some of {', '.join(BENCHES)}; default: all")
    names = parser.parse_args().bench or [bench for bench in BENCHES if bench not in WHEN_NAMED]
    if unknown := set(names) - set(BENCHES):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    falls_short = False
    for name in names:
        rows = rows_of(name)
        if not rows:
            continue
        falls_short |= any(row.get("holds") is False for row in rows)
        text = section(name, rows)
        print(text)
        if not is_private():
            before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
            PAGE.write_text(page({name: text}, before), encoding="utf-8")
    return int(falls_short)


if __name__ == "__main__":
    sys.exit(main())
