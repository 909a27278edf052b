"""`rythmiq keys`: entries for ENCRYPTION_KEYS and DISPATCH_KEYS, and every data key rewrapped under the current one.

A rotation decrypts nothing: only wrapped keys change, in rows by batches of one transaction each, in objects by their
first 108 bytes. Keys that are current are skipped, so that an interrupted rotation resumes where it was, and a
second one has nothing to do. A key that does not unwrap stays as it is and is counted. A ring that holds another key
than the one of a kid's first use, or whose newest key is not the first, is refused before anything is read.

DISPATCH_KEYS seals what lives as long as an attempt, so nothing is rewrapped: an old key may go once no attempt of the
last 24 hours names it.

An object that is written anew begins its retention anew (a store knows no other date). One that is deleted meanwhile
stays deleted where the store honours `If-Match`.
"""

import base64
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from rythmiq.contracts.errors import SettingsError
from rythmiq.contracts.keys import InvalidKeyError, StorageKey, is_service_key, parse_key
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, is_sealed, parse_header
from rythmiq_cli.commands import keys_advice, keys_retire
from rythmiq_cli.exits import EPILOG, ExitCode, unreachable, usage
from rythmiq_cli.operator import AnyCloud, EnvFile, is_set, operator_environ, owners_database_url

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    import psycopg
    from mypy_boto3_s3.client import S3Client

    from rythmiq_cli.operator.key_state import KeyState

app = typer.Typer(
    help="Make keys for ENCRYPTION_KEYS and DISPATCH_KEYS, and change them (operator).",
    no_args_is_help=True,
    epilog=EPILOG,
)


@app.callback()
def _keys() -> None:
    """Make keys for ENCRYPTION_KEYS and DISPATCH_KEYS, and change them (operator)."""


Dispatch = Annotated[bool, typer.Option("--dispatch", help="DISPATCH_KEYS instead of ENCRYPTION_KEYS.")]


