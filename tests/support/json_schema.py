"""Holds values against our OpenAPI document, whose schemas are JSON Schema 2020-12."""

import datetime as dt
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError

__all__ = ["ValidationError", "check"]

_FORMATS = FormatChecker(formats=["date", "uuid"])


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or dt.datetime.fromisoformat(value) is not None


_FORMATS.checks("date-time", raises=ValueError)(_is_date_time)


def check(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Hold a value against a schema of `root`, an OpenAPI document.

    Raises:
        ValidationError: it is not what the schema says.
    """
    whole = {**schema, "components": root["components"]}
    Draft202012Validator(whole, format_checker=_FORMATS).validate(value)
