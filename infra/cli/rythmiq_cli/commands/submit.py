"""`rythmiq submit`, `watch`, `download` and `delete`: create a job from a file, follow it, download or delete it."""

import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from rythmiq.contracts.keys import sanitize_filename
from rythmiq_cli.commands.conform import MAX_INPUT_BYTES
from rythmiq_cli.job_arguments import (
    Background,
    CaptionDate,
    CaptionName,
    CornersText,
    CropText,
    Face,
    PageText,
    Rotate,
    TextLayer,
    hold_to_rules,
    options_of,
    read_files,
)
from rythmiq_cli.output import ExitCode, json_line, output_folder, plain, print_receipt, write_whole
from rythmiq_cli.service import CloudFolder, CloudUser, Token, Url, checked_id, open_client, service_errors

if TYPE_CHECKING:
    from rythmiq.client import Client, JobFile
    from rythmiq.contracts.job_bodies import JobOptions, JobView

_NOT_SHOWN = {"encryption", "links", "artifacts"}  # keys and signed links are not for logs
_MAX_MEMBER_BYTES = 64 * 1024 * 1024
_NAMES = {"preview": "preview.jpg", "before": "before.jpg", "output": "output.zip", "text": "text.txt"}


def submit(  # noqa: PLR0913, PLR0917  the command's options
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The photo, scan or PDF; several are the pages of one PDF.")
    ],
    portal: Annotated[str, typer.Option("--portal", help="A portal of the service's rule book.")],
    slot: Annotated[str | None, typer.Option("--slot", help="Which file; may be left out if there is one.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until the job has ended.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Wait, and save the results in this folder.")
    ] = None,
    crop: CropText = None,
    rotate: Rotate = None,
    face: Face = None,
    background: Background = None,
    caption_name: CaptionName = None,
    caption_date: CaptionDate = None,
    corners: CornersText = None,
    page: PageText = None,
    text_layer: TextLayer = False,
    job_id: Annotated[
        str | None, typer.Option("--job-id", help="Resume a submit that was interrupted; charged once.")
    ] = None,
    url: Url = None,
    token: Token = None,
    cloud: CloudFolder = None,
    user: CloudUser = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON.")] = False,
) -> None:
    """Seal FILE, or several, upload them and create a job for a portal; prints the job's id.

    With --watch or -o it ends as the job does: 0 conforms, 1 does not in every point, 3 failed. Ctrl-C leaves the job
    running; `rythmiq watch` picks it up.
    """
    options = options_of(
        crop=crop,
        rotate=rotate,
        face=face,
        background=background,
        caption_name=caption_name,
        caption_date=caption_date,
        corners=corners,
        page=page,
        text_layer=text_layer,
    )
    known = checked_id(job_id, "--job-id") if job_id else None
    contents = read_files(files, MAX_INPUT_BYTES)
    with open_client(url, token, cloud, user) as client, service_errors(as_json=as_json):
        if options.background is not None or options.caption is not None or options.text_layer:
            _hold_to_service(client, portal, slot, options)
        with _transfer_progress(f"uploading {files[0].name}", sum(map(len, contents))) as on_sent:
            job = client.submit(
                contents, portal, slot, filename=files[0].name, options=options, job_id=known, on_sent=on_sent
            )
        if not watch and output is None:
            print(json.dumps({"job_id": job.job_id, "status": job.status}) if as_json else job.job_id)
            return
        view = _follow(client, job.job_id)
        saved: list[str] = []
        if output is not None and view.status == "completed":
            with output_folder(output):
                saved = _save_all(client, view, output)
    _print_ended(view, saved, as_json=as_json)


def _hold_to_service(client: "Client", portal: str, slot: str | None, options: "JobOptions") -> None:
    """Ask the service's rule book before anything is uploaded; a slot that it lacks is the service's to refuse."""
    slots = client.portal(portal).slots
    chosen = [entry for entry in slots if entry.slot == slot or (slot is None and len(slots) == 1)]
    if chosen:
        hold_to_rules(options, chosen[0])


