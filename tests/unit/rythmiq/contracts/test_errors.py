"""The catalogue of failures is the specification's."""

import pytest

from rythmiq.contracts.errors import CATALOGUE, ErrorCode, JobError

# docs/specification/worker.md, the table: code, stage, retryable.
SPECIFIED = {
    "PAYLOAD_MISSING": ("init", False),
    "PAYLOAD_INVALID": ("init", False),
    "FETCH_FAILED": ("fetch", False),
    "FETCH_TIMEOUT": ("fetch", True),
    "DECODE_FAILED": ("decode", False),
    "OCR_FAILED": ("ocr", False),
    "OCR_TIMEOUT": ("ocr", True),
    "SCHEMA_FAILED": ("schema", False),
    "SIZE_EXCEEDED": ("schema", False),
    "UPLOAD_FAILED": ("upload", True),
    "INTERNAL_ERROR": (None, True),
    "EXECUTOR_REJECTED": ("dispatch", False),
    "EXECUTOR_LOST": ("dispatch", True),
    "EXECUTOR_CANCELLED": ("dispatch", True),
    "PACKAGING_FAILED": ("package", True),
}


def test_codes_stages_and_retries_are_those_of_the_specification() -> None:
    """Launcher, API and clients rely on each."""
    assert {code.value: (entry.stage, entry.retryable) for code, entry in CATALOGUE.items()} == SPECIFIED


def test_every_code_has_one_entry() -> None:
    """A code without one could not be raised."""
    assert set(CATALOGUE) == set(ErrorCode)
    assert all(entry.code is code for code, entry in CATALOGUE.items())


@pytest.mark.parametrize("code", ErrorCode)
def test_every_entry_says_when_and_what_to_do(code: ErrorCode) -> None:
    """`when` completes a sentence; `advice` is one."""
    entry = CATALOGUE[code]
    assert entry.when
    assert entry.when[0].islower() or entry.when.startswith("STDIN")
    assert entry.advice.endswith(".")


def test_what_happens_outside_the_worker_is_not_the_workers_to_say() -> None:
    """Dispatch and packaging are the API's."""
    outside = {code for code, entry in CATALOGUE.items() if not entry.worker}
    assert outside == {code for code, entry in CATALOGUE.items() if entry.stage in {"dispatch", "package"}}


@pytest.mark.parametrize("reason", ["hang", "memory"])
def test_what_the_same_bytes_would_do_again_is_not_repeated(reason: str) -> None:
    """The catalogue has the default of INTERNAL_ERROR, and the reason the last word."""
    assert not JobError(ErrorCode.INTERNAL_ERROR, "m", detail={"reason": reason}).retryable
    assert JobError(ErrorCode.INTERNAL_ERROR, "m", detail={"reason": "killed"}).retryable
    assert JobError(ErrorCode.UPLOAD_FAILED, "m", detail={"reason": reason}).retryable


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_takes_stage_and_retry_from_the_catalogue(code: ErrorCode) -> None:
    """INTERNAL_ERROR alone may arise anywhere."""
    error = JobError(code, "a sentence")
    assert error.stage == (CATALOGUE[code].stage or "init")
    assert error.retryable is CATALOGUE[code].retryable
    assert JobError(ErrorCode.INTERNAL_ERROR, "a sentence", stage="ocr").stage == "ocr"
