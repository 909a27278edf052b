"""`rythmiq keys new` and `rotate`: entries for ENCRYPTION_KEYS and DISPATCH_KEYS, and every data key rewrapped.

A ring that holds another key than the one of a kid's first use, or whose newest key is not the first, is refused before
anything is read.
"""

import datetime as dt
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.commands import keys_retire
from rythmiq_cli.operator import AnyCloud, EnvFile, operator_environ, owners_database_url
from rythmiq_cli.output import EPILOG, ExitCode, unreachable, usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rythmiq_cli.operator.key_rotation import Rotation
    from rythmiq_cli.operator.key_state import KeyState

app = typer.Typer(
    help="Create, list, rotate and retire keys of ENCRYPTION_KEYS and DISPATCH_KEYS (operator).",
    no_args_is_help=True,
    epilog=EPILOG,
)


@app.callback()
def _keys() -> None:
    """Create, list, rotate and retire keys of ENCRYPTION_KEYS and DISPATCH_KEYS (operator)."""


Dispatch = Annotated[bool, typer.Option("--dispatch", help="DISPATCH_KEYS instead of ENCRYPTION_KEYS.")]


@app.command(epilog=EPILOG)
def new(
    kid: Annotated[int, typer.Option("--kid", help="1 to 65535; choose one that was never used.")] = 1,
    dispatch: Dispatch = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print a fresh `kid:base64` entry. Put it first in its variable, and keep the older ones behind it."""
    try:
        entry = KeyRing.new_entry(kid)
    except ValueError as error:
        usage(str(error))
    variable = "DISPATCH_KEYS" if dispatch else "ENCRYPTION_KEYS"
    fingerprint = KeyRing.parse(entry).fingerprints[kid]
    if as_json:
        print(json.dumps({"kid": kid, "entry": entry, "variable": variable, "fingerprint": fingerprint}))
    else:
        print(entry)
        print(f"for {variable}; escrow it with its fingerprint, {fingerprint}", file=sys.stderr)


@app.command(epilog=EPILOG)
def rotate(
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    dispatch: Dispatch = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Rewrap every data key under the first key of ENCRYPTION_KEYS: in the database's rows and in objects' headers.

    Needs DATABASE_URL, DO_SPACES_* and ENCRYPTION_KEYS with the old keys still after the new one. A DATABASE_URL that
    the file leaves unset is taken from the environment. The service may keep running, and an interrupted rotation can
    be run again. Refused before anything is changed: a key that does not match its recorded fingerprint, and a ring
    whose newest key is not the first. Exit 1 when something is wrapped under a key that is not in the ring.

    With --dispatch nothing is rewritten: it checks the dispatch and result objects of the last 24 hours, and lists the
    old keys of DISPATCH_KEYS that can be removed. Needs DO_SPACES_* and DISPATCH_KEYS.
    """
    environ = operator_environ(env_file, cloud)
    if dispatch:
        raise typer.Exit(_report_dispatch_keys(environ, as_json=as_json))
    try:
        rotation = _rotated(environ, owners_database_url(environ, env_file), dry_run=dry_run)
    except SettingsError as error:
        usage(str(error))
    counts = {"rows": dict(rotation.rows), "objects": dict(rotation.objects), "reasons": dict(rotation.reasons)}
    left = {str(kid): {"rows": rows, "objects": objects} for kid, (rows, objects) in rotation.left.items()}
    said = [*_left_over(rotation), *_next_steps(rotation, env_file, cloud)]
    if as_json:
        head = {"ok": rotation.is_complete, "kid": rotation.ring.current_kid, "dry_run": dry_run}
        print(json.dumps({**head, **counts, "left": left, "said": said}))
    else:
        word = "would be wrapped" if dry_run else "wrapped"
        print(
            f"{rotation.rows['rewrapped']} rows and {rotation.objects['rewrapped']} objects {word} under key", end=" "
        )
        print(rotation.ring.current_kid)
        for reason, count in rotation.reasons.items():
            print(f"{count} not: {reason}")
        for sentence in said:
            print(sentence)
    if not rotation.is_complete:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


def _rotated(environ: "Mapping[str, str]", database_url: str | None, *, dry_run: bool) -> "Rotation":
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  heavy for `--help`

    from rythmiq.ports import DatabaseFaultError, UnavailableError  # noqa: PLC0415  ditto
    from rythmiq_cli.operator import (  # noqa: PLC0415  ditto
        key_rotation,
        key_state,
        migrations,
        operator_client,
        store_config,
    )

    if database_url is None:
        usage("DATABASE_URL is not set")
    ring = key_state.ring_of(environ, "encryption")
    if ring is None:
        usage("ENCRYPTION_KEYS is not set")
    config = store_config(environ)
    with Console(stderr=True).status("reading ...") as status:
        rotation = key_rotation.Rotation(ring, dry_run)

        def show_progress() -> None:
            status.update(f"{sum(rotation.rows.values())} rows, {sum(rotation.objects.values())} objects ...")

        rotation.seen = show_progress
        try:
            with migrations.open_database(database_url) as connection:
                _refuse_a_wrong_ring(ring, key_state.read_key_state(connection))
                rotation.rotate_rows(connection)
            rotation.rotate_objects(operator_client(config), config.bucket)
            with migrations.open_database(database_url) as connection:
                rotation.conclude(key_state.read_key_state(connection))
                if changed := rotation.changed:
                    key_state.write_down(connection, "keys.rotate", {"kid": ring.current_kid, **changed})
        except (UnavailableError, DatabaseFaultError) as error:
            unreachable(f"{error}; completed work is kept: run this again")
        except (BotoCoreError, ClientError) as error:
            unreachable(f"the store does not answer: {type(error).__name__}; completed work is kept: run this again")
    return rotation


def _refuse_a_wrong_ring(ring: KeyRing, state: "KeyState") -> None:
    """End the command when the ring is not what the database knows, or when its newest key is not the first."""
    from rythmiq_cli.operator.key_state import newest, wrong_keys  # noqa: PLC0415  heavy for `--help`

    if wrong := list(wrong_keys("encryption", ring, state)):
        usage("; ".join(map(str, wrong)))
    if (kid := newest("encryption", ring, state)) != ring.current_kid:
        usage(
            f"ENCRYPTION_KEYS: kid {kid} is newer than kid {ring.current_kid}, which is first:"
            f" put kid {kid} first, deploy the functions, and run this again"
        )


def _left_over(rotation: "Rotation") -> Iterator[str]:
    """What is under another key than the current one, by kid."""
    if rotation.unreadable:
        yield f"{rotation.unreadable} objects cannot be read, and were not rewrapped"
    for kid, (rows, objects) in rotation.left.items():
        if rows or objects:
            yield f"left under kid {kid}: {rows} rows and {objects} objects"
        elif not rotation.unreadable:
            yield f"nothing is left under kid {kid}"


def _next_steps(rotation: "Rotation", env_file: Path | None, cloud: Path | None) -> Iterator[str]:
    """What to do after a rotation, one sentence each."""
    place = _place(env_file, cloud)
    kid, ring = rotation.ring.current_kid, rotation.ring
    if not rotation.left:
        yield "next: nothing to do; a rotation begins with `rythmiq keys new`"
    for old, (rows, objects) in rotation.left.items():
        if old in rotation.in_use:
            yield (
                f"next: the functions last wrapped under kid {old} at {rotation.in_use[old]:%Y-%m-%d %H:%M} UTC and not"
                f" under kid {kid}: deploy them with this ring, then run this again"
            )
        elif not rows and not objects and not rotation.unreadable:
            yield f"next: `rythmiq keys retire {old}{place}`, which checks that nothing needs it; only then remove it"
        elif old not in ring.kids:
            yield f"next: append kid {old} to ENCRYPTION_KEYS, from its escrow copy, and run this again"
        elif rotation.dry_run:
            yield f"next: `rythmiq keys rotate{place}`"
        else:
            yield f"next: `rythmiq doctor{place}` shows what cannot be unwrapped; then run this again with kid {old}"


def _place(env_file: Path | None, cloud: Path | None) -> str:
    """The options that name this deployment again."""
    named = (("--env", env_file), ("--cloud", cloud))
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in named if path is not None)


