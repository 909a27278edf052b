"""Which calls a function takes, as data: the router reads it, and OpenAPI is made from it.

Source: docs/specification/http-api.md.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.request import Request
from rythmiq.gateway.response import Response

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rythmiq.ports.database import Caller

PartsT = TypeVar("PartsT")
Access = Literal["public", "user", "webhook", "secret", "metrics"]

_PLACEHOLDERS = {"{job_id}": UUID4_PATTERN.strip("^$"), "{portal}": r"[a-z0-9]+(?:-[a-z0-9]+)*"}

_ALWAYS = frozenset(
    {
        ProblemCode.METHOD_NOT_ALLOWED,
        ProblemCode.BODY_TOO_LARGE,
        ProblemCode.NOT_CONFIGURED,
        ProblemCode.INTERNAL,
    }
)
_BODY = frozenset({ProblemCode.UNSUPPORTED_MEDIA_TYPE, ProblemCode.MALFORMED_JSON, ProblemCode.INVALID_FIELD})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the path, the query or the headers, as OpenAPI tells it."""

    name: str
    place: Literal["path", "query", "header"]
    meaning: str
    rule: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a call succeeds.

    Attributes:
        meaning: one sentence.
        model: of the body, when the contracts have one.
        schema: of the body, when they have none.
        media_type: of the body; None when there is no body.
        headers: that come with it.
    """

    meaning: str
    model: "type[BaseModel] | None" = None
    schema: Mapping[str, Any] = field(default_factory=dict)
    media_type: str | None = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API.

    Attributes:
        name: OpenAPI's operationId.
        method: GET answers HEAD too.
        path: below the function's own; `{job_id}` and `{portal}` stand for what their names say.
        summary: one line for a reader.
        access: who may call.
        answers: of the calls that succeed, by status.
        refusals: what the use case may refuse with; what every call may is added.
        parameters: of path, query and headers.
        body: the request's model.
        body_is_reported: by a machine, which is let in before its body is judged, and read leniently.
        asks_outside: whether something outside may fail to answer.
        description: what else a reader needs to know, as Markdown without links; may be empty.
    """

    name: str
    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    access: Access
    answers: Mapping[int, Answer]
    refusals: frozenset[ProblemCode] = frozenset()
    parameters: tuple[Parameter, ...] = ()
    body: "type[BaseModel] | None" = None
    body_is_reported: bool = False
    asks_outside: bool = True
    description: str = ""

    @property
    def problems(self) -> frozenset[ProblemCode]:
        """Every code that the call may be refused with."""
        found = self.refusals | _ALWAYS
        if self.asks_outside:
            found |= {ProblemCode.UNAVAILABLE}
        if self.access != "public":
            found |= {ProblemCode.UNAUTHENTICATED}
        return found | _BODY if self.body is not None else found


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted call.

    Attributes:
        request: as it came.
        path: what stands for the placeholders of the operation's path.
        caller: the user, for `access="user"`.
        body: an instance of the operation's model.
    """

    request: Request
    path: Mapping[str, str]
    caller: "Caller | None" = None
    body: Any = None

    @property
    def user(self) -> "Caller":
        """The user of a call that only users make."""
        if self.caller is None:
            raise AssertionError("only a route for users asks who the user is")
        return self.caller


@dataclass(frozen=True)
class Route(Generic[PartsT]):
    """An operation and what answers it."""

    operation: Operation
    handle: Callable[[PartsT, Call], Response]


@dataclass(frozen=True)
class Guards(Generic[PartsT]):
    """How a function lets callers in.

    Attributes:
        user: verifies a user's token.
        machine: checks a secret that a machine shows; it sees the body, to which a secret may be bound.
    """

    user: Callable[[PartsT, Request], "Caller"] | None = None
    machine: Callable[[PartsT, Request, bytes], None] | None = None


class Router(Generic[PartsT]):
    """Finds the route of a request."""

    def __init__(self, routes: Sequence[Route[PartsT]]) -> None:
        self._by_path: dict[str, dict[str, Route[PartsT]]] = {}
        for route in routes:
            self._by_path.setdefault(route.operation.path, {})[route.operation.method] = route
        self._patterns = {path: re.compile(_pattern(path)) for path in self._by_path if "{" in path}

    def find(self, request: Request) -> "tuple[dict[str, Route[PartsT]], dict[str, str]]":
        """The routes of a path by method, and what stands for its placeholders.

        Raises:
            ProblemError: NOT_FOUND.
        """
        if (exact := self._by_path.get(request.path)) is not None:
            return exact, {}
        for path, pattern in self._patterns.items():
            if match := pattern.fullmatch(request.path):
                return self._by_path[path], match.groupdict()
        raise ProblemError(ProblemCode.NOT_FOUND)


def methods_of(routes: Mapping[str, object]) -> Iterator[str]:
    """What `Allow` names: a path's methods, HEAD where there is GET, and OPTIONS."""
    for method in routes:
        yield method
        if method == "GET":
            yield "HEAD"
    yield "OPTIONS"


def _pattern(path: str) -> str:
    pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    for placeholder, rule in _PLACEHOLDERS.items():
        pattern = pattern.replace(placeholder, f"(?P<{placeholder.strip('{}')}>{rule})")
    return pattern
