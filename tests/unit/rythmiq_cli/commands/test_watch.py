"""`rythmiq watch`, `download` and `delete`, in this process, against a small real service."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rythmiq_cli.output import ExitCode
from tests.support.client_stub import Stub, stub
from tests.support.command_stub import at, ends_with, photo, somewhere_else, submitted

__all__ = ["photo", "somewhere_else", "stub"]


# --- watch -------------------------------------------------------------------


def test_watch_ends_with_0_and_the_receipt_when_all_conforms(stub: Stub, photo: Path) -> None:
    done = at(stub, "watch", submitted(stub, photo))
    assert done.exit_code == ExitCode.OK
    assert "conforms" in done.stdout


def test_watch_in_json_shows_no_key_and_no_link(stub: Stub, photo: Path) -> None:
    job = json.loads(at(stub, "watch", submitted(stub, photo), "--json").stdout)
    assert (job["status"], job["conforms"]) == ("completed", True)
    assert not {"encryption", "links", "artifacts"} & set(job)


def test_watch_ends_with_3_when_the_job_fails(stub: Stub, photo: Path) -> None:
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "no picture", "retryable": False}
    ends_with(stub, status="failed", error=error)
    job_id = submitted(stub, photo)
    done = at(stub, "watch", job_id)
    assert done.exit_code == ExitCode.JOB_FAILED
    assert f"DECODE_FAILED: no picture (job {job_id})" in done.stderr
    told = json.loads(at(stub, "watch", job_id, "--json").stdout)
    assert (told["status"], told["error"]["code"], told["error"]["stage"]) == ("failed", "DECODE_FAILED", "decode")


def test_watch_gives_up_in_time_and_leaves_the_job(stub: Stub, photo: Path) -> None:
    ends_with(stub, status="processing", stage="ocr")
    done = at(stub, "watch", submitted(stub, photo), "--timeout-s", "0.01")
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "still processing" in done.stderr
    assert not stub.lines("DELETE")


def test_ctrl_c_while_watching_says_how_to_go_on(stub: Stub, photo: Path) -> None:
    ends_with(stub, status="processing", stage="ocr")
    job_id = submitted(stub, photo)
    looked = threading.Event()
    answer = stub.answer

    def noticing(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> object:
        looked.set()
        return answer(method, path, query, headers, body)

    stub.answer = noticing  # type: ignore[assignment, method-assign]  # looks, and answers the same
    process = subprocess.Popen(
        [Path(sys.executable).with_name("rythmiq"), "watch", job_id, "--url", stub.url, "--token", "t"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert looked.wait(60)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert said.strip() == f"rythmiq: the job goes on; see `rythmiq watch {job_id}`"
    assert printed == ""


# --- download ----------------------------------------------------------------


def test_download_leaves_every_file_of_the_zip(stub: Stub, photo: Path, tmp_path: Path) -> None:
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["files"] == ["photo.jpg", "receipt.json", "text.txt"]
    assert (tmp_path / "out" / "photo.jpg").read_bytes() == b"the document"


@pytest.mark.parametrize(
    ("only", "name"),
    [
        ("document", "photo.jpg"),
        ("preview", "preview.jpg"),
        ("before", "before.jpg"),
        ("output", "output.zip"),
        ("text", "text.txt"),
    ],
)
def test_download_of_one_file_leaves_that_one(stub: Stub, photo: Path, tmp_path: Path, only: str, name: str) -> None:
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out", "--only", only)
    assert done.stdout.strip() == str(tmp_path / "out" / name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_names_that_lead_elsewhere_are_not_written(stub: Stub, photo: Path, tmp_path: Path) -> None:
    stub.more_in_zip = {"../escaped.txt": b"x", "/tmp/escaped.txt": b"x", "sub/dir.txt": b"x"}  # noqa: S108  that is the point
    at(stub, "download", submitted(stub, photo), "-o", tmp_path / "a" / "out")
    assert sorted(path.name for path in (tmp_path / "a").rglob("*") if path.is_file()) == [
        "photo.jpg",
        "receipt.json",
        "text.txt",
    ]


def test_download_of_a_job_that_goes_on_is_told(stub: Stub, photo: Path, tmp_path: Path) -> None:
    ends_with(stub, status="processing")
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out")
    assert done.exit_code == ExitCode.USAGE
    assert "FILE_MISSING" in done.stderr


def test_download_of_a_failed_job_says_why_it_failed(stub: Stub, photo: Path, tmp_path: Path) -> None:
    ends_with(stub, status="failed", error={"code": "OCR_FAILED", "message": "crashed"})
    done = at(stub, "download", submitted(stub, photo), "-o", tmp_path / "out")
    assert done.exit_code == ExitCode.JOB_FAILED
    assert "OCR_FAILED" in done.stderr


# --- delete ------------------------------------------------------------------


def test_delete_removes_a_job_and_an_upload(stub: Stub, photo: Path) -> None:
    job_id = submitted(stub, photo)
    done = at(stub, "delete", job_id, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"deleted": "job", "job_id": job_id})
    assert at(stub, "delete", job_id, "--upload").stdout == f"deleted {job_id}\n"
    assert stub.lines("DELETE") == [f"DELETE /api/jobs/{job_id}", f"DELETE /api/uploads/{job_id}"]


def test_delete_of_a_job_that_is_processed_is_refused_with_advice(stub: Stub, photo: Path) -> None:
    job_id = submitted(stub, photo)
    stub.refuse("DELETE", 409, "JOB_PROCESSING")
    done = at(stub, "delete", job_id)
    assert done.exit_code == ExitCode.USAGE
    assert "JOB_PROCESSING" in done.stderr
    assert at(stub, "delete", "x").exit_code == ExitCode.USAGE
