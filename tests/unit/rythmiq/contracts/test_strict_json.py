"""JSON that every reader reads alike, and pointers into it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.contracts import StrictJsonError, pointer, read_object


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{",
        b"{}{}",
        b"{} x",
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "a": 2}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 01}',
        b"{'a': 1}",
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\uDFFF": 1}',
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_not_one_json_object_is_refused_without_a_quote(data: bytes) -> None:
    with pytest.raises(StrictJsonError) as refused:
        read_object(data)
    assert "1" not in str(refused.value)


@given(st.binary(max_size=64))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    with contextlib.suppress(StrictJsonError):
        assert isinstance(read_object(data), dict)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_for_strict_models_arrays_are_tuples_at_any_depth() -> None:
    data = b'{"a": [[1, [2]], {"b": [3]}], "c": {"d": []}}'
    assert read_object(data) == {"a": [[1, [2]], {"b": [3]}], "c": {"d": []}}
    assert read_object(data, for_strict_models=True) == {"a": ((1, (2,)), {"b": (3,)}), "c": {"d": ()}}


def test_for_strict_models_a_number_without_a_fraction_is_an_integer() -> None:
    """As JSON Schema counts: 5.0 is one."""
    found = read_object(b'{"a": 5.0, "b": 5.5, "c": 1e2}', for_strict_models=True)
    assert [(type(value), value) for value in found.values()] == [(int, 5), (float, 5.5), (int, 100)]


def test_a_pointer_is_escaped() -> None:
    assert pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"
    assert pointer([]) == ""
