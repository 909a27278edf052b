"""What a function answers and to whom: its operations as data, for the router and for OpenAPI, and their guards.

Source: docs/specification/http-api.md.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.http import Call, Request, Response, bearer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rythmiq.ports.database import Caller

Access = Literal["public", "user", "webhook", "secret", "metrics"]

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
    """One parameter of the path, the query or the headers, as OpenAPI describes it."""

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
        path: below the function's own, with the placeholders `{job_id}` and `{portal}`.
        summary: one line for a reader.
        access: who may call.
        answers: of successful calls, by status.
        refusals: codes of the use case; those that every call may be refused with are added.
        parameters: of path, query and headers.
        body: the request's model.
        body_is_reported: by a program, which is authenticated before its body is validated, and read leniently.
        asks_outside: whether it calls the database, the store or an executor, which may fail to answer.
        description: further documentation, as Markdown without links; may be empty.
        for_guests: whether guests are answered where nothing else is theirs.
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
    for_guests: bool = False

    @property
    def problems(self) -> frozenset[ProblemCode]:
        """Every code that a call may be refused with."""
        found = self.refusals | _ALWAYS
        if self.asks_outside:
            found |= {ProblemCode.UNAVAILABLE}
        if self.access != "public":
            found |= {ProblemCode.UNAUTHENTICATED}
        if self.access == "user" and not self.for_guests:
            found |= {ProblemCode.SIGN_IN_REQUIRED}
        if self.access == "user":
            found |= {ProblemCode.ACCOUNT_ERASED}
        return found | _BODY if self.body is not None else found


class Guard(Protocol):
    """Authenticates the callers of a function."""

    def admit(self, request: Request, document: Mapping[str, Any] | None) -> "Caller | None":
        """Let a caller in; returns who it is where that is a user.

        Args:
            request: the call.
            document: the body of a report; None when there is none, or it is not JSON.

        Raises:
            ProblemError: UNAUTHENTICATED, always with the same message.
        """


class OperatorGuard:
    """Admits operators' programs by `Authorization: Bearer METRICS_TOKEN`."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def admit(self, request: Request, document: Mapping[str, Any] | None = None) -> None:
        """Compare the token in constant time; see `Guard`."""
        del document
        presented = bearer(request.header("authorization")) or ""
        if not hmac.compare_digest(presented.encode(errors="surrogatepass"), self._token):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)


class HasGuard:
    """Base of the handlers' dependencies of one function.

    Attributes:
        guard: authenticates callers; left out where every operation is public.
    """

    guard: Guard


DependenciesT = TypeVar("DependenciesT", bound=HasGuard)


@dataclass(frozen=True)
class Route(Generic[DependenciesT]):
    """An operation and its handler."""

    operation: Operation
    handle: Callable[[DependenciesT, Call], Response]
