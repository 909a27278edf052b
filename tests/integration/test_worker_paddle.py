"""A job whose text PaddleOCR reads, in an installation that has it: the image's tree (`make test-image`)."""

from pathlib import Path

import pytest

from tests.paddle import models
from tests.support import worker_uploads
from tests.support.worker_run import Job

pytestmark = pytest.mark.image


def test_paddleocr_reads_a_card_from_models_of_this_machine(plain_job: Job, card: bytes, tmp_path: Path) -> None:
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document"}
    plain_job.upload(card)
    folder = models.onnx_models(tmp_path / "models")
    done = plain_job.run(environ={"OCR_ENGINE": "paddleocr", "OCR_MODELS_DIR": str(folder), "OCR_TIMEOUT_S": "110"})
    text_path = done.success.artifacts.text_path
    assert text_path is not None
    assert plain_job.fetched(text_path).decode().split() == " ".join(worker_uploads.TEXT).split()
