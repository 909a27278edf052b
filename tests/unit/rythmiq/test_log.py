"""The log: one JSON object a line, with its request, and nothing that tells who somebody is or opens something."""

import json
from typing import Any

import pytest

from rythmiq.contracts.attempt import derive_token
from rythmiq.contracts.keys import dispatch_key
from rythmiq.log import is_about, log, request

USER, JOB = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in "12")


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    [text] = capsys.readouterr().err.splitlines()
    read = json.loads(text)
    assert isinstance(read, dict)
    return read


def test_a_line_has_its_job_attempt_and_request(capsys: pytest.CaptureFixture[str]) -> None:
    """And what it was told."""
    with request("r-1"):
        log("attempt_submitted", job_id=JOB, attempt=2, executor="local")
    read = line(capsys)
    assert (read["event"], read["job_id"], read["attempt"], read["request_id"]) == ("attempt_submitted", JOB, 2, "r-1")
    assert (read["level"], read["executor"]) == ("info", "local")


def test_after_a_request_lines_have_none(capsys: pytest.CaptureFixture[str]) -> None:
    """The process lives longer than a request."""
    with request("r-1"):
        pass
    log("idle")
    assert line(capsys)["request_id"] is None


def test_a_line_without_a_job_has_the_one_that_its_request_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    """And one about another job does not take over its attempt."""
    with request("r-1", JOB):
        log("unavailable")
        is_about(JOB, 3)
        log("call")
        log("attempt_submitted", job_id=USER)
    log("idle")
    lines = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert [(line["job_id"], line["attempt"]) for line in lines] == [(JOB, None), (JOB, 3), (USER, None), (None, None)]


@pytest.mark.parametrize(
    "secret",
    [
        dispatch_key(USER, JOB, 1),
        f"master/{USER}/{JOB}/{JOB}.enc",
        "X-Amz-Signature=0a0b0c",
        derive_token("secret", JOB, 1, 1_800_000_000),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_what_a_caller_forgot_to_leave_out_is_blacked_out(secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Storage keys, queries, tokens."""
    log("trouble", reason=f"GET https://store.test/rythmiq?{secret} failed")
    assert secret not in json.dumps(line(capsys))


def test_a_long_text_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A line stays a line."""
    log("trouble", reason="x\n" * 1_000)
    assert len(line(capsys)["reason"]) == 500
