"""The service's log: one JSON object a line on STDERR, each with the request it belongs to.

Nothing that identifies a person or grants access belongs in a log: storage keys, tokens and URL queries are redacted
here, in case a caller passes one.

Source: docs/specification/observability.md.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

Level = Literal["info", "warning", "error"]
Field = str | int | float | bool | None

_MAX_CHARS = 500
_REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
_JOB: ContextVar[tuple[str | None, int | None]] = ContextVar("job", default=(None, None))
_SECRET = re.compile(
    r"(?:raw|master|output)/[0-9a-f-]{36}/\S*"  # a storage key
    r"|(?<=\?)\S+=\S*"  # a query
    r"|v[0-9]+\.[0-9]+\.[0-9a-f]{64}"  # a webhook token
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT
)


@contextlib.contextmanager
def request(request_id: str | None, job_id: str | None = None) -> Iterator[None]:
    """Add the request's id and job to every line written inside."""
    token, job_token = _REQUEST_ID.set(request_id), _JOB.set((job_id, None))
    try:
        yield
    finally:
        _REQUEST_ID.reset(token)
        _JOB.reset(job_token)


def is_about(job_id: str, attempt: int | None) -> None:
    """Set the job of the current request; lines that name a job themselves keep theirs."""
    _JOB.set((job_id, attempt))


def log(
    event: str, *, level: Level = "info", job_id: str | None = None, attempt: int | None = None, **fields: Field
) -> None:
    """Write one line.

    Args:
        event: what happened, in snake case.
        level: its severity.
        job_id: which job, when it is about one; by default the request's, and its attempt.
        attempt: which attempt of it.
        fields: further facts; text is cut at 500 characters.
    """
    if job_id is None:
        job_id, attempt = _JOB.get()
    line: dict[str, Field] = {
        "at": datetime.now(tz=UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "event": event,
        "request_id": _REQUEST_ID.get(),
        "job_id": job_id,
        "attempt": attempt,
        **{name: _redacted(value) if isinstance(value, str) else value for name, value in fields.items()},
    }
    print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201  this is the log


def _redacted(text: str) -> str:
    return _SECRET.sub("***", text)[:_MAX_CHARS]
