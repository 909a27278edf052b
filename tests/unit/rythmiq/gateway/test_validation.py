"""A body of one JSON object: what is JSON, what is announced as JSON, and which field of it is wrong."""

import json
from base64 import b64encode
from typing import Any

import pytest

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.bodies import UploadRequest
from rythmiq.contracts.job_bodies import JobRequest
from rythmiq.contracts.problems import FieldCode, ProblemCode, ProblemError
from rythmiq.gateway import Answer, HasGuard, Operation, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Request, Response
from rythmiq.gateway.validation import MAX_ERRORS
from tests.support.web_calls import JSON, Seen, ask

JOB = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"


@pytest.mark.parametrize(
    "announced",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_json_in_utf8_is_taken(announced: str) -> None:
    Request(headers={"content-type": announced}).require_json_type()


@pytest.mark.parametrize(
    "announced",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin1",
    ],
)
def test_anything_else_is_not(announced: str | None) -> None:
    headers = {} if announced is None else {"content-type": announced}
    with pytest.raises(ProblemError) as refused:
        Request(headers=headers).require_json_type()
    assert refused.value.code is ProblemCode.UNSUPPORTED_MEDIA_TYPE


def test_a_machine_need_not_announce_its_json() -> None:
    Request().require_json_type(optional=True)


class Admitted(HasGuard):
    """Admits whoever calls, and keeps the body that a handler was given."""

    body: Any = None

    def __init__(self) -> None:
        self.guard = self

    def admit(self, request: Request, document: object = None) -> None:
        """Admit."""


def sent(model: Any, data: bytes, *, strict: bool = True) -> tuple[Seen, Any]:
    """What a client sees of a call with this body, and the body as the handler is given it."""
    operation = Operation(
        name="send",
        method="POST",
        path="",
        summary="",
        access="webhook",
        answers={200: Answer("fine")},
        body=model,
        body_is_reported=not strict,
    )
    admitted = Admitted()

    def handle(admitted: Admitted, call: Call) -> Response:
        admitted.body = call.body
        return Response()

    function = Application("api/test", [Route(operation, handle)], dependencies=lambda: admitted)
    return ask(function, "POST", headers=JSON, body=b64encode(data).decode(), is_base64=True), admitted.body


def wrong(model: Any, data: bytes, *, strict: bool = True) -> dict[str, str]:
    """Codes of the wrong fields, by pointer."""
    seen, _ = sent(model, data, strict=strict)
    assert seen.code == ProblemCode.INVALID_FIELD
    assert all(error.code in set(FieldCode) and error.detail for error in seen.problem.errors)
    return seen.wrong_fields


