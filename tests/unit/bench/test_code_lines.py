"""The counter of code lines: what counts, and what has only moved."""

from tests.bench.code_lines import Change, Tree, change, code_lines

WRAPPED = '''
"""A module."""

# A comment.
LIMIT = 3
"""An attribute."""


def first(
    a: int,
    b: int,
) -> int:
    """Add."""

    return (
        a
        + b
    )
'''


def test_a_statement_is_one_line_however_it_is_written() -> None:
    assert code_lines(WRAPPED) == code_lines("LIMIT=3\ndef first(a: int, b: int) -> int: return a + b")
    assert code_lines(WRAPPED).total() == 3


def test_a_body_of_a_docstring_alone_is_still_a_body() -> None:
    assert dict(code_lines('class Gone(Exception):\n    """Gone."""')) == {"class Gone(Exception):": 1, "pass": 1}


def test_what_moved_between_rooms_is_not_removed() -> None:
    base = Tree({"core/a.py": "x = 1\ny = 2"}, {})
    head = Tree({"core/b.py": "y = 2\nx = 1"}, {})
    assert change(base, head).removed == 0


def test_what_moved_into_tests_is_not_removed() -> None:
    base = Tree({"core/a.py": "x = 1\ny = 2\nz = 3"}, {"tests/a.py": "z = 3"})
    head = Tree({"core/a.py": "x = 1"}, {"tests/a.py": "z = 3\ny = 2"})
    assert change(base, head) == Change(before=3, after=1, moved=1)
    assert change(base, head).removed == 1
