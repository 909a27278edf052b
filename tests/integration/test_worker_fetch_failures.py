"""Failures of a job from FETCH on."""

import base64
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from PIL import Image

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import ErrorCode
from tests.support.hostile_store import (
    Behaviour,
    HostileStore,
    answers,
    drips,
    floods,
    resets,
    says,
    stalls,
)
from tests.support.worker_run import ROOT, WORKER_PYTHON, Job, environ_for
from tests.support.worker_uploads import blank, encoded, two_kilobytes_of_noise

OTHER_KEY = bytes(32)

NO_SUCH_NAME = f"http://{'a' * 64}.test"


# --- FETCH -----------------------------------------------------------------------------------------------------------


def at(hostile: HostileStore, *, sealed: bool = False) -> Job:
    """A job whose store misbehaves."""
    return Job(
        SpacesStore(StoreConfig(hostile.endpoint, "sgp1", "rythmiq", "key", "s3cr3t-s3cr3t"), attempts=1), sealed=sealed
    )


@pytest.mark.parametrize(
    ("get", "reason", "transient"),
    [
        (answers(500), "unavailable", True),
        (answers(503), "unavailable", True),
        (answers(429), "unavailable", True),
        (resets, "unavailable", True),
        (answers(200, b"half", length=100), "truncated", True),
        (answers(403), "access_denied", False),
        (answers(401), "access_denied", False),
        (answers(404), "missing", False),
        (answers(301, headers="Location: http://127.0.0.1:1/\r\n"), "unavailable", False),
        (answers(206, b"part"), "unavailable", False),
        (answers(200, b"", length=10**12), "too_large", False),
        (floods, "too_large", False),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "unavailable", False),
    ],
    ids=["500", "503", "429", "reset", "truncated", "403", "401", "404", "301", "206", "announced", "endless", "ssh"],
)
def test_a_store_that_does_not_give_the_upload_is_fetch_failed(
    hostile: HostileStore, get: Behaviour, reason: str, *, transient: bool
) -> None:
    """And `detail.transient` says whether a repeat may do; the worker itself never repeats."""
    hostile.get = get
    done = at(hostile).run(environ={"MAX_UPLOAD_BYTES": "500000"})
    assert done.error.code is ErrorCode.FETCH_FAILED
    assert done.error.detail == {"reason": reason, "transient": transient}
    assert done.stages == ["fetch"]
    assert len(hostile.requests) == 1


@pytest.mark.parametrize("get", [stalls, drips], ids=["stalls", "drips"])
@pytest.mark.parametrize("by", ["path", "url"])
def test_a_slow_store_is_fetch_timeout_when_the_whole_limit_has_passed(
    hostile: HostileStore, get: Behaviour, by: str
) -> None:
    """Also when no single read is slow."""
    hostile.get = get
    job = at(hostile)
    if by == "url":
        job.payload["input"] = {"artifact_url": f"{hostile.endpoint}/rythmiq/{job.key()}"}
    done = job.run(environ={"FETCH_TIMEOUT_S": "0.3"})
    assert done.error.code is ErrorCode.FETCH_TIMEOUT
    assert done.result.metrics is not None
    assert 300 <= done.result.metrics.stages[0].wall_ms < 1_500


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", NO_SUCH_NAME], ids=["refused", "no such name"])
@pytest.mark.parametrize("by_url", [False, True], ids=["path", "url"])
def test_our_own_store_that_nobody_serves_is_fetch_failed_for_now(
    plain_job: Job, endpoint: str, *, by_url: bool
) -> None:
    """It may be starting anew: a repeat of the same job may do."""
    plain_job.payload["storage"]["endpoint"] = endpoint
    if by_url:
        plain_job.payload["input"] = {"artifact_url": f"{endpoint}/rythmiq/{plain_job.key()}"}
    error = plain_job.run(environ={"SPACES_ENDPOINT": endpoint, "ALLOW_PLAINTEXT": "yes"}).error
    assert (error.code, error.detail) == ("FETCH_FAILED", {"reason": "unavailable", "transient": True})


