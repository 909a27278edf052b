"""One HTTP exchange of the client, without I/O: what to send, how to read the answer, when to retry.

A *flow* is a sans-I/O protocol generator: it yields effects (`Send`, `Pause`, `Blocking`, `Emit`) and is sent each
one's outcome. `rythmiq.client` performs flows, blocking or on an event loop, so every decision is written once.

Every call here is idempotent or made so by an Idempotency-Key, and is retried, except with `repeat="unsent"`: such a
call is retried only if it certainly did not leave.
"""

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from rythmiq.client.errors import (
    ConflictError,
    InvalidRequestError,
    NoCreditError,
    NotFoundError,
    RefusedError,
    TooManyJobsError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from rythmiq.clock import Deadline, backoff_s
from rythmiq.contracts.bodies import Problem
from rythmiq.contracts.origins import LOOPBACK_HOSTS
from rythmiq.contracts.problems import FieldError

MAX_ANSWER_BYTES = 2 * 1024 * 1024
FIRST_BACKOFF_S = 0.5
MOST_BACKOFF_S = 8.0
_NOT_MODIFIED, _CLIENT_ERRORS, _SERVER_ERRORS = 304, 400, 500
_UNAUTHENTICATED, _TOO_MANY, _UNAVAILABLE = 401, 429, 503

T_co = TypeVar("T_co", covariant=True)

_KINDS: Mapping[int, type[RefusedError]] = {
    401: UnauthenticatedError,
    402: NoCreditError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyJobsError,
}


@dataclass(frozen=True, slots=True)
class Send:
    """One HTTP request.

    Attributes:
        authorised: whether the token goes with it; never to the object store.
        fields: of a form that ends with `content` as its file; None for a plain body.
        timeout_s: bounds each read and write.
        max_bytes: bounds the answer's body.
        on_sent: called with the number of bytes of the body sent so far.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    fields: Mapping[str, str] | None = field(default=None, repr=False)
    authorised: bool = False
    timeout_s: float = 30.0
    max_bytes: int = MAX_ANSWER_BYTES
    on_sent: Callable[[int], object] | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before going on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Blocking:
    """Call a function that blocks; its outcome is what the function returns."""

    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Emit(Generic[T_co]):
    """Pass an item to the caller and go on."""

    item: T_co


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  the class of successes

    @property
    def retry_after_s(self) -> float | None:
        """`Retry-After` in seconds; None when there is none, or when it is a date."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() else None

    @property
    def request_id(self) -> str | None:
        """The service's id of the request."""
        return self.headers.get("x-request-id")


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A failed request. `sent` is False if it certainly did not leave; `transient` is whether a retry may help."""

    reason: str
    sent: bool
    transient: bool = True


Effect = Send | Pause | Blocking
T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
Flow = Generator[Effect | Emit[Any], Any, T]
"""Returns a T."""
Stream = Generator[Effect | Emit[T], Any, None]
"""Emits items of type T."""
Repeat = Literal["always", "unsent"]


@dataclass(frozen=True, slots=True)
class Service:
    """The service's address and the client's limits.

    Attributes:
        api_url: the base of `/jobs`.
        timeout_s: bounds each read and write of a call.
        retry_for_s: how long a call is retried while the service answers with `Retry-After`.
        tries: how often a call is tried without one: no connection, or a server error.
        renews_token: whether to get a new token once after a 401.
        monotonic_s: the clock.
    """

    api_url: str
    timeout_s: float = 30.0
    retry_for_s: float = 60.0
    tries: int = 6
    renews_token: bool = False
    monotonic_s: Callable[[], float] = time.monotonic


def api_url_of(base_url: str) -> str:
    """Return the base URL of `/jobs` for the service's address, with or without its `/api`.

    Raises:
        ValueError: it is not http(s)://host..., or plain http to another machine, where tokens and keys would be read.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("the service's address is https://host[:port][/path]")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("plain http is for this machine only; give the service's https address")
    trimmed = base_url.rstrip("/")
    return trimmed if parts.path.rstrip("/").endswith("/api") else f"{trimmed}/api"


def exchange(service: Service, send: Send, *, repeat: Repeat = "always") -> Flow[Answer]:
    """Send, and retry until a retry would not change the answer: a success, a redirect or a refusal.

    Raises:
        UnreachableError: there was no answer in the time and number of tries, or a retry might do harm.
    """
    deadline = Deadline.after(service.retry_for_s, service.monotonic_s)
    repeats, renewed, tries_left = 0, False, service.tries
    while True:
        outcome: Answer | NoAnswer = yield send
        pause_s = None
        if isinstance(outcome, NoAnswer):
            if not outcome.transient or (outcome.sent and repeat == "unsent"):
                raise UnreachableError(outcome.reason)
        elif outcome.status == _UNAUTHENTICATED and send.authorised and service.renews_token and not renewed:
            renewed = True
            continue
        elif not _may_pass(outcome):
            return outcome
        else:
            pause_s = outcome.retry_after_s
        if pause_s is None:
            # Jitter: the clients of a service that comes back should not all return at once.
            longest_s = backoff_s(repeats, first_s=FIRST_BACKOFF_S, longest_s=MOST_BACKOFF_S)
            pause_s = longest_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret
            repeats += 1
            tries_left -= 1
        if not tries_left or pause_s > deadline.left_s:
            if isinstance(outcome, Answer):
                return outcome
            raise UnreachableError(outcome.reason)
        yield Pause(pause_s)


def store_exchange(service: Service, send: Send) -> Flow[Answer]:
    """Send a request to the object store; an error's message names the store."""
    try:
        return (yield from exchange(service, send))
    except UnreachableError as error:
        raise UnreachableError(f"the store cannot be reached: {error.detail}") from None


def call(  # noqa: PLR0913  a request has this many parts
    service: Service,
    method: str,
    path: str,
    *,
    body: BaseModel | None = None,
    headers: Mapping[str, str] | None = None,
    authorised: bool = True,
    extra_s: float = 0.0,
    repeat: Repeat = "always",
) -> Flow[Answer]:
    """Make one call of the API; returns a 2xx or 304.

    Raises:
        RefusedError: one of its kinds; UnreachableError, UnexpectedAnswerError.
    """
    send = Send(
        method,
        service.api_url + path,
        {"Accept": "application/json", **(headers or {})},
        authorised=authorised,
        timeout_s=service.timeout_s + extra_s,
    )
    if body is not None:
        content = body.model_dump_json(exclude_none=True).encode()
        send = replace(send, content=content, headers={**send.headers, "Content-Type": "application/json"})
    answer = yield from exchange(service, send, repeat=repeat)
    if answer.is_success or answer.status == _NOT_MODIFIED:
        return answer
    raise _refusal(answer)


def read(answer: Answer, model: type[Model]) -> Model:
    """Parse an answer's body; fields that a newer service adds are ignored.

    Raises:
        UnexpectedAnswerError: it is not one of this API.
    """
    try:
        return model.model_validate_json(answer.body, extra="ignore")
    except ValidationError:
        message = f"the answer is not a {model.__name__}"
        raise UnexpectedAnswerError(message, request_id=answer.request_id) from None


def _may_pass(answer: Answer) -> bool:
    """Whether a retry may succeed."""
    if answer.status == _TOO_MANY:
        return answer.retry_after_s is not None
    if answer.status == _UNAVAILABLE:
        return answer.retry_after_s is not None or not _is_problem(answer)  # else NOT_CONFIGURED, which lasts
    return answer.status >= _SERVER_ERRORS


def _is_problem(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").startswith("application/problem+json")


def _refusal(answer: Answer) -> RefusedError | UnreachableError | UnexpectedAnswerError:
    """Return the exception for an answer that is not a success."""
    problem = _problem(answer)
    if answer.status >= _SERVER_ERRORS:
        return UnreachableError(
            f"the service answered {answer.status}" if problem is None else problem.detail,
            code=None if problem is None else problem.code,
            request_id=answer.request_id,
        )
    if problem is None or answer.status < _CLIENT_ERRORS:
        return UnexpectedAnswerError(
            f"the service answered {answer.status}, and not as Rythmiq does", request_id=answer.request_id
        )
    errors = [FieldError(error.pointer, error.code, error.detail) for error in problem.errors]
    where = "".join(f"; {error.pointer or '/'}: {error.detail}" for error in errors)
    return _KINDS.get(answer.status, InvalidRequestError)(
        problem.detail + where,
        status=answer.status,
        code=problem.code,
        errors=errors,
        retry_after_s=answer.retry_after_s,
        request_id=problem.request_id or answer.request_id,
    )


def _problem(answer: Answer) -> Problem | None:
    try:
        return Problem.model_validate({"status": answer.status, **json.loads(answer.body)}, extra="ignore")
    except (ValueError, TypeError):
        return None
