"""What the worker prints: two shapes, closed where keys are concerned."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.result import RESULT, Failure, Success

JOB = "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"


def success(**changes: object) -> dict[str, Any]:
    """A success as docs/specification/worker.md has it."""
    whole: dict[str, Any] = {
        "status": "success",
        "job_id": JOB,
        "quality_score": 0.87,
        "warnings": [str(WarningCode.UPSCALED)],
        "artifacts": {"master_path": "m", "preview_path": "p", "document_path": "d"},
        "metrics": {
            "ocr_confidence": None,
            "processing_ms": 700,
            "stages": [{"stage": "fetch", "wall_ms": 10, "cpu_ms": 2}],
            "input_bytes": 1,
            "document_bytes": 2,
            "encodes": 3,
        },
        "receipt": {
            "portal": "neet-2026",
            "slot": "photo",
            "version": "1",
            "conforms": True,
            "clauses": [{"clause": "bytes", "wanted": "w", "measured": "m", "verdict": "pass", "hard": True}],
            "document": {
                "filename": "a.jpg",
                "sha256": "0" * 64,
                "bytes": 2,
                "width_px": 1,
                "height_px": 1,
                "dpi": 200.0,
                "format": "jpeg",
            },
        },
    }
    return whole | changes


def failure(**changes: object) -> dict[str, Any]:
    """A failure as docs/specification/worker.md has it."""
    error = {
        "code": "FETCH_FAILED",
        "stage": "fetch",
        "message": "m",
        "retryable": False,
        "detail": {"transient": True},
    }
    return {"status": "failed", "job_id": JOB, "error": error, "metrics": None} | changes


def test_status_tells_the_two_documents_apart() -> None:
    """One adapter reads both."""
    assert isinstance(RESULT.validate_python(success()), Success)
    assert isinstance(RESULT.validate_python(failure(job_id=None)), Failure)


@pytest.mark.parametrize("document", [success(), failure()])
def test_a_result_survives_json(document: dict[str, Any]) -> None:
    """Worker and webhook share the model."""
    read = RESULT.validate_python(document)
    assert RESULT.validate_json(read.model_dump_json()) == read


def test_what_there_is_not_is_left_out_and_may_come_as_null() -> None:
    """`text_path`, `detail` and `metrics` may be left out; `ocr_confidence` is null when OCR is off."""
    made, broken = success(), failure()
    made["artifacts"]["text_path"] = broken["error"]["detail"] = broken["metrics"] = None
    written = json.loads(RESULT.validate_python(made).model_dump_json())
    assert set(written["artifacts"]) == {"master_path", "preview_path", "document_path"}
    assert written["metrics"]["ocr_confidence"] is None
    assert written["receipt"]["clauses"][0]["source"] is None
    written = json.loads(RESULT.validate_python(broken).model_dump_json())
    assert set(written) == {"status", "job_id", "error"}
    assert set(written["error"]) == {"code", "stage", "message", "retryable"}


@pytest.mark.parametrize(
    "document",
    [
        {"status": "done"},
        success(job_id=None),
        success(job_id="JOB"),
        success(quality_score=1.01),
        success(warnings=["no code"]),
        success(warnings=[str(WarningCode.UPSCALED)] * 51),
        success(artifacts={"master_path": "m", "preview_path": "p", "document_path": "d", "output_path": "o"}),
        success(artifacts={"master_path": "m"}),
        failure(error={"code": "OOPS", "stage": "fetch", "message": "m", "retryable": False}),
        failure(error={"code": "FETCH_FAILED", "stage": "fetch", "message": "m" * 501, "retryable": False}),
        failure(error={"code": "FETCH_FAILED", "stage": "loading", "message": "m", "retryable": False}),
        failure(job_id="1"),
    ],
    ids=lambda document: json.dumps(document)[:60],
)
def test_a_document_that_breaks_a_bound_is_no_result(document: dict[str, Any]) -> None:
    """A launcher replaces it, a webhook answers 422."""
    with pytest.raises(ValidationError):
        RESULT.validate_python(document)


@pytest.mark.parametrize(
    "control", ["\0", "\x1b", "\n", "\x7f", "\x85", "\x9b", "\u061c", "\u200f", "\u202e", "\u2066"]
)
def test_a_control_character_of_a_terminal_or_of_direction_is_refused_wherever_it_stands(control: str) -> None:
    """ESC of a receipt would steer the terminal of whoever reads it."""
    evil = f"a{control}]0;pwned"
    measured, named, operated = success(), success(), success()
    measured["receipt"]["clauses"][0]["measured"] = evil
    named["receipt"]["document"]["filename"] = evil
    operated["receipt"]["operations"] = [{"op": "crop", "parameters": {"of": [{evil: 1}]}}]
    for document in (
        measured,
        named,
        operated,
        success(warnings=[f"BLURRED: {evil}"]),
        failure(error={"code": "FETCH_FAILED", "stage": "fetch", "message": evil, "retryable": False}),
    ):
        with pytest.raises(ValidationError):
            RESULT.validate_python(document)


def test_a_receipt_that_disagrees_with_its_clauses_is_no_receipt() -> None:
    """`conforms` is what the clauses say."""
    lying = success()
    lying["receipt"]["clauses"][0]["verdict"] = "fail"
    with pytest.raises(ValidationError, match="disagrees"):
        RESULT.validate_python(lying)


@pytest.mark.parametrize("code", WarningCode)
def test_every_warning_is_a_code_and_a_sentence(code: WarningCode) -> None:
    """And fits the result's bounds."""
    assert str(code) == f"{code.value}: {code.sentence}"
    assert code.sentence.endswith(".")
    assert isinstance(RESULT.validate_python(success(warnings=[str(code)])), Success)
