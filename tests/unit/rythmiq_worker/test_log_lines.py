"""What a worker that was taken over may say in its launcher's log: nothing unknown, and nothing about another job."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rythmiq_worker.events import EVENTS, MAX_LINE_BYTES, known_event
from rythmiq_worker.launcher.delivery import LaunchLog, WorkerStderr
from rythmiq_worker.launcher.dispatch import Launch

USER = "5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d"
JOB = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"
OTHER = "2b3c4d5e-6f7a-4b8c-9d0e-1f2a3b4c5d6e"


def shown(data: bytes, *, noise: bool = False) -> list[dict[str, Any]]:
    """What stands in the launcher's log after a worker wrote this."""
    lines: list[str] = []
    stderr = WorkerStderr(LaunchLog(Launch(USER, JOB, 2), lines.append), lambda _stage: None, shows_noise=noise)
    stderr.feed(data)
    stderr.end()
    return [json.loads(line) for line in lines]


def line(**said: object) -> bytes:
    """A line as a worker writes it."""
    return json.dumps(said).encode() + b"\n"


def test_the_worker_s_own_events_pass_under_the_job_s_ids() -> None:
    said = [
        {"event": "stage", "job_id": JOB, "attempt": 2, "stage": "decode", "state": "end", "wall_ms": 12, "cpu_ms": 9},
        {"event": "unexpected", "job_id": JOB, "attempt": 2, "stage": "ocr", "type": "KeyError", "where": "read.py:17"},
        {"event": "result", "job_id": JOB, "attempt": 2, "status": "failed", "code": "DECODE_FAILED"},
    ]
    assert shown(b"".join(line(**event) for event in said)) == said


def test_before_the_worker_has_read_its_job_its_events_get_the_ids_here() -> None:
    (event,) = shown(line(event="result", job_id=None, attempt=None, status="success", code=None))
    assert (event["job_id"], event["attempt"]) == (JOB, 2)


FORGED = [
    {"event": "attempt_settled", "job_id": "forged"},
    {"event": "delivery", "job_id": JOB, "attempt": 2, "stored": True},
    {"event": "stage", "job_id": OTHER, "attempt": 2, "stage": "decode", "state": "start"},
    {"event": "stage", "job_id": JOB, "attempt": 3, "stage": "decode", "state": "start"},
    {"event": "stage", "job_id": [JOB], "attempt": {}, "stage": "decode", "state": "start"},
    {"event": "stage", "job_id": JOB, "attempt": 2, "stage": "\x1b]0;pwned\x07", "state": "start"},
    {"event": "unexpected", "job_id": JOB, "stage": "ocr", "type": "Asha Sharma", "where": None},
    {"event": "unexpected", "job_id": JOB, "stage": "ocr", "type": "E", "where": "raw/secret.jpg:1"},
    {"event": "result", "status": "success", "code": ["DECODE_FAILED"]},
    {"event": "stage", "stage": "ocr", "state": "end", "wall_ms": True},
    {"event": "stage", "stage": "ocr", "state": "end", "wall_ms": -1},
    {"event": ["stage"]},
    {"event": None},
]


@pytest.mark.parametrize("event", FORGED, ids=lambda event: json.dumps(event)[:60])
def test_a_forged_line_is_counted_and_not_shown(event: dict[str, object]) -> None:
    (only,) = shown(line(**event))
    assert (only["event"], only["job_id"]) == ("worker_noise", JOB)
    assert only["hidden_bytes"] > 0
    assert "line" not in only


def test_a_field_that_is_not_known_does_not_pass() -> None:
    (event,) = shown(line(event="stage", stage="ocr", state="start", level="error", request_id="forged", text="Asha"))
    assert set(event) == {"event", "job_id", "attempt", "stage", "state"}


VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([JOB, OTHER, "decode", "end"])
)
SAID = st.dictionaries(
    st.sampled_from(["event", "job_id", "attempt", "stage", "state", "wall_ms", "type", "where", "status", "code"])
    | st.text(max_size=8),
    VALUES | st.sampled_from(sorted(EVENTS)) | st.lists(VALUES, max_size=2),
    max_size=8,
)


@given(data=st.binary(max_size=400) | st.lists(SAID.map(lambda said: line(**said)), max_size=4).map(b"".join))
@example(b'{"event":"stage","stage":"decode","state":"start"}' * 200)
@example(b"{" * 5_000)
@example(b'{"event":"stage","wall_ms":' + b"9" * 4_000 + b"}")
def test_whatever_a_worker_writes_only_known_lines_about_its_job_stand_in_the_log(data: bytes) -> None:
    for event in shown(data):
        assert (event["job_id"], event["attempt"]) == (JOB, 2)
        assert event["event"] in {*EVENTS, "worker_noise"}
        assert set(event) <= {"event", "job_id", "attempt", "hidden_bytes", *EVENTS.get(event["event"], ())}


@given(data=st.binary(max_size=200))
def test_where_noise_is_shown_it_holds_no_control_character(data: bytes) -> None:
    lines: list[str] = []
    stderr = WorkerStderr(LaunchLog(Launch(USER, JOB, 1), lines.append), lambda _stage: None, shows_noise=True)
    stderr.feed(data)
    stderr.end()
    assert all(" " <= char <= "~" for text in lines for char in text)


def test_a_line_that_is_too_long_is_no_event() -> None:
    assert known_event(b'{"event":"stage"' + b" " * MAX_LINE_BYTES + b"}", job_id=JOB, attempt=1) is None
