"""Jobs that fail: every code that a worker can emit, provoked from outside, in one table and a few stories."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from rythmiq.contracts.errors import CATALOGUE, ErrorCode
from tests.support.worker_run import Done, Job, environ_for, run
from tests.support.worker_uploads import blank, card, two_kilobytes_of_noise

STRANGER = "99999999-9999-4999-8999-999999999999"


def _empty(job: Job) -> Done:
    return run(b" \n", environ_for(job.store.config))


def _malformed(job: Job) -> Done:
    return run(b'{"job_id": ', environ_for(job.store.config))


def _strangers_key(job: Job) -> Done:
    job.payload["input"]["raw_path"] = job.key().replace(job.user_id, STRANGER)
    return job.run()


def _foreign_store(job: Job) -> Done:
    job.payload["storage"]["bucket"] = "somebody-elses"
    return job.run()


def _missing_object(job: Job) -> Done:
    return job.run()


def _store_that_stalls(job: Job) -> Done:
    # Nobody accepts: the listener's backlog takes the connection, and nothing ever comes back.
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as silent:
        assert silent.stdout is not None
        endpoint = f"http://127.0.0.1:{silent.stdout.readline().strip()}"
        job.payload["storage"]["endpoint"] = endpoint
        done = job.run(environ={"SPACES_ENDPOINT": endpoint, "FETCH_TIMEOUT_S": "0.2"})
        silent.communicate("\n")
    return done


def _no_picture(job: Job) -> Done:
    job.upload(b"this is a letter, not a picture")
    return job.run()


def _card_job(job: Job) -> None:
    job.rules.clear()
    job.rules |= {"kind": "document", "max_kb": 200}
    job.upload(card())


def _unknown_engine(job: Job) -> Done:
    _card_job(job)
    return job.run(environ={"OCR_ENGINE": "paddleocr"})


def _no_time_for_text(job: Job) -> Done:
    _card_job(job)
    return job.run(environ={"OCR_TIMEOUT_S": "0.05"})


def _encoder_fails(job: Job) -> Done:
    job.rules["ocr"] = "off"
    job.upload(blank())
    return job.run("worker_encoder_fails.py")


def _store_that_takes_nothing(job: Job) -> Done:
    job.rules["ocr"] = "off"
    key = job.upload(blank())
    job.payload["input"] = {"artifact_url": job.store.generate_download_url(key)}
    return job.run(environ={"SPACES_SECRET": "no longer valid"})


def _misconfigured(job: Job) -> Done:
    return job.run(environ={"SPACES_KEY": "-"})


PROVOKED: Mapping[ErrorCode, tuple[Callable[[Job], Done], ...]] = {
    ErrorCode.PAYLOAD_MISSING: (_empty,),
    ErrorCode.PAYLOAD_INVALID: (_malformed, _strangers_key, _foreign_store),
    ErrorCode.FETCH_FAILED: (_missing_object,),
    ErrorCode.FETCH_TIMEOUT: (_store_that_stalls,),
    ErrorCode.DECODE_FAILED: (_no_picture,),
    ErrorCode.OCR_FAILED: (_unknown_engine,),
    ErrorCode.OCR_TIMEOUT: (_no_time_for_text,),
    ErrorCode.SCHEMA_FAILED: (_encoder_fails,),
    ErrorCode.SIZE_EXCEEDED: (two_kilobytes_of_noise,),
    ErrorCode.UPLOAD_FAILED: (_store_that_takes_nothing,),
    ErrorCode.INTERNAL_ERROR: (_misconfigured,),
}


def test_every_code_of_the_worker_is_provoked_here() -> None:
    """The table and the catalogue are the same set."""
    assert set(PROVOKED) == {code for code, entry in CATALOGUE.items() if entry.worker}


@pytest.mark.parametrize(
    ("code", "provoke"),
    [(code, provoke) for code, provokers in PROVOKED.items() for provoke in provokers],
    ids=lambda value: value.value if isinstance(value, ErrorCode) else value.__name__.strip("_"),
)
def test_a_failure_has_the_catalogues_code_stage_and_retry(
    plain_job: Job, code: ErrorCode, provoke: Callable[[Job], Done]
) -> None:
    """Stage and retry are compared with the catalogue in every run (`worker_run`)."""
    done = provoke(plain_job)
    assert done.error.code is code
    assert list(done.document) in (["status", "job_id", "error"], ["status", "job_id", "error", "metrics"])
    report = done.document["error"]
    assert [name for name in report if name != "detail"] == ["code", "stage", "message", "retryable"]
    assert report.get("detail", {}) is not None
    assert done.document["job_id"] == (None if provoke in {_empty, _malformed} else plain_job.job_id)
    # Nothing is left behind as a result: the master is written last.
    if done.error.stage != "upload":
        assert plain_job.store.object_exists(f"output/{plain_job.user_id}/{plain_job.job_id}/preview.jpg") is None


# --- INIT ------------------------------------------------------------------------------------------------------------


def test_a_refused_payload_is_named_by_its_job_when_that_can_be_read(plain_job: Job) -> None:
    """So that the API knows which job it was."""
    plain_job.payload["user_id"] = "nobody"
    done = plain_job.run()
    assert (done.error.code, done.document["job_id"]) == ("PAYLOAD_INVALID", plain_job.job_id)
    assert "/user_id" in done.error.message
    assert "nobody" not in done.stdout
    assert set(done.document) == {"status", "job_id", "error"}
    assert set(done.document["error"]) == {"code", "stage", "message", "retryable"}


def test_a_misconfigured_worker_names_each_variable_and_no_value(plain_job: Job) -> None:
    """One INTERNAL_ERROR, stage init."""
    wrong = {"SPACES_ENDPOINT": "mallory", "SPACES_SECRET": "", "MAX_PAGES": "mallory", "SERVICE_ENV": "mallory"}
    error = plain_job.run(environ=wrong).error
    assert (error.code, error.stage) == ("INTERNAL_ERROR", "init")
    assert all(name in error.message for name in wrong)
    assert "mallory" not in error.message


def test_a_worker_without_any_variable_names_all_that_it_needs(plain_job: Job) -> None:
    """And answers all the same."""
    message = run(json.dumps(plain_job.payload).encode(), {}).error.message
    assert all(f"SPACES_{name} is not set" in message for name in ("ENDPOINT", "REGION", "BUCKET", "KEY", "SECRET"))


def test_plaintext_is_refused_away_from_loopback(plain_job: Job) -> None:
    """Before anything is fetched."""
    endpoint = "http://store.invalid"
    plain_job.payload["storage"]["endpoint"] = endpoint
    done = plain_job.run(environ={"SPACES_ENDPOINT": endpoint})
    assert (done.error.code, done.stages) == ("PAYLOAD_INVALID", [])
    assert "ALLOW_PLAINTEXT" in done.error.message


def test_a_url_to_another_jobs_object_is_payload_invalid(plain_job: Job) -> None:
    """Even with a good signature."""
    other = Job(plain_job.store, sealed=False)
    plain_job.payload["input"] = {"artifact_url": plain_job.store.generate_download_url(other.upload(blank()))}
    done = plain_job.run()
    assert (done.error.code, done.stages) == ("PAYLOAD_INVALID", [])
    assert other.job_id not in done.stdout


"""A label of DNS has at most 63 characters: no resolver is asked."""
