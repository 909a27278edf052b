"""Output of the commands: progress on STDERR, receipts as tables, and files that are written whole or not at all.

Nothing moves when STDERR is not a terminal.
"""

import contextlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from rythmiq.contracts.keys import sanitize_filename
from rythmiq.contracts.result import Receipt
from rythmiq_cli.exits import ExitCode, json_line, plain, usage

if TYPE_CHECKING:
    from rythmiq.client import Client, JobFile
    from rythmiq.contracts.job_bodies import JobView


_MARKS = {
    "pass": "[green]fits[/]",
    "fail": "[red]does not fit[/]",
    "advice": "[yellow]look again[/]",
    "not_checked": "[dim]not checked[/]",
}


@contextlib.contextmanager
def stage_progress(stages: Sequence[str]) -> Iterator[Callable[[str], object]]:
    """Show the current stage; yields a callback for the name of each stage as it begins."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _stage: None
        return
    with console.status("starting ...") as status:
        yield lambda stage: status.update(f"{stage} ({stages.index(stage) + 1} of {len(stages)}) ...")


def print_receipt(receipt: Receipt, warnings: Sequence[str]) -> None:
    """Print the clauses, and then what would make the file better."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("rule", "the portal wants", "the file has", "verdict"):
        table.add_column(heading)
    for clause in receipt.clauses:
        rule = clause.clause if clause.page is None else f"{clause.clause}, page {clause.page}"
        rule = rule if clause.hard else f"{rule} (advisory)"
        wanted, measured = escape(plain(clause.wanted)), escape(plain(clause.measured or "-"))
        table.add_row(rule, wanted, measured, _MARKS[clause.verdict])
    console.print(table)
    for warning in warnings:
        console.print(f"[yellow]![/] {escape(plain(warning))}")
    console.print("[green]conforms[/]" if receipt.conforms else "[red]does not conform in every point[/]")


_NOT_SHOWN = {"encryption", "links", "artifacts"}  # keys and signed links are not for logs
_MAX_MEMBER_BYTES = 64 * 1024 * 1024
_NAMES = {"preview": "preview.jpg", "before": "before.jpg", "output": "output.zip", "text": "text.txt"}


@contextlib.contextmanager
def transfer_progress(what: str, total_bytes: int) -> Iterator[Callable[[int], object] | None]:
    """Show how much has been sent; yields a callback for the bytes sent so far, or None without a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total_bytes)
        yield lambda sent: progress.update(task, completed=min(sent, total_bytes))


def follow(client: "Client", job_id: str, *, timeout_s: float | None = None) -> "JobView":
    """Show a job's stages until it has ended; Ctrl-C prints how to resume, and is raised again."""
    from rythmiq.client import JobFailedError  # noqa: PLC0415  `--help` needs none of it

    console = Console(stderr=True)
    try:
        if not console.is_terminal:
            return client.wait(job_id, timeout_s=timeout_s)
        with console.status("waiting ...") as status:
            for view in client.watch(job_id, timeout_s=timeout_s):
                status.update(_words(view))
    except JobFailedError as failed:
        return failed.view
    except KeyboardInterrupt:
        print(f"rythmiq: the job goes on; see `rythmiq watch {job_id}`", file=sys.stderr)
        raise
    return view


def _words(view: "JobView") -> str:
    if view.status == "pending":
        place = f" ({view.queue_position} before it)" if view.queue_position else ""
        start = f", likely to start at {view.expected_start_at:%H:%M:%S} UTC" if view.expected_start_at else ""
        return f"waiting for its turn{place}{start} ..."
    again = f", attempt {view.attempt}" if view.attempt > 1 else ""
    return f"{escape(plain(view.stage or view.status))}{again} ..."


def print_ended(view: "JobView", files: list[str], *, as_json: bool) -> None:
    """Print how a job ended, and end the command so.

    Raises:
        JobFailedError's exit, or typer.Exit with 0 or 1.
    """
    from rythmiq.client import JobFailedError  # noqa: PLC0415  `--help` needs none of it
    from rythmiq.contracts.result import Receipt  # noqa: PLC0415  ditto
    from rythmiq_cli.service import service_errors  # noqa: PLC0415  ditto

    if view.status == "failed":
        with service_errors(as_json=as_json):
            raise JobFailedError(view)
    if as_json:
        shown = view.model_dump(mode="json", exclude=_NOT_SHOWN)
        print(json_line({**shown, "files": files}))
    else:
        print_receipt(Receipt.model_validate(view.receipt, extra="ignore"), view.warnings)
        print("\n".join(files) if files else view.job_id)
    raise typer.Exit(ExitCode.OK if view.conforms else ExitCode.DOES_NOT_CONFORM)


def save_all(client: "Client", view: "JobView", folder: Path) -> list[str]:
    """Unpack a job's ZIP into a folder; the names of its files."""
    archive = client.download(view.job_id, "output")
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = opened.infolist()
        # The ZIP is authentic, and still it is data: only plain names of a sane size go to disk.
        names = [member.filename for member in members if member.file_size <= _MAX_MEMBER_BYTES]
        names = [name for name in names if name == sanitize_filename(name)]
        for name in names:
            write_whole(folder / name, opened.read(name))
    return sorted(names)


def save_one(client: "Client", view: "JobView", what: "JobFile", folder: Path) -> str:
    """Download one file into a folder; its name there."""
    data = client.download(view.job_id, what)
    receipt_name = str((view.receipt or {}).get("document", {}).get("filename", ""))
    name = _NAMES.get(what) or sanitize_filename(receipt_name or "document")
    write_whole(folder / name, data)
    return name


@contextlib.contextmanager
def output_folder(output: Path) -> Iterator[None]:
    """Make the folder; an OSError ends the command with a sentence."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        usage(f"{output}: {error.strerror}")


def write_whole(path: Path, data: bytes) -> None:
    """Write the whole file or none of it."""
    handle, temporary = tempfile.mkstemp(prefix=".rythmiq-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
