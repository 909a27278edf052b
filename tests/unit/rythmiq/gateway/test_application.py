"""One function of the platform: the order in which a call is refused, and that whatever happens is an answer."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from rythmiq.contracts.errors import SettingsError, StoreTimeoutError
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway import Answer, HasGuard, Operation, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Request, Response
from rythmiq.ports import DatabaseUnavailableError, ExecutorUnclearError
from rythmiq.ports.database import Caller
from tests.support.web_calls import JSON, Seen, ask, web_event

JOB = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
GOOD = {"authorization": "good", **JSON}
OK = {200: Answer("fine")}


class Body(BaseModel):
    """A request of this test."""

    model_config = ConfigDict(extra="forbid")

    n: Annotated[int, Field(ge=1)]
    status: str = ""


class OneCaller:
    """Admits one caller."""

    def admit(self, request: Request, document: object = None) -> Caller:
        """Admit `Authorization: good`."""
        del document
        if request.header("authorization") != "good":
            raise ProblemError(ProblemCode.UNAUTHENTICATED)
        return Caller("somebody", "token", {})


@dataclass
class Parts(HasGuard):
    """What the handlers of this test use."""

    guard: OneCaller = field(default_factory=OneCaller)
    seen: list[Call] = field(default_factory=list)
    raises: BaseException | None = None
    answer: Response = field(default_factory=lambda: Response(200, {"fine": True}))


def handle(parts: Parts, call: Call) -> Response:
    """Answer, or raise."""
    parts.seen.append(call)
    if parts.raises is not None:
        raise parts.raises
    return parts.answer


def operation(
    method: str, path: str, access: str = "public", *, body: type[BaseModel] | None = None, reported: bool = False
) -> Operation:
    """An operation of this test."""
    return Operation(
        name=f"{method}{path}",
        method=method,  # type: ignore[arg-type]
        path=path,
        summary="",
        access=access,  # type: ignore[arg-type]
        answers=OK,
        body=body,
        body_is_reported=reported,
    )


ROUTES = [
    Route[Parts](operation, handle)
    for operation in (
        operation("GET", ""),
        operation("POST", "", "user", body=Body),
        operation("GET", "/{job_id}", "user"),
        operation("DELETE", "/{job_id}", "user"),
        operation("POST", "/report", "webhook", body=Body, reported=True),
        operation("POST", "/tick", "secret"),
        operation("GET", "/{portal}"),
    )
]


def function(
    parts: Parts | Callable[[], Parts],
    *,
    origins: tuple[str, ...] = (),
    on_trigger: Callable[[Parts], Response] | None = None,
) -> Application[Parts]:
    """The function of this test."""
    return Application(
        "api/test",
        ROUTES,
        dependencies=parts if callable(parts) else lambda: parts,
        allowed_origins=lambda: origins,
        on_trigger=on_trigger,
    )


# --- the order ----------------------------------------------------------------------------------------------------

TOO_LARGE = "x" * (1024 * 1024 + 1)
# Each call is wrong in every way from some point on; it is refused for the first.
USERS_ORDER = [
    ("BODY_TOO_LARGE", "PATCH", "/no/such", {}, TOO_LARGE),
    ("NOT_FOUND", "PATCH", "/no/such", {}, "{"),
    ("METHOD_NOT_ALLOWED", "PATCH", "", {}, "{"),
    ("UNSUPPORTED_MEDIA_TYPE", "POST", "", {"content-type": "text/plain"}, "{"),
    ("UNSUPPORTED_MEDIA_TYPE", "POST", "", {}, "{"),
    ("MALFORMED_JSON", "POST", "", JSON, "{"),
    ("UNAUTHENTICATED", "POST", "", JSON, "{}"),
    ("INVALID_FIELD", "POST", "", GOOD, "{}"),
]
MACHINES_ORDER = [
    ("BODY_TOO_LARGE", "GET", "/report", {}, TOO_LARGE),
    ("NOT_FOUND", "PATCH", "/no/such", {}, "{"),
    ("METHOD_NOT_ALLOWED", "GET", "/report", {}, "{"),
    ("UNAUTHENTICATED", "POST", "/report", {"content-type": "text/plain"}, "{"),
    ("UNSUPPORTED_MEDIA_TYPE", "POST", "/report", {"authorization": "good", "content-type": "text/plain"}, "{"),
    ("MALFORMED_JSON", "POST", "/report", {"authorization": "good"}, "{"),
    ("INVALID_FIELD", "POST", "/report", {"authorization": "good"}, "{}"),
]


@pytest.mark.parametrize(("code", "method", "path", "headers", "body"), [*USERS_ORDER, *MACHINES_ORDER])
def test_a_call_that_is_wrong_in_many_ways_is_refused_for_the_first(
    code: str, method: str, path: str, headers: dict[str, str], body: str
) -> None:
    parts = Parts()
    assert ask(function(parts), method, path, headers=headers, body=body).code == code
    assert not parts.seen


def unconfigured() -> Parts:
    """What a function's parts are when its environment cannot be used."""
    raise SettingsError("ONE_NAME is not set; ANOTHER is not a number")


