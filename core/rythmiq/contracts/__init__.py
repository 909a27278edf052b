"""Our wire formats, as frozen pydantic models; no I/O. Here how their JSON is read.

It is read so strictly that no two readers can disagree about it: one object in UTF-8, no name twice, no NaN, no number
beyond a float, no half of a surrogate pair.

Source: docs/specification/http-api.md, docs/specification/worker.md; RFC 8259, RFC 6901.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

_SURROGATE = b"\\ud"


class StrictJsonError(ValueError):
    """The text is not one such JSON object; the message completes "it is ..." and quotes nothing of the text."""


def read_object(data: bytes, *, for_strict_models: bool = False) -> dict[str, Any]:
    """Read exactly one JSON object in UTF-8.

    Args:
        data: the text; a byte order mark is refused.
        for_strict_models: read arrays as tuples and 5.0 as an integer, so that pydantic's strict mode accepts them.

    Raises:
        StrictJsonError: it is not UTF-8 or Unicode, nested too deeply, not exactly one JSON document, or not an object.
    """
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=_object_with_tuples if for_strict_models else _object,
            parse_constant=_no_constant,
            parse_float=_number if for_strict_models else _finite,
        )
    except RecursionError:
        raise StrictJsonError("nested too deeply") from None
    except UnicodeDecodeError:
        raise StrictJsonError("not UTF-8") from None
    except ValueError:  # its message quotes the text
        raise StrictJsonError("not exactly one JSON document") from None
    if _SURROGATE in data.lower() and not _is_unicode(document):
        raise StrictJsonError("not Unicode")
    if not isinstance(document, dict):
        raise StrictJsonError("not a JSON object")
    return document


def pointer(parts: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a location."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _is_unicode(document: object) -> bool:
    """Return whether no string holds half of a surrogate pair."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate name")
    return found


def _object_with_tuples(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _object([(name, _tuples(value) if isinstance(value, list) else value) for name, value in pairs])


def _tuples(array: list[Any]) -> tuple[Any, ...]:
    return tuple(_tuples(entry) if isinstance(entry, list) else entry for entry in array)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("larger than a float")
    return number


def _number(text: str) -> float | int:
    number = _finite(text)
    return int(number) if number.is_integer() else number
