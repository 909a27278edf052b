"""One scenario of the demo as a client runs it: seal, upload, POST /jobs, watch, download, open, check."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rythmiq.client import Client, ClientError, JobFailedError
from rythmiq.contracts.job_bodies import JobView
from rythmiq.contracts.result import Receipt
from rythmiq.services.output import receipt_page
from tests.demo.report import Entry
from tests.demo.scenarios import Scenario

# Neither keys nor links that open something belong into a file that is left behind.
_NOT_KEPT = {"encryption", "links"}

Tell = Callable[[Scenario, str], object]


class DemoError(Exception):
    """What came back is not what was promised."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a scenario went.

    Attributes:
        entry: for the gallery.
        lines: what to say about it, as markup-free text.
    """

    scenario: Scenario
    entry: Entry
    lines: tuple[str, ...] = ()
    job_id: str = ""
    view: JobView | None = field(default=None, repr=False)


def run_scenario(client: Client, scenario: Scenario, output: Path, tell: Tell) -> Result:
    """Run one scenario; its files go into a folder of its own. A failed job is a result, too.

    Raises:
        DemoError: the files are not those of the receipt.
    """
    job_id = ""
    try:
        tell(scenario, "sealed, uploading")
        job_id = client.submit(scenario.content, scenario.portal, scenario.slot, filename=scenario.filename).job_id
        for view in client.watch(job_id):
            tell(scenario, _words(view))
        if view.status == "failed":
            raise JobFailedError(view)
        tell(scenario, "downloading")
        return _kept(client, scenario, view, output)
    except ClientError as error:
        said = f"{error.code}: {error.detail}"
        return Result(scenario, Entry(scenario.folder, ok=False, summary=said), (said,), job_id)


def _words(view: JobView) -> str:
    again = f", attempt {view.attempt}" if view.attempt > 1 else ""
    if view.status == "pending":
        return "waiting for its turn"
    return f"{view.stage or 'with the executor'}{again}" if view.status == "processing" else view.status


def _kept(client: Client, scenario: Scenario, view: JobView, output: Path) -> Result:
    """Download and open everything, hold it against the receipt, and write it down."""
    receipt = Receipt.model_validate(view.receipt, extra="ignore")
    document, preview = client.download(view.job_id, "document"), client.download(view.job_id, "preview")
    archive = client.download(view.job_id, "output")
    if hashlib.sha256(document).hexdigest() != receipt.document.sha256:
        raise DemoError(f"{scenario.folder}: the document is not the one of the receipt")
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        if (
            packed.read(receipt.document.filename) != document
            or json.loads(packed.read("receipt.json")) != view.receipt
        ):
            raise DemoError(f"{scenario.folder}: the ZIP holds another document or receipt")
        text = packed.read("text.txt") if "text.txt" in packed.namelist() else None
    before = client.download(view.job_id, "before")
    page = receipt_page(receipt, before=before, after=preview, warnings=view.warnings)
    folder = output / scenario.folder
    folder.mkdir()
    (folder / receipt.document.filename).write_bytes(document)
    (folder / "preview.jpg").write_bytes(preview)
    (folder / "output.zip").write_bytes(archive)
    (folder / "receipt.json").write_text(receipt.model_dump_json(indent=2), encoding="utf-8")
    (folder / "receipt.html").write_text(page, encoding="utf-8")
    (folder / "job.json").write_text(view.model_dump_json(indent=2, exclude=_NOT_KEPT), encoding="utf-8")
    if text is not None:
        (folder / "text.txt").write_bytes(text)
    facts = receipt.document
    size = f"{facts.width_px} x {facts.height_px} px, " if facts.width_px else ""
    passed = sum(clause.verdict == "pass" for clause in receipt.clauses)
    summary = f"{size}{facts.bytes} bytes, {passed} of {len(receipt.clauses)} clauses pass"
    lines = [f"{facts.filename}: {summary}; quality {view.quality_score:.2f}"]
    lines += [
        f"{clause.clause}: wants {clause.wanted}; has {clause.measured}"
        for clause in receipt.clauses
        if clause.verdict in {"fail", "advice"}
    ]
    if text is not None:
        words = text.decode().splitlines()
        lines.append(f"{len(words)} lines of text, e.g. {words[0]}")
    entry = Entry(
        scenario.folder, ok=True, conforms=receipt.conforms, summary=summary, document=facts.filename, before=before
    )
    return Result(scenario, entry, tuple(lines), view.job_id, view)
