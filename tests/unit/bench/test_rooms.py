"""The draw of lines for readers: what it shows, and which room it takes a line to be in."""

from pathlib import Path

import pytest

from tests.bench.rooms import Line, draw, lines_of, room_of

SOURCE = '''"""About
the module.

More."""
import os
LIMIT_S = 3
class Store:
    """Keeps things."""
    def put(self, key):
        """Keep one thing."""
        if key:
            self.things[key] = (1,
                2)
        else:
            return
'''


def test_a_line_has_its_scope_and_the_innermost_docstring_and_imports_and_bare_words_are_left_out() -> None:
    assert set(lines_of("core/ports", SOURCE)) == {
        Line("core/ports", "the module", "About the module.", "LIMIT_S = 3"),
        Line("core/ports", "Store.put", "Keep one thing.", "if key:"),
        Line("core/ports", "Store.put", "Keep one thing.", "self.things[key] = (1, 2)"),
    }


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("core/rythmiq/clock.py", "rythmiq/clock"),
        ("core/rythmiq/gateway/routes/jobs.py", "rythmiq/gateway"),
        ("layers/worker/rythmiq_worker/pages/find.py", "rythmiq_worker/pages"),
    ],
)
def test_a_room_is_what_stands_right_below_a_package(path: str, room: str) -> None:
    assert room_of(Path(path)) == room


def test_a_seed_draws_the_same_lines_each_time() -> None:
    assert draw(1) == draw(1) != draw(2)
