"""`rythmiq check`: would the portal take this file as it is?"""

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq_cli.commands.conform import MAX_INPUT_BYTES
from rythmiq_cli.exits import ExitCode
from rythmiq_cli.rules import read_file, rules_for
from rythmiq_cli.terminal import print_receipt


def check(
    file: Annotated[Path, typer.Argument(help="The file that would be uploaded.", show_default=False)],
    portal: Annotated[str | None, typer.Option("--portal", help="A portal of the rule book.")] = None,
    slot: Annotated[str | None, typer.Option("--slot", help="Which file; may be left out if there is one.")] = None,
    schema: Annotated[Path | None, typer.Option("--schema", help="A schema_definition as JSON, instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Measure FILE against a portal's rules, clause by clause; exit 1 when a hard one fails. Nothing is changed."""
    rules = rules_for(portal, slot, schema)
    content = read_file(file, MAX_INPUT_BYTES)
    from rythmiq_cli.local_job import read_texts  # noqa: PLC0415  `--help` needs none of it
    from rythmiq_worker import conform as engine  # noqa: PLC0415  ditto

    labels = engine.Labels(rules.portal, rules.slot, rules.version, "", file.name)
    texts = partial(read_texts, content, file.name, rules)
    checked = engine.check_with_advice(content, rules.definition, labels, read_texts=texts)
    receipt, warnings = checked.receipt, [str(notice) for notice in checked.warnings]
    valid_to = rules.definition.valid_to
    if valid_to is not None and valid_to < dt.datetime.now(tz=dt.UTC).date():
        years = {"year": valid_to.year, "next_year": valid_to.year + 1}
        warnings.insert(0, str(Notice(WarningCode.PORTAL_RULES_OLD, years)))
    if as_json:
        print(receipt.model_dump_json())
    else:
        print_receipt(receipt, warnings)
    fails = any(clause.hard and clause.verdict == "fail" for clause in receipt.clauses)
    raise typer.Exit(ExitCode.DOES_NOT_CONFORM if fails else ExitCode.OK)
