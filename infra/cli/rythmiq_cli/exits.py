"""Exit codes, how a command ends with advice, and text of others made fit for a terminal.

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
import re
import signal
import sys
from enum import IntEnum
from typing import NoReturn

import typer

from rythmiq.contracts.errors import CATALOGUE, JobError
from rythmiq.contracts.keys import CONTROLS


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


def plain(text: str) -> str:
    """Text of a service, a file or a result, without characters that steer a terminal or turn the direction of text."""
    return re.sub(f"[{CONTROLS}]", "\N{REPLACEMENT CHARACTER}", text)


def plain_lines(text: str) -> str:
    """Text as `plain` gives it, in its own lines."""
    return "\n".join(map(plain, text.split("\n")))


def json_line(document: object) -> str:
    """JSON in one line, in which every such character is escaped."""
    text = json.dumps(document, ensure_ascii=False)
    return re.sub(f"[{CONTROLS}]", lambda match: f"\\u{ord(match[0]):04x}", text)


def usage(message: str) -> NoReturn:
    """End with exit code 2 and one sentence.

    Raises:
        typer.Exit: always.
    """
    print(f"rythmiq: {plain_lines(message)}", file=sys.stderr)
    raise typer.Exit(ExitCode.USAGE)


def unreachable(message: str) -> NoReturn:
    """End with exit code 4 and one sentence.

    Raises:
        typer.Exit: always.
    """
    print(f"rythmiq: {plain_lines(message)}", file=sys.stderr)
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
        print(json_line(report))
    else:
        print(f"rythmiq: {error.code}: {plain(error.message)}\n  {entry.advice}", file=sys.stderr)
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
