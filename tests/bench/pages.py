"""Pages on real, labelled pictures: found, made flat and read; counts only.

`RYTHMIQ_REAL_PICTURES=FOLDER python -m tests.bench.pages [PART ...]` prints one JSON list of rows; without the variable
an empty one, and `make bench` leaves the section as it was.
"""

from collections.abc import Mapping

from tests.bench import pages_found, pages_words, real_ink
from tests.bench.real_pictures import Part, print_rows, real_pages

PARTS: Mapping[str, Part] = {
    "found": pages_found.rows,
    "words": pages_words.rows,
    "ink": real_ink.rows,
}
"""Each part measures the pages and gives rows; a part of its own is a module with `rows` and a line here."""


if __name__ == "__main__":
    print_rows("pages", __doc__, PARTS, real_pages())
