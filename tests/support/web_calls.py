"""Events as the platform makes them of HTTP, and answers as a client would see them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rythmiq.contracts.bodies import Problem

JSON = {"content-type": "application/json"}
Function = Callable[..., dict[str, Any]]


def web_event(  # noqa: PLR0913  HTTP is this much
    method: str = "GET",
    path: str = "",
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: str = "",
    is_base64: bool = False,
) -> dict[str, Any]:
    """The event of a raw web function."""
    return {
        "http": {
            "method": method,
            "path": path,
            "queryString": query,
            "headers": {name.lower(): value for name, value in (headers or {}).items()},
            "body": body,
            "isBase64Encoded": is_base64,
        }
    }


@dataclass(frozen=True)
class Seen:
    """What a client sees of an answer."""

    status: int
    headers: dict[str, str]
    body: Any

    @classmethod
    def of(cls, result: dict[str, Any]) -> "Seen":
        """Read a function's result, which has to be what the platform takes."""
        assert set(result) == {"statusCode", "headers", "body"}
        assert isinstance(result["statusCode"], int)
        json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
        return cls(
            result["statusCode"], {name.lower(): value for name, value in result["headers"].items()}, result["body"]
        )

    @property
    def problem(self) -> Problem:
        """The body as a problem; nothing else may be in it."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = Problem.model_validate_json(json.dumps(self.body))
        assert problem.status == self.status
        assert problem.request_id == self.headers["x-request-id"]
        return problem

    @property
    def code(self) -> str:
        """The problem's code."""
        return self.problem.code

    @property
    def wrong_fields(self) -> dict[str, str]:
        """Codes of the wrong fields, by pointer."""
        return {wrong.pointer: wrong.code for wrong in self.problem.errors}


def ask(  # noqa: PLR0913  as above
    function: Function,
    method: str = "GET",
    path: str = "",
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: str = "",
    is_base64: bool = False,
    document: object = None,
) -> Seen:
    """Call a function over HTTP; `document` is sent as JSON."""
    sent = dict(headers or {})
    if document is not None:
        body = json.dumps(document)
        sent = {**JSON, **sent}
    return Seen.of(function(web_event(method, path, query=query, headers=sent, body=body, is_base64=is_base64)))
