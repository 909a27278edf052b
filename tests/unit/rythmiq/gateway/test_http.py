"""Events in and answers out, under every rule of the platform."""

import base64
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from rythmiq.contracts.problems import ProblemError
from rythmiq.gateway.http import (
    MAX_BODY_BYTES,
    MAX_RESULT_BYTES,
    Request,
    Response,
    UnsendableError,
    read_event,
    write_result,
)
from tests.support.web_calls import web_event


def test_a_request_is_what_was_sent() -> None:
    request = read_event(web_event("post", "/a/b", query="x=1&y=%20z&x=2", headers={"X-Thing": "v"}, body='{"a": "é"}'))
    assert (request.method, request.path) == ("POST", "/a/b")
    assert request.query == (("x", "1"), ("y", " z"), ("x", "2"))
    assert request.header("X-THING") == "v"
    assert request.header("absent") is None
    assert request.body() == '{"a": "é"}'.encode()
    assert not request.is_trigger


def test_headers_are_found_whatever_their_case() -> None:
    event = web_event()
    event["http"]["headers"] = {"Content-Type": "a/b", "x-many": ["1", "2"]}
    request = read_event(event)
    assert request.header("content-type") == "a/b"
    assert request.header("X-Many") == "1, 2"


@pytest.mark.parametrize(("path", "seen"), [("", ""), ("/", ""), ("/a", "/a"), ("/a/", "/a"), ("a", "/a"), (None, "")])
def test_a_path_has_a_slash_in_front_and_none_at_its_end(path: str | None, seen: str) -> None:
    event = web_event()
    event["http"]["path"] = path
    assert read_event(event).path == seen


def test_a_base64_body_is_decoded_and_a_plain_one_is_not() -> None:
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert read_event(web_event("POST", body=encoded, is_base64=True)).body() == b"\x00\xff"
    assert read_event(web_event("POST", body=encoded)).body() == encoded.encode()


@pytest.mark.parametrize("body", ["a", "é", "YQ=", "YQ==YQ=="])
def test_what_is_said_to_be_base64_and_is_not_is_malformed(body: str) -> None:
    with pytest.raises(ProblemError) as refused:
        read_event(web_event("POST", body=body, is_base64=True)).body()
    assert refused.value.code == "MALFORMED_JSON"


@pytest.mark.parametrize("is_base64", [False, True])
@pytest.mark.parametrize(("size_bytes", "refused"), [(MAX_BODY_BYTES, False), (MAX_BODY_BYTES + 1, True)])
def test_a_body_of_one_megabyte_is_taken_and_one_byte_more_is_not(
    size_bytes: int, *, is_base64: bool, refused: bool
) -> None:
    data = b"a" * size_bytes
    body = base64.b64encode(data).decode() if is_base64 else data.decode()
    request = read_event(web_event("POST", body=body, is_base64=is_base64))
    if refused:
        with pytest.raises(ProblemError) as error:
            request.require_size()
        assert error.value.code == "BODY_TOO_LARGE"
    else:
        request.require_size()
        assert request.body() == data


def test_the_size_of_a_body_is_counted_in_bytes() -> None:
    with pytest.raises(ProblemError):
        read_event(web_event("POST", body="é" * (MAX_BODY_BYTES // 2 + 1))).require_size()


@pytest.mark.parametrize("event", [{}, {"cron": "x"}, {"http": None}])
def test_an_event_without_http_is_the_trigger(event: dict[str, Any]) -> None:
    assert read_event(event).is_trigger


@pytest.mark.parametrize("event", [{"__ow_method": "post", "__ow_path": ""}, {"http": []}, {"http": "x"}])
def test_a_web_call_in_another_form_does_not_pass_for_the_trigger(event: dict[str, Any]) -> None:
    assert not read_event(event).is_trigger


@pytest.mark.parametrize("event", [None, [], "x", {"http": {}}, {"http": {"headers": None, "body": None}}])
def test_whatever_the_event_a_request_comes_of_it(event: object) -> None:
    request = read_event(event)
    assert (request.method, request.path, request.query, request.body()) == ("GET", "", (), b"")


def test_a_sane_request_id_is_kept() -> None:
    assert read_event(web_event(headers={"X-Request-Id": "abc-1.2_3:4"})).request_id == "abc-1.2_3:4"


@pytest.mark.parametrize("insane", ["", "a b", 'x"', "a\nb", "ü", "x" * 129])
def test_an_insane_request_id_gives_way_to_the_platforms(insane: str) -> None:
    context = SimpleNamespace(request_id="platform-1")
    assert read_event(web_event(headers={"X-Request-Id": insane}), context).request_id == "platform-1"


def test_without_any_request_id_one_is_made() -> None:
    assert read_event(web_event()).request_id != read_event(web_event()).request_id


def test_the_time_left_is_the_contexts_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    soon_ms = int((time.time() + 7) * 1000)
    assert 6 < read_event(web_event(), SimpleNamespace(deadline=soon_ms)).remaining_s(99) <= 7.1
    monkeypatch.setenv("__OW_DEADLINE", str(soon_ms))
    assert 6 < read_event(web_event()).remaining_s(99) <= 7.1
    monkeypatch.setenv("__OW_DEADLINE", "soon")
    assert read_event(web_event()).remaining_s(99) == 99
    assert read_event(web_event(), SimpleNamespace(deadline=1)).remaining_s(99) == 0


def test_an_object_stays_an_object_and_says_that_it_is_json() -> None:
    written = write_result(Response(201, {"a": 1}))
    assert written == {"statusCode": 201, "headers": {"Content-Type": "application/json"}, "body": {"a": 1}}


def test_text_stays_text_and_bytes_become_base64() -> None:
    assert write_result(Response(200, "hé", "text/plain"))["body"] == "hé"
    written = write_result(Response(200, b"\x00\xff", "application/zip"))
    assert base64.b64decode(written["body"]) == b"\x00\xff"


@pytest.mark.parametrize("body", [None, "", b""])
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_no_type_either(status: int, body: str | bytes | None) -> None:
    written = write_result(Response(status, body, headers={"ETag": '"1"'}))
    assert written == {"statusCode": status, "headers": {"ETag": '"1"'}, "body": ""}


def test_a_repeated_header_is_a_list() -> None:
    assert write_result(Response(200, headers={"Set-Thing": ("a", "b")}))["headers"] == {"Set-Thing": ["a", "b"]}


@pytest.mark.parametrize(
    "body", [{"a": float("nan")}, {"a": "\ud800"}, {"a": object()}, {"a": "x" * MAX_RESULT_BYTES}, "\udcff"]
)
def test_what_the_platform_would_choke_on_is_not_sent(body: dict[str, object] | str) -> None:
    with pytest.raises(UnsendableError):
        write_result(Response(200, body))


def test_a_key_named_error_stays_inside_the_body() -> None:
    written = write_result(Response(200, {"error": {"code": "X"}}))
    assert "error" not in written
    assert json.loads(json.dumps(written["body"])) == {"error": {"code": "X"}}


@pytest.mark.parametrize("header", ['W/"3-1"', '"3-1"', '"0", W/"3-1"', "*", ' W/"3-1" '])
def test_an_etag_is_named_weakly_alone_or_among_others(header: str) -> None:
    """RFC 9110 13.1.2."""
    assert Request(headers={"if-none-match": header}).knows('W/"3-1"')


@pytest.mark.parametrize("header", [None, "", '"3"', 'W/"3-12"', "3-1"])
def test_another_etag_is_not(header: str | None) -> None:
    """Nor none."""
    headers = {} if header is None else {"if-none-match": header}
    assert not Request(headers=headers).knows('W/"3-1"')
