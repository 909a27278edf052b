"""Nobody's plaintext, and nobody else's job: what the store, other users and other processes can see."""

import base64
import functools
import io
import json
import time
import uuid
import zipfile
from pathlib import Path

from rythmiq.client import Caption, Client, JobOptions
from rythmiq.contracts.keys import dispatch_key, parse_key
from rythmiq.crypto import is_sealed, parse_header, seal
from rythmiq.crypto.key_ring import KeyRing
from tests.e2e.cloud_process import CloudProcess, processes, within
from tests.e2e.conftest import Cloud
from tests.support import loopback, worker_uploads

CARD_WORDS = (b"GOVERNMENT", b"SPECIMEN", b"1111 2222")
PLAIN = {
    "a JPEG": b"\xff\xd8\xff",
    "a ZIP": b"PK\x03\x04",
    "a PNG": b"\x89PNG",
    "JSON": b'{"',
    "an identifier in JSON": b"job_id",
    "recognised text": CARD_WORDS[1],
}


def kind_of(key: str) -> str:
    """Raw, dispatch, master, or which output."""
    parsed = parse_key(key)
    if parsed.kind == "raw":
        return "dispatch" if parsed.is_dispatch else "raw"
    return parsed.artifact if parsed.kind == "output" else parsed.kind


def test_the_store_sees_ciphertext_only_of_everything_that_a_job_leaves_there(cloud: Cloud, client: Client) -> None:
    card = worker_uploads.card()
    seen_before = len(cloud.store_line.exchanges)
    job_id = client.submit(card, "college-generic", "document", filename="मेरा कार्ड.jpg").job_id
    view = client.wait(job_id, timeout_s=240)
    assert b"SPECIMEN" in client.download(job_id, "text")
    kinds = set()
    for exchange in cloud.store_line.exchanges[seen_before:]:
        key = exchange.path.partition("?")[0].removeprefix(f"/{cloud.process.file.s3.bucket}/")
        for side, body in (("up", exchange.body), ("down", exchange.answer)):
            if not body or exchange.status >= 300:
                continue
            assert is_sealed(body), (side, key)
            kinds.add((side, kind_of(key)))
            found = [what for what, mark in PLAIN.items() if mark in body[124:] and len(mark) > 5]
            assert not found, (side, key, found)
    assert {kind for side, kind in kinds if side == "up"} == {
        "raw", "dispatch", "result", "master", "preview", "before", "document", "text", "zip",
    }  # fmt: skip

    def stored() -> list[str]:
        return [key for key in cloud.process.stored_keys() if job_id in key or str(view.document_id) in key]

    # What the service left for itself goes once the attempt has settled.
    kept = {"raw", "master", "preview", "before", "document", "text", "zip"}
    within(10, lambda: {kind_of(key) for key in stored()} == kept)
    assert all(is_sealed(cloud.process.store.fetch_object(key, max_bytes=1 << 26)) for key in stored())


def test_a_caption_stands_in_the_picture_and_nowhere_else(cloud: Cloud, client: Client) -> None:
    name = "Zubeida Qureshi-Venkataraman"
    options = JobOptions(caption=Caption(name=name, date="2026-11-28"))
    job_id = client.submit(worker_uploads.portrait(), "upsc-2026", "photo", options=options).job_id
    view = client.wait(job_id, timeout_s=240)
    assert "caption" in [operation["op"] for operation in (view.receipt or {})["operations"]]
    assert name not in view.model_dump_json()
    with zipfile.ZipFile(io.BytesIO(client.download(job_id, "output"))) as archive:
        assert not [entry for entry in archive.namelist() if name.encode() in archive.read(entry)]
    log = cloud.process.log.read_text(encoding="utf-8", errors="replace")
    assert job_id in log
    assert "Zubeida" not in log
    client.delete(job_id)
    assert "Zubeida" not in str(cloud.process.rows("select to_jsonb(j) from public.jobs j where id = %s", job_id))


def test_the_service_s_own_objects_cannot_be_opened_with_a_user_s_key(cloud: Cloud, client: Client) -> None:
    with cloud.held_job(client) as job_id:
        job = cloud.process.job(job_id)
        key = dispatch_key(job["user_id"], job_id, 1)
        within(10, lambda: cloud.process.store.object_exists(key))
        header = parse_header(cloud.process.store.fetch_object(key, max_bytes=1 << 20))
        ((kid, wrapped),) = cloud.process.rows("select kid, wrapped_key from public.jobs where id = %s", job_id)
    assert header.service
    assert (header.kid, header.wrapped_key) != (kid, base64.b64decode(wrapped))


