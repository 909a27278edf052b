"""`rythmiq keys list` and `rythmiq keys retire`: what each key is needed for, and retiring one that nothing needs.

A retired key can never be the current one again: the database refuses it. Its entry can then be removed from the ring.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rythmiq.contracts.errors import SettingsError
from rythmiq_cli.operator import AnyCloud, EnvFile, operator_environ, owners_database_url
from rythmiq_cli.output import ExitCode, unreachable, usage

if TYPE_CHECKING:
    import psycopg

    from rythmiq.crypto.key_ring import KeyRing
    from rythmiq_cli.operator.key_state import KeyState, RingName


@contextmanager
def faults_explained() -> Iterator[None]:
    """Turn failures of the database, the store and the settings into a message and an exit code."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  heavy for `--help`

    from rythmiq.ports import DatabaseFaultError, UnavailableError  # noqa: PLC0415  ditto

    try:
        yield
    except (SettingsError, DatabaseFaultError) as error:
        usage(str(error))
    except UnavailableError as error:
        unreachable(str(error))
    except (BotoCoreError, ClientError) as error:
        unreachable(f"the store does not answer: {type(error).__name__}")


def list_keys(
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every key as JSON.")] = False,
) -> None:
    """Compare the keys of both rings with what the database records of them: fingerprints, last use, rows of each kid.

    Needs DATABASE_URL, or SUPABASE_* for the Data API. Exit 1 when a key does not match its recorded fingerprint, or
    when rows are wrapped under a kid that is not in the ring.
    """
    from rythmiq_cli.operator.key_state import VARIABLES, key_state_of, ring_of  # noqa: PLC0415  heavy for `--help`

    environ = operator_environ(env_file, cloud)
    with faults_explained():
        state = key_state_of(environ, owners_database_url(environ, env_file))
        rows = [row for name in VARIABLES for row in _rows(name, ring_of(environ, name), state)]
    ok = all(row["ok"] for row in rows)
    if as_json:
        print(json.dumps({"ok": ok, "keys": rows}, default=str))
    else:
        for row in rows:
            print(f"{row['variable']} {row['kid']}: {row['said']}")
    if not ok:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


def _rows(name: "RingName", ring: "KeyRing | None", state: "KeyState") -> Iterator[dict[str, Any]]:
    from rythmiq_cli.operator.key_state import VARIABLES, wrong_keys  # noqa: PLC0415  ditto

    known, here = state.known(name), {} if ring is None else ring.fingerprints
    kids = [*here, *(kid for kid in known if kid not in here)]
    if name == "encryption":
        kids += [rows.kid for rows in state.rows if rows.kid not in kids]
    for kid in kids:
        key, count = known.get(kid), state.rows_under(kid) if name == "encryption" else 0
        wrong = [] if ring is None else [key for key in wrong_keys(name, ring, state) if key.kid == kid]
        is_missed = kid not in here and count > 0
        parts = [f"fingerprint {here[kid]}" if kid in here else "not in the ring"]
        if ring is not None and kid == ring.current_kid:
            parts[0] += ", current"
        if key is None:
            parts.append("never used by a function")
        else:
            parts.append(f"first used {key.first_used_at:%Y-%m-%d}, last seen {key.seen_at:%Y-%m-%d %H:%M} UTC")
            if key.retired_at is not None:
                parts.append(f"retired {key.retired_at:%Y-%m-%d}")
        if name == "encryption":
            parts.append(f"{count} rows wrapped under it")
        if wrong:
            parts.append(f"WRONG: {wrong[0]}")
        elif is_missed:
            parts.append("MISSING: append it to the ring, from its escrow copy")
        yield {
            "variable": VARIABLES[name],
            "kid": kid,
            "ok": not wrong and not is_missed,
            "fingerprint": here.get(kid),
            "known_fingerprint": None if key is None else key.fingerprint,
            "first_used_at": None if key is None else key.first_used_at,
            "seen_at": None if key is None else key.seen_at,
            "retired_at": None if key is None else key.retired_at,
            "rows": count,
            "said": "; ".join(parts),
        }


