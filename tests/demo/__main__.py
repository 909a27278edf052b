"""`make demo`: the whole cloud on this machine, and three people who use it at once.

Starts Postgres, the store, the functions and the executor in a temporary directory; sends eight pictures through as a
client does; checks what comes back; shows the ledger and the metrics; stops everything. Results stay in a folder.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from rythmiq.client import Client
from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.local import CloudLog
from rythmiq_cli.local.cloud import CloudOptions, running_cloud
from rythmiq_cli.local.environment import process_environ
from rythmiq_cli.output import ExitCode, stop_by_signal
from rythmiq_cli.service import CloudFile, Issuer, mint_token
from tests.demo.report import PlaintextError, count_sealed, gallery_page, ledger_table, metrics_table
from tests.demo.run import DemoError, Result, run_scenario
from tests.demo.scenarios import USERS, Scenario, draw_scenarios

_MARKER = ".rythmiq-demo"

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; exit 3 when a job fails, 4 when the cloud does not start, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(description="The whole cloud on this machine, and three people who use it.")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="where results go; made anew")
    parser.add_argument("--only", type=int, default=None, help="run the first N scenarios")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    stop_by_signal()
    try:
        return _demo(options.output, options.only, console)
    except RythmiqError as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return ExitCode.UNREACHABLE
    except (DemoError, PlaintextError) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return ExitCode.JOB_FAILED
    except KeyboardInterrupt:
        console.print("stopped")
        return ExitCode.INTERRUPTED


def _demo(output: Path, only: int | None, console: Console) -> int:
    _clear(output)
    console.print("[bold]Rythmiq One[/] demo: phone pictures in, files that fit their portals out")
    console.print("[dim]drawing and photographing the samples ...[/]")
    drawn = _beside(lambda: list(islice(draw_scenarios(), only)))
    with ExitStack() as stack:
        file = stack.enter_context(_cloud(console))
        scenarios = drawn.result()
        began_s = time.monotonic()
        results = _run_all(scenarios, file, output, console)
        console.print(f"[dim]{len(scenarios)} jobs of {len(USERS)} people in {time.monotonic() - began_s:.0f} s[/]\n")
        sealed = count_sealed(file)
        console.print(ledger_table(file.database_url, USERS), "")
        console.print(metrics_table(file.database_url))
        console.print("\n[dim]stopping the cloud ...[/]")
    entries = [result.entry for result in results]
    (output / "index.html").write_text(gallery_page(entries), encoding="utf-8")
    done, whole = sum(entry.ok for entry in entries), sum(entry.conforms for entry in entries)
    console.print(
        f"\n[bold]{done} of {len(entries)}[/] files keep every hard rule, {whole} conform in every point. "
        f"The store held {sealed} objects, all of them ciphertext."
    )
    console.print(f"Look at [bold]{output / 'index.html'}[/]")
    return ExitCode.OK if done == len(entries) else ExitCode.JOB_FAILED


def _clear(output: Path) -> None:
    """Make the folder anew, but never remove what is not a demo's."""
    if output.exists() and not (output / _MARKER).exists() and any(output.iterdir()):
        raise SystemExit(f"{output} holds other things; name another folder with --output")
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    (output / _MARKER).touch()


@contextmanager
def _cloud(console: Console) -> Iterator[CloudFile]:
    """The cloud in a directory that goes with it. Nothing of the environment counts: it is a demo's alone."""
    data_dir = Path(tempfile.mkdtemp(prefix="rythmiq-demo-"))
    environ = {**process_environ(os.environ), "INITIAL_CREDITS": "3"}
    try:
        with CloudLog(data_dir, console=console) as log, running_cloud(CloudOptions(data_dir), environ, log) as file:
            console.print(f"[dim]the cloud is up at {file.base_url}[/]")
            yield file
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


class _Board:
    """The state of every scenario: a live table on a terminal, and elsewhere a line for each step."""

    def __init__(self, scenarios: Sequence[Scenario], console: Console) -> None:
        self._began_s = time.monotonic()
        self._at = {scenario.folder: (scenario, "waiting", self._began_s) for scenario in scenarios}
        self._lock = threading.Lock()
        self._console = console

    def tell(self, scenario: Scenario, words: str) -> None:
        """Show the new state of a scenario."""
        now_s = time.monotonic()
        with self._lock:
            self._at[scenario.folder] = (scenario, words, now_s)
        if not self._console.is_terminal:
            self._console.print(
                f"  [dim]{now_s - self._began_s:5.1f} s  {scenario.user}, {scenario.folder}: {words}[/]"
            )

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("who", "file", "for", "where it is"):
            table.add_column(heading, no_wrap=True)
        with self._lock:
            rows = list(self._at.values())
        for scenario, words, since_s in rows:
            spent = f"{time.monotonic() - since_s:4.0f} s" if words not in {"done", "failed", "waiting"} else ""
            size = f"{len(scenario.content) / 1e6:.1f} MB"
            table.add_row(
                scenario.user, f"{escape(scenario.filename)} [dim]{size}[/]", scenario.folder, f"{words} {spent}"
            )
        return table


def _run_all(scenarios: Sequence[Scenario], file: CloudFile, output: Path, console: Console) -> list[Result]:
    """Run all scenarios at once, each with a client of its own; results in the order of the scenarios."""
    board = _Board(scenarios, console)

    def run(scenario: Scenario) -> Result:
        with _client(file, scenario) as client:
            result = run_scenario(client, scenario, output, board.tell)
        board.tell(scenario, "done" if result.entry.ok else "failed")
        _print(result, console)
        return result

    with Live(board, console=console, refresh_per_second=8, transient=True) if console.is_terminal else ExitStack():
        return [future.result() for future in [_beside(partial(run, scenario)) for scenario in scenarios]]


def _beside(work: Callable[[], T]) -> "Future[T]":
    """Begin to work on a thread. It is a daemon, so that Ctrl-C does not wait for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  raised again where it is awaited
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _client(file: CloudFile, scenario: Scenario) -> Client:
    """As that person; signed in by a token of the local cloud."""
    return Client(file.base_url, lambda: mint_token(Issuer.of_cloud(file), USERS[scenario.user]))


def _print(result: Result, console: Console) -> None:
    mark = "[green]✓[/]" if result.entry.ok else "[red]✕[/]"
    scenario, (first, *others) = result.scenario, map(escape, result.lines)
    head = f"{mark} [bold]{scenario.folder}[/] [dim]{scenario.user}, {escape(scenario.filename)}[/]\n  {first}"
    console.print("\n  ".join([head, *(f"[dim]{line}[/]" for line in others)]))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: a thread that is in native code, drawing, would be ended inside it, and C++ calls that an abort.
    os._exit(code)