@pytest.mark.parametrize("origin", ["http://127.0.0.1:1", NO_SUCH_NAME], ids=["refused", "no such name"])
def test_a_foreign_origin_that_nobody_serves_is_fetch_failed_for_good(plain_job: Job, origin: str) -> None:
    """What is wrong is most likely the address."""
    plain_job.payload["input"] = {"artifact_url": f"{origin}/a.jpg"}
    error = plain_job.run(environ={"ARTIFACT_URL_ALLOWED_ORIGINS": origin}).error
    assert (error.code, error.detail) == ("FETCH_FAILED", {"reason": "unavailable", "transient": False})


def test_an_expired_url_is_fetch_failed(plain_job: Job) -> None:
    """The store refuses it."""
    url = plain_job.store.generate_download_url(plain_job.upload(blank()))
    plain_job.payload["input"] = {"artifact_url": url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3599")}
    error = plain_job.run().error
    assert (error.code, error.detail) == ("FETCH_FAILED", {"reason": "access_denied", "transient": False})


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/rythmiq/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:9/a",
        "file:///etc/passwd",
        "not a url",
    ],
)
def test_an_origin_that_is_not_allowed_is_never_asked(hostile: HostileStore, url: str) -> None:
    """FETCH_FAILED, before any connection."""
    job = at(hostile)
    job.payload["input"] = {"artifact_url": url}
    error = job.run().error
    assert (error.code, error.detail) == ("FETCH_FAILED", {"reason": "origin", "transient": False})
    assert hostile.requests == []


def test_a_listed_name_that_stands_for_an_address_nobody_may_reach_is_not_connected_to(plain_job: Job) -> None:
    """The address is checked where the connection is made."""
    plain_job.payload["input"] = {"artifact_url": "http://0:9/a"}  # to the resolver, 0 is a name of 0.0.0.0
    error = plain_job.run(environ={"ARTIFACT_URL_ALLOWED_ORIGINS": "http://0:9"}).error
    assert (error.code, error.detail) == ("FETCH_FAILED", {"reason": "origin", "transient": False})


@pytest.mark.parametrize("sealed", [True, False])
def test_the_limit_is_of_the_plaintext(store: SpacesStore, *, sealed: bool) -> None:
    """What is exactly as large as it may be passes, one byte more does not; sealing's own bytes do not count."""
    job = Job(store, sealed=sealed)
    data = b"not a picture" * 10
    job.upload(data)
    fits = job.run(environ={"MAX_UPLOAD_BYTES": str(len(data))}).error
    assert fits.code is ErrorCode.DECODE_FAILED
    large = job.run(environ={"MAX_UPLOAD_BYTES": str(len(data) - 1)}).error
    assert (large.code, large.detail) == ("FETCH_FAILED", {"reason": "too_large", "transient": False})


# --- opening ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lock:
    """One way in which an upload does not open."""

    reason: str
    stored: Callable[[Job], bytes]
    changes: Mapping[str, object] = field(default_factory=dict)


def _tampered(job: Job) -> bytes:
    sealed = bytearray(job.seal(blank(), job.key()))
    sealed[-20] ^= 1
    return bytes(sealed)


LOCKS = {
    "announced as encrypted and is not": Lock("not_encrypted", lambda _job: blank()),
    "sealed under another key": Lock("wrong_key", lambda job: job.seal(blank(), job.key(), data_key=OTHER_KEY)),
    "copied from another place": Lock("wrong_key", lambda job: job.seal(blank(), job.key("another.jpg"))),
    "sealed under a KEK that the job does not name": Lock(
        "unknown_kid", lambda job: job.seal(blank(), job.key(), data_key=OTHER_KEY, kid=9)
    ),
    "changed after it was sealed": Lock("tampered", _tampered),
    "cut short": Lock("malformed", lambda job: job.seal(blank(), job.key())[:100]),
    "of a suite that we do not know": Lock("malformed", lambda job: b"RQE1\x01" + job.seal(blank(), job.key())[5:]),
    "a service object": Lock("malformed", lambda job: b"RQE1\x01\x01" + job.seal(blank(), job.key())[6:]),
    "encrypted and the job has no key": Lock(
        "unknown_kid", lambda job: job.seal(blank(), job.key()), {"encryption": None}
    ),
    "a master whose own key is wrong": Lock(
        "wrong_key",
        lambda job: job.seal(blank(), job.key()),
        {"input_data_key": base64.b64encode(OTHER_KEY).decode()},
    ),
}


