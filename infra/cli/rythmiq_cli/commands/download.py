"""`rythmiq download`: fetch what came of a job, and open it."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from rythmiq_cli.progress import save_all, save_one
from rythmiq_cli.result_files import output_folder
from rythmiq_cli.service import CloudFolder, CloudUser, Token, Url, checked_id, open_client, service_errors


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
        print(json.dumps({"job_id": known, "files": files}, ensure_ascii=False))
    else:
        print("\n".join(str(output / name) for name in files))
