"""`rythmiq submit`, `watch`, `download` and `delete`: create a job from a file, follow it, download or delete it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rythmiq_cli.commands.conform import MAX_INPUT_BYTES
from rythmiq_cli.exits import json_line
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
from rythmiq_cli.output import follow, output_folder, print_ended, save_all, save_one, transfer_progress
from rythmiq_cli.service import CloudFolder, CloudUser, Token, Url, checked_id, open_client, service_errors

if TYPE_CHECKING:
    from rythmiq.client import Client
    from rythmiq.contracts.job_bodies import JobOptions


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
        with transfer_progress(f"uploading {files[0].name}", sum(map(len, contents))) as on_sent:
            job = client.submit(
                contents, portal, slot, filename=files[0].name, options=options, job_id=known, on_sent=on_sent
            )
        if not watch and output is None:
            print(json.dumps({"job_id": job.job_id, "status": job.status}) if as_json else job.job_id)
            return
        view = follow(client, job.job_id)
        saved: list[str] = []
        if output is not None and view.status == "completed":
            with output_folder(output):
                saved = save_all(client, view, output)
    print_ended(view, saved, as_json=as_json)


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
        view = follow(client, known, timeout_s=timeout_s)
    print_ended(view, [], as_json=as_json)


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
            files = save_all(client, view, output) if only is None else [save_one(client, view, only, output)]
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
