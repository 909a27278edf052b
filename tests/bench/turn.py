"""Which way up a page lies: is a turned page set upright by its text, and is a picture without text left alone?

`python -m tests.bench.turn [--per-kind N]` prints one JSON list of rows.
"""

import argparse
import json
import sys

import cv2
import numpy as np

from rythmiq_worker.engines import TurningEngine, rapidocr
from tests.bench.enhance import row
from tests.data.turned_pages import textless, upright_pages

LEAST_UPRIGHT = 0.99
PER_KIND = 10


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
        row(
            "turned pages set upright",
            share,
            f">= {LEAST_UPRIGHT}",
            share >= LEAST_UPRIGHT,
            f"of {count}, {len(wrong)} kinds; wrong: {kinds}",
        ),
        row(
            "pictures without text that were turned",
            len(moved),
            "<= 0",
            not moved,
            f"of {len(left)}{': ' * bool(moved)}{', '.join(moved)}",
        ),
    ]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-kind", type=int, default=PER_KIND, metavar="N", help="pages a kind (default 10)")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(json.dumps(turned_rows(rapidocr.load(), given.per_kind)))


if __name__ == "__main__":
    main()
