"""`rythmiq spaces`: install the bucket's policy, CORS and lifecycle."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq.contracts.errors import SettingsError
from rythmiq_cli.operator import AnyCloud, EnvFile, operator_environ
from rythmiq_cli.output import EPILOG, ExitCode, unreachable, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rythmiq.adapters.spaces import StoreConfig
    from rythmiq_cli.operator.bucket_settings import Change, Outcome

app = typer.Typer(help="Set up the bucket (operator).", no_args_is_help=True, epilog=EPILOG)


@app.callback()
def _spaces() -> None:
    """Set up the bucket (operator)."""


@app.command("apply", epilog=EPILOG)
def apply_rules(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin", help="A page's origin, beside ALLOWED_ORIGINS and that of PUBLIC_URL; kept; repeatable."
        ),
    ] = None,
    drop_origin: Annotated[
        list[str] | None,
        typer.Option("--drop-origin", help="An origin to remove that an earlier run added; repeatable."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Retry a policy that this store refused before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; exit 1 when something differs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Install the bucket's policy, CORS and lifecycle (infra/spaces); again, it changes nothing.

    It needs DO_SPACES_* with a key that has full access to the bucket. Statements and rules of others stay, and so do
    origins of earlier runs. A policy that the store refuses, or with which it would refuse ordinary uploads, is removed
    again, and the exit code is 1; that is remembered, and a later run tries it with --again only.
    """
    environ = operator_environ(env_file, cloud)
    from rythmiq_cli.operator import bucket_settings as spaces_rules  # noqa: PLC0415  heavy for `--help`
    from rythmiq_cli.operator import store_config  # noqa: PLC0415  ditto

    try:
        config = store_config(environ)
        changes = spaces_rules.plan(config, _origins(environ, origin or []), dropped=drop_origin or [], again=again)
        _show(changes, as_json=as_json, dry_run=dry_run)
        if dry_run:
            differs = any(change.is_needed and not change.refused for change in changes)
            raise typer.Exit(ExitCode.DOES_NOT_CONFORM if differs else ExitCode.OK)
        _finish(config, spaces_rules.apply(config, changes), as_json=as_json)
    except SettingsError as error:
        usage(str(error))
    except ModuleNotFoundError as error:
        usage(f"{error.name} is missing: install rythmiq-one[cli]")
    except spaces_rules.SpacesUnreachableError as error:
        unreachable(str(error))
    except spaces_rules.SpacesError as error:
        if as_json:
            print(json.dumps({"ok": False, "error": str(error)}))
        else:
            print(f"rythmiq: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM) from None


def _origins(environ: "Mapping[str, str]", given: list[str]) -> frozenset[str]:
    from rythmiq_cli.operator import page_origins  # noqa: PLC0415  ditto

    return page_origins(environ, given)


def _show(changes: "Sequence[Change]", *, as_json: bool, dry_run: bool) -> None:
    """Print the changes before they are made."""
    if as_json:
        if dry_run:
            rows = [
                {"part": change.part, "needed": change.is_needed, "now": change.now, "wanted": change.wanted}
                | ({"note": change.note} if change.note else {})
                | ({"refused": change.refused} if change.refused else {})
                for change in changes
            ]
            ok = not any(change.is_needed and not change.refused for change in changes)
            print(json.dumps({"ok": ok, "changes": rows}, default=str))
        return
    for change in changes:
        if change.refused:
            if dry_run:
                print(f"{change.part}: {change.refused}; --again retries it")
            continue
        if not change.is_needed:
            print(f"{change.part}: {change.note or 'as it should be'}")
            continue
        print(f"{change.part}: {'would be' if dry_run else 'will be'} written")
        for sign, text in (("-", change.now), ("+", change.wanted)):
            for line in json.dumps(text, indent=2, sort_keys=True, default=str).splitlines() if text else ():
                print(f"  {sign} {line}")


def _finish(config: "StoreConfig", outcomes: "Sequence[Outcome]", *, as_json: bool) -> None:
    ok = all(outcome.state != "taken_back" or outcome.is_remembered for outcome in outcomes)
    if as_json:
        rows = [{"part": outcome.part, "state": outcome.state, "note": outcome.note} for outcome in outcomes]
        print(json.dumps({"ok": ok, "bucket": config.bucket, "settings": rows}))
    else:
        for outcome in outcomes:
            if outcome.state in {"changed", "taken_back"}:
                word = "left out" if outcome.is_remembered else outcome.state.replace("_", " ")
                print(f"{outcome.part}: {word}{f'; {outcome.note}' if outcome.note else ''}")
    if not ok:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)