@app.command(epilog=EPILOG)
def new(
    kid: Annotated[int, typer.Option("--kid", help="1 to 65535; take one that was never used.")] = 1,
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

    It needs DATABASE_URL, DO_SPACES_* and ENCRYPTION_KEYS with the old keys still behind the new one. A DATABASE_URL
    that the file leaves unset is taken from the environment. It may be interrupted and run again, while the service
    runs. Refused, and nothing is changed: a key that is not the one of its kid's first use, and a ring whose newest
    key is not the first. Exit 1 when something is wrapped under a key that is not in the ring.

    With --dispatch nothing is rewritten: it looks at the dispatch and result objects of the last 24 hours, and says
    which old keys of DISPATCH_KEYS may go. It needs DO_SPACES_* and DISPATCH_KEYS.
    """
    environ = operator_environ(env_file, cloud)
    if dispatch:
        from rythmiq_cli.operator.dispatch_keys import report  # noqa: PLC0415  heavy for `--help`

        raise typer.Exit(report(environ, as_json=as_json))
    try:
        rotation = _rotated(environ, owners_database_url(environ, env_file), dry_run=dry_run)
    except SettingsError as error:
        usage(str(error))
    counts = {"rows": dict(rotation.rows), "objects": dict(rotation.objects), "reasons": dict(rotation.reasons)}
    left = {str(kid): {"rows": rows, "objects": objects} for kid, (rows, objects) in rotation.left.items()}
    said = [*keys_advice.left_over(rotation), *keys_advice.next_steps(rotation, env_file, cloud)]
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

    from rythmiq.ports.errors import DatabaseFaultError, UnavailableError  # noqa: PLC0415  ditto
    from rythmiq_cli.commands.keys import Rotation  # noqa: PLC0415  ditto
    from rythmiq_cli.operator import (  # noqa: PLC0415  ditto
        key_state,
        migrations,
        operator_client,
        store_config,
    )

    if database_url is None:
        usage("DATABASE_URL is not set")
    if not is_set(environ, "ENCRYPTION_KEYS"):
        usage("ENCRYPTION_KEYS is not set")
    config = store_config(environ)
    try:
        ring = KeyRing.parse(environ["ENCRYPTION_KEYS"])
    except ValueError as error:
        usage(f"ENCRYPTION_KEYS: {error}")
    with Console(stderr=True).status("reading ...") as status:
        rotation = Rotation(ring, dry_run)

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
            unreachable(f"{error}; what was done stays done, run it again")
        except (BotoCoreError, ClientError) as error:
            unreachable(f"the store does not answer: {type(error).__name__}; what was done stays done, run it again")
    return rotation


def _refuse_a_wrong_ring(ring: KeyRing, state: "KeyState") -> None:
    """End the command when the ring is not what the database knows, or when its newest key is not the first."""
    from rythmiq_cli.operator.key_state import newest, wrong_keys  # noqa: PLC0415  heavy for `--help`

    if wrong := list(wrong_keys("encryption", ring, state)):
        usage("; ".join(map(str, wrong)))
    if (kid := newest("encryption", ring, state)) != ring.current_kid:
        usage(
            f"ENCRYPTION_KEYS: kid {kid} is newer than kid {ring.current_kid}, which stands first:"
            f" put kid {kid} first, deploy the functions, and run this again"
        )


State = Literal["rewrapped", "current", "plaintext", "failed"]
_BATCH = 200
_TABLES = (
    ("jobs", "id", (("kid", "wrapped_key"), ("input_kid", "input_wrapped_key"))),
    ("uploads", "job_id", (("kid", "wrapped_key"),)),
)
# gone since it was listed, or empty
_CHANGED = frozenset({"NoSuchKey", "404", "InvalidRange"})
_FIRST = "00000000-0000-0000-0000-000000000000"


app.command("list", epilog=EPILOG)(keys_retire.list_keys)
app.command("retire", epilog=EPILOG)(keys_retire.retire)


@dataclass
class Rotation:
    """A rotation and its counts; a dry run counts only.

    Attributes:
        ring: its first key is what everything is wrapped under.
        dry_run: whether nothing is written.
        seen: called after each row and object.
        left: rows and objects that are under another key in the end, by its kid; every old key of the ring is there.
        in_use: when functions last wrapped under an old key that no newer one has replaced there.
    """

    ring: KeyRing
    dry_run: bool = False
    seen: Callable[[], object] = lambda: None
    rows: Counter[State] = field(default_factory=Counter)
    objects: Counter[State] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    left: dict[int, tuple[int, int]] = field(default_factory=dict)
    in_use: "dict[int, dt.datetime]" = field(default_factory=dict)
    _objects_left: Counter[int] = field(default_factory=Counter)
    _failed_under_a_kid: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every data key could be unwrapped."""
        return not self.rows["failed"] and not self.objects["failed"]

    @property
    def changed(self) -> dict[str, int]:
        """How many rows and objects were written anew; empty when none were."""
        counts = {"rows": self.rows["rewrapped"], "objects": self.objects["rewrapped"]}
        return counts if any(counts.values()) and not self.dry_run else {}

    @property
    def unreadable(self) -> int:
        """How many objects failed without a kid that could be read."""
        return self.objects["failed"] - self._failed_under_a_kid

    def conclude(self, state: "KeyState") -> None:
        """Say what is left under other keys, by the rows as they are now and the objects as they were met."""
        from rythmiq_cli.operator.key_state import still_current  # noqa: PLC0415  heavy for `--help`

        rows = {entry.kid: entry.count for entry in state.rows}
        others = {*self.ring.kids, *rows, *self._objects_left} - {self.ring.current_kid}
        self.left = {kid: (rows.get(kid, 0), self._objects_left[kid]) for kid in sorted(others)}
        found = {kid: still_current("encryption", kid, state) for kid in others}
        self.in_use = {kid: at for kid, at in found.items() if at is not None}

    # --- rows --------------------------------------------------------------------------------------------------------

    def rotate_rows(self, connection: "psycopg.Connection[Any]") -> None:
        """Rotate `jobs` and `uploads`; the connection is the owner's, in autocommit."""
        for table, key, pairs in _TABLES:
            after: object = _FIRST
            while after is not None:
                with connection.transaction():
                    connection.execute("set local role service_role")
                    connection.execute("select set_config('rythmiq.rotation', 'on', true)")
                    after = self._batch(connection, table, key, pairs, after)

    def _batch(
        self,
        connection: "psycopg.Connection[Any]",
        table: str,
        key: str,
        pairs: tuple[tuple[str, str], ...],
        after: object,
    ) -> object:
        columns = ["user_id", *(column for pair in pairs for column in pair)]
        due = " or ".join(f"{kid} <> %(kid)s" for kid, _ in pairs)
        # names of _TABLES and nothing else
        question = (
            f"select {key}, {', '.join(columns)} from public.{table}"  # noqa: S608
            f" where {key} > %(after)s and ({due}) order by {key} limit {_BATCH}{'' if self.dry_run else ' for update'}"
        )
        arguments = {"kid": self.ring.current_kid, "after": after}
        rows = connection.execute(question.encode(), arguments).fetchall()
        for row in rows:
            self._row(connection, table, key, columns, row)
        return rows[-1][0] if len(rows) == _BATCH else None

    def _row(
        self, connection: "psycopg.Connection[Any]", table: str, key: str, columns: list[str], row: tuple[Any, ...]
    ) -> None:
        self.seen()
        try:
            owner = str(row[1])
            renewed = [part for at in range(2, len(row), 2) for part in self._renewed(row[at], row[at + 1], owner)]
        except DecryptionError as error:
            self.rows["failed"] += 1
            self.reasons[error.reason] += 1
            return
        self.rows["rewrapped"] += 1
        if not self.dry_run:
            changes = ", ".join(f"{column} = %s" for column in columns[1:])
            statement = f"update public.{table} set {changes} where {key} = %s"  # noqa: S608  see above
            connection.execute(statement.encode(), [*renewed, row[0]])

    def _renewed(self, kid: int | None, wrapped_key: str | None, owner: str) -> tuple[int | None, str | None]:
        if kid is None or wrapped_key is None or kid == self.ring.current_kid:
            return kid, wrapped_key
        renewed = self.ring.rewrap_key(kid, base64.b64decode(wrapped_key), owner)
        return renewed.kid, base64.b64encode(renewed.wrapped_key).decode()

    # --- objects -----------------------------------------------------------------------------------------------------

    def rotate_objects(self, s3: "S3Client", bucket: str) -> None:
        """Rotate every object of users' in the bucket; service objects and what is not ours are left alone."""
        for key in _listed(s3, bucket):
            if not is_service_key(key):
                self.seen()
                self.objects[self._object(s3, bucket, key)] += 1

    def _object(self, s3: "S3Client", bucket: str, key: StorageKey) -> State:
        from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

        try:
            return self._rewrapped(s3, bucket, key)
        except DecryptionError as error:
            self.reasons[error.reason] += 1
            return "failed"
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _CHANGED:
                return "current"
            raise

    def _rewrapped(self, s3: "S3Client", bucket: str, parsed: StorageKey) -> State:
        key, owner = str(parsed), parsed.user_id
        head = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{OVERHEAD_BYTES - 1}")["Body"].read()
        if not is_sealed(head):
            return "plaintext"
        header = parse_header(head)
        try:
            self.ring.unwrap(header.kid, header.wrapped_key, owner)
        except DecryptionError:
            self._objects_left[header.kid] += 1
            self._failed_under_a_kid += 1
            raise
        if header.kid == self.ring.current_kid:
            return "current"
        if self.dry_run:
            self._objects_left[header.kid] += 1
            return "rewrapped"
        whole = s3.get_object(Bucket=bucket, Key=key)
        renewed = self.ring.rewrap(whole["Body"].read(), owner)
        # As HTTP has it, and as Ceph RGW 16 compares it: without its quotes, which no other store would match.
        for etag in (whole["ETag"], whole["ETag"].strip('"')):
            if _put(s3, bucket, key, renewed, whole["ContentType"], etag):
                return "rewrapped"
        self._objects_left[header.kid] += 1
        self._failed_under_a_kid += 1
        self.reasons["changed meanwhile: run it again"] += 1
        return "failed"


def _put(s3: "S3Client", bucket: str, key: str, data: bytes, content_type: str, etag: str) -> bool:  # noqa: PLR0913, PLR0917  one request
    from botocore.exceptions import ClientError  # noqa: PLC0415  see operator_store

    try:
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type, IfMatch=etag)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "PreconditionFailed":
            return False
        raise
    return True


def _listed(s3: "S3Client", bucket: str) -> Iterator[StorageKey]:
    for prefix in ("raw/", "master/", "output/"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                try:
                    key = parse_key(entry["Key"])
                except InvalidKeyError:
                    continue
                yield key