@pytest.mark.parametrize(
    ("code", "method", "path", "body"),
    [
        ("NOT_FOUND", "GET", "/no/such", ""),
        ("METHOD_NOT_ALLOWED", "PUT", "", ""),
        ("BODY_TOO_LARGE", "POST", "", TOO_LARGE),
        ("NOT_CONFIGURED", "POST", "", "{"),
        ("NOT_CONFIGURED", "GET", f"/{JOB}", ""),
    ],
)
def test_a_misconfigured_function_says_so_before_it_judges_a_call(
    code: str, method: str, path: str, body: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The variables' names stand in its log, and in no answer."""
    seen = ask(function(unconfigured), method, path, body=body)
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    reasons = [line["reason"] for line in logged if line["event"] == "not_configured"]
    assert seen.code == code
    if code == "NOT_CONFIGURED":
        assert seen.status == 503
        assert reasons == ["ONE_NAME is not set", "ANOTHER is not a number"]
        assert "ONE_NAME" not in json.dumps(seen.body)


def test_a_405_says_what_is_allowed() -> None:
    assert ask(function(Parts()), "PUT", "").headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert ask(function(Parts()), "POST", f"/{JOB}").headers["allow"] == "GET, HEAD, DELETE, OPTIONS"


def test_a_401_says_how_to_authenticate() -> None:
    assert ask(function(Parts()), "GET", f"/{JOB}").headers["www-authenticate"] == "Bearer"


# --- what a handler sees --------------------------------------------------------------------------------------------


def test_a_handler_sees_path_body_and_user() -> None:
    parts = Parts()
    assert ask(function(parts), "POST", "", headers=GOOD, document={"n": 5}).status == 200
    assert ask(function(parts), "GET", f"/{JOB}", headers=GOOD).status == 200
    create, show = parts.seen
    assert (create.user.user_id, create.body) == ("somebody", Body(n=5))
    assert (show.path, show.body) == ({"job_id": JOB}, None)


@pytest.mark.parametrize(
    "path",
    [
        f"/{JOB.upper()}",
        f"/{JOB}_",
        f"/{JOB}/more",
        "/6b0f3a52-5c1e-1d7a-9a39-2f8d1c0e4b7a/x",
        "/UPPER",
        "/a--b",
        "/a%2fb",
        f"/{JOB}\n",
    ],
)
def test_a_path_that_no_placeholder_stands_for_is_unknown(path: str) -> None:
    assert ask(function(Parts()), "GET", path, headers=GOOD).code == "NOT_FOUND"


def test_head_is_get_without_a_body() -> None:
    seen = ask(function(Parts()), "HEAD")
    assert (seen.status, seen.body) == (200, "")
    refused = ask(function(Parts()), "HEAD", f"/{JOB}")
    assert (refused.status, refused.body) == (401, "")


def test_an_event_without_http_is_get_of_the_function_unless_it_is_a_trigger() -> None:
    parts = Parts()
    assert Seen.of(function(parts)({})).body == {"fine": True}
    assert Seen.of(function(parts, on_trigger=lambda _: Response(200, {"ticked": 1}))({})).body == {"ticked": 1}
    assert Seen.of(function(unconfigured, on_trigger=lambda _: Response())({})).code == "NOT_CONFIGURED"


def test_the_web_cannot_pull_the_trigger() -> None:
    app = function(Parts(), on_trigger=lambda _: Response(200, {"ticked": 1}))
    assert ask(app, "GET").body == {"fine": True}
    assert Seen.of(app({"__ow_method": "post"})).body == {"fine": True}
    assert ask(app, "POST", "/tick").code == "UNAUTHENTICATED"
    assert ask(app, "POST", "/tick", headers={"authorization": "good"}).status == 200


# --- whatever happens is an answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("raw/6b0f3a52-secret"),
        RecursionError(),
        MemoryError(),
        SystemExit(3),
        asyncio.CancelledError(),
        BaseExceptionGroup("g", [SystemExit()]),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"),
    ],
    ids=lambda raised: type(raised).__name__,
)
def test_whatever_a_handler_raises_becomes_our_own_500(
    raised: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = ask(function(Parts(raises=raised)), headers={"x-request-id": "r-1"})
    assert (seen.status, seen.code, seen.problem.request_id) == (500, "INTERNAL", "r-1")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["request_id"]) for line in lines] == [("crash", "r-1"), ("call", "r-1")]
    assert lines[0]["error"] == type(raised).__name__
    assert "test_application.py" in lines[0]["at"]
    assert "secret" not in json.dumps([lines, seen.body])


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), GeneratorExit()])
def test_what_ends_the_process_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)):
        function(Parts(raises=raised))(web_event())


