"""`make bench`: runs every benchmark in a process of its own and writes docs/benchmarks.md.

Each benchmark is a module with a `main` that prints one JSON list of rows
`{"what", "measured", "bar", "unit", "holds", "note"}`; `bar` and `holds` are null for figures that have no bar.
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
from pathlib import Path

from tests.data.own_files import is_private

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
BENCHES = ("conform", "worker", "quality", "enhance", "ocr", "ocr_hard")
PACKAGES = ("pillow", "numpy", "opencv-python-headless", "onnxruntime", "rapidocr", "scikit-image")


def rows_of(bench: str) -> list[dict[str, object]]:
    """Run one benchmark; its progress goes to STDERR, its rows come back."""
    print(f"bench: {bench} ...", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", f"tests.bench.{bench}"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def machine() -> str:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return f"{os.cpu_count()} cores of {model}; Python {platform.python_version()}; {versions}"


def page(results: dict[str, list[dict[str, object]]], on: dt.date) -> str:
    """The Markdown page of all rows."""
    lines = [
        "# Benchmarks",
        "",
        f"Made by `make bench` on {on.isoformat()}; do not edit.",
        "",
        f"Machine: {machine()}.",
        "",
        "Method: CPU time (user and system, children too) as ratios within one run, the least of several interleaved",
        "runs; memory as the kernel's peak; picture quality against a full decode with LANCZOS. The pictures are in",
        "[test-pictures.md](test-pictures.md).",
    ]
    for bench, rows in results.items():
        lines += ["", f"## {bench}", "", "| what | measured | bar | holds | note |", "|---|---|---|---|---|"]
        for row in rows:
            holds = {True: "yes", False: "**no**", None: ""}[row.get("holds")]  # type: ignore[index]  # JSON's own three
            unit = f" {row['unit']}" if row.get("unit") else ""
            cells = (row["what"], f"{row['measured']}{unit}", row.get("bar") or "", holds, row.get("note") or "")
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the benchmarks; exit 1 when a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", nargs="*", metavar="BENCH", help=f"some of {', '.join(BENCHES)}; default: all")
    names = parser.parse_args().bench or BENCHES
    if unknown := set(names) - set(BENCHES):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    results = {name: rows_of(name) for name in names}
    text = page(results, dt.datetime.now(tz=dt.UTC).date())
    if set(names) == set(BENCHES) and not is_private():
        PAGE.write_text(text, encoding="utf-8")
    print(text)
    return int(any(row.get("holds") is False for rows in results.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