@pytest.mark.parametrize("name", LOCKS)
def test_an_upload_that_does_not_open_is_decode_failed_with_the_reason(sealed_job: Job, name: str) -> None:
    """Reasons: not_encrypted, wrong_key, tampered, unknown_kid, malformed."""
    lock = LOCKS[name]
    sealed_job.store.upload_object(sealed_job.key(), lock.stored(sealed_job))
    if "encryption" in lock.changes:
        del sealed_job.payload["encryption"]
    else:
        sealed_job.payload["encryption"] |= lock.changes
    error = sealed_job.run().error
    assert (error.code, error.stage, error.detail) == ("DECODE_FAILED", "decode", {"reason": lock.reason})


def test_all_reasons_of_the_specification_are_provoked() -> None:
    """The table holds each."""
    assert {lock.reason for lock in LOCKS.values()} == {
        "not_encrypted",
        "wrong_key",
        "tampered",
        "unknown_kid",
        "malformed",
    }


def test_a_rotated_kek_does_not_lock_an_upload_out(sealed_job: Job) -> None:
    """A rotation rewrites the header's kid and wrapped key; the data key is the same."""
    sealed_job.rules["ocr"] = "off"
    sealed_job.store.upload_object(sealed_job.key(), sealed_job.seal(blank(300), sealed_job.key(), kid=8))
    assert sealed_job.run().success.artifacts.document_path


def test_a_url_into_our_bucket_is_the_key_that_the_upload_is_sealed_under(sealed_job: Job) -> None:
    """And what is not sealed there is not what was announced."""
    sealed_job.rules["ocr"] = "off"
    key = sealed_job.upload(blank(300))
    sealed_job.payload["input"] = {"artifact_url": sealed_job.store.generate_download_url(key)}
    assert sealed_job.run().success.artifacts.document_path
    sealed_job.store.upload_object(key, blank(300))
    assert sealed_job.run().error.detail == {"reason": "not_encrypted"}


# --- DECODE, SCHEMA --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upload", "environ", "reason"),
    [
        (b"", {}, "empty"),
        (b"RIFF....WEBP", {}, None),
        (encoded(Image.new("RGB", (101, 100))), {"MAX_PIXELS": "10000"}, "too_many_pixels"),
        (encoded(Image.new("RGB", (400, 300), (1, 2, 3)))[:500], {}, "truncated"),
    ],
    ids=["empty", "damaged", "pixel budget", "truncated"],
)
def test_what_is_not_a_whole_picture_is_decode_failed(
    plain_job: Job, upload: bytes, environ: dict[str, str], reason: str | None
) -> None:
    """With the reason for a program."""
    plain_job.upload(upload)
    done = plain_job.run(environ=environ)
    assert done.error.code is ErrorCode.DECODE_FAILED
    assert done.error.detail is not None
    assert reason is None or done.error.detail["reason"] == reason
    assert done.stages == ["fetch", "decode"]
    assert done.result.metrics is not None
    assert done.result.metrics.input_bytes == len(upload)


