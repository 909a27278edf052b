"""The whole worker: one photo job of 12 megapixels, process start to exit, over the least that such a process costs.

The job's figures are of all its processes: the CPU of the worker and of the image process that it has started and
reaped, and the peak of what both hold together. The floor imports the libraries that the job imports, decodes the
same JPEG in full, resizes it to the document's size with LANCZOS and encodes it once, and leaves the way the worker
leaves: no store, no cipher, no measure, no face, no search, no receipt.
"""

import json
import os
import statistics
import sys

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.portals import load_portal
from rythmiq_cli.local.store.s3_server import local_store
from tests.bench.measuring import Spent, run_process
from tests.bench.measuring_tree import peak_pss_mb
from tests.samples.cutout import wall_photo
from tests.samples.portrait import as_phone_jpeg
from tests.support.worker_run import Job, environ_for

ROUNDS = 9
PEAK_ROUNDS = 3
MOST_RATIO = 1.25
MOST_PEAK_MB = 195.0

FLOOR = """
import io, os, sys
import httpcore, pydantic, cv2, numpy
import botocore.auth
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin
image = Image.open(io.BytesIO(sys.stdin.buffer.read())).convert("RGB")
image = image.resize((413, 531), Image.Resampling.LANCZOS)
image.save(io.BytesIO(), "JPEG", quality=90)
os._exit(0)
"""


def main() -> None:
    """Measure, and print the rows."""
    upload = as_phone_jpeg(wall_photo())
    slot = next(slot for slot in load_portal("neet-2026").slots if slot.slot == "photo")
    rules = slot.schema_definition.model_dump(mode="json", exclude_none=True)
    floors, jobs = [], []
    with local_store() as running:
        job = Job(SpacesStore(running.config), rules=rules)
        job.upload(upload)
        payload = json.dumps(job.payload).encode()
        environ = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1", **environ_for(running.config)}
        for _ in range(ROUNDS):
            floors.append(run_process([sys.executable, "-c", FLOOR], stdin=upload, environ=environ))
            jobs.append(run_process([sys.executable, "-m", "rythmiq_worker"], stdin=payload, environ=environ))
        command = [sys.executable, "-m", "rythmiq_worker"]
        peaks = [peak_pss_mb(command, stdin=payload, environ=environ) for _ in range(PEAK_ROUNDS)]
    print(json.dumps(rows(floors, jobs, peaks, len(upload))))


def rows(floors: list[Spent], jobs: list[Spent], peaks_mb: list[float], upload_bytes: int) -> list[dict[str, object]]:
    """The figures and their bars."""
    ratio = min(spent.cpu_s for spent in jobs) / min(spent.cpu_s for spent in floors)
    middle = statistics.median(job.cpu_s / floor.cpu_s for job, floor in zip(jobs, floors, strict=True))
    peak_mb = max(peaks_mb)
    picture = f"12 MP JPEG of {upload_bytes / 1e6:.1f} MB to neet-2026/photo, sealed, store on loopback, OCR off"
    return [
        {
            "what": "CPU of a photo job's processes, start to exit, over the floor's",
            "measured": round(ratio, 3),
            "bar": f"<= {MOST_RATIO}",
            "unit": None,
            "holds": ratio <= MOST_RATIO,
            "note": f"{picture}; the floor imports the same libraries, decodes in full, resizes and encodes once; "
            f"least of {ROUNDS} runs each, median of the pairs {middle:.3f}",
        },
        {
            "what": "peak of the summed proportional set sizes of a photo job's processes",
            "measured": round(peak_mb, 1),
            "bar": f"<= {MOST_PEAK_MB:g}",
            "unit": "MB",
            "holds": peak_mb <= MOST_PEAK_MB,
            "note": f"largest of {PEAK_ROUNDS} runs, read as often as could be; the floor's resident set is "
            f"{max(spent.peak_mb for spent in floors):.1f} MB",
        },
    ]


if __name__ == "__main__":
    main()
