"""`make demo`: the main job on real files, on this machine.

Starts the local store, puts sealed sample files there through presigned URLs as a client would, runs the worker on each
as a process of its own, opens what it stored, checks it against the receipt, and leaves everything in a folder.
"""

import argparse
import base64
import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.keys import raw_key
from rythmiq.contracts.portal import Slot
from rythmiq.contracts.result import RESULT, Failure, Success
from rythmiq.crypto.key_ring import DataKey, KeyRing
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, is_sealed, open_sealed, seal
from rythmiq.portals import load_portal
from rythmiq.services.receipt_page import receipt_page
from rythmiq_cli.local.gallery import Entry, gallery_page
from rythmiq_cli.local.s3_server import local_store
from rythmiq_cli.samples.camera import Shot, as_jpeg, photograph
from rythmiq_cli.samples.cutout import wall_photo
from rythmiq_cli.samples.pages import id_card, marksheet
from rythmiq_cli.samples.portrait import as_phone_jpeg, phone_photo
from rythmiq_cli.samples.signature import signature_photo
from rythmiq_cli.thumbnail import thumbnail

EXIT_OK, EXIT_JOB_FAILED = 0, 3
_MARKER = ".rythmiq-demo"
_MAX_OPENED_BYTES = 64 * 1024 * 1024
_STAGES = ("fetch", "decode", "quality", "enhance", "ocr", "schema", "upload")


@dataclass(frozen=True, slots=True)
class Errand:
    """One file for one slot of one portal."""

    filename: str
    content: bytes = field(repr=False)
    portal: str
    slot: str

    @property
    def folder(self) -> str:
        """Where its results go."""
        return f"{self.portal}-{self.slot}"


