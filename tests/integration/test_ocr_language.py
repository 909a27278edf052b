"""The language of the text: who says it, and what becomes of one whose model is not there."""

import datetime as dt
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from rythmiq.contracts.payload import Payload
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.job import Context
from rythmiq_worker.stages.ocr import language_of
from tests.data.turned_pages import ENGLISH, bilingual, hindi, one_line
from tests.support.tessdata import needs_hindi
from tests.support.worker_run import Job

SETTINGS = WorkerSettings.model_validate(
    {
        "spaces_endpoint": "http://127.0.0.1:1",
        "spaces_region": "r",
        "spaces_bucket": "bucket",
        "spaces_key": "k",
        "spaces_secret": "s",
    }
)


def png_of(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def pdf_of(images: list[Image.Image]) -> bytes:
    out = io.BytesIO()
    images[0].save(out, "PDF", save_all=True, append_images=images[1:])
    return out.getvalue()


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


def test_a_job_whose_model_is_missing_fails_with_its_name(plain_job: Job, card: bytes, tmp_path: Path) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "ocr_language": "hi"}
    plain_job.upload(card)
    done = plain_job.run(environ={"OCR_ENGINE": "paddleocr", "OCR_MODELS_DIR": str(tmp_path)})
    assert done.error.code == "OCR_FAILED"
    assert re.search(r"PP-OCRv6_small_det.* is missing: .*OCR_MODELS_DIR", done.error.message)


@pytest.mark.parametrize("language", [None, "hi"])
def test_without_the_data_of_hindi_nothing_is_made_up(plain_job: Job, language: str | None) -> None:
    """No Latin letters for the Hindi ones, and the warning names script and package; the English lines are there."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document"} | ({} if language is None else {"ocr_language": language})
    plain_job.upload(png_of(bilingual(5000)))
    done = plain_job.run("worker_ocr_engine.py", "ocr_without_tessdata")
    assert done.success.advice[-1].parameters == {"script": "Devanagari", "install": "tesseract-ocr-hin"}
    assert "SCRIPT_NOT_READ" in done.success.warnings[-1]
    legibility = next(clause for clause in done.success.receipt.clauses if clause.clause == "legibility")
    assert legibility.verdict == "not_checked"
    read = plain_job.fetched(done.success.artifacts.text_path or "").decode().split()
    assert read
    assert set(read) <= {word for line in ENGLISH for word in line.split()}


@needs_hindi
@pytest.mark.parametrize("language", [None, "hi"])
def test_hindi_is_read_beside_english(plain_job: Job, language: str | None) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document"} | ({} if language is None else {"ocr_language": language})
    plain_job.upload(png_of(hindi(5000)))
    done = plain_job.run()
    text = plain_job.fetched(done.success.artifacts.text_path or "").decode()
    assert "प्रमाण" in text or "विद्यालय" in text or "परीक्षा" in text, text
    assert not re.search("[A-Za-z]", text)
    assert not any("SCRIPT_NOT_READ" in warning for warning in done.success.warnings)


def test_pages_that_were_not_read_in_time_are_told_and_not_the_end(plain_job: Job) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "formats": ["pdf"]}
    plain_job.payload["input"]["mime_type"] = "application/pdf"
    plain_job.upload(pdf_of([one_line(5000), one_line(5001), one_line(5002)]))
    done = plain_job.run("worker_reads_one_page.py")
    assert ("TEXT_NOT_READ", {"pages": 2, "of": 3}) in [(one.code, one.parameters) for one in done.success.advice]
    verdicts = {
        (clause.clause, clause.page): clause.verdict
        for clause in done.success.receipt.clauses
        if clause.clause in {"legibility", "completeness"}
    }
    unread = {key for key, verdict in verdicts.items() if verdict == "not_checked"}
    assert unread == {(name, page) for name in ("legibility", "completeness") for page in (2, 3)}
    assert len(verdicts) == 6
    assert plain_job.fetched(done.success.artifacts.text_path or "")


def test_a_single_page_that_was_not_read_in_time_ends_the_job(plain_job: Job, card: bytes) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document"}
    plain_job.upload(card)
    done = plain_job.run(environ={"OCR_TIMEOUT_S": "0.01"})
    assert (done.error.code, done.error.retryable) == ("OCR_TIMEOUT", True)


def test_a_page_that_was_not_read_in_time_twice_is_not_tried_a_third_time(plain_job: Job, card: bytes) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document"}
    plain_job.payload["attempt"] = 2
    plain_job.upload(card)
    done = plain_job.run(environ={"OCR_TIMEOUT_S": "0.01"})
    assert (done.error.code, done.error.retryable) == ("OCR_TIMEOUT", False)
