"""What every command prints and writes, and how it ends: exit codes with advice.

Text of others is made fit for a terminal, nothing moves when STDERR is not one, and files are written whole or not at
all.
"""

import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rythmiq.contracts.errors import CATALOGUE, JobError
from rythmiq.contracts.keys import CONTROLS

if TYPE_CHECKING:
    from rythmiq.contracts.result import Receipt


class ExitCode(IntEnum):
    """The exit codes of every command.

    | code | meaning |
    |---|---|
    | 0 | done, and everything conforms |
    | 1 | done, and something does not conform |
    | 2 | the command was used wrongly, or the service refuses what it asks |
    | 3 | the job failed, or cannot be made now: no credit, too many at once |
    | 4 | a service could not be reached, or not in time |
    | 130 | interrupted |
    """

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


def print_receipt(receipt: "Receipt", warnings: Sequence[str]) -> None:
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
