"""Filters the log of a process that reads pictures: known events, with known fields, about its own job.

Such a process may have been taken over by what it reads, so a line of it is data, like its result: it is read, checked
field by field and written anew under the job's own ids. What is not known is not passed on, so that nobody can forge a
line about another job, or put control characters into a terminal.

Source: docs/specification/observability.md.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, get_args

from rythmiq.contracts.errors import ErrorCode, Stage

MAX_LINE_BYTES: Final = 4 * 1024
MAX_MESSAGE_CHARS = 500
_STAGES: Final = frozenset(get_args(Stage))
_MOST_MS: Final = 2**31 - 1
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
_PLACE = re.compile(r"[A-Za-z0-9_.-]{1,64}:[0-9]{1,6}")

_WALLS = re.compile(r"[a-z_]{1,20}(,[a-z_]{1,20}){0,9}")

Fact = str | int | None
_Check = Callable[[object], bool]


def _one_of(*values: str) -> _Check:
    return lambda value: isinstance(value, str) and value in values


def _text(pattern: re.Pattern[str]) -> _Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _none_or(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _is_ms(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_MS


_is_stage: Final = _one_of(*_STAGES)

EVENTS: Final[Mapping[str, Mapping[str, _Check]]] = {
    "stage": {"stage": _is_stage, "state": _one_of("start", "end"), "wall_ms": _is_ms, "cpu_ms": _is_ms},
    "unexpected": {"stage": _is_stage, "type": _text(_NAME), "where": _none_or(_text(_PLACE))},
    "walls": {"missing": _text(_WALLS)},
    "result": {"status": _one_of("success", "failed"), "code": _none_or(_one_of(*(code.value for code in ErrorCode)))},
}
"""Every event that the worker logs, and what each of its fields may hold."""


def known_event(line: bytes, *, job_id: str | None, attempt: int | None) -> dict[str, Fact] | None:
    """Read one line that a worker or one of its children wrote.

    Args:
        line: without its end; anything at all.
        job_id: of the job that the process was given; a line that names another is not known.
        attempt: which attempt of it.

    Returns:
        The event with the ids given here and its known fields, in the order of the table; None when it is no event that
        is passed on.
    """
    if not line.startswith(b"{") or len(line) > MAX_LINE_BYTES:
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    name = said.get("event") if isinstance(said, dict) else None
    fields = EVENTS.get(name) if isinstance(name, str) else None
    if fields is None or said.get("job_id") not in (None, job_id) or said.get("attempt") not in (None, attempt):
        return None
    facts = {field: said[field] for field in fields if field in said}
    if not all(fields[field](value) for field, value in facts.items()):
        return None
    return {"event": name, "job_id": job_id, "attempt": attempt, **facts}


def printable(text: str) -> str:
    """What a walled process says to a person, cut and without characters that do not show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_MESSAGE_CHARS])
