"""HTTP becomes the platform's raw event, and a function's result becomes HTTP, under the platform's rules."""

import base64
import contextlib
import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rythmiq_cli.local.functions.gateway import MAX_BODY_BYTES, GatewayServer
from tests.support.cloud_functions import Server, returning, within


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Server]:
    """Serves one function behind the local gateway."""
    with contextlib.ExitStack() as stack:
        yield Server(tmp_path, stack)


def test_a_request_becomes_the_platform_s_raw_event(serve: Server) -> None:
    client = serve()
    answer = client.post("/api/echo/some/thing?b=2&a=%20", content="{}", headers={"Content-Type": "application/json"})
    http = answer.json()["event"]["http"]
    assert set(answer.json()["event"]) == {"http"}
    assert (http["method"], http["path"], http["queryString"]) == ("POST", "/some/thing", "b=2&a=%20")
    assert (http["body"], http["isBase64Encoded"]) == ("{}", False)
    headers = http["headers"]
    assert all(name == name.lower() for name in headers)
    assert headers["accept-encoding"] == "gzip"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-request-id"] == answer.headers["X-Request-Id"]
    assert "connection" not in headers


def test_the_paths_of_package_api_are_served_at_the_root_too(serve: Server) -> None:
    client = serve()
    paths = [client.get(path).json()["event"]["http"]["path"] for path in ("/api/echo", "/echo", "/echo/a", "/echo/")]
    assert paths == ["", "", "/a", "/"]


@pytest.mark.parametrize("path", ["/", "/nothing", "/api", "/api/nothing", "/internal/echo", "/api/echo2"])
def test_an_unknown_path_is_a_problem_as_the_functions_own_are(serve: Server, path: str) -> None:
    answer = serve(returning("{}")).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert "error" not in answer.json()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_every_method_reaches_the_function(serve: Server, method: str) -> None:
    assert serve().request(method, "/echo").json()["event"]["http"]["method"] == method


def test_an_answer_to_head_has_no_body(serve: Server) -> None:
    client = serve(returning("{'body': {'a': 1}}"))
    answer = client.head("/echo")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "8")
    assert client.get("/echo").json() == {"a": 1}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/octet-stream", b"\x00\xff"), ("application/json", b"\xff"), ("image/png", b"plain"), ("", b"x")],
)
def test_a_binary_body_arrives_as_base64(serve: Server, content_type: str, body: bytes) -> None:
    http = serve().post("/echo", content=body, headers={"Content-Type": content_type}).json()["event"]["http"]
    assert http["isBase64Encoded"]
    assert base64.b64decode(http["body"]) == body


def test_a_chunked_body_arrives_whole(serve: Server) -> None:
    client = serve()
    for _ in range(2):  # the second on the same connection
        answer = client.post("/echo", content=iter([b"one ", b"two"]), headers={"Content-Type": "text/plain"})
        assert answer.json()["event"]["http"]["body"] == "one two"


def test_a_body_over_one_megabyte_is_413_and_a_body_of_one_megabyte_is_not(serve: Server) -> None:
    client = serve(returning("{'body': {'ok': True}}"))
    text = {"Content-Type": "text/plain"}
    assert client.post("/echo", content=b"x" * MAX_BODY_BYTES, headers=text).status_code == 200
    answer = client.post("/echo", content=b"x" * (MAX_BODY_BYTES + 1), headers=text)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.post("/echo", content=b"x" * 20_000_000, headers=text).status_code == 413
    assert client.post("/echo", content=iter([b"x" * 700_000] * 2), headers=text).status_code == 413


