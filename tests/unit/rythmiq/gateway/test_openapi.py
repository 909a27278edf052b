"""The OpenAPI document: whole, consistent with itself, and the same as what the router takes."""

import contextlib
import datetime as dt
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from rythmiq.contracts.job_bodies import JobRequest
from rythmiq.contracts.problems import PROBLEMS, ProblemCode
from rythmiq.gateway import Operation
from rythmiq.gateway.openapi import FUNCTIONS, document
from rythmiq.portals import all_portals, portal_document, portals_document
from tests.support.json_schema import ValidationError, check

ROOT = Path(__file__).parents[4]
DOCUMENT = document()
OPERATIONS = [(function, operation) for function, operations in FUNCTIONS.items() for operation in operations]
EACH = pytest.mark.parametrize(("function", "operation"), OPERATIONS, ids=[op.name for _, op in OPERATIONS])


def written(function: str, operation: Operation) -> dict[str, Any]:
    """What the document says of an operation."""
    found: dict[str, Any] = DOCUMENT["paths"][f"/{function}{operation.path}"][operation.method.lower()]
    return found


def everything(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and value below."""
    yield key, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from everything(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from everything(inner)


def test_it_is_json_and_of_the_version_it_says() -> None:
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False)) == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"
    assert set(DOCUMENT) == {"openapi", "info", "servers", "paths", "components"}
    assert {"title", "version"} <= set(DOCUMENT["info"])


def test_every_function_that_is_deployed_is_in_it() -> None:
    deployed = {f"{path.parts[-3]}/{path.parts[-2]}" for path in (ROOT / "functions").glob("*/*/__main__.py")}
    assert set(FUNCTIONS) == deployed


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    references = {value for key, value in everything(DOCUMENT) if key == "$ref"}
    components = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in DOCUMENT["components"][kind]
    }
    assert references <= components
    assert {name for name in components - references if "/schemas/" in name} == set()


def test_operation_ids_are_distinct() -> None:
    names = [operation.name for _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)


@EACH
def test_an_operation_has_what_openapi_asks_for(function: str, operation: Operation) -> None:
    found = written(function, operation)
    assert found["operationId"] == operation.name
    assert found["summary"].endswith(".")
    assert found["responses"]
    placeholders = set(re.findall(r"\{(\w+)\}", operation.path))
    parameters = found.get("parameters", [])
    assert {entry["name"] for entry in parameters if entry["in"] == "path"} == placeholders
    assert all(entry["required"] for entry in parameters if entry["in"] == "path")
    assert all(set(entry) == {"name", "in", "required", "description", "schema"} for entry in parameters)
    for status, answer in found["responses"].items():
        assert re.fullmatch(r"[2-5]\d\d", status)
        assert "$ref" in answer or answer["description"]
        assert status in {"204", "304"} or "$ref" in answer or answer["content"]


@EACH
def test_an_operation_says_who_may_call(function: str, operation: Operation) -> None:
    security = written(function, operation)["security"]
    named = {name for entry in security for name in entry}
    assert named <= set(DOCUMENT["components"]["securitySchemes"])
    assert bool(named) is (operation.access != "public")


@EACH
def test_an_operation_lists_every_code_that_it_may_be_refused_with(function: str, operation: Operation) -> None:
    listed = set()
    for status, answer in written(function, operation)["responses"].items():
        content = answer.get("content", {})
        if "$ref" in answer:
            content = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]["content"]
        if "application/problem+json" in content:
            schema = content["application/problem+json"]["schema"]
            assert schema["properties"]["status"]["const"] == int(status)
            listed |= set(schema["properties"]["code"]["enum"])
    assert listed == {code.value for code in operation.problems}


@pytest.mark.parametrize("code", ProblemCode)
def test_a_problem_that_is_described_validates(code: ProblemCode) -> None:
    entry = PROBLEMS[code]
    problem = {
        "type": "about:blank",
        "title": entry.title,
        "status": entry.status,
        "code": code.value,
        "detail": entry.advice,
        "errors": [{"pointer": "/a", "code": "REQUIRED", "detail": "is needed"}],
        "request_id": None,
    }
    schema = DOCUMENT["components"]["responses"][code.value]["content"]["application/problem+json"]["schema"]
    check(problem, schema, DOCUMENT)
    with pytest.raises(ValidationError):
        check(problem | {"code": "OTHER"}, schema, DOCUMENT)
    with pytest.raises(ValidationError):
        check(problem | {"stack": "trace"}, schema, DOCUMENT)


def test_the_rule_book_is_what_is_described() -> None:
    portals = all_portals()
    whole = json.loads(json.dumps(portals_document(portals, dt.date(2027, 1, 1))))
    check(whole, {"$ref": "#/components/schemas/PortalsAnswer"}, DOCUMENT)
    for portal in portals:
        check(
            json.loads(json.dumps(portal_document(portal, dt.date(2027, 1, 1)))),
            {"$ref": "#/components/schemas/Portal"},
            DOCUMENT,
        )
    with pytest.raises(ValidationError):
        check({"portals": [{"portal": "a"}]}, {"$ref": "#/components/schemas/PortalsAnswer"}, DOCUMENT)


def test_a_request_refuses_what_is_not_described() -> None:
    schema = {"$ref": "#/components/schemas/JobRequest"}
    check({"portal": "neet-2026", "raw_path": "raw/x"}, schema, DOCUMENT)
    for wrong in ({}, {"portal": "NEET"}, {"portal": "a", "unknown": 1}, {"portal": "a", "options": {"rotate": 45}}):
        with pytest.raises(ValidationError):
            check(wrong, schema, DOCUMENT)


@pytest.mark.parametrize("given", list(itertools.product((False, True, None), repeat=3)), ids=str)
def test_a_job_has_exactly_one_source_in_schema_and_model_alike(given: tuple[bool | None, ...]) -> None:
    """True is given, None is null, False is left out."""
    values = {"raw_path": "raw/x", "raw_paths": ["raw/x", "raw/y"], "artifact_url": "https://x.example/y"}
    chosen = {
        name: value if is_given else None
        for (name, value), is_given in zip(values.items(), given, strict=True)
        if is_given is not False
    }
    body = {"portal": "neet-2026", **chosen}
    is_valid = given.count(True) == 1
    with contextlib.nullcontext() if is_valid else pytest.raises(pydantic.ValidationError):
        JobRequest.model_validate(body)
    with contextlib.nullcontext() if is_valid else pytest.raises(ValidationError):
        check(body, {"$ref": "#/components/schemas/JobRequest"}, DOCUMENT)


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        ({"filename": "a", "mime_type": "a/b", "size_bytes": 5}, True),
        ({"filename": "a", "mime_type": "a/b", "size_bytes": 5, "job_id": None}, True),
        ({"job_id": "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"}, True),
        ({"job_id": "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a", "filename": None}, True),
        ({"job_id": "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a", "filename": "a"}, False),
        ({"filename": "a", "mime_type": "a/b"}, False),
        ({"filename": "a", "mime_type": "a/b", "size_bytes": None}, False),
        ({}, False),
    ],
)
def test_an_upload_is_described_or_named_by_its_job_in_the_schema_too(
    body: dict[str, object], *, is_valid: bool
) -> None:
    with contextlib.nullcontext() if is_valid else pytest.raises(ValidationError):
        check(body, {"$ref": "#/components/schemas/UploadRequest"}, DOCUMENT)


def test_no_field_of_a_request_has_a_default() -> None:
    """Generators of clients make such a field one that has to be sent."""
    schemas = DOCUMENT["components"]["schemas"]
    waiting = {operation.body.__name__ for _, operation in OPERATIONS if operation.body is not None}
    seen = set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        found = list(everything(schemas[name]))
        assert "default" not in {key for key, _ in found}, name
        waiting |= {value.rpartition("/")[2] for key, value in found if key == "$ref"} - seen
    assert {"JobRequest", "JobOptions", "UploadRequest"} <= seen
