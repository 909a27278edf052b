"""What a person sees: progress on STDERR while a job runs, and a receipt as a table.

Nothing moves when STDERR is no terminal.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rythmiq.contracts.receipt import Receipt

_MARKS = {
    "pass": "[green]fits[/]",
    "fail": "[red]does not fit[/]",
    "advice": "[yellow]look again[/]",
    "not_checked": "[dim]not checked[/]",
}


@contextlib.contextmanager
def stage_progress(stages: Sequence[str]) -> Iterator[Callable[[str], object]]:
    """Show which stage is on; yields what is called as each begins."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _stage: None
        return
    with console.status("starting ...") as status:
        yield lambda stage: status.update(f"{stage} ({stages.index(stage) + 1} of {len(stages)}) ...")


def print_receipt(receipt: Receipt, warnings: Sequence[str]) -> None:
    """Print the clauses, and then what would make the file better."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("rule", "the portal wants", "the file has", "verdict"):
        table.add_column(heading)
    for clause in receipt.clauses:
        rule = clause.clause if clause.page is None else f"{clause.clause}, page {clause.page}"
        rule = rule if clause.hard else f"{rule} (advisory)"
        table.add_row(rule, escape(clause.wanted), escape(clause.measured or "-"), _MARKS[clause.verdict])
    console.print(table)
    for warning in warnings:
        console.print(f"[yellow]![/] {escape(warning)}")
    console.print("[green]conforms[/]" if receipt.conforms else "[red]does not conform in every point[/]")
