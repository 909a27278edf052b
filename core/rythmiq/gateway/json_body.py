"""A body of one JSON object: strict where two readers could disagree, then held against its model.

Source: docs/specification/http-api.md.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError
from rythmiq.contracts.union_tags import BY_PAGE, ONE
from rythmiq.gateway.request import Request

MAX_ERRORS = 50
_ModelT = TypeVar("_ModelT", bound=BaseModel)

_OURS = frozenset(code.value for code in FieldCode)
_CODES = {
    "missing": FieldCode.REQUIRED,
    "extra_forbidden": FieldCode.UNKNOWN_FIELD,
    "literal_error": FieldCode.NOT_ALLOWED,
    "enum": FieldCode.NOT_ALLOWED,
    "union_tag_invalid": FieldCode.NOT_ALLOWED,
    "union_tag_not_found": FieldCode.REQUIRED,
    "string_pattern_mismatch": FieldCode.WRONG_FORMAT,
    "string_unicode": FieldCode.WRONG_FORMAT,
    "finite_number": FieldCode.OUT_OF_RANGE,
    "string_too_short": FieldCode.WRONG_LENGTH,
    "string_too_long": FieldCode.WRONG_LENGTH,
    "too_short": FieldCode.WRONG_LENGTH,
    "too_long": FieldCode.WRONG_LENGTH,
    "greater_than": FieldCode.OUT_OF_RANGE,
    "greater_than_equal": FieldCode.OUT_OF_RANGE,
    "less_than": FieldCode.OUT_OF_RANGE,
    "less_than_equal": FieldCode.OUT_OF_RANGE,
}


def require_json_type(request: Request, *, optional: bool = False) -> None:
    """Refuse a body that is not announced as JSON in UTF-8.

    Args:
        request: whose Content-Type counts.
        optional: whether no announcement at all will do.

    Raises:
        ProblemError: UNSUPPORTED_MEDIA_TYPE.
    """
    announced = request.header("content-type")
    if announced is None and optional:
        return
    media_type, _, parameters = (announced or "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE)


def read_object(data: bytes) -> dict[str, Any]:
    """Read exactly one JSON object in UTF-8: no name twice, no NaN, no number beyond a float.

    Raises:
        ProblemError: MALFORMED_JSON.
    """
    try:
        document = json.loads(
            data.decode(), object_pairs_hook=_distinct, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors; their words quote
        raise ProblemError(ProblemCode.MALFORMED_JSON) from None
    if not isinstance(document, dict):
        raise ProblemError(ProblemCode.MALFORMED_JSON)
    return document


def validated(model: type[_ModelT], data: bytes, document: dict[str, Any], *, strict: bool) -> _ModelT:
    """Hold a body against its model.

    Args:
        model: the contract's.
        data: the body that `document` was read from.
        document: to tell which parts of a location are fields.
        strict: whether `"1"` is no number; a machine's reports are read leniently.

    Raises:
        ProblemError: INVALID_FIELD with every wrong field; MALFORMED_JSON for text that is no Unicode.
    """
    try:
        return model.model_validate_json(data, strict=strict)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    if any(item["type"] == "json_invalid" for item in found):
        raise ProblemError(ProblemCode.MALFORMED_JSON)
    errors = [field for item in found for field in _field_errors(item, document)]
    raise ProblemError(ProblemCode.INVALID_FIELD, errors=errors[:MAX_ERRORS])


def pointer(parts: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _field_errors(item: Any, document: dict[str, Any]) -> list[FieldError]:
    parts = _fields_only(item["loc"], document)
    kind, context = item["type"], item.get("ctx", {})
    if kind in _OURS:  # ours, about several fields of one object
        return [
            FieldError(pointer([*parts, *([place] if isinstance(place, str) else place)]), kind, item["msg"])
            for place in context["fields"]
        ]
    code = _CODES.get(kind, FieldCode.WRONG_TYPE if kind.endswith(("_type", "_parsing")) else FieldCode.INVALID)
    # The one message of pydantic's that quotes what was sent.
    detail = "Input should be one of the known tags" if kind == "union_tag_invalid" else item["msg"]
    return [FieldError(pointer(parts), code, detail.removeprefix("Value error, "))]


def _fields_only(loc: tuple[str | int, ...], document: dict[str, Any]) -> list[str | int]:
    """Leave out what pydantic puts between the fields: the tag of a union's member, which no document has."""
    parts: list[str | int] = []
    here: object = document
    for part in loc:
        names = here if isinstance(here, dict) else {}
        if part not in names and part in {ONE, BY_PAGE, names.get("status")}:
            continue
        parts.append(part)
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            here = None
    return parts


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice")
    return document


def _no_constant(_text: str) -> float:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is larger than a float")
    return number