def test_a_forged_dispatch_object_gains_nothing(cloud: Cloud, client: Client) -> None:
    """Whoever could write to the store  still cannot give the launcher orders."""
    ring = KeyRing.parse(cloud.process.file.encryption_keys)
    jobs = {}
    with cloud.executor_faults({"hold": True}):
        for how in ("plain", "sealed with the client's key"):
            job_id = client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg").job_id
            job = cloud.process.job(job_id)
            key = dispatch_key(job["user_id"], job_id, 1)
            within(10, functools.partial(cloud.process.store.object_exists, key))
            forged = json.dumps({"v": 1, "job_id": job_id, "user_id": job["user_id"], "attempt": 1}).encode()
            if how != "plain":
                ((kid, text),) = cloud.process.rows("select kid, wrapped_key from public.jobs where id = %s", job_id)
                wrapped = base64.b64decode(text)
                data_key = ring.unwrap(kid, wrapped, job["user_id"])
                forged = seal(forged, storage_key=key, data_key=data_key, kid=kid, wrapped_key=wrapped)
            cloud.process.store.upload_object(key, forged)
            jobs[how] = job_id
    ended = [cloud.process.ended(job_id) for job_id in jobs.values()]
    assert [(job["status"], job["attempt"]) for job in ended] == [("completed", 2)] * 2


def test_another_user_s_job_upload_and_master_are_404(process: CloudProcess, client: Client, portrait: bytes) -> None:
    job_id = client.submit(portrait, "neet-2026", "photo", filename="a.jpg").job_id
    view = client.wait(job_id, timeout_s=240)
    artifacts = view.artifacts or {}
    ((raw_path,),) = process.rows("select raw_path from public.jobs where id = %s", job_id)
    stranger = str(uuid.uuid4())
    with process.http(stranger) as http:
        answers = [
            http.get(f"/jobs/{job_id}"),
            http.delete(f"/jobs/{job_id}"),
            http.post("/uploads", json={"job_id": job_id}),
            *(
                http.post("/jobs", json={"portal": "neet-2026", "slot": "photo", "raw_path": path})
                for path in (raw_path, artifacts["master_path"], artifacts["document_path"], artifacts["output_path"])
            ),
        ]
        assert [answer.status_code for answer in answers[:5]] == [404] * 5
        assert all(answer.status_code in {404, 422} for answer in answers[5:])
        assert all(job_id not in answer.text.replace(str(answer.url), "") for answer in answers[1:])
        assert http.get("/jobs").json() == {"jobs": [], "next_cursor": None}
    assert client.job(job_id).status == "completed"


def test_a_link_opens_one_object_and_no_other(client: Client, portrait: bytes) -> None:
    job_id = client.submit(portrait, "neet-2026", "photo", filename="a.jpg").job_id
    view = client.wait(job_id, timeout_s=240)
    preview, document = view.links.preview, (view.artifacts or {})["document_path"]
    assert preview is not None
    own = (view.artifacts or {})["preview_path"]
    assert loopback.get(preview).status_code == 200
    assert loopback.get(preview.replace(own, document)).status_code == 403
    assert loopback.get(preview.partition("?")[0]).status_code == 403


def test_no_process_of_the_worker_sees_the_keys_or_the_webhook_secret(
    cloud: Cloud, client: Client, portrait: bytes
) -> None:
    """Looked up in the environments and command lines of executor, launcher and worker while they run (H4)."""
    secrets = {
        "the key ring": cloud.process.file.encryption_keys.partition(":")[2].encode(),
        "the dispatch key": cloud.process.file.dispatch_keys.partition(":")[2].encode(),
        "the webhook secret": cloud.process.file.webhook_secret.encode(),
        "the database": cloud.process.file.database_url.encode(),
        "the JWT secret": (cloud.process.file.jwt_secret or "?").encode(),
        "the metrics token": cloud.process.file.metrics_token.encode(),
    }
    job_id = client.submit(portrait, "neet-2026", "photo", filename="a.jpg").job_id
    seen: dict[str, set[str]] = {"executor": set(), "launcher": set(), "worker": set()}
    looked = dict.fromkeys(seen, 0)
    ends_at = time.monotonic() + 60
    while cloud.process.job(job_id)["status"] == "processing" and time.monotonic() < ends_at:
        running = {
            "executor": processes("rythmiq_cli.local.executor"),
            "launcher": processes("rythmiq-launch", job_id),
            "worker": processes("rythmiq_worker"),
        }
        for who, pids in running.items():
            for pid in pids:
                try:
                    environ = Path(f"/proc/{pid}/environ").read_bytes()
                    command = Path(f"/proc/{pid}/cmdline").read_bytes()
                except OSError:
                    continue
                looked[who] += bool(environ)
                seen[who] |= {name for name, value in secrets.items() if value in environ}
                assert not [name for name, value in secrets.items() if value in command]
        time.sleep(0.05)
    assert min(looked.values()) > 0
    assert seen["worker"] == set()
    assert seen["launcher"] == seen["executor"] == {"the dispatch key"}
