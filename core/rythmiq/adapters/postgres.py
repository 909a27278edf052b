"""A `database.Transport` straight to Postgres, or to a transaction pooler in front of it.

A call is one message of the simple query protocol: the role, the claims and the timeout, set for this transaction
alone, and then the function. So it is one round trip and one transaction, needs no prepared statement, and leaves no
state in a session that a pooler hands to the next client. Arguments are bound on this side, as literals without a
type: the function's own parameters decide.

A message that may have reached the server is sent again only when it reads: whether a write was done before the
connection broke is unknown. A connection that broke while it lay idle (a paused function, a pooler that hung up) is
seen before anything is sent, and replaced.

Tried by hand behind PgBouncer 1.18 in transaction mode with a single connection to the server. Not proven: Supavisor.
What it is known to need, no prepared statements and no session state, a test of the wire asserts.
"""

import json
import re
import select
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import conninfo
from psycopg.pq import ConnStatus, DiagnosticField, Escaping, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from rythmiq.adapters.database import database_error, storable
from rythmiq.clock import Deadline
from rythmiq.contracts.errors import SettingsError
from rythmiq.contracts.origins import LOOPBACK_HOSTS
from rythmiq.ports import DatabaseNotReadyError, DatabaseUnavailableError
from rythmiq.ports.database import Caller

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# What a server, in English, and libpq say where no repeat will help. A connection that failed has no SQLSTATE.
_REFUSED = {
    "password authentication failed": "the database refuses the user or password",
    "no password supplied": "DATABASE_URL has no password, and the database asks for one",
    "no pg_hba.conf entry": "the database takes no connections from here",
    "Tenant or user not found": "the pooler does not know the user; it is named user.project there",
    "does not support SSL": "the database offers no TLS; say sslmode=disable in DATABASE_URL if that is meant",
    "certificate verify failed": "the database's certificate is not trusted",
}
PATIENCE_S = 1.0
"""For how much longer than the server's own limit the client waits."""
_NO_DATABASE = re.compile(r'(database|role) "[^"]*" does not exist')


@dataclass(slots=True)
class _Pooled:
    connection: psycopg.Connection[Any]
    idle_since: float


class PostgresTransport:
    """Calls functions over a few pooled connections; threads may share it.

    Args:
        url: `DATABASE_URL`. To any host but this one, TLS is required unless it sets `sslmode`.
        connect_timeout_s: for each address that the host's name has.
        statement_timeout_s: after that the server gives the call up; the client waits a little longer.
        max_idle: connections that are kept.
        max_idle_s: after that a connection is not trusted: a router may have forgotten it without a word.

    Raises:
        SettingsError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: int = 2,
        statement_timeout_s: float = 4.0,
        max_idle: int = 4,
        max_idle_s: float = 60.0,
    ) -> None:
        self._headers: Mapping[str, str] = {}
        self._idle: list[_Pooled] = []
        self._lock = threading.Lock()
        self._conninfo = connection_string(url, connect_timeout_s=connect_timeout_s)
        self._statement_timeout_ms = round(statement_timeout_s * 1000)
        self._give_up_s = statement_timeout_s + PATIENCE_S
        self._max_idle = max_idle
        self._max_idle_s = max_idle_s

    def presenting(self, headers: Mapping[str, str]) -> Self:
        """Send these with each call that writes, by lower-case name, where PostgREST puts a request's headers."""
        self._headers = headers
        return self

    def call(self, function: str, arguments: Mapping[str, object], caller: Caller | None = None) -> Any:
        """Call a function; see `database.Transport`."""
        connection = self._take() or connect(self._conninfo)
        try:
            return self._call(connection, function, arguments, caller)
        except BrokenError as broken:
            if broken.sent and caller is None:
                raise DatabaseUnavailableError("the connection to the database broke in the middle of a call") from None
        # The others are as old as this one: none of them is worth a second try.
        self.close()
        try:
            return self._call(connect(self._conninfo), function, arguments, caller)
        except BrokenError:
            raise DatabaseUnavailableError("the connection to the database broke twice") from None

    def close(self) -> None:
        """Close the connections that lie idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for pooled in idle:
            pooled.connection.close()

    def __del__(self) -> None:
        """A function's process ends without a word; psycopg would warn of each connection."""
        self.close()

    # --- connections ----------------------------------------------------------------------------------------------

    def _take(self) -> psycopg.Connection[Any] | None:
        """The connection that was used last, if it is still sound."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                pooled = self._idle.pop()
            if time.monotonic() - pooled.idle_since < self._max_idle_s and is_sound(pooled.connection.pgconn):
                return pooled.connection
            pooled.connection.close()

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            if is_sound(connection.pgconn) and len(self._idle) < self._max_idle:
                self._idle.append(_Pooled(connection, time.monotonic()))
                return
        connection.close()

    # --- one call -------------------------------------------------------------------------------------------------

    def _call(
        self,
        connection: psycopg.Connection[Any],
        function: str,
        arguments: Mapping[str, object],
        caller: Caller | None,
    ) -> Any:
        pgconn = connection.pgconn
        try:
            value = exchange(pgconn, self._message(pgconn, function, arguments, caller), self._give_up_s)
        finally:
            self._give_back(connection)
        return None if value is None else json.loads(value)

    def _message(self, pgconn: PGconn, function: str, arguments: Mapping[str, object], caller: Caller | None) -> bytes:
        names = (function, *arguments)
        if not all(map(_NAME.fullmatch, names)):
            raise AssertionError("functions and arguments are named in our own code")
        role = "service_role" if caller is None else "authenticated"
        claims = {"role": role} if caller is None else {**caller.claims, "role": role}
        settings = {
            "role": role,
            "request.jwt.claims": storable(claims),
            "statement_timeout": self._statement_timeout_ms,
            "timezone": "UTC",
            **({} if caller is None else {"transaction_read_only": "on"}),  # as PostgREST does for STABLE functions
            **(
                {"request.headers": self._headers} if self._headers and caller is None else {}
            ),  # where PostgREST puts them
        }
        quote = Escaping(pgconn).escape_literal
        bound = b", ".join(b"%s => %s" % (name.encode(), _literal(quote, value)) for name, value in arguments.items())
        setters = b", ".join(
            b"set_config('%s', %s, true)" % (name.encode(), _literal(quote, value)) for name, value in settings.items()
        )
        return b"select %s; select public.%s(%s)" % (setters, function.encode(), bound)


def connection_string(url: str, *, connect_timeout_s: int = 5) -> str:
    """Return libpq's connection string: `url` with our own defaults for what it does not set.

    Raises:
        SettingsError: the URL cannot be used.
    """
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.Error:  # which quotes the URL
        raise SettingsError("DATABASE_URL cannot be used") from None
    hosts = str(given.get("host") or "").split(",")
    is_local = all(host in LOOPBACK_HOSTS or host.startswith("/") or not host for host in hosts)
    defaults: dict[str, Any] = {
        "connect_timeout": connect_timeout_s,
        "application_name": "rythmiq",
        "sslmode": "prefer" if is_local else "require",
        "gssencmode": "disable",  # one more round trip, for what is not used here
        "tcp_user_timeout": 10_000,
    }
    return conninfo.make_conninfo(**{**defaults, **given, "client_encoding": "UTF8"})


def connect(target: str) -> psycopg.Connection[Any]:
    """Connect, each statement its own transaction, and nothing prepared on the server.

    Args:
        target: from `connection_string`.

    Raises:
        DatabaseUnavailableError, DatabaseNotReadyError: it does not answer, or refuses.
    """
    try:
        return psycopg.connect(target, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        text = str(error)
    for message, advice in _REFUSED.items():
        if message in text:
            raise DatabaseNotReadyError(advice)
    if missing := _NO_DATABASE.search(text):
        raise DatabaseNotReadyError(f"there is no such {missing[1]} as DATABASE_URL names")
    raise DatabaseUnavailableError("the database takes no connection now")


def _literal(quote: Callable[[bytes], bytes], value: object) -> bytes:
    """A literal without a type: text as it is, everything else as JSON writes it."""
    if value is None:
        return b"null"
    return quote((value if isinstance(value, str) else json.dumps(value)).encode())


_ANSWERED = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class BrokenError(Exception):
    """The connection broke; `sent` when the server may have seen the message."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


