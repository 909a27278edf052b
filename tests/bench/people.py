"""People on real, labelled pictures: faces, heads, and what the rest of the room says of them; counts only.

`RYTHMIQ_REAL_PICTURES=FOLDER python -m tests.bench.people [PART ...]` prints one JSON list of rows; without the
variable an empty one, and `make bench` leaves the section as it was.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping

import cv2

from tests.bench import people_documents, people_faces, people_heads, people_looks
from tests.bench.real_pictures import VARIABLE, RealPicture, real_portraits

Row = dict[str, object]
PARTS: Mapping[str, Callable[[tuple[RealPicture, ...]], list[Row]]] = {
    "faces": people_faces.rows,
    "heads": people_heads.rows,
    "looks": people_looks.rows,
    "documents": people_documents.rows,
}
"""Each part measures the portraits and gives rows; a part of its own is a module with `rows` and a line here."""


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; default: all")
    names = parser.parse_args().part or list(PARTS)
    cv2.setNumThreads(1)
    portraits = real_portraits()
    if not portraits:
        print(f"people: left out, {VARIABLE} names no folder of labelled pictures", file=sys.stderr)
    print(json.dumps([row for name in names for row in PARTS[name](portraits)] if portraits else []))


if __name__ == "__main__":
    main()
