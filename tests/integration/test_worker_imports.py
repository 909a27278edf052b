"""What a job does not need is not imported: that is half of a photo job's cost.

And what holds the credentials imports nothing that reads a picture, what reads pictures nothing of the net.
"""

import json
import re

from rythmiq.adapters.spaces import SpacesStore
from tests.faults.worker_tells_imports import TOLD
from tests.support.worker_run import Done, Job, environ_for, run
from tests.support.worker_uploads import blank

HEAVY = {
    "boto3",
    "img2pdf",
    "moto",
    "onnxruntime",
    "openvino",
    "pi_heif",
    "pypdfium2",
    "rapidocr",
    "requests",
    "scipy",
    "skimage",
    "rythmiq_cli",
}


PIXELS = {"cv2", "numpy", "PIL"}
NET = {"anyio", "botocore", "cryptography", "h11", "httpcore", "httpx", "pydantic", "pydantic_core", "ssl", "urllib3"}


def imported(done: Done) -> set[str]:
    """Packages in the report of `python -X importtime`."""
    return {
        name.partition(".")[0] for name in re.findall(r"^import time:[\d| ]+\|\s*([\w.]+)$", done.stderr, re.MULTILINE)
    }


def ran(job: Job) -> Done:
    """A run that reports its imports."""
    return run(json.dumps(job.payload).encode(), environ_for(job.store.config), python=("-X", "importtime"))


def test_a_photo_job_without_text_imports_no_engine_and_nothing_that_it_does_not_need(
    sealed_job: Job, portrait: bytes
) -> None:
    """No OCR engine, no boto3 client, no PDF or HEIF reader; nothing that reads a picture in the worker itself."""
    sealed_job.rules |= {"kind": "photo", "ocr": "off"}
    sealed_job.upload(portrait)
    done = ran(sealed_job)
    assert done.success.job_id == sealed_job.job_id
    assert {"httpcore", "cryptography", "botocore"} <= imported(done)
    assert not imported(done) & (HEAVY | PIXELS)
    assert "rythmiq_worker.engines.rapidocr" not in done.stderr


def test_the_image_process_imports_nothing_of_the_net_and_validates_nothing(sealed_job: Job, portrait: bytes) -> None:
    """It tells what it has imported when the document is made."""
    sealed_job.rules |= {"kind": "photo", "ocr": "off"}
    sealed_job.upload(portrait)
    error = sealed_job.run("worker_tells_imports.py").error
    packages = set(error.message.split())
    assert packages >= PIXELS
    assert not packages & (HEAVY | NET | TOLD)


def test_a_payload_that_is_refused_imports_nothing_that_touches_pixels_or_the_net(store: SpacesStore) -> None:
    """The answer is a matter of words."""
    job = Job(store)
    job.payload["user_id"] = "nobody"
    done = ran(job)
    assert done.error.code == "PAYLOAD_INVALID"
    assert not imported(done) & (HEAVY | PIXELS | {"httpcore", "botocore", "cryptography"})


def test_a_missing_upload_imports_nothing_that_touches_pixels(store: SpacesStore) -> None:
    """Each stage imports its own."""
    done = ran(Job(store))
    assert done.error.code == "FETCH_FAILED"
    assert not imported(done) & (HEAVY | PIXELS)


def test_the_text_engine_stays_in_its_own_process(plain_job: Job) -> None:
    """The parent of a document job imports none of it."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document"}
    plain_job.upload(blank(200))
    done = ran(plain_job)
    assert done.success.metrics.stages[4].cpu_ms > 0
    assert not imported(done) & (HEAVY | PIXELS)
