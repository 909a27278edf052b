"""`rythmiq watch`: stay with a job until it has ended."""

from typing import Annotated

import typer

from rythmiq_cli.progress import follow, print_ended
from rythmiq_cli.service import CloudFolder, CloudUser, Token, Url, checked_id, open_client, service_errors


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
