"""Parameters of the query and the headers."""

import pytest

from rythmiq.contracts.bodies import IDEMPOTENCY_KEY
from rythmiq.contracts.problems import ProblemError
from rythmiq.gateway.http import Request
from rythmiq.gateway.validation import Parameters


def read(query: tuple[tuple[str, str], ...] = (), headers: dict[str, str] | None = None) -> Parameters:
    """Parameters of a call."""
    return Parameters(Request(query=query, headers=headers or {}))


def test_what_is_not_given_has_its_default() -> None:
    parameters = read()
    assert parameters.text("cursor", max_chars=9) is None
    assert parameters.choice("status", ("a", "b")) is None
    assert parameters.integer("limit", least=1, most=100, default=20) == 20
    assert parameters.seconds("wait", most=10) == 0.0
    assert parameters.header("Idempotency-Key", IDEMPOTENCY_KEY) is None
    parameters.done()


def test_what_is_given_is_read() -> None:
    parameters = read((("limit", "100"), ("wait", "2.5"), ("status", "b"), ("other", "x")), {"idempotency-key": "k-1"})
    assert parameters.integer("limit", least=1, most=100, default=20) == 100
    assert parameters.seconds("wait", most=10) == 2.5
    assert parameters.choice("status", ("a", "b")) == "b"
    assert parameters.header("Idempotency-Key", IDEMPOTENCY_KEY) == "k-1"
    parameters.done()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("0", "OUT_OF_RANGE"),
        ("101", "OUT_OF_RANGE"),
        ("-1", "WRONG_TYPE"),
        ("+5", "WRONG_TYPE"),
        ("1.0", "WRONG_TYPE"),
        (" 5", "WRONG_TYPE"),
        ("\u0665", "WRONG_TYPE"),
        ("1e2", "WRONG_TYPE"),
        ("9" * 10, "WRONG_TYPE"),
        ("", "WRONG_LENGTH"),
        ("9" * 21, "WRONG_LENGTH"),
    ],
)
def test_a_bad_number_is_refused_by_name(value: str, code: str) -> None:
    parameters = read((("limit", value),))
    parameters.integer("limit", least=1, most=100, default=20)
    with pytest.raises(ProblemError) as refused:
        parameters.done()
    assert [(error.pointer, error.code) for error in refused.value.errors] == [("/limit", code)]


@pytest.mark.parametrize("value", ["10.1", "11", "-1", "nan", "inf", "1e1", "soon", ".5", "5."])
def test_a_bad_wait_is_refused(value: str) -> None:
    parameters = read((("wait", value),))
    parameters.seconds("wait", most=10)
    with pytest.raises(ProblemError):
        parameters.done()


def test_all_that_is_wrong_is_told_at_once() -> None:
    parameters = read((("limit", "x"), ("status", "x"), ("cursor", "a"), ("cursor", "b")), {"idempotency-key": "a b"})
    parameters.integer("limit", least=1, most=100, default=20)
    parameters.choice("status", ("a", "b"))
    parameters.text("cursor", max_chars=9)
    parameters.header("Idempotency-Key", IDEMPOTENCY_KEY)
    with pytest.raises(ProblemError) as refused:
        parameters.done()
    assert {error.pointer: error.code for error in refused.value.errors} == {
        "/limit": "WRONG_TYPE",
        "/status": "NOT_ALLOWED",
        "/cursor": "CONFLICT",
        "/Idempotency-Key": "WRONG_FORMAT",
    }


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "ü", "a\n"])
def test_a_bad_idempotency_key_is_refused(key: str) -> None:
    parameters = read(headers={"idempotency-key": key})
    parameters.header("Idempotency-Key", IDEMPOTENCY_KEY)
    with pytest.raises(ProblemError):
        parameters.done()