def _report_dispatch_keys(environ: "Mapping[str, str]", *, as_json: bool) -> ExitCode:
    """Print which old keys can be removed; the exit code tells whether the ring holds every key that is in use."""
    from rythmiq_cli.operator import operator_client, store_config  # noqa: PLC0415  heavy for `--help`
    from rythmiq_cli.operator.key_rotation import kids_in_use  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.key_state import ring_of  # noqa: PLC0415  ditto

    with keys_retire.faults_explained():
        ring = ring_of(environ, "dispatch")
        if ring is None:
            usage("DISPATCH_KEYS is not set")
        config = store_config(environ)
        kids = kids_in_use(operator_client(config), config.bucket, dt.datetime.now(tz=dt.UTC))
    old = {kid: kids[kid] for kid in ring.kids if kid != ring.current_kid}
    missing = sorted(set(kids) - set(ring.kids))
    if as_json:
        stays = {str(kid): count for kid, count in old.items() if count}
        may_go = [kid for kid, count in old.items() if not count]
        print(
            json.dumps(
                {"ok": not missing, "kid": ring.current_kid, "may_go": may_go, "in_use": stays, "missing": missing}
            )
        )
    else:
        print(f"New attempts are sealed under key {ring.current_kid}; nothing has to be rewritten.")
        for kid, count in old.items():
            print(
                f"Keep key {kid}: {count} objects of attempts of the last 24 hours use it. Check again tomorrow."
                if count
                else f"Key {kid} can be removed: no attempt of the last 24 hours uses it."
            )
        for kid in missing:
            print(f"Key {kid} is not in DISPATCH_KEYS, and {kids[kid]} objects of the last 24 hours use it.")
    return ExitCode.DOES_NOT_CONFORM if missing else ExitCode.OK


app.command("list", epilog=EPILOG)(keys_retire.list_keys)
app.command("retire", epilog=EPILOG)(keys_retire.retire)