def test_a_limit_that_cannot_be_met_tells_how_near_we_came(plain_job: Job) -> None:
    """SIZE_EXCEEDED: `detail` = smallest_bytes, width_px, height_px."""
    detail = two_kilobytes_of_noise(plain_job).error.detail
    assert detail is not None
    assert set(detail) == {"smallest_bytes", "width_px", "height_px"}
    assert isinstance(detail["smallest_bytes"], int)
    assert detail["smallest_bytes"] > 2_000
    assert (detail["width_px"], detail["height_px"]) == (600, 600)


def test_a_receipt_too_long_for_the_answer_fails_before_anything_is_stored(hostile: HostileStore) -> None:
    """Sources of any length travel with the rules, and the answer has 64 KiB."""
    job = at(hostile)
    hostile.get = answers(200, blank(300))
    source = {"source_url": "https://example.com", "source_kind": "official", "checked_on": "2026-01-01"}
    job.rules |= {"ocr": "off", "sources": {"max_kb": source | {"confidence": "high", "note": "x" * 60_000}}}
    done = job.run()
    assert (done.error.code, done.stages[-1]) == ("SCHEMA_FAILED", "schema")
    assert not [line for line in hostile.requests if line.startswith("PUT")]


# --- OCR -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code", "environ"),
    [
        ("ocr_hangs", "OCR_TIMEOUT", {"OCR_TIMEOUT_S": "0.6"}),
        ("ocr_segfault", "OCR_FAILED", {}),
        ("ocr_abort", "OCR_FAILED", {}),
        ("ocr_killed", "OCR_FAILED", {}),
        ("ocr_memory_error", "OCR_FAILED", {}),
        ("ocr_garbage", "OCR_FAILED", {}),
        ("ocr_quotes_text", "OCR_FAILED", {}),
    ],
)
def test_a_disaster_in_the_text_engine_ends_the_job_and_not_the_worker(
    plain_job: Job, fault: str, code: str, environ: dict[str, str]
) -> None:
    """Each becomes the right failure."""
    plain_job.rules.clear()
    plain_job.rules |= {"kind": "document", "enhance": "off"}
    plain_job.upload(blank(200))
    done = plain_job.run("worker_ocr_engine.py", fault, environ=environ)
    assert done.error.code == code
    assert "AADHAAR" not in done.stdout + done.stderr


# --- UPLOAD ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("put", "transient"),
    [
        ([answers(403)], False),
        ([answers(500)], True),
        ([resets], True),
        ([answers(200), answers(200), answers(200), answers(503)], True),
    ],
    ids=["403", "500", "reset", "at the master"],
)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_store_that_refuses_a_result_is_upload_failed(
    hostile: HostileStore, put: list[Behaviour], *, transient: bool, sealed: bool
) -> None:
    """Whichever object it is; the master comes last, and nothing is tried twice."""
    job = at(hostile, sealed=sealed)
    job.rules["ocr"] = "off"
    hostile.get = answers(200, job.seal(blank(300), job.key()) if sealed else blank(300))
    hostile.put = list(put)
    done = job.run()
    assert done.error.code is ErrorCode.UPLOAD_FAILED
    assert done.error.detail == {"transient": transient}
    assert done.stages[-1] == "upload"
    names = [line.split()[1].rpartition("/")[2] for line in hostile.requests if line.startswith("PUT")]
    suffix = ".enc" if sealed else ""
    wanted = [
        f"20260102T030405Z_document.jpg{suffix}",
        f"preview.jpg{suffix}",
        f"before.jpg{suffix}",
        f"{job.job_id}.enc",
    ]
    assert names == wanted[: len(put)]


# --- the process -----------------------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_stops(hostile: HostileStore) -> None:
    """SIGTERM ends it at once; what that means is the launcher's to say."""
    hostile.get = stalls
    job = at(hostile)
    with subprocess.Popen(
        [WORKER_PYTHON, "-m", "rythmiq_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ_for(job.store.config)},
    ) as worker:
        assert worker.stdin is not None
        assert worker.stderr is not None
        worker.stdin.write(json.dumps(job.payload).encode())
        worker.stdin.close()
        assert b'"start"' in worker.stderr.readline()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == -signal.SIGTERM