@pytest.mark.parametrize("head", ["Content-Length: -1", "Content-Length: many", "Transfer-Encoding: chunked\r\n\r\nzz"])
def test_a_request_that_is_no_http_is_400(serve: Server, head: str) -> None:
    url = serve(returning("{}")).base_url
    with socket.create_connection((url.host, url.port or 80), timeout=10) as raw:
        raw.sendall(f"POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def test_an_object_becomes_json_and_a_list_of_values_repeats_its_header(serve: Server) -> None:
    result = "{'statusCode': '201', 'headers': {'X-A': ['1', '2'], 'X-N': 3, 'X-T': True}, 'body': {'a': 'é'}}"
    answer = serve(returning(result)).get("/echo")
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (201, "application/json", {"a": "é"})
    assert answer.headers.get_list("X-A") == ["1", "2"]
    assert (answer.headers["X-N"], answer.headers["X-T"]) == ("3", "true")


@pytest.mark.parametrize(
    ("result", "status", "content_type", "body"),
    [
        ("{'body': 'hi'}", 200, "text/html; charset=UTF-8", b"hi"),
        ("{'body': ''}", 204, None, b""),
        ("{}", 204, None, b""),
        ("{'statusCode': 304}", 304, None, b""),
        ("{'statusCode': 200, 'body': ''}", 200, None, b""),
        ("{'headers': {'content-type': 'text/plain'}, 'body': 'hi'}", 200, "text/plain", b"hi"),
        ("{'headers': {'Content-Type': 'image/jpeg'}, 'body': '/9j/'}", 200, "image/jpeg", b"\xff\xd8\xff"),
        (
            "{'headers': {'Content-Type': 'application/problem+json'}, 'body': {}}",
            200,
            "application/problem+json",
            b"{}",
        ),
        ("{'headers': {'Content-Type': 'application/json'}, 'body': '[1, 2]'}", 200, "application/json", b"[1, 2]"),
        ("{'headers': {'Content-Type': 'application/json'}, 'body': 'bnVsbA=='}", 200, "application/json", b"null"),
        ("{'error': {'statusCode': 418, 'body': 'tea'}}", 418, "text/html; charset=UTF-8", b"tea"),
    ],
)
def test_a_result_becomes_an_answer(
    serve: Server, result: str, status: int, content_type: str | None, body: bytes
) -> None:
    answer = serve(returning(result)).get("/echo")
    assert (answer.status_code, answer.headers.get("Content-Type"), answer.content) == (status, content_type, body)


@pytest.mark.parametrize(
    "result",
    [
        "{'error': 'boom'}",
        "{'statusCode': 'soon'}",
        "{'statusCode': 999}",
        "{'statusCode': True}",
        "{'headers': {'X-A': {}}}",
        "{'headers': 'X-A: 1'}",
        "{'headers': {'X-A': '1\\r\\nX-B: 2'}}",
        "{'headers': {'Content-Type': 'text/plain'}, 'body': {'a': 1}}",
        "{'headers': {'Content-Type': 'image/jpeg'}, 'body': 'no base64!'}",
    ],
)
def test_a_result_that_the_platform_does_not_take_is_400(serve: Server, result: str) -> None:
    answer = serve(returning(result)).get("/echo")
    assert (answer.status_code, set(answer.json())) == (400, {"code", "error"})


def test_a_result_over_one_megabyte_is_502(serve: Server) -> None:
    assert serve(returning("{'body': 'x' * 1_048_577}")).get("/echo").status_code == 502


def test_a_function_that_does_not_import_is_502(serve: Server) -> None:
    answer = serve("import nowhere").get("/echo")
    assert (answer.status_code, answer.json()["error"]) == (502, "The function did not initialize properly.")


def test_a_function_that_is_too_slow_is_504_and_the_next_call_works(serve: Server) -> None:
    client = serve(timeout_s=0.4)
    assert client.get("/echo?sleep").status_code == 504
    assert client.get("/echo").json()["calls"] == 1


def test_the_scheduler_calls_with_an_event_without_http(serve: Server) -> None:
    serve()
    assert serve.gateway.trigger("api/echo")["body"]["event"] == {}


def test_the_log_names_the_request_and_never_its_query(serve: Server) -> None:
    client = serve(returning("{}"))
    client.get("/echo/x?secret=1")
    (event,) = within(5, lambda: serve.events)
    assert (event["event"], event["method"], event["path"], event["status"]) == ("request", "GET", "/echo/x", 204)
    assert "secret" not in json.dumps(event)
    assert event["job_id"] is None
    job_id = str(uuid.uuid4())
    client.get(f"/echo/{job_id}")
    assert within(5, lambda: serve.events[1:])[0]["job_id"] == job_id


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        GatewayServer(taken.getsockname()[1])
