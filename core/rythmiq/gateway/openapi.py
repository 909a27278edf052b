"""OpenAPI 3.1, made from the operations, the contracts' models and the catalogue of problems.

Every problem of the catalogue is one response component, which says its status, title and advice; an operation lists,
by status, the codes that it may be refused with.

Source: docs/specification/http-api.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from rythmiq import __version__
from rythmiq.contracts.attempt import RECONCILE_HEADER, SECRET_HEADER
from rythmiq.contracts.bodies import Problem
from rythmiq.contracts.job_bodies import JobArtifacts, JobError, JobView
from rythmiq.contracts.portal import Portal, PortalsAnswer
from rythmiq.contracts.problems import PROBLEM_TYPE, PROBLEMS, ProblemCode
from rythmiq.contracts.result import Metrics, Receipt
from rythmiq.gateway import Answer, Operation, Parameter
from rythmiq.gateway.routes import account, app, health, internal, jobs, metrics, portals, uploads

FUNCTIONS: Mapping[str, tuple[Operation, ...]] = {
    "api/uploads": uploads.OPERATIONS,
    "api/jobs": jobs.OPERATIONS,
    "api/portals": portals.OPERATIONS,
    "api/account": account.OPERATIONS,
    "api/health": health.OPERATIONS,
    "api/app": app.OPERATIONS,
    "internal/webhooks": internal.WEBHOOKS,
    "internal/reconcile": internal.RECONCILE,
    "internal/metrics": metrics.OPERATIONS,
}
_SECURITY: Mapping[str, list[dict[str, list[str]]]] = {
    "public": [],
    "user": [{"user": []}],
    "webhook": [{"webhook": []}],
    "secret": [{"reconcile": []}],
    "metrics": [{"metrics": []}],
}
_STORED: Mapping[str, type[BaseModel]] = {
    "error": JobError,
    "metrics": Metrics,
    "receipt": Receipt,
    "artifacts": JobArtifacts,
}
"""What `JobView` passes on as it is stored; it was checked when it was written, and is not parsed at each look."""
_HEADERS = {
    "Location": "Where the job is.",
    "ETag": "What the answer was made of; for `If-None-Match`.",
    "Retry-After": "Seconds after which to ask again; not there when nothing will change.",
    "RateLimit": "What is left of the user's POST calls (IETF draft 11, experimental).",
    "RateLimit-Policy": "How many POST calls a user may make in how many seconds (IETF draft 11, experimental).",
}


def document() -> dict[str, Any]:
    """The whole document."""
    schemas, references = _schemas()
    view = schemas[references[JobView]["$ref"].rpartition("/")[2]]["properties"]
    for name, model in _STORED.items():
        view[name] = {"anyOf": [dict(references[model]), {"type": "null"}], "title": view[name].get("title", name)}
    for model in _request_models():
        _drop_defaults(schemas, references[model]["$ref"])
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for function, operations in FUNCTIONS.items():
        for operation in operations:
            written = _operation(function, operation, references)
            paths[f"/{function}{operation.path}"][operation.method.lower()] = written
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rythmiq One",
            "version": __version__,
            "summary": "From a phone photo to a file that fits the portal to the byte, with a receipt that proves it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "../..", "description": "Where the packages `api` and `internal` are."}],
        "paths": dict(paths),
        "components": {
            "schemas": schemas,
            "responses": {code.value: _problem(code) for code in ProblemCode},
            "securitySchemes": {
                "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Of Supabase Auth."},
                "metrics": {"type": "http", "scheme": "bearer", "description": "METRICS_TOKEN."},
                "webhook": {"type": "apiKey", "in": "header", "name": SECRET_HEADER},
                "reconcile": {"type": "apiKey", "in": "header", "name": RECONCILE_HEADER},
            },
        },
    }


def _models() -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield Problem, "serialization"
    for stored in _STORED.values():
        yield stored, "serialization"
    for operations in FUNCTIONS.values():
        for operation in operations:
            if operation.body is not None:
                yield operation.body, "validation"
            for answer in operation.answers.values():
                if answer.model is not None:
                    yield answer.model, _mode(answer.model)


def _request_models() -> Iterator[type[BaseModel]]:
    for operations in FUNCTIONS.values():
        yield from (operation.body for operation in operations if operation.body is not None)


def _drop_defaults(schemas: dict[str, Any], reference: str) -> None:
    """Leave defaults out of a request's schema: generators make a field with a default one that must be sent."""
    name = reference.rpartition("/")[2]
    waiting: list[Any] = [schemas[name]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            value.pop("default", None)
            waiting += [inner for key, inner in value.items() if key != "$ref"]
            if (target := str(value.get("$ref", "")).rpartition("/")[2]) in schemas:
                waiting.append(schemas[target])


def _mode(model: type[BaseModel]) -> JsonSchemaMode:
    # What an answer leaves out when it has no such rule is not required: the rule book's.
    return "validation" if model in {Portal, PortalsAnswer} else "serialization"


def _schemas() -> tuple[dict[str, Any], Mapping[type[BaseModel], dict[str, Any]]]:
    """Every model's schema by name, and what refers to it."""
    models = list(dict.fromkeys(_models()))
    made, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")
    references = {model: made[model, mode] for model, mode in models}
    return definitions["$defs"], references


def _operation(
    function: str, operation: Operation, references: Mapping[type[BaseModel], dict[str, Any]]
) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [function.rpartition("/")[2]],
        "security": _SECURITY[operation.access],
        "responses": {
            **{str(status): _answer(answer, references) for status, answer in operation.answers.items()},
            **_refusals(operation.problems),
        },
    }
    if operation.description:
        written["description"] = operation.description
    if operation.parameters:
        written["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        written["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": references[operation.body]}},
        }
    return written


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.meaning,
        "schema": dict(parameter.rule),
    }


def _answer(answer: Answer, references: Mapping[type[BaseModel], dict[str, Any]]) -> dict[str, Any]:
    written: dict[str, Any] = {"description": answer.meaning}
    if answer.media_type is not None:
        schema = references[answer.model] if answer.model is not None else answer.schema
        written["content"] = {answer.media_type: {"schema": dict(schema)}}
    if answer.headers:
        written["headers"] = {
            name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in answer.headers
        }
    return written


def _refusals(codes: Iterable[ProblemCode]) -> dict[str, Any]:
    """By status; where several codes share one, all are named."""
    by_status: dict[int, list[ProblemCode]] = defaultdict(list)
    for code in ProblemCode:  # in the catalogue's order
        if code in codes:
            by_status[PROBLEMS[code].status].append(code)
    return {str(status): _refusal(found) for status, found in sorted(by_status.items())}


def _refusal(codes: list[ProblemCode]) -> dict[str, Any]:
    if len(codes) == 1:
        return {"$ref": f"#/components/responses/{codes[0].value}"}
    named = "; ".join(f"`{code.value}`: {PROBLEMS[code].title}" for code in codes)
    return {"description": f"{named}.", "content": {PROBLEM_TYPE: {"schema": _problem_schema(codes)}}}


def _problem(code: ProblemCode) -> dict[str, Any]:
    entry = PROBLEMS[code]
    return {
        "description": f"{entry.title}. {entry.advice}",
        "content": {PROBLEM_TYPE: {"schema": _problem_schema([code])}},
    }


def _problem_schema(codes: list[ProblemCode]) -> dict[str, Any]:
    status = PROBLEMS[codes[0]].status
    return {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"code": {"enum": [code.value for code in codes]}, "status": {"const": status}},
    }
