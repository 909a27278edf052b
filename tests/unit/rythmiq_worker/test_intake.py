"""The worker's intake: which bytes on STDIN are one JSON document, and whose job it is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq_worker.intake import job_id_of, parsed
from rythmiq_worker.stdio import MAX_PAYLOAD_BYTES

JOB = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"


@pytest.mark.parametrize("document", [b"", b" ", b"\n\t \r\n"])
def test_nothing_on_stdin_is_payload_missing(document: bytes) -> None:
    """White space is nothing."""
    with pytest.raises(JobError) as refused:
        parsed(document)
    assert refused.value.code is ErrorCode.PAYLOAD_MISSING


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"{}{}",
        b"{}\n{}",
        b"{} x",
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": "\n"}',
        b"\x00",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b'{"a": ' * 50_000 + b"1" + b"}" * 50_001,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b'{"a": "' + b"x" * MAX_PAYLOAD_BYTES + b'"}',
    ],
    ids=lambda document: repr(document[:24]),
)
def test_anything_but_one_json_object_is_payload_invalid(document: bytes) -> None:
    """Cut short, two documents, no object, no JSON, a name twice, not UTF-8, nested without end, too long."""
    with pytest.raises(JobError) as refused:
        parsed(document)
    assert refused.value.code is ErrorCode.PAYLOAD_INVALID


def test_a_byte_order_mark_and_white_space_around_the_document_do_not_matter() -> None:
    """Some shells add them."""
    assert parsed(b'\xef\xbb\xbf {"a": 1}\n') == {"a": 1}


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_anything_but_its_own_refusal(document: bytes) -> None:
    """Whatever comes, the worker answers."""
    with contextlib.suppress(JobError):
        assert isinstance(parsed(document), dict)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (JOB, JOB),
        (JOB.upper(), None),
        (f"{JOB}\n", None),
        (f"{{{JOB}}}", None),
        (JOB.replace("-", ""), None),
        ("1a2b3c4d-5e6f-1a7b-8c9d-0e1f2a3b4c5d", None),
        ("1a2b3c4d-5e6f-4a7b-cc9d-0e1f2a3b4c5d", None),
        ("", None),
        (7, None),
        ([JOB], None),
    ],
)
def test_a_job_id_is_read_only_when_it_is_a_uuid_v4(value: object, found: str | None) -> None:
    """So that a failure names its job, and never something else."""
    assert job_id_of({"job_id": value}) == found
