"""The language of the text: who says it, and what becomes of one whose model is not there."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rythmiq.contracts.payload import Payload
from rythmiq.settings import WorkerSettings
from rythmiq_worker.frame import Context
from rythmiq_worker.stages.ocr import language_of
from tests.integration.worker_run import Job

SETTINGS = WorkerSettings.model_validate(
    {
        "spaces_endpoint": "http://127.0.0.1:1",
        "spaces_region": "r",
        "spaces_bucket": "bucket",
        "spaces_key": "k",
        "spaces_secret": "s",
    }
)


def payload_of(job: Job, slot: str | None, owner: str | None) -> Payload:
    """A payload whose slot and owner each name a language, or none."""
    if slot is not None:
        job.rules["ocr_language"] = slot
    options: dict[str, Any] = {} if owner is None else {"ocr_language": owner}
    return Payload.model_validate(job.payload | {"options": options})


@pytest.mark.parametrize(
    ("slot", "owner", "language"),
    [(None, None, "en"), ("hi", None, "hi"), (None, "hi", "hi"), ("hi", "en", "en"), ("en", "hi", "hi")],
)
def test_the_owner_goes_before_the_slot_and_english_is_the_default(
    plain_job: Job, slot: str | None, owner: str | None, language: str
) -> None:
    ctx = Context(payload_of(plain_job, slot, owner), SETTINGS, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert language_of(ctx) == language


@pytest.mark.parametrize(("slot", "owner"), [("ta", None), (None, "ta")])
def test_a_language_that_no_engine_reads_is_refused(plain_job: Job, slot: str | None, owner: str | None) -> None:
    with pytest.raises(ValidationError, match="ocr_language"):
        payload_of(plain_job, slot, owner)


@pytest.mark.parametrize(
    ("engine", "model"),
    [("rapidocr", "devanagari_PP-OCRv5_rec_mobile.onnx"), ("paddleocr", "PP-OCRv6_small_det")],
)
def test_a_job_whose_model_is_missing_fails_with_its_name(
    plain_job: Job, card: bytes, tmp_path: Path, engine: str, model: str
) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "ocr_language": "hi"}
    plain_job.upload(card)
    done = plain_job.run(environ={"OCR_ENGINE": engine, "OCR_MODELS_DIR": str(tmp_path)})
    assert done.error.code == "OCR_FAILED"
    assert re.search(rf"{re.escape(model)}.* is missing: .*OCR_MODELS_DIR", done.error.message)
