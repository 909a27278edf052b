"""On the wire a number is a JSON number, in every model that reads what somebody else wrote."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from rythmiq.contracts.attempt import Dispatch, ProgressBody, WebhookBody
from rythmiq.contracts.bodies import UploadRequest
from rythmiq.contracts.job_bodies import JobRequest
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.portal import Portal, SchemaDefinition

READ = (UploadRequest, JobRequest, Payload, Dispatch, WebhookBody, ProgressBody, SchemaDefinition, Portal)
NO_NUMBERS = st.booleans() | st.integers().map(str) | st.floats(allow_nan=False).map(str)


def models(*roots: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """These models and all that their fields are made of, by name."""
    names = {name for root in roots for name in root.model_json_schema().get("$defs", {})}
    known = {model.__name__: model for model in _subclasses(BaseModel) if model.__module__.startswith("rythmiq.")}
    return {root.__name__: root for root in roots} | {name: known[name] for name in names if name in known}


def _subclasses(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in of.__subclasses__():
        yield model
        yield from _subclasses(model)


def in_the_place_of_numbers(schema: dict[str, Any], bad: object) -> Iterator[object]:
    """Values of a field with `bad` wherever its JSON schema takes a number; a text is none where a text will do."""
    options = schema.get("anyOf") or schema.get("oneOf") or [schema]
    takes_text = any(option.get("type") == "string" for option in options)
    for option in options:
        if option.get("type") in {"integer", "number"}:
            if not (takes_text and isinstance(bad, str)):
                yield bad
        elif option.get("type") == "array":
            items = option.get("prefixItems") or [option.get("items", {})] * max(1, option.get("minItems", 1))
            inner = [list(in_the_place_of_numbers(item, bad)) for item in items]
            if all(inner):
                yield [values[0] for values in inner]
        elif isinstance(option.get("additionalProperties"), dict):
            yield from ({"name": value} for value in in_the_place_of_numbers(option["additionalProperties"], bad))
        elif option is not schema:
            yield from in_the_place_of_numbers(option, bad)


FIELDS = [
    pytest.param(model, name, schema, id=f"{model.__name__}.{name}")
    for _, model in sorted(models(*READ).items())
    for name, schema in model.model_json_schema()["properties"].items()
    if any(in_the_place_of_numbers(schema, bad=True))
]


def test_the_fields_of_numbers_are_found() -> None:
    found = {str(field.id) for field in FIELDS}
    assert {"UploadRequest.size_bytes", "Crop.x", "JobOptions.corners", "JobOptions.rotate", "Payload.attempt"} < found
    assert {"SchemaDefinition.target_width", "SchemaDefinition.face_ratio", "Metrics.processing_ms"} < found


@pytest.mark.parametrize(("model", "name", "schema"), FIELDS)
@settings(max_examples=15)  # of each of some 70 fields, which share one kind of validation
@given(bad=NO_NUMBERS)
def test_neither_a_boolean_nor_a_text_is_a_number(
    model: type[BaseModel], name: str, schema: dict[str, Any], bad: object
) -> None:
    for value in in_the_place_of_numbers(schema, bad):
        with pytest.raises(ValidationError) as refused:
            model.model_validate({name: value})
        assert name in {error["loc"][0] for error in refused.value.errors() if error["loc"]}, value


@pytest.mark.parametrize("document", [{"target_width": 413, "target_height": 531}, {"max_kb": 200}, {"min_kb": 10.5}])
def test_numbers_are_taken_with_and_without_a_fraction(document: dict[str, float]) -> None:
    read = SchemaDefinition.model_validate(document)
    assert {name: getattr(read, name) for name in document} == document
