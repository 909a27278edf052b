"""`rythmiq env`: check that an environment can be deployed."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq_cli.operator import owners_database_url, read_env
from rythmiq_cli.output import EPILOG, ExitCode, unreachable, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rythmiq_cli.operator.env_check import Verdict

app = typer.Typer(help="Check the deployment's variables (operator).", no_args_is_help=True, epilog=EPILOG)
_PROJECT = Path("project.yml")
_RANDOM = "`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`"
_MADE_BY = {
    "ENCRYPTION_KEYS": "`rythmiq keys new --kid 1`",
    "WEBHOOK_SECRET": _RANDOM,
    "RECONCILE_SECRET": _RANDOM,
    "METRICS_TOKEN": _RANDOM,
}


@app.callback()
def _env() -> None:
    """Check the deployment's variables (operator)."""


@app.command(epilog=EPILOG)
def check(
    file: Annotated[
        Path | None, typer.Argument(help="What was filled in from infra/env/touch.env; default: the environment.")
    ] = None,
    components: Annotated[
        list[str] | None,
        typer.Option("--for", help="api, worker or launcher: what FILE serves; repeatable. Default: all three."),
    ] = None,
    project: Annotated[
        Path | None, typer.Option("--project", help="The project.yml that is deployed; default: the one here.")
    ] = None,
    database: Annotated[
        bool,
        typer.Option("--database", help="Also compare each key with the fingerprint that the database keeps of it."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every name as JSON.")] = False,
) -> None:
    """List the variables that are missing or cannot be used, and for what; never a value. Exit 1 when there are any.

    `-` stands for a variable that is not set. Values that doctl cannot carry are refused: quotes, backslashes, line
    breaks. So is a variable that this shell exports with another value than FILE has, because doctl would take the
    shell's; http addresses in staging and prod; Supabase's keys in each other's place; secrets that are the same; a
    region that is not the endpoint's, and a bucket inside it. A FILE that others can read is a warning. The
    fingerprint of each key is shown: compare it with the escrow's, and with --database the database's, which
    SUPABASE_* or DATABASE_URL names.
    """
    from rythmiq_cli.operator import env_check  # noqa: PLC0415  heavy for `--help`

    chosen = tuple(components or env_check.COMPONENTS)
    if unknown := [name for name in chosen if name not in env_check.COMPONENTS]:
        usage(f"--for is one of {', '.join(env_check.COMPONENTS)}, not {unknown[0]}")
    problems: list[str] = []
    if file is None:
        known = {row.name for row in env_check.template_rows()}
        values = {name: value for name, value in os.environ.items() if name in known}
    else:
        text = read_env(file)
        values, problems = dict(text.values), [f"{file}: {problem}" for problem in text.problems]
    deployed: frozenset[str] = frozenset()
    place = project or (_PROJECT if _PROJECT.is_file() else None)
    if place is not None:
        try:
            deployed, tripped = env_check.names_of_project(place.read_text(encoding="utf-8"))
        except OSError as error:
            usage(f"{place}: {error.strerror}")
        problems += [f"{place}: {problem}" for problem in tripped]
    if file is not None and "api" in chosen:
        problems += [
            f"this shell exports {name} with another value, which doctl would take instead: unset {name}"
            for name in env_check.exported_otherwise(values, deployed, os.environ)
        ]
    verdicts = env_check.check(values, for_=chosen, deployed=deployed)
    shown = env_check.fingerprints(values)
    if database:
        problems += _of_database(values, file)
    warnings = list(env_check.doubts(values, file))
    _report(verdicts, problems, warnings, shown, as_json=as_json)


def _of_database(values: "Mapping[str, str]", file: Path | None) -> list[str]:
    """Compare the rings with the database; the faults, one sentence each."""
    from rythmiq.contracts.errors import SettingsError  # noqa: PLC0415  heavy for `--help`
    from rythmiq.ports import DatabaseFaultError, UnavailableError  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.key_state import VARIABLES, key_state_of, ring_of, wrong_keys  # noqa: PLC0415  ditto

    try:
        state = key_state_of(values, owners_database_url(values, file))
        rings = {name: ring_of(values, name) for name in VARIABLES}
    except (SettingsError, DatabaseFaultError) as error:
        return [str(error)]
    except UnavailableError as error:
        unreachable(str(error))
    return [str(key) for name, ring in rings.items() if ring is not None for key in wrong_keys(name, ring, state)]


def _report(
    verdicts: "Sequence[Verdict]",
    problems: list[str],
    warnings: list[str],
    fingerprints: "Mapping[str, Mapping[int, str]]",
    *,
    as_json: bool,
) -> None:
    ok = not problems and all(verdict.is_well or verdict.state == "unknown" for verdict in verdicts)
    if as_json:
        rows = [
            {
                "name": verdict.name,
                "state": verdict.state,
                "components": list(verdict.components),
                "required": verdict.required,
                "said": verdict.said,
            }
            for verdict in verdicts
        ]
        found = {"ok": ok, "problems": problems, "warnings": warnings, "fingerprints": fingerprints, "names": rows}
        print(json.dumps(found))
    else:
        for name, kids in fingerprints.items():
            for kid, fingerprint in kids.items():
                print(f"{name}: the fingerprint of key {kid} is {fingerprint}", file=sys.stderr)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        for problem in problems:
            print(problem)
        for verdict in verdicts:
            if not verdict.is_well:
                about = f" ({', '.join(verdict.components)}; {verdict.required})" if verdict.components else ""
                remedy = _remedy(verdict.name) if verdict.state == "missing" else ""
                print(f"{verdict.state}: {verdict.name} {verdict.said}{remedy}{about}")
        if ok:
            print("every variable that is needed is set and can be used", file=sys.stderr)
    if not ok:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


def _remedy(name: str) -> str:
    """What sets a variable that is missing."""
    if name in _MADE_BY:
        return f"; {_MADE_BY[name]} makes one"
    return "; see its row in infra/env/touch.env, and docs/deploy.md"
