"""Parameters of the query and the headers, each read or refused with its name.

Source: docs/specification/http-api.md: a bad limit, status, cursor or wait is 422.
"""

import re
from collections.abc import Iterable

from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError
from rythmiq.gateway.request import Request

_INTEGER = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


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
        value = self.text(name, max_chars=20)
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