def is_sound(pgconn: PGconn) -> bool:
    """Return whether an idle connection can be used: a server that hung up left something to read."""
    return (
        pgconn.status == ConnStatus.OK
        and pgconn.transaction_status == TransactionStatus.IDLE
        and not _ready(pgconn.socket, select.POLLIN, 0.0)
    )


def exchange(pgconn: PGconn, message: bytes, give_up_s: float) -> bytes | None:
    """Send one message of the simple query protocol; the first value of its last result.

    Raises:
        BrokenError: the connection is of no more use.
        DatabaseUnavailableError: no answer in time; nor is it then.
        DatabaseNotReadyError, DatabaseFaultError: see `database_error`.
    """
    deadline = Deadline.after(give_up_s)
    try:
        pgconn.send_query(message)
    except psycopg.OperationalError:
        raise BrokenError(sent=False) from None
    try:
        _flush(pgconn, deadline)
        result = _last_result(pgconn, deadline)
    except psycopg.OperationalError:
        raise BrokenError(sent=True) from None
    if result is None:
        raise BrokenError(sent=True)
    if result.status not in _ANSWERED:
        raise _refusal(result)
    return result.get_value(0, 0)


def _flush(pgconn: PGconn, deadline: Deadline) -> None:
    while pgconn.flush():
        if _ready(pgconn.socket, select.POLLIN | select.POLLOUT, _left_s(deadline)) & select.POLLIN:
            pgconn.consume_input()


def _last_result(pgconn: PGconn, deadline: Deadline) -> PGresult | None:
    """The last result, or the first that is an error: after a server's own message libpq reports that it is gone."""
    last: PGresult | None = None
    while True:
        while pgconn.is_busy():
            if _ready(pgconn.socket, select.POLLIN, _left_s(deadline)):
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return last
        if last is None or last.status in _ANSWERED:
            last = result


def _left_s(deadline: Deadline) -> float:
    return deadline.require(DatabaseUnavailableError, "the database did not answer in time")


def _ready(socket: int, events: int, timeout_s: float) -> int:
    """The events that a socket is ready for, errors among them; 0 when the time is up."""
    poll = select.poll()
    poll.register(socket, events)
    found = poll.poll(timeout_s * 1000)
    return found[0][1] if found else 0


def _refusal(result: PGresult) -> Exception:
    sqlstate = _diagnostic(result, DiagnosticField.SQLSTATE)
    severity = _diagnostic(result, DiagnosticField.SEVERITY_NONLOCALIZED)
    if not sqlstate or severity in {"FATAL", "PANIC"}:
        return BrokenError(sent=True)  # the session is over, whatever the reason; only libpq's own words have no code
    return database_error(
        sqlstate,
        message=_diagnostic(result, DiagnosticField.MESSAGE_PRIMARY),
        constraint=_diagnostic(result, DiagnosticField.CONSTRAINT_NAME),
    )


def _diagnostic(result: PGresult, field: DiagnosticField) -> str:
    return (result.error_field(field) or b"").decode("utf-8", "replace")
