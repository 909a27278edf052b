"""Connects a command to the service (`--url` and `--token`, or `--cloud`) and turns its refusals into exit codes."""

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq_cli.exits import ExitCode, json_line, plain, plain_lines, usage

if TYPE_CHECKING:
    from rythmiq.client import Client, ClientError

Url = Annotated[
    str | None, typer.Option("--url", envvar="RYTHMIQ_URL", help="The service's address; or set RYTHMIQ_URL.")
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="RYTHMIQ_TOKEN", help="Your JWT; better set RYTHMIQ_TOKEN, others see arguments."),
]
CloudFolder = Annotated[
    Path | None, typer.Option("--cloud", help="Data directory of a running `rythmiq up`, instead of --url and --token.")
]
CloudUser = Annotated[
    str | None, typer.Option("--user", help="With --cloud: the user to act as, a UUID; by default one local user.")
]


def checked_id(text: str, what: str) -> str:
    """A UUIDv4 in lower case; anything else ends the command."""
    if not re.fullmatch(UUID4_PATTERN, text.lower()):
        usage(f"{what} is a UUID of version 4")
    return text.lower()


def open_client(url: str | None, token: str | None, cloud: Path | None, user: str | None) -> "Client":
    """The client of one command; what is missing ends it with a sentence."""
    from rythmiq.client import Client  # noqa: PLC0415  `--help` needs none of it
    from rythmiq_cli.cloud_access import LOCAL_USER, Issuer, found_cloud, mint_token  # noqa: PLC0415  ditto

    found = found_cloud(cloud) if url is None or cloud is not None else None
    if found is not None:
        who = checked_id(user, "--user") if user else LOCAL_USER
        issuer = Issuer.of_cloud(found)
        return Client(found.base_url, token or (lambda: mint_token(issuer, who)))
    if url is None:
        usage("give --url and --token (or RYTHMIQ_URL and RYTHMIQ_TOKEN), or start a cloud here with `rythmiq up`")
    if token is None:
        usage("give --token, or set RYTHMIQ_TOKEN")
    try:
        return Client(url, token)
    except ValueError as error:
        usage(f"--url: {error}")


@contextlib.contextmanager
def service_errors(*, as_json: bool) -> Iterator[None]:
    """End the command when a call fails: with the code, a sentence, the advice, and the exit code of its kind."""
    from rythmiq.client import ClientError  # noqa: PLC0415  see above

    try:
        yield
    except ClientError as error:
        _report(error, as_json=as_json)
        raise typer.Exit(_exit_code(error)) from None


def _report(error: "ClientError", *, as_json: bool) -> None:
    from rythmiq.client import JobFailedError, RefusedError  # noqa: PLC0415  see above

    wrong = error.errors if isinstance(error, RefusedError) else ()
    if as_json:
        details: dict[str, Any] = {
            "code": error.code,
            "message": error.detail,
            "advice": error.advice,
            "job_id": error.job_id,
            "request_id": error.request_id,
        }
        if isinstance(error, JobFailedError):
            details |= {
                "stage": error.stage,
                "retryable": error.retryable,
                "detail": (error.view.error or {}).get("detail"),
            }
        if wrong:
            details["errors"] = [{"pointer": one.pointer, "code": one.code, "detail": one.detail} for one in wrong]
        status = "failed" if isinstance(error, JobFailedError) else "error"
        print(json_line({"status": status, "error": details}))
        return
    about = f" (job {error.job_id})" if error.job_id else ""
    fields = "".join(f"\n  {plain(one.pointer)}: {plain(one.detail)}" for one in wrong)
    said = f"{plain(error.code)}: {plain(error.detail)}{about}{fields}\n  {plain_lines(error.advice)}"
    print(f"rythmiq: {said}", file=sys.stderr)


def _exit_code(error: "ClientError") -> ExitCode:
    from rythmiq import client  # noqa: PLC0415  see above

    match error:
        case client.JobFailedError() | client.UnopenedError() | client.NoCreditError() | client.TooManyJobsError():
            return ExitCode.JOB_FAILED
        case client.RefusedError() | client.FileMissingError():
            return ExitCode.USAGE
        case _:
            return ExitCode.UNREACHABLE
