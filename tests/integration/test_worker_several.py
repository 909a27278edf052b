"""A worker's job of several uploads: opened each with its own key, one PDF in their order, bounded together."""

import base64
import io
import uuid

import pypdfium2
import pytest
from PIL import Image

from rythmiq.contracts.errors import ErrorCode
from rythmiq.contracts.keys import raw_key
from tests.support.worker_run import DATA_KEY, UPLOADED_AT, Job

OTHER_KEY = bytes(range(32, 64))
RULES = {"kind": "document", "ocr": "off", "output_format": "pdf", "max_kb": 300, "enhance": "off"}


def page(width_px: int, height_px: int, colour: str = "white", kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(out, kind)
    return out.getvalue()


def pdf(pages: int) -> bytes:
    out = io.BytesIO()
    with pypdfium2.PdfDocument.new() as document:
        for _ in range(pages):
            document.new_page(595, 842)
        document.save(out)
    return out.getvalue()


def several(job: Job, *contents: bytes) -> list[str]:
    """Upload these, the first under the job's own id, and say so in the payload; their keys."""
    keys = []
    for index, content in enumerate(contents):
        job_id = job.job_id if index == 0 else str(uuid.uuid4())
        key = raw_key(job.user_id, job_id, UPLOADED_AT, f"{index}.jpg")
        data_key = DATA_KEY if index == 0 else OTHER_KEY
        job.store.upload_object(key, job.seal(content, key, data_key=data_key) if job.sealed else content)
        keys.append(key)
    job.rules.clear()
    job.rules |= RULES
    job.payload["input"] = {"raw_paths": keys, "mime_type": "image/jpeg", "original_filename": "marks.jpg"}
    if job.sealed:
        opening = [DATA_KEY, *[OTHER_KEY] * (len(keys) - 1)]
        job.payload["encryption"]["input_data_keys"] = [base64.b64encode(key).decode() for key in opening]
    return keys


def shapes(data: bytes) -> list[str]:
    """Whether each page is wide or tall."""
    with pypdfium2.PdfDocument(data) as document:
        return ["wide" if sheet.get_width() > sheet.get_height() else "tall" for sheet in document]


@pytest.mark.parametrize("sealed", [True, False])
def test_the_pages_stand_in_the_order_of_the_uploads(sealed_job: Job, plain_job: Job, sealed: bool) -> None:  # noqa: FBT001  a parameter of the test
    job = sealed_job if sealed else plain_job
    several(job, page(400, 300), page(300, 400, kind="PNG"), pdf(2), page(400, 300))
    success = job.run().success
    assert success.receipt.document.pages == 5
    document = job.fetched(success.artifacts.document_path)
    assert shapes(document) == ["wide", "tall", "tall", "tall", "wide"]
    assert len(document) <= 300_000
    assert shapes(job.fetched(success.artifacts.master_path)) == ["wide", "tall", "tall", "tall", "wide"]
    assert success.metrics.input_bytes is not None


def test_pages_are_turned_each_as_its_owner_says(plain_job: Job) -> None:
    several(plain_job, page(400, 300), page(400, 300), page(400, 300))
    plain_job.payload["options"] = {"rotate": [90, None, 270]}
    success = plain_job.run().success
    assert shapes(plain_job.fetched(success.artifacts.document_path)) == ["tall", "wide", "tall"]
    turns = [operation.parameters for operation in success.receipt.operations if operation.op == "turn"]
    assert turns == [{"page": 1, "degrees_clockwise": 90}, {"page": 3, "degrees_clockwise": 270}]
    assert shapes(plain_job.fetched(success.artifacts.master_path)) == ["wide", "wide", "wide"]


def test_a_list_of_one_page_says_of_a_photo_what_a_number_says(plain_job: Job, portrait: bytes) -> None:
    plain_job.upload(portrait)
    plain_job.rules |= {"kind": "photo", "ocr": "off"}
    made = []
    for rotate in (90, [90]):
        plain_job.payload["options"] = {"rotate": rotate}
        made.append(plain_job.fetched(plain_job.run().success.artifacts.document_path))
    assert made[0] == made[1]


def test_more_pages_than_are_taken_are_dropped_with_a_warning(plain_job: Job) -> None:
    several(plain_job, page(400, 300), pdf(2), page(300, 400))
    success = plain_job.run(environ={"MAX_PAGES": "3"}).success
    assert success.receipt.document.pages == 3
    assert "PAGES_DROPPED" in [advice.code for advice in success.advice]


def test_together_they_are_no_larger_than_one_may_be(plain_job: Job) -> None:
    contents = [page(400, 300), page(300, 400)]
    several(plain_job, *contents)
    limit = sum(map(len, contents))
    assert plain_job.run(environ={"MAX_UPLOAD_BYTES": str(limit)}).success.receipt.document.pages == 2
    error = plain_job.run(environ={"MAX_UPLOAD_BYTES": str(limit - 1)}).error
    assert (error.code, (error.detail or {})["reason"]) == (ErrorCode.FETCH_FAILED, "too_large")


def test_one_that_is_missing_fails_the_fetch(plain_job: Job) -> None:
    keys = several(plain_job, page(400, 300), page(300, 400))
    plain_job.store.delete_object(keys[1])
    error = plain_job.run().error
    assert (error.code, (error.detail or {})["reason"]) == (ErrorCode.FETCH_FAILED, "missing")


def test_one_that_does_not_decode_is_named_by_its_number(plain_job: Job) -> None:
    several(plain_job, page(400, 300), b"no picture", page(300, 400))
    error = plain_job.run().error
    assert error.code is ErrorCode.DECODE_FAILED
    assert error.detail == {"reason": "unknown_format", "upload": 2}
    assert error.message.startswith("File 2: ")


def test_one_that_does_not_open_with_its_key_fails(sealed_job: Job) -> None:
    several(sealed_job, page(400, 300), page(300, 400))
    sealed_job.payload["encryption"]["input_data_keys"].reverse()
    error = sealed_job.run().error
    assert (error.code, (error.detail or {})["reason"]) == (ErrorCode.DECODE_FAILED, "wrong_key")


def test_what_is_wrong_with_the_list_is_payload_invalid(sealed_job: Job) -> None:
    keys = several(sealed_job, page(400, 300), page(300, 400))
    stranger = raw_key(str(uuid.uuid4()), str(uuid.uuid4()), UPLOADED_AT, "x.jpg")
    master = f"master/{sealed_job.user_id}/{sealed_job.job_id}/{sealed_job.job_id}.enc"
    source, encryption = sealed_job.payload["input"], sealed_job.payload["encryption"]
    data_keys = encryption["input_data_keys"]
    for paths in ([keys[0], keys[0]], [keys[1], keys[0]], [keys[0], stranger], [keys[0], master], keys[:1]):
        source["raw_paths"] = paths
        encryption["input_data_keys"] = data_keys[: len(paths)]
        assert sealed_job.run().error.code is ErrorCode.PAYLOAD_INVALID
    source["raw_paths"], encryption["input_data_keys"] = keys, data_keys[:1]
    assert sealed_job.run().error.code is ErrorCode.PAYLOAD_INVALID
    encryption["input_data_keys"] = data_keys
    sealed_job.rules["output_format"] = "jpeg"
    assert sealed_job.run().error.code is ErrorCode.PAYLOAD_INVALID
    sealed_job.rules["output_format"] = "pdf"
    source["raw_path"] = keys[0]
    assert sealed_job.run().error.code is ErrorCode.PAYLOAD_INVALID
    del source["raw_path"]
    assert sealed_job.run().success.receipt.document.pages == 2
