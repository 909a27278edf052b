"""`rythmiq doctor`: probe a deployment, and say what to fix."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from rythmiq_cli.exits import ExitCode, usage
from rythmiq_cli.operator.environment import AnyCloud, EnvFile, is_set, operator_environ, owners_database_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq_cli.doctor.finding import Area, Finding

_MARKS = {
    "ok": "[green]ok[/]",
    "warning": "[yellow]warning[/]",
    "broken": "[red]broken[/]",
    "unreachable": "[red]unreachable[/]",
}


def doctor(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Where the functions are, when PUBLIC_URL is not set.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="store, database or functions; repeatable. Default: all.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option("--origin", help="A page's origin, as with `spaces apply`; repeatable.")
    ] = None,
    record_events: Annotated[
        Path | None,
        typer.Option(
            "--record-events",
            metavar="FILE",
            help="Probe nothing; record what the platform makes of requests, by the function of infra/recorder.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every finding as JSON.")] = False,
) -> None:
    """Probe a real deployment's store, database and functions: for each, whether it is well and what to fix.

    It writes nothing but a few objects below raw/ of users that do not exist, and deletes them again. Where the
    file leaves DATABASE_URL unset and the environment has it, the database is looked at both by it and by the Data API.
    Exit codes: 1 something is broken, 4 something does not answer; warnings are 0.
    """
    environ = dict(operator_environ(env_file, cloud))
    from rythmiq_cli.doctor.look import AREAS, look, record  # noqa: PLC0415  heavy for `--help`

    areas = tuple(only or AREAS)
    if unknown := [area for area in areas if area not in AREAS]:
        usage(f"--only is one of {', '.join(AREAS)}, not {unknown[0]}")
    if url is not None:
        environ["PUBLIC_URL"] = url
    if not any(is_set(environ, name) for name in ("DO_SPACES_ENDPOINT", "DATABASE_URL", "SUPABASE_URL", "PUBLIC_URL")):
        usage("nothing is named: give --env FILE, or --cloud DIR of a running `rythmiq up`")
    findings = []
    console = Console(highlight=False)
    owner_url = owners_database_url(environ, env_file)
    probes = look(environ, cast("tuple[Area, ...]", areas), tuple(origin or ()), owner_url=owner_url)
    for finding in probes if record_events is None else record(environ, record_events):
        findings.append(finding)
        if not as_json:
            _print(console, finding)
    states = {finding.state for finding in findings}
    if as_json:
        ok = not states & {"broken", "unreachable"}
        print(json.dumps({"ok": ok, "findings": [asdict(finding) for finding in findings]}))
    else:
        _summary(console, findings)
    if "broken" in states:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)
    if "unreachable" in states:
        raise typer.Exit(ExitCode.UNREACHABLE)


def _print(console: Console, finding: "Finding") -> None:
    console.print(f"{_MARKS[finding.state]} {finding.area} {finding.probe}: {escape(finding.said)}", soft_wrap=True)
    if finding.fix:
        console.print(f"  fix: {escape(finding.fix)}", soft_wrap=True)


def _summary(console: Console, findings: "Sequence[Finding]") -> None:
    counts = {state: sum(finding.state == state for finding in findings) for state in _MARKS}
    console.print(", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "ok"))