def watch(  # noqa: PLR0913, PLR0917  the command's options
    job_id: Annotated[str, typer.Argument(help="The job, as `rythmiq submit` printed it.", show_default=False)],
    timeout_s: Annotated[float | None, typer.Option("--timeout-s", help="Give up after so many seconds.")] = None,
    url: Url = None,
    token: Token = None,
    cloud: CloudFolder = None,
    user: CloudUser = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the job as JSON once it has ended.")] = False,
) -> None:
    """Show the stages of a job until it has ended, and its receipt; 0 conforms, 1 not in every point, 3 failed.

    Ctrl-C, and --timeout-s (which ends with 4), leave the job running.
    """
    known = checked_id(job_id, "JOB_ID")
    with open_client(url, token, cloud, user) as client, service_errors(as_json=as_json):
        view = _follow(client, known, timeout_s=timeout_s)
    _print_ended(view, [], as_json=as_json)


def download(  # noqa: PLR0913, PLR0917  the command's options
    job_id: Annotated[str, typer.Argument(help="The job, as `rythmiq submit` printed it.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")],
    only: Annotated[
        Literal["document", "preview", "before", "output", "text"] | None,
        typer.Option(
            "--only",
            help="document, preview, before (a small picture of the upload), output (the ZIP as it is) or text; "
            "default: all of the ZIP.",
        ),
    ] = None,
    url: Url = None,
    token: Token = None,
    cloud: CloudFolder = None,
    user: CloudUser = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the names of the files as JSON.")] = False,
) -> None:
    """Download and open a completed job's document, receipt.json, receipt.html and text."""
    known = checked_id(job_id, "JOB_ID")
    with open_client(url, token, cloud, user) as client, service_errors(as_json=as_json):
        from rythmiq.client import JobFailedError  # noqa: PLC0415  `--help` needs none of it

        view = client.job(known)
        if view.status == "failed":
            raise JobFailedError(view)
        with output_folder(output):
            files = _save_all(client, view, output) if only is None else [_save_one(client, view, only, output)]
    if as_json:
        print(json_line({"job_id": known, "files": files}))
    else:
        print("\n".join(str(output / name) for name in files))


def delete(  # noqa: PLR0913, PLR0917  the command's options
    job_id: Annotated[str, typer.Argument(help="The job, as `rythmiq submit` printed it.", show_default=False)],
    upload: Annotated[bool, typer.Option("--upload", help="It is an upload that no job was made of.")] = False,
    url: Url = None,
    token: Token = None,
    cloud: CloudFolder = None,
    user: CloudUser = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was deleted as JSON.")] = False,
) -> None:
    """Remove the files and personal data of your job; one that waits is cancelled with its refund, its upload removed.

    A job that is being processed is refused: wait until it has ended.
    """
    known = checked_id(job_id, "JOB_ID")
    with open_client(url, token, cloud, user) as client, service_errors(as_json=as_json):
        if upload:
            client.delete_upload(known)
        else:
            client.delete(known)
    print(json.dumps({"deleted": "upload" if upload else "job", "job_id": known}) if as_json else f"deleted {known}")


@contextlib.contextmanager
def _transfer_progress(what: str, total_bytes: int) -> Iterator[Callable[[int], object] | None]:
    """Show how much has been sent; yields a callback for the bytes sent so far, or None without a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total_bytes)
        yield lambda sent: progress.update(task, completed=min(sent, total_bytes))


def _follow(client: "Client", job_id: str, *, timeout_s: float | None = None) -> "JobView":
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


def _print_ended(view: "JobView", files: list[str], *, as_json: bool) -> None:
    """Print how a job ended, and end the command so.

    Raises:
        JobFailedError's exit, or typer.Exit with 0 or 1.
    """
    from rythmiq.client import JobFailedError  # noqa: PLC0415  `--help` needs none of it
    from rythmiq.contracts.result import Receipt  # noqa: PLC0415  ditto

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


def _save_all(client: "Client", view: "JobView", folder: Path) -> list[str]:
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


def _save_one(client: "Client", view: "JobView", what: "JobFile", folder: Path) -> str:
    """Download one file into a folder; its name there."""
    data = client.download(view.job_id, what)
    receipt_name = str((view.receipt or {}).get("document", {}).get("filename", ""))
    name = _NAMES.get(what) or sanitize_filename(receipt_name or "document")
    write_whole(folder / name, data)
    return name