@dataclass(frozen=True, slots=True)
class Job:
    """What a client knows of its job."""

    user_id: str
    job_id: str
    raw_path: str
    key: DataKey = field(repr=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; exit 3 when a job fails or its results do not hold."""
    parser = argparse.ArgumentParser(description="The main job on real files, on this machine.")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="where results go; made anew")
    output: Path = parser.parse_args(arguments).output
    console = Console(highlight=False, soft_wrap=True)
    _clear(output)
    console.print("[bold]Rythmiq One[/] demo: phone pictures in, files that fit their portals out")
    console.print("[dim]drawing and photographing the samples ...[/]")
    errands = list(_errands())
    ring = KeyRing.parse(KeyRing.new_entry(1))
    entries: list[Entry] = []
    with local_store() as running:
        console.print(f"[dim]store {running.config.endpoint}: signatures and expiry are checked[/]\n")
        store = SpacesStore(running.config)
        for errand in errands:
            job = _upload(store, errand, ring.mint())
            result = _work(running.config, errand, job, console)
            entries.append(_collect(store, errand, job, result, output, console))
        sealed = _only_ciphertext(running.config)
    (output / "index.html").write_text(gallery_page(entries), encoding="utf-8")
    done, whole = sum(entry.ok for entry in entries), sum(entry.conforms for entry in entries)
    console.print(
        f"\n[bold]{done} of {len(entries)}[/] files keep every hard rule, {whole} conform in every point. "
        f"The store holds {sealed} objects, all of them ciphertext."
    )
    console.print(f"Look at [bold]{output / 'index.html'}[/]")
    return EXIT_OK if done == len(entries) else EXIT_JOB_FAILED


def _clear(output: Path) -> None:
    """Make the folder anew, but never remove what is not a demo's."""
    if output.exists() and not (output / _MARKER).exists() and any(output.iterdir()):
        raise SystemExit(f"{output} holds other things; name another folder with --output")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    (output / _MARKER).touch()


def _errands() -> Iterator[Errand]:
    white_wall = as_phone_jpeg(wall_photo(), orientation=6)
    yield Errand("IMG_2042.jpg", white_wall, "neet-2026", "photo")
    yield Errand("IMG_2042.jpg", white_wall, "passport-india", "photo")
    yield Errand("IMG_2042.jpg", white_wall, "ibps", "photo")
    yield Errand("in the office.jpg", as_phone_jpeg(phone_photo()), "jee-main-2026", "photo")
    signature = as_phone_jpeg(signature_photo())
    yield Errand("sign.jpg", signature, "neet-2026", "signature")
    yield Errand("sign.jpg", signature, "college-generic", "signature")
    card_shot = Shot(size_px=(4000, 3000), fills=0.8, tilt=0.06, turn_deg=2, shadow=0.3)
    card = as_jpeg(photograph(id_card(seed=7).image, card_shot), card_shot)
    yield Errand("मेरा कार्ड.jpg", card, "aadhaar-update", "document")
    sheet_shot = Shot(size_px=(3000, 4000), fills=0.92, tilt=0.04, turn_deg=-1, shadow=0.35)
    sheet = as_jpeg(photograph(marksheet(seed=7).image, sheet_shot), sheet_shot)
    yield Errand("marksheet.jpg", sheet, "neet-2026", "class-10-certificate")


def _upload(store: SpacesStore, errand: Errand, key: DataKey) -> Job:
    """Seal the file and PUT it through a presigned URL, as a client does."""
    user_id, job_id = str(uuid.uuid4()), str(uuid.uuid4())
    path = raw_key(user_id, job_id, dt.datetime.now(tz=dt.UTC), "upload.jpg")
    presigned = store.generate_upload_url(path, size_bytes=len(errand.content) + OVERHEAD_BYTES)
    body = seal(errand.content, storage_key=path, data_key=key.data_key, kid=key.kid, wrapped_key=key.wrapped_key)
    httpx.put(presigned.url, headers=presigned.headers, content=body).raise_for_status()
    return Job(user_id, job_id, path, key)


def _payload(config: StoreConfig, errand: Errand, job: Job) -> dict[str, Any]:
    portal = load_portal(errand.portal)
    slot = next(slot for slot in portal.slots if slot.slot == errand.slot)
    return {
        "v": 1,
        "job_id": job.job_id,
        "user_id": job.user_id,
        "attempt": 1,
        "dispatched_at": dt.datetime.now(tz=dt.UTC).isoformat(),
        "portal_schema": {
            "id": f"{portal.portal}/{slot.slot}@{portal.version}",
            "name": portal.name,
            "version": portal.version,
            "portal": portal.portal,
            "slot": slot.slot,
            "schema_definition": _rules(slot),
        },
        "input": {"raw_path": job.raw_path, "mime_type": "image/jpeg", "original_filename": errand.filename},
        "storage": {"bucket": config.bucket, "region": config.region, "endpoint": config.endpoint},
        "encryption": {
            "kid": job.key.kid,
            "wrapped_key": base64.b64encode(job.key.wrapped_key).decode(),
            "data_key": base64.b64encode(job.key.data_key).decode(),
        },
    }


def _rules(slot: Slot) -> dict[str, Any]:
    return slot.schema_definition.model_dump(mode="json", exclude_none=True)


def _work(config: StoreConfig, errand: Errand, job: Job, console: Console) -> Success | Failure:
    """Run the worker in a process of its own and show its stages as they pass."""
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "SPACES_ENDPOINT": config.endpoint,
        "SPACES_REGION": config.region,
        "SPACES_BUCKET": config.bucket,
        "SPACES_KEY": config.access_key,
        "SPACES_SECRET": config.secret_key,
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "rythmiq_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
    )
    if worker.stdin is None or worker.stdout is None or worker.stderr is None:
        raise AssertionError("the pipes were asked for")
    worker.stdin.write(json.dumps(_payload(config, errand, job)).encode())
    worker.stdin.close()
    head = f"[bold]{errand.folder}[/] [dim]{escape(errand.filename)}, {len(errand.content) / 1e6:.1f} MB[/]"
    if not console.is_terminal:
        console.print(head)
    with console.status(head, spinner="dots") as status:
        passed: list[str] = []
        for line in worker.stderr:
            event = _event(line)
            if event.get("event") == "stage" and event.get("state") == "end":
                passed.append(f"{event['stage']} [dim]{event['wall_ms']} ms[/]")
                left = _STAGES[len(passed)] if len(passed) < len(_STAGES) else ""
                status.update(f"{head}\n  {' · '.join(passed)} · {left} ...")
        answer = worker.stdout.read()
        worker.wait()
    if console.is_terminal:
        console.print(head)
    console.print(f"  {' · '.join(passed)}")
    return RESULT.validate_json(answer)


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _collect(  # noqa: PLR0913, PLR0917  a job and where it came from
    store: SpacesStore, errand: Errand, job: Job, result: Success | Failure, output: Path, console: Console
) -> Entry:
    """Open what the worker stored, hold it against the receipt, and write it down."""
    folder = output / errand.folder
    folder.mkdir()
    (folder / "result.json").write_text(result.model_dump_json(indent=2), encoding="utf-8")
    if isinstance(result, Failure):
        console.print(f"  [red]✕ {result.error.code}[/]: {escape(result.error.message)}")
        return Entry(errand.folder, ok=False, summary=f"{result.error.code}: {result.error.message}")
    artifacts, receipt = result.artifacts, result.receipt
    opened = {
        name: open_sealed(
            store.fetch_object(key, max_bytes=_MAX_OPENED_BYTES), storage_key=key, data_key=job.key.data_key
        )
        for name, key in artifacts.model_dump(exclude_none=True).items()
    }
    document = opened["document_path"]
    if hashlib.sha256(document).hexdigest() != receipt.document.sha256:
        raise SystemExit("the stored document is not the one of the receipt")
    before = thumbnail(errand.content)
    page = receipt_page(receipt, before=before, after=opened["preview_path"], warnings=result.warnings)
    (folder / receipt.document.filename).write_bytes(document)
    (folder / "preview.jpg").write_bytes(opened["preview_path"])
    (folder / "receipt.json").write_text(receipt.model_dump_json(indent=2), encoding="utf-8")
    (folder / "receipt.html").write_text(page, encoding="utf-8")
    if "text_path" in opened:
        (folder / "text.txt").write_bytes(opened["text_path"])
    facts = receipt.document
    size = f"{facts.width_px} x {facts.height_px} px, " if facts.width_px else ""
    passed = sum(clause.verdict == "pass" for clause in receipt.clauses)
    summary = f"{size}{facts.bytes} bytes, {passed} of {len(receipt.clauses)} clauses pass"
    console.print(f"  [green]✓ {receipt.document.filename}[/] {summary}; quality {result.quality_score:.2f}")
    for clause in receipt.clauses:
        if clause.verdict in {"fail", "advice"}:
            console.print(f"    [yellow]{clause.clause}[/]: wants {clause.wanted}; has {clause.measured}")
    if "text_path" in opened:
        lines = opened["text_path"].decode().splitlines()
        console.print(f"    [dim]{len(lines)} lines of text, e.g. {escape(lines[0])}[/]")
    return Entry(
        errand.folder, ok=True, conforms=receipt.conforms, summary=summary, document=facts.filename, before=before
    )


def _only_ciphertext(config: StoreConfig) -> int:
    """Count the store's objects; every one must be sealed."""
    import boto3  # noqa: PLC0415  listing is no call of the adapter's

    client = boto3.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
    )
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=config.bucket).get("Contents", [])]
    for key in keys:
        if not is_sealed(client.get_object(Bucket=config.bucket, Key=key)["Body"].read(4)):
            raise SystemExit(f"an object in the store is not sealed: {key}")
    return len(keys)


if __name__ == "__main__":
    sys.exit(main())
