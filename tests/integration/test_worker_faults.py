"""Disasters inside the worker's own process: each a file of tests/faults named after itself."""

import json

import pytest
from PIL import Image

from tests.support.worker_run import ORIGINAL, Job, environ_for, run
from tests.support.worker_uploads import blank, encoded


@pytest.fixture
def job(plain_job: Job) -> Job:
    """A quick job that would succeed."""
    plain_job.rules["ocr"] = "off"
    plain_job.upload(blank(300))
    return plain_job


def test_what_libraries_print_never_reaches_stdout(job: Job) -> None:
    """From Python, C, raw bytes; the answer stands alone, and in the log nothing of it shows."""
    done = job.run("worker_stdout_polluter.py")
    assert done.success.job_id == job.job_id
    assert done.stdout.count("\n") == 1
    assert "from C" not in done.stderr
    assert "forged" not in done.stderr
    assert len(done.stderr.splitlines()) == len(done.events)


@pytest.mark.parametrize(
    ("fault", "stage", "kind"),
    [
        ("worker_memory_error.py", "quality", "MemoryError"),
        ("worker_recursion.py", "enhance", "RecursionError"),
        ("worker_system_exit.py", "schema", "SystemExit"),
        ("worker_quotes_secrets.py", "upload", "RuntimeError"),
        ("worker_half_done_stage.py", "enhance", "AttributeError"),
    ],
)
def test_an_unforeseen_error_is_internal_error_at_its_stage_and_says_nothing_else(
    job: Job, fault: str, stage: str, kind: str
) -> None:
    """Its own words may quote anything: only its type is told, and in the log where it arose."""
    done = job.run(fault)
    assert (done.error.code, done.error.stage) == ("INTERNAL_ERROR", stage)
    assert kind in done.error.message
    assert done.error.retryable is (kind != "MemoryError")  # which the same bytes would take again
    assert done.document["job_id"] == job.job_id
    assert ORIGINAL not in done.stdout + done.stderr
    told = next(event for event in done.events if event["event"] == "unexpected")
    assert (told["type"], told["stage"]) == (kind, stage)
    assert told["where"].partition(":")[0].endswith(".py")


@pytest.mark.parametrize(
    ("fault", "stage"), [(["worker_without_opencv.py"], "quality"), (["worker_without.py", "httpcore"], "fetch")]
)
def test_a_broken_installation_is_internal_error_where_it_shows(job: Job, fault: list[str], stage: str) -> None:
    """Each stage imports what it needs in its turn."""
    error = job.run(*fault).error
    assert (error.code, error.stage) == ("INTERNAL_ERROR", stage)


def test_a_network_that_was_never_fetched_is_named_with_what_to_do(job: Job) -> None:
    error = job.run("worker_without_networks.py").error
    assert (error.code, error.stage) == ("INTERNAL_ERROR", "quality")
    assert "face_landmark.tflite" in error.message
    assert "make setup" in error.message


def test_a_worker_that_cannot_even_begin_still_answers(job: Job) -> None:
    """With the words of the last resort."""
    done = run(json.dumps(job.payload).encode(), environ_for(job.store.config), "worker_without.py", "pydantic_core")
    assert (done.error.code, done.error.stage, done.document["job_id"]) == ("INTERNAL_ERROR", "init", None)


def test_a_picture_that_takes_more_memory_than_there_is_is_decode_failed(job: Job) -> None:
    """The kernel refuses, the decoder gives up, the worker answers."""
    job.upload(encoded(Image.new("RGB", (8000, 8000)), "PNG"))
    error = job.run("worker_little_memory.py", "250").error
    assert (error.code, error.detail) == ("DECODE_FAILED", {"reason": "out_of_memory"})


def test_a_worker_whose_imports_find_no_memory_still_answers(job: Job) -> None:
    """With a failure of the catalogue, wherever it strikes."""
    error = job.run("worker_little_memory.py", "40").error
    assert (error.code, error.retryable) == ("INTERNAL_ERROR", True)
