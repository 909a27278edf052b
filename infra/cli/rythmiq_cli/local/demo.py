"""`make demo`: the whole cloud on this machine, and three people who use it at once.

Starts Postgres, the store, the functions and the executor in a temporary directory; sends eight pictures through as a
client does; checks what comes back; shows the ledger and the metrics; stops everything. Results stay in a folder.
"""

import argparse
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from rythmiq.client import Client
from rythmiq_cli.exits import ExitCode
from rythmiq_cli.local.cloud import CloudError, CloudOptions, running_cloud
from rythmiq_cli.local.cloud_environment import process_environ
from rythmiq_cli.local.cloud_file import CloudFile
from rythmiq_cli.local.cloud_log import CloudLog
from rythmiq_cli.local.demo_errands import USERS, Errand, draw_errands
from rythmiq_cli.local.demo_report import count_sealed, ledger_table, metrics_table
from rythmiq_cli.local.demo_run import Result, run_errand
from rythmiq_cli.local.gallery import gallery_page
from rythmiq_cli.local_token import Issuer, mint_token
from rythmiq_cli.stopping import stop_by_signal

_MARKER = ".rythmiq-demo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; exit 3 when a job fails, 4 when the cloud does not start, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(description="The whole cloud on this machine, and three people who use it.")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="where results go; made anew")
    parser.add_argument("--only", type=int, default=None, help="run the first N errands")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    stop_by_signal()
    try:
        return _demo(options.output, options.only, console)
    except CloudError as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return ExitCode.UNREACHABLE
    except KeyboardInterrupt:
        console.print("stopped")
        return ExitCode.INTERRUPTED


def _demo(output: Path, only: int | None, console: Console) -> int:
    _clear(output)
    console.print("[bold]Rythmiq One[/] demo: phone pictures in, files that fit their portals out")
    console.print("[dim]drawing and photographing the samples ...[/]")
    drawn: queue.Queue[list[Errand]] = queue.Queue()
    threading.Thread(target=lambda: drawn.put(list(draw_errands())), daemon=True).start()
    with ExitStack() as stack:
        file = stack.enter_context(_cloud(console))
        errands = drawn.get()[:only]
        began_s = time.monotonic()
        results = _run_all(errands, file, output, console)
        console.print(f"[dim]{len(errands)} jobs of {len(USERS)} people in {time.monotonic() - began_s:.0f} s[/]\n")
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
    """Who is where; lives on a terminal, and is silent elsewhere."""

    def __init__(self, errands: Sequence[Errand]) -> None:
        self._at = {errand.folder: (errand, "waiting", time.monotonic()) for errand in errands}
        self._lock = threading.Lock()

    def tell(self, errand: Errand, words: str) -> None:
        """An errand has come to something new."""
        with self._lock:
            self._at[errand.folder] = (errand, words, time.monotonic())

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("who", "file", "for", "where it is"):
            table.add_column(heading, no_wrap=True)
        with self._lock:
            rows = list(self._at.values())
        for errand, words, since_s in rows:
            spent = f"{time.monotonic() - since_s:4.0f} s" if words not in {"done", "failed", "waiting"} else ""
            size = f"{len(errand.content) / 1e6:.1f} MB"
            table.add_row(errand.user, f"{escape(errand.filename)} [dim]{size}[/]", errand.folder, f"{words} {spent}")
        return table


def _run_all(errands: Sequence[Errand], file: CloudFile, output: Path, console: Console) -> list[Result]:
    """Run all errands at once, each with a client of its own; results in the order of the errands."""
    board = _Board(errands)
    ended: queue.Queue[Result | Exception] = queue.Queue()

    def run(errand: Errand) -> None:
        try:
            with _client(file, errand) as client:
                result = run_errand(client, errand, output, board.tell)
            board.tell(errand, "done" if result.entry.ok else "failed")
            ended.put(result)
        except Exception as error:  # noqa: BLE001  raised again where it is awaited
            ended.put(error)

    for errand in errands:  # daemons: Ctrl-C does not wait for them
        threading.Thread(target=run, args=(errand,), daemon=True).start()
    results: dict[str, Result] = {}
    with Live(board, console=console, refresh_per_second=8, transient=True) if console.is_terminal else ExitStack():
        while len(results) < len(errands):
            got = ended.get()
            if isinstance(got, Exception):
                raise got
            results[got.errand.folder] = got
            _print(got, console)
    return [results[errand.folder] for errand in errands]


def _client(file: CloudFile, errand: Errand) -> Client:
    """As that person; signed in by a token of the local cloud."""
    return Client(file.base_url, lambda: mint_token(Issuer.of_cloud(file), USERS[errand.user]))


def _print(result: Result, console: Console) -> None:
    mark = "[green]✓[/]" if result.entry.ok else "[red]✕[/]"
    errand, (first, *others) = result.errand, result.lines
    console.print(
        f"{mark} [bold]{errand.folder}[/] [dim]{errand.user}, {escape(errand.filename)}[/]\n  {escape(first)}"
    )
    for line in others:
        console.print(f"  [dim]{escape(line)}[/]")


if __name__ == "__main__":
    sys.exit(main())
