"""What an executor's command line may say: a fixed program, two UUIDs and a number, and nothing else.

Camber expands `$` in commands before any shell does, and shows commands to others; so what could be expanded, or tell
anything, never gets there.

Source: docs/specification/executors.md, docs/camber.md.
"""

import re

from rythmiq.contracts.keys import UUID4_PATTERN, InvalidKeyError, dispatch_key
from rythmiq.ports.errors import ExecutorRejectedError
from rythmiq.ports.executor import Order

GRAMMAR = re.compile(r"[A-Za-z0-9_./= -]+")
MOST_ATTEMPTS = 1_000
_UUID4 = UUID4_PATTERN.strip("^$")


def arguments_of(order: Order) -> tuple[str, str, str]:
    """The launcher's three words.

    Raises:
        ExecutorRejectedError: the order names no attempt; nothing may be started for it.
    """
    try:
        dispatch_key(order.user_id, order.job_id, order.attempt)
    except InvalidKeyError:
        raise ExecutorRejectedError("the order names no attempt of a job") from None
    if order.attempt > MOST_ATTEMPTS:
        raise ExecutorRejectedError("the order names no attempt of a job")
    return order.user_id, order.job_id, str(order.attempt)


def command_of(program: str, order: Order) -> str:
    """The command line of one attempt, held against the grammar.

    Raises:
        ExecutorRejectedError: the order names no attempt, or the program is outside the grammar.
    """
    command = " ".join((program, *arguments_of(order)))
    if not GRAMMAR.fullmatch(command):
        raise ExecutorRejectedError("the command line holds what an executor could expand")
    return command


def starts_attempt(command: str, job_id: str, attempt: int) -> bool:
    """Whether a command line, as an executor shows it, starts this attempt, whatever it has wrapped around it."""
    return re.search(rf"(?<!\S){_UUID4} {re.escape(job_id)} {attempt}(?![^\s'\";&|)])", command) is not None
