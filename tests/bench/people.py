"""People on real, labelled pictures: faces, heads, and what the rest of the room says of them; counts only.

`RYTHMIQ_REAL_PICTURES=FOLDER python -m tests.bench.people [PART ...]` prints one JSON list of rows; without the
variable an empty one, and `make bench` leaves the section as it was.
"""

from collections.abc import Mapping

from tests.bench import people_documents, people_faces, people_heads, people_looks
from tests.bench.real_pictures import Part, print_rows, real_portraits

PARTS: Mapping[str, Part] = {
    "faces": people_faces.rows,
    "heads": people_heads.rows,
    "looks": people_looks.rows,
    "documents": people_documents.rows,
}
"""Each part measures the portraits and gives rows; a part of its own is a module with `rows` and a line here."""


if __name__ == "__main__":
    print_rows("people", __doc__, PARTS, real_portraits())