@pytest.mark.parametrize(
    "raised", [DatabaseUnavailableError("gone"), ExecutorUnclearError("gone"), StoreTimeoutError("gone")]
)
def test_what_does_not_answer_outside_is_503_with_the_time_to_come_back(raised: Exception) -> None:
    seen = ask(function(Parts(raises=raised)))
    assert (seen.status, seen.code, seen.headers["retry-after"]) == (503, "UNAVAILABLE", "5")
    assert "gone" not in json.dumps(seen.body)


def test_an_answer_that_the_platform_would_refuse_becomes_a_500() -> None:
    assert ask(function(Parts(answer=Response(200, {"x": "y" * 2_000_000})))).code == "INTERNAL"
    assert ask(function(Parts(answer=Response(200, {"x": float("inf")})))).code == "INTERNAL"


def test_a_problem_carries_its_headers_and_fields() -> None:
    raised = ProblemError(ProblemCode.TOO_MANY_JOBS, "20 are enough", retry_after_s=7, headers={"X-Thing": "v"})
    seen = ask(function(Parts(raises=raised)))
    assert (seen.status, seen.problem.detail) == (429, "20 are enough")
    assert (seen.headers["retry-after"], seen.headers["x-thing"]) == ("7", "v")


def test_every_answer_has_its_request_id_and_is_not_stored_unless_it_says_so() -> None:
    for path in ("", "/no/such"):
        seen = ask(function(Parts()), path=path, headers={"x-request-id": "r-2"})
        assert (seen.headers["x-request-id"], seen.headers["cache-control"]) == ("r-2", "no-store")
    cached = Response(200, {}, headers={"Cache-Control": "public, max-age=10"})
    assert ask(function(Parts(answer=cached))).headers["cache-control"] == "public, max-age=10"


def test_a_call_is_one_line_of_the_log_with_its_job_and_without_its_query(capsys: pytest.CaptureFixture[str]) -> None:
    ask(function(Parts()), "GET", f"/{JOB}", query="token=hush", headers={"x-request-id": "r-3"})
    [line] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["function"], line["status"], line["request_id"]) == ("call", "api/test", 401, "r-3")
    assert line["job_id"] == JOB
    assert "hush" not in json.dumps(line)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["method", "path", "queryString", "headers", "body", "isBase64Encoded"])
EVENTS = JSON_VALUES | st.fixed_dictionaries({"http": JSON_VALUES | st.dictionaries(FIELDS, JSON_VALUES)})


@given(EVENTS)
def test_whatever_the_event_the_answer_is_one_that_the_platform_takes(event: object) -> None:
    seen = Seen.of(function(Parts(), origins=("*",), on_trigger=lambda _: Response(200, {}))(event))
    assert seen.status in {200, 204, 400, 401, 404, 405, 415, 422}


# --- CORS -----------------------------------------------------------------------------------------------------------

PAGE = "https://page.example"


@pytest.mark.parametrize("path", ["", f"/{JOB}"])
@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ((), PAGE, None),
        ((PAGE,), PAGE, PAGE),
        ((PAGE,), "https://PAGE.example", "https://PAGE.example"),
        ((PAGE,), "https://other.example", None),
        ((PAGE,), None, None),
        (("*",), PAGE, "*"),
        ((PAGE, "*"), "https://other.example", "*"),
    ],
)
def test_listed_pages_may_read_answers_and_refusals(
    path: str, origins: tuple[str, ...], origin: str | None, allowed: str | None
) -> None:
    seen = ask(function(Parts(), origins=origins), path=path, headers={"Origin": origin} if origin else {})
    assert seen.headers.get("access-control-allow-origin") == allowed
    exposed = "Location, ETag, Retry-After, RateLimit, RateLimit-Policy"
    assert seen.headers.get("access-control-expose-headers") == (allowed and exposed)
    assert seen.headers["vary"] == "Origin"


def test_a_preflight_needs_neither_token_nor_configuration() -> None:
    seen = ask(function(unconfigured, origins=(PAGE,)), "OPTIONS", f"/{JOB}", headers={"Origin": PAGE})
    assert (seen.status, seen.body) == (204, "")
    assert seen.headers["access-control-allow-origin"] == PAGE
    assert seen.headers["access-control-max-age"] == "7200"
    assert seen.headers["access-control-allow-methods"] == "GET, HEAD, DELETE, OPTIONS"
    allowed = seen.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "if-none-match"} <= set(allowed)


def test_a_preflight_of_an_unknown_path_is_404() -> None:
    assert ask(function(Parts()), "OPTIONS", "/no/such").code == "NOT_FOUND"
