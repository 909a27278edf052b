"""Pages on real, labelled pictures: found, made flat and read; counts only.

`RYTHMIQ_REAL_PICTURES=FOLDER python -m tests.bench.pages [PART ...]` prints one JSON list of rows; without the variable
an empty one, and `make bench` leaves the section as it was.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping

import cv2

from tests.bench import pages_found, pages_words, real_ink
from tests.bench.real_pictures import VARIABLE, RealPicture, real_pages

Row = dict[str, object]
PARTS: Mapping[str, Callable[[tuple[RealPicture, ...]], list[Row]]] = {
    "found": pages_found.rows,
    "words": pages_words.rows,
    "ink": real_ink.rows,
}
"""Each part measures the pages and gives rows; a part of its own is a module with `rows` and a line here."""


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; default: all")
    names = parser.parse_args().part or list(PARTS)
    cv2.setNumThreads(1)
    pictures = real_pages()
    if not pictures:
        print(f"pages: left out, {VARIABLE} names no folder of labelled pictures", file=sys.stderr)
    print(json.dumps([row for name in names for row in PARTS[name](pictures)] if pictures else []))


if __name__ == "__main__":
    main()
