"""Wrong input as INVALID_FIELD: fields of a body, and parameters of the query and the headers.

Source: docs/specification/http-api.md.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rythmiq.contracts import pointer
from rythmiq.contracts.choices import BY_PAGE, ONE
from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError
from rythmiq.gateway.http import Request

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_ERRORS = 50
_INTEGER = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?(e-[0-9]{1,3})?")
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


def refusal_of(error: "ValidationError", document: dict[str, Any]) -> ProblemError:
    """Return INVALID_FIELD with every wrong field of a body.

    Args:
        error: pydantic's.
        document: the body, to tell which parts of pydantic's locations are fields.
    """
    found = error.errors(include_url=False, include_input=False)
    errors = [field for item in found for field in _field_errors(item, document)]
    return ProblemError(ProblemCode.INVALID_FIELD, errors=errors[:MAX_ERRORS])


class Parameters:
    """Reads parameters one by one, and refuses the call once for all that are wrong (`done`)."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._errors: list[FieldError] = []

    def text(self, name: str, *, max_chars: int) -> str | None:
        """A text; None when it is not there."""
        given = [value for key, value in self._request.query if key == name]
        if len(given) > 1:
            self._refuse(name, FieldCode.CONFLICT, "is given more than once")
            return None
        if given and not 1 <= len(given[0]) <= max_chars:
            self._refuse(name, FieldCode.WRONG_LENGTH, f"has to be 1 to {max_chars} characters")
            return None
        return given[0] if given else None

    def choice(self, name: str, allowed: Iterable[str]) -> str | None:
        """One of these words; None when it is not there."""
        value = self.text(name, max_chars=100)
        if value is not None and value not in (words := tuple(allowed)):
            self._refuse(name, FieldCode.NOT_ALLOWED, f"has to be one of {', '.join(words)}")
            return None
        return value

    def integer(self, name: str, *, least: int, most: int, default: int) -> int:
        """A whole number in decimal digits."""
        value = self.text(name, max_chars=20)
        if value is None:
            return default
        if not _INTEGER.fullmatch(value):
            self._refuse(name, FieldCode.WRONG_TYPE, "has to be a whole number")
            return default
        if not least <= int(value) <= most:
            self._refuse(name, FieldCode.OUT_OF_RANGE, f"has to be {least} to {most}")
        return int(value)

    def seconds(self, name: str, *, most: float) -> float:
        """Seconds from 0, 0 when they are not there."""
        value = self.text(name, max_chars=40)
        if value is None:
            return 0.0
        if not _DECIMAL.fullmatch(value):
            self._refuse(name, FieldCode.WRONG_TYPE, "has to be a number of seconds")
            return 0.0
        if float(value) > most:
            self._refuse(name, FieldCode.OUT_OF_RANGE, f"has to be 0 to {most:g}")
        return float(value)

    def header(self, name: str, pattern: str) -> str | None:
        """A header's value; None when it is not there."""
        value = self._request.header(name)
        if value is not None and not re.fullmatch(pattern, value):
            self._refuse(name, FieldCode.WRONG_FORMAT, f"has to match {pattern}")
            return None
        return value

    def done(self) -> None:
        """Refuse the call when anything was wrong.

        Raises:
            ProblemError: INVALID_FIELD.
        """
        if self._errors:
            raise ProblemError(ProblemCode.INVALID_FIELD, errors=self._errors)

    def _refuse(self, name: str, code: FieldCode, detail: str) -> None:
        self._errors.append(FieldError(f"/{name}", code, detail))


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
