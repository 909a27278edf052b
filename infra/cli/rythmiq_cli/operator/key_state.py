"""What the database records of each key: its fingerprint, when functions last used it, and the rows wrapped under it.

Source: docs/specification/database.md, "Fingerprints of keys".
"""

import base64
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto import DecryptionError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.operator import data_api, is_set, operator_actor

if TYPE_CHECKING:
    import psycopg

RingName = Literal["encryption", "dispatch"]
VARIABLES: Mapping[RingName, str] = {"encryption": "ENCRYPTION_KEYS", "dispatch": "DISPATCH_KEYS"}


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that functions have used.

    Attributes:
        seen_at: when a function last had it in its ring, to the minute.
        current_at: when a function last had it as the current key, to the minute.
    """

    ring: RingName
    kid: int
    fingerprint: str
    first_used_at: dt.datetime
    seen_at: dt.datetime
    current_at: dt.datetime
    retired_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class WrappedRows:
    """The rows whose data keys are wrapped under one kid, and one of them."""

    kid: int
    count: int
    user_id: str
    wrapped_key: str


@dataclass(frozen=True, slots=True)
class KeyState:
    """Everything that the database records of keys."""

    keys: tuple[KnownKey, ...]
    rows: tuple[WrappedRows, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "KeyState":
        """Read the answer of `key_state`."""
        return cls(
            tuple(_known_key(row) for row in document["keys"]), tuple(WrappedRows(**row) for row in document["rows"])
        )

    def known(self, ring: RingName) -> dict[int, KnownKey]:
        """The keys of a ring by kid."""
        return {key.kid: key for key in self.keys if key.ring == ring}

    def rows_under(self, kid: int) -> int:
        """How many rows are wrapped under a kid."""
        return next((rows.count for rows in self.rows if rows.kid == kid), 0)


def _known_key(row: Mapping[str, Any]) -> KnownKey:
    times = {name: row[name] and dt.datetime.fromisoformat(row[name]) for name in row if name.endswith("_at")}
    return KnownKey(**{**row, **times})


def read_key_state(connection: "psycopg.Connection[Any]") -> KeyState:
    """Ask as the owner of the tables; the connection is in autocommit."""
    with connection.transaction():
        connection.execute("set local role service_role")
        connection.execute("set local timezone to 'UTC'")
        row = connection.execute("select public.key_state()").fetchone()
    return KeyState.of(row[0] if row else {"keys": [], "rows": []})


def write_down(connection: "psycopg.Connection[Any]", act: str, details: Mapping[str, object]) -> None:
    """Append what an operator did with keys to the audit log; inside the caller's transaction, if there is one."""
    with connection.transaction():
        connection.execute("set local role service_role")
        question = "select public.operator_event_add(%s, %s, null, null, %s::jsonb)"
        connection.execute(question, [act, operator_actor(), json.dumps(details)])


def key_state_of(environ: Mapping[str, str], owner_url: str | None) -> KeyState:
    """Ask the database that an environment names, as its owner where its address is known, else by the Data API.

    Raises:
        SettingsError, UnavailableError, DatabaseFaultError: it cannot be asked.
    """
    if owner_url is not None:
        from rythmiq_cli.operator import migrations  # noqa: PLC0415  psycopg is heavy for `--help`

        with migrations.open_database(owner_url) as connection:
            return read_key_state(connection)
    from rythmiq.settings.api import DatabaseSettings  # noqa: PLC0415  ditto

    with closing(data_api(DatabaseSettings.from_environ(environ))) as transport:
        return KeyState.of(transport.call("key_state", {}))


def ring_of(environ: Mapping[str, str], name: RingName) -> KeyRing | None:
    """A ring of the environment; None where it is not set.

    Raises:
        SettingsError: it cannot be read.
    """
    variable = VARIABLES[name]
    if not is_set(environ, variable):
        return None
    try:
        return KeyRing.parse(environ[variable])
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None


@dataclass(frozen=True, slots=True)
class WrongKey:
    """A key that is not the one that its kid stands for."""

    kid: int
    said: str
    fix: str

    def __str__(self) -> str:
        """Both in one line."""
        return f"{self.said}; {self.fix}"


def wrong_keys(name: RingName, ring: KeyRing, state: KeyState) -> Iterator[WrongKey]:
    """Find the keys that are not the ones of their kids' first use, or that open nothing of theirs."""
    known, variable = state.known(name), VARIABLES[name]
    for kid, fingerprint in ring.fingerprints.items():
        if kid in known and known[kid].fingerprint != fingerprint:
            said = (
                f"{variable}: key {kid} is not the one of its first use on {known[kid].first_used_at:%Y-%m-%d}: its"
                f" fingerprint is {fingerprint}, and that one's {known[kid].fingerprint}"
            )
            yield WrongKey(kid, said, f"put the key with that fingerprint into {variable}, from its escrow")
        elif name == "encryption" and kid == ring.current_kid and kid not in known and not opens(ring, kid, state):
            said = f"{variable}: key {kid} does not open what is wrapped under kid {kid}"
            yield WrongKey(kid, said, f"put the key that does into {variable}, from its escrow")


def opens(ring: KeyRing, kid: int, state: KeyState) -> bool:
    """Whether a row that is wrapped under this kid opens; True where there is none."""
    for rows in state.rows:
        if rows.kid == kid:
            try:
                ring.unwrap(kid, base64.b64decode(rows.wrapped_key), rows.user_id)
            except (DecryptionError, ValueError):
                return False
    return True


def newest(name: RingName, ring: KeyRing, state: KeyState) -> int:
    """The newest key of a ring: one that was never used, else that of the latest first use; the higher kid of two."""
    known, never = state.known(name), dt.datetime.max.replace(tzinfo=dt.UTC)
    return max(ring.kids, key=lambda kid: (known[kid].first_used_at if kid in known else never, kid))


def still_current(name: RingName, kid: int, state: KeyState) -> dt.datetime | None:
    """When functions last wrapped or sealed under a kid, if no other key has taken its place since; else None."""
    known = state.known(name)
    if kid not in known:
        return None
    others = [key.current_at for key in known.values() if key.kid != kid]
    return None if others and max(others) > known[kid].current_at else known[kid].current_at