def retire(
    kid: Annotated[int, typer.Argument(metavar="KID", help="The key to retire.")],
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    dispatch: Annotated[bool, typer.Option("--dispatch", help="DISPATCH_KEYS instead of ENCRYPTION_KEYS.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check that nothing needs a key any more, retire it in the database, and print the next steps.

    Reads every row and the header of every object; needs DATABASE_URL, DO_SPACES_* and the ring. Exit 1, and nothing
    is changed, while anything is wrapped under the key, or while the functions still use it as the current one.
    """
    environ = operator_environ(env_file, cloud)
    name: RingName = "dispatch" if dispatch else "encryption"
    with faults_explained():
        needs, said = _retired(name, kid, environ, owners_database_url(environ, env_file))
    if as_json:
        print(json.dumps({"ok": not needs, "kid": kid, "needed_by": needs, "said": said}))
    else:
        for sentence in (*needs, *said):
            print(sentence)
    if needs:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


def _undo_if(left: int, transaction: "psycopg.Transaction") -> None:
    """Keep the key in use when something was wrapped under it while it was being retired."""
    if left:
        from psycopg import Rollback  # noqa: PLC0415  heavy for `--help`

        raise Rollback(transaction)


def _retired(
    name: "RingName", kid: int, environ: Mapping[str, str], owner_url: str | None
) -> tuple[list[str], list[str]]:
    """What needs the key, and what to do next; it is retired when nothing does."""
    from rythmiq_cli.operator import key_state, migrations  # noqa: PLC0415  heavy for `--help`

    variable, ring = key_state.VARIABLES[name], key_state.ring_of(environ, name)
    if owner_url is None:
        usage("DATABASE_URL is not set")
    if ring is None:
        usage(f"{variable} is not set")
    if kid == ring.current_kid:
        usage(
            f"{variable}: kid {kid} is the current key; put a newer entry first (`rythmiq keys new`), deploy, and"
            " rotate before you retire it"
        )
    with migrations.open_database(owner_url) as connection:
        state = key_state.read_key_state(connection)
        if wrong := list(key_state.wrong_keys(name, ring, state)):
            usage("; ".join(map(str, wrong)))
        needs = _needs(name, kid, environ, state)
        rotate = "`rythmiq keys rotate --dispatch`" if name == "dispatch" else "`rythmiq keys rotate`"
        if needs:
            return needs, [f"next: run {rotate} with kid {kid} still in {variable}, then this command again"]
        with connection.transaction() as transaction:
            connection.execute("set local role service_role")
            connection.execute(
                "update public.key_fingerprints set retired_at = now()"
                " where ring = %s and kid = %s and retired_at is null",
                [name, kid],
            )
            left = key_state.read_key_state(connection).rows_under(kid) if name == "encryption" else 0
            key_state.write_down(connection, "keys.retire", {"ring": name, "kid": kid})
            _undo_if(left, transaction)
    if left:
        return [f"{left} rows were wrapped under kid {kid} while this ran"], [
            f"next: run {rotate}, then this command again"
        ]
    return [], [
        f"kid {kid} is retired: nothing needs it",
        f"next: remove its entry from {variable}, and deploy the functions"
        + ("" if name == "encryption" else ", then the worker"),
        f"keep its escrow copy as long as there are backups of the database from before {dt.date.today():%Y-%m-%d}"  # noqa: DTZ011  the operator's own day
        if name == "encryption"
        else "its escrow copy may be destroyed too",
    ]


def _needs(name: "RingName", kid: int, environ: Mapping[str, str], state: "KeyState") -> list[str]:
    """What still needs a key, one sentence each."""
    from rythmiq_cli.operator import operator_client, store_config  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.key_rotation import kids_in_use, kids_of_objects  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.key_state import still_current  # noqa: PLC0415  ditto

    needs = []
    if (at := still_current(name, kid, state)) is not None:
        needs.append(
            f"the functions used kid {kid} as the current key until {at:%Y-%m-%d %H:%M} UTC, and no other since"
        )
    if name == "encryption" and (rows := state.rows_under(kid)):
        needs.append(f"{rows} rows are wrapped under kid {kid}")
    config = store_config(environ)
    s3 = operator_client(config)
    if name == "dispatch":
        if used := kids_in_use(s3, config.bucket, dt.datetime.now(tz=dt.UTC))[kid]:
            needs.append(f"{used} objects of attempts of the last 24 hours are sealed under kid {kid}")
        return needs
    kids = kids_of_objects(s3, config.bucket)
    if kids[kid]:
        needs.append(f"{kids[kid]} objects are wrapped under kid {kid}")
    if kids[None]:
        needs.append(f"{kids[None]} objects cannot be read, and may be wrapped under it")
    return needs