UPLOAD = b'"filename": "a.jpg", "mime_type": "image/jpeg"'


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"{" + UPLOAD + b', "size_bytes": 0}', {"/size_bytes": "OUT_OF_RANGE"}),
        (b"{" + UPLOAD + b', "size_bytes": "5"}', {"/size_bytes": "WRONG_TYPE"}),
        (b"{" + UPLOAD + b', "size_bytes": true}', {"/size_bytes": "WRONG_TYPE"}),
        (b"{" + UPLOAD + b', "size_bytes": 1.5}', {"/size_bytes": "WRONG_TYPE"}),
        (b"{" + UPLOAD + b', "size_bytes": 5, "x~/y": 1}', {"/x~0~1y": "UNKNOWN_FIELD"}),
        (b"{" + UPLOAD + b', "size_bytes": 5, "encrypted": "yes"}', {"/encrypted": "WRONG_TYPE"}),
        (
            b'{"filename": "", "mime_type": "jpeg", "size_bytes": 5}',
            {"/filename": "WRONG_LENGTH", "/mime_type": "WRONG_FORMAT"},
        ),
        (b'{"filename": "a\\u0000", "mime_type": "a/b", "size_bytes": 5}', {"/filename": "WRONG_FORMAT"}),
        (b'{"job_id": "x"}', {"/job_id": "WRONG_FORMAT"}),
    ],
)
def test_an_upload_names_each_wrong_field(data: bytes, fields: dict[str, str]) -> None:
    assert wrong(UploadRequest, data) == fields


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"{}", {"/portal": "REQUIRED"}),
        (
            b'{"portal": "neet-2026"}',
            {"/raw_path": "REQUIRED", "/raw_paths": "REQUIRED", "/artifact_url": "REQUIRED"},
        ),
        (
            b'{"portal": "neet-2026", "raw_paths": ["a", "b"], "raw_path": "a"}',
            {"/raw_path": "CONFLICT", "/raw_paths": "CONFLICT"},
        ),
        (b'{"portal": "neet-2026", "raw_paths": ["a"]}', {"/raw_paths": "WRONG_LENGTH"}),
        (b'{"portal": "neet-2026", "raw_paths": ["a", ""]}', {"/raw_paths/1": "WRONG_LENGTH"}),
        (
            b'{"portal": "a", "raw_path": "a", "options": {"rotate": [0, 45], "page": ["half"], "text_layer": 1}}',
            {
                "/options/rotate/1": "NOT_ALLOWED",
                "/options/page/0": "NOT_ALLOWED",
                "/options/text_layer": "WRONG_TYPE",
            },
        ),
        (
            b'{"portal": "a", "raw_path": "a", "options": {"corners": [null, [[0,0],[1,0],[1,1],[0,2]]]}}',
            {"/options/corners/1/3/1": "OUT_OF_RANGE"},
        ),
        (
            b'{"portal": "a", "raw_path": "a", "options": {"corners": [[0,0],[0,1],[1,1],[1,0]], "page": "half"}}',
            {"/options/corners": "INVALID", "/options/page": "NOT_ALLOWED"},
        ),
        (
            b'{"portal": "a", "raw_path": "a", "one": 1, "by page": 2}',
            {"/one": "UNKNOWN_FIELD", "/by page": "UNKNOWN_FIELD"},
        ),
        (
            b'{"portal": "neet-2026", "raw_path": "a", "artifact_url": "b"}',
            {"/raw_path": "CONFLICT", "/artifact_url": "CONFLICT"},
        ),
        (b'{"portal": "NEET", "raw_path": "a"}', {"/portal": "WRONG_FORMAT"}),
        (
            b'{"portal":"a", "raw_path":"a", "options":{"rotate":45, "crop":{"x":2, "y":0, "width":1}, "z":1}}',
            {
                "/options/rotate": "NOT_ALLOWED",
                "/options/crop/x": "OUT_OF_RANGE",
                "/options/crop/height": "REQUIRED",
                "/options/z": "UNKNOWN_FIELD",
            },
        ),
        (
            b'{"portal": "a", "raw_path": "a", "options": {"crop": {"x": 0.5, "y": 0, "width": 1, "height": 1}}}',
            {"/options/crop": "INVALID"},
        ),
    ],
)
def test_a_job_names_each_wrong_field(data: bytes, fields: dict[str, str]) -> None:
    assert wrong(JobRequest, data) == fields


def test_whole_numbers_are_fractions_too() -> None:
    data = b'{"portal": "a", "raw_path": "a", "options": {"crop": {"x": 0, "y": 0, "width": 1, "height": 1}}}'
    assert sent(JobRequest, data)[1].options.crop is not None


def test_text_that_is_no_unicode_is_malformed() -> None:
    data = b'{"filename": "\\ud800", "mime_type": "a/b", "size_bytes": 5}'
    assert sent(UploadRequest, data)[0].code == ProblemCode.MALFORMED_JSON


def test_a_report_points_at_fields_and_not_at_what_kind_of_report_it_is() -> None:
    data = b'{"job_id": "' + JOB.encode() + b'", "status": "failed", "result": {"status": "failed", "job_id": null}}'
    assert wrong(WebhookBody, data, strict=False) == {"/result/error": "REQUIRED"}
    data = data.replace(b'"status": "failed", "job_id": null', b'"status": "mallory"')
    assert wrong(WebhookBody, data, strict=False) == {"/result": "NOT_ALLOWED"}


@pytest.mark.parametrize(("chars", "good"), [(500, True), (501, False)])
def test_no_string_of_a_report_is_longer_than_500_characters(chars: int, *, good: bool) -> None:
    error = {"code": "OCR_FAILED", "stage": "ocr", "message": "no", "retryable": False, "detail": {"a": ["x" * chars]}}
    report = {"job_id": JOB, "status": "failed", "result": {"status": "failed", "job_id": JOB, "error": error}}
    data = json.dumps(report).encode()
    if good:
        assert sent(WebhookBody, data, strict=False)[1].result.status == "failed"
    else:
        assert wrong(WebhookBody, data, strict=False) == {"/result/error/detail/a/0": "WRONG_LENGTH"}


def test_no_message_quotes_what_was_sent() -> None:
    data = b'{"job_id": "mallory", "status": "mallory", "result": {"status": "mallory"}, "attempt": "mallory"}'
    seen, _ = sent(WebhookBody, data, strict=False)
    assert not [error for error in seen.problem.errors if "mallory" in error.detail]


def test_the_list_of_errors_is_bounded() -> None:
    data = b"{" + b",".join(b'"x%d": 1' % n for n in range(500)) + b"}"
    assert len(wrong(UploadRequest, data)) == MAX_ERRORS
