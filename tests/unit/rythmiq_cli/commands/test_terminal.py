"""What a hostile service, store or job says never steers the terminal of whoever reads it."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app, doctor
from rythmiq_cli.output import ExitCode, json_line, plain
from tests.support.client_stub import Stub, stub
from tests.support.command_stub import somewhere_else

__all__ = ["somewhere_else", "stub"]

EVIL = "\x1b]0;pwned\x07 \x9b2J \u202egpj.exe \u2066 \x85"
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def job_id(stub: Stub, tmp_path: Path) -> str:
    """A job of the stub."""
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"\xff\xd8 a photo")
    return at(stub, "submit", photo, "--portal", "neet-2026").stdout.strip()


def at(stub: Stub, *arguments: object) -> Result:
    environ = {"RYTHMIQ_URL": stub.url, "RYTHMIQ_TOKEN": "token-1", "COLUMNS": "200"}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environ)


def ended(stub: Stub, job_id: str, **step: Any) -> None:
    """What the job has become."""
    stub.jobs[job_id].steps = [step]


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["table", "json"])
def test_a_receipt_and_its_warnings_are_shown_without_controls(
    stub: Stub, job_id: str, as_json: tuple[str, ...]
) -> None:
    view = stub.jobs[job_id]
    receipt = stub._receipt()
    receipt["clauses"][0] |= {"wanted": EVIL, "measured": EVIL}
    ended(stub, view.job_id, status="completed", receipt=receipt, warnings=[f"BLURRED: {EVIL}"])
    done = at(stub, "watch", job_id, *as_json)
    assert (done.exit_code, "gpj.exe" in done.stdout) == (ExitCode.OK, True)
    assert not STEERING.search(done.stdout + done.stderr)
    if as_json:
        assert json.loads(done.stdout)["warnings"] == [f"BLURRED: {EVIL}"]


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["sentence", "json"])
def test_a_failure_is_told_without_controls(stub: Stub, job_id: str, as_json: tuple[str, ...]) -> None:
    error = {"code": "DECODE_FAILED", "stage": EVIL, "message": EVIL, "retryable": False, "detail": {"reason": EVIL}}
    ended(stub, job_id, status="failed", error=error)
    done = at(stub, "watch", job_id, *as_json)
    assert done.exit_code == ExitCode.JOB_FAILED
    assert not STEERING.search(done.stdout + done.stderr)


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["sentence", "json"])
def test_a_refusal_is_told_without_controls(stub: Stub, job_id: str, as_json: tuple[str, ...]) -> None:
    wrong = {"pointer": EVIL, "code": EVIL, "detail": EVIL}
    stub.refuse(f"GET /api/jobs/{job_id}", 404, f"INVALID{EVIL}", wrong)
    done = at(stub, "watch", job_id, *as_json)
    assert done.exit_code == ExitCode.USAGE
    assert "gpj.exe" in done.stdout + done.stderr
    assert not STEERING.search(done.stdout + done.stderr)


def test_only_plain_names_of_a_zip_become_files(stub: Stub, job_id: str, tmp_path: Path) -> None:
    stub.more_in_zip = {"CON.jpg": b"x", "aux.pdf": b"x", f"a{EVIL}.jpg": b"x", "fine.txt": b"x"}
    ended(stub, job_id, status="completed")
    done = at(stub, "download", job_id, "-o", tmp_path / "out")
    assert done.exit_code == ExitCode.OK
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "fine.txt",
        "photo.jpg",
        "receipt.json",
        "text.txt",
    ]
    assert not STEERING.search(done.stdout)


@given(text=st.text())
def test_json_that_is_printed_says_the_same_without_controls(text: str) -> None:
    assert not STEERING.search(json_line({text: [text]}) + plain(text))
    assert json.loads(json_line({text: [text]})) == {text: [text]}


def test_what_a_function_answers_the_doctor_is_shown_without_controls() -> None:
    """Its `code` is repeated in a finding."""
    out = io.StringIO()
    doctor._print(Console(file=out, width=500), "broken", "api/jobs", f"answers 500 {EVIL}", "fix", EVIL)
    assert "gpj.exe" in out.getvalue()
    assert not STEERING.search(out.getvalue())
