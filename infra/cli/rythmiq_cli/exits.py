"""Exit codes, and how a command ends with advice.

| code | meaning |
|---|---|
| 0 | done, and everything conforms |
| 1 | done, and something does not conform |
| 2 | the command was used wrongly, or the service refuses what it asks |
| 3 | the job failed, or cannot be made now: no credit, too many at once |
| 4 | a service could not be reached, or not in time |
| 130 | interrupted |
"""

import json
import signal
import sys
from enum import IntEnum
from typing import NoReturn

import typer

from rythmiq.contracts.errors import CATALOGUE, JobError


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    DOES_NOT_CONFORM = 1
    USAGE = 2
    JOB_FAILED = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


EPILOG = (
    "Exit codes: 0 ok, 1 does not conform, 2 usage, 3 job failed, 4 service unreachable, 130 interrupted. "
    "With --json, STDOUT holds one JSON document, or nothing where STDERR says why the command did not run."
)


def usage(message: str) -> NoReturn:
    """End with exit code 2 and one sentence.

    Raises:
        typer.Exit: always.
    """
    print(f"rythmiq: {message}", file=sys.stderr)
    raise typer.Exit(ExitCode.USAGE)


def unreachable(message: str) -> NoReturn:
    """End with exit code 4 and one sentence.

    Raises:
        typer.Exit: always.
    """
    print(f"rythmiq: {message}", file=sys.stderr)
    raise typer.Exit(ExitCode.UNREACHABLE)


def job_failed(error: JobError, *, as_json: bool) -> NoReturn:
    """End with exit code 3, the code of the catalogue and its advice.

    Raises:
        typer.Exit: always.
    """
    entry = CATALOGUE[error.code]
    if as_json:
        report = {
            "status": "failed",
            "error": {
                "code": error.code.value,
                "stage": error.stage,
                "message": error.message,
                "retryable": error.retryable,
                "detail": error.detail,
                "advice": entry.advice,
            },
        }
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(f"rythmiq: {error.code}: {error.message}\n  {entry.advice}", file=sys.stderr)
    raise typer.Exit(ExitCode.JOB_FAILED)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_by_signal() -> None:
    """Unwind at the first of these signals; later ones do not interrupt the cleanup."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


def _stop(*_: object) -> NoReturn:
    for number in _SIGNALS:
        signal.signal(number, _ignored)  # not SIG_IGN, which processes that are started meanwhile would inherit
    raise KeyboardInterrupt


def _ignored(*_: object) -> None:
    """The cleanup is already running."""
