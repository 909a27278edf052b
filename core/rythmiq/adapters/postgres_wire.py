"""One message to Postgres and its answer, within a deadline, on a connection that psycopg made.

libpq has no deadline of its own for an answer: a server that is paused keeps its sockets open and says nothing.
"""

import select
import time

import psycopg
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from rythmiq.adapters.database_errors import database_error
from rythmiq.ports.errors import DatabaseUnavailableError

_ANSWERED = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class BrokenError(Exception):
    """The connection broke; `sent` when the server may have seen the message."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__()
        self.sent = sent


def is_sound(pgconn: PGconn) -> bool:
    """Whether a connection that lies idle can be used: a server that hung up, or says so, left something to read."""
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
    ends_at = time.monotonic() + give_up_s
    try:
        pgconn.send_query(message)
    except psycopg.OperationalError:
        raise BrokenError(sent=False) from None
    try:
        _flush(pgconn, ends_at)
        result = _last_result(pgconn, ends_at)
    except psycopg.OperationalError:
        raise BrokenError(sent=True) from None
    if result is None:
        raise BrokenError(sent=True)
    if result.status not in _ANSWERED:
        raise _refusal(result)
    return result.get_value(0, 0)


def _flush(pgconn: PGconn, ends_at: float) -> None:
    while pgconn.flush():
        if _ready(pgconn.socket, select.POLLIN | select.POLLOUT, _left_s(ends_at)) & select.POLLIN:
            pgconn.consume_input()


def _last_result(pgconn: PGconn, ends_at: float) -> PGresult | None:
    """The last result, or the first that is an error: after a server's own words libpq says that it is gone."""
    last: PGresult | None = None
    while True:
        while pgconn.is_busy():
            if _ready(pgconn.socket, select.POLLIN, _left_s(ends_at)):
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return last
        if last is None or last.status in _ANSWERED:
            last = result


def _left_s(ends_at: float) -> float:
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise DatabaseUnavailableError("the database did not answer in time")
    return left_s


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
