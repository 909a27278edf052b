"""Validates what the image process answers: a picture that it reads may have taken it over.

Source: docs/specification/worker.md.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import DetailValue, ErrorCode, JobError
from rythmiq.contracts.keys import sanitize_filename
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.result import Receipt
from rythmiq_worker.events import printable
from rythmiq_worker.pixels import FILES
from rythmiq_worker.walls.lockdown import MAX_FILE_BYTES, WALLS

_MAX_WARNINGS: Final = 50
_MAX_FACTS: Final = 10
_MAX_SIDE_PX: Final = 65_500
_CODES: Final = frozenset(
    {
        ErrorCode.DECODE_FAILED,
        ErrorCode.OCR_FAILED,
        ErrorCode.OCR_TIMEOUT,
        ErrorCode.SCHEMA_FAILED,
        ErrorCode.SIZE_EXCEEDED,
        ErrorCode.INTERNAL_ERROR,
    }
)
"""What the stages of pixels fail with; another failure is none of theirs."""
_WARNINGS: Final = {warning.value: warning for warning in WarningCode}
_Value = TypeVar("_Value")


class InvalidAnswerError(Exception):
    """The image process sent what it may not answer."""


class Made(NamedTuple):
    """The facts of a document that it made."""

    quality: float
    warnings: tuple[Notice, ...]
    confidence: float | None
    encodes: int
    document_bytes: int
    receipt: Receipt


class PageRequest(NamedTuple):
    """A page whose text it asks for."""

    width_px: int
    height_px: int
    turn: bool
    timeout_s: float


class Sizes(NamedTuple):
    """How many bytes each file has, in the order of FILES, and how many pages the upload had."""

    files: tuple[int, ...]
    pages: int


def reading(read: Callable[[Any], _Value], value: object) -> _Value:
    """Read a part of an answer.

    Raises:
        InvalidAnswerError: it is not what it must be.
    """
    try:
        return read(value)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, ValidationError, RecursionError):
        raise InvalidAnswerError from None


def walls(value: list[str]) -> tuple[str, ...]:
    """Read the names of the walls that are missing."""
    return tuple(name for name in WALLS if name in _exactly(list, value))


def made(value: dict[str, Any], payload: Payload) -> Made:
    """Read what was made, which must be this job's."""
    warnings = [_notice(*entry) for entry in _exactly(list, value["warnings"])[:_MAX_WARNINGS]]
    receipt = Receipt.model_validate(value["receipt"])
    portal = payload.portal_schema
    if (receipt.portal, receipt.slot, receipt.version) != (portal.portal or portal.name, portal.slot, portal.version):
        raise ValueError("another slot's receipt")
    if sanitize_filename(receipt.document.filename) != receipt.document.filename:
        raise ValueError("no file name")
    confidence = value["confidence"]
    return Made(
        quality=_share(value["quality"]),
        warnings=tuple(warnings),
        confidence=None if confidence is None else _share(confidence),
        encodes=_count(value["encodes"], MAX_FILE_BYTES),
        document_bytes=_count(value["document_bytes"], MAX_FILE_BYTES),
        receipt=receipt,
    )


def sizes(message: dict[str, Any]) -> Sizes:
    """Read how long its files are."""
    files = _exactly(dict, message["files"])
    counts = tuple(_count(files[name], MAX_FILE_BYTES) for name in FILES)
    if sum(counts) > MAX_FILE_BYTES:
        raise ValueError("more than it may write")
    return Sizes(counts, _count(message["pages"], 1000))


def page_request(value: dict[str, Any]) -> PageRequest:
    """Read which page's text it asks for."""
    timeout_s = float(_exactly(float, value["timeout_s"]))
    if not math.isfinite(timeout_s):
        raise ValueError("no time")
    width_px, height_px = _count(value["width_px"], _MAX_SIDE_PX), _count(value["height_px"], _MAX_SIDE_PX)
    return PageRequest(width_px, height_px, _exactly(bool, value["turn"]), timeout_s)


def failure(value: dict[str, Any], stage: Any) -> JobError:
    """Read how the job failed."""
    code = ErrorCode(value["code"])
    if code not in _CODES:
        raise ValueError("none of its failures")
    detail = value["detail"]
    facts = None if detail is None else dict(map(_fact, _few(_exactly(dict, detail).items())))
    return JobError(code, printable(_exactly(str, value["message"])), detail=facts, stage=stage)


def require_document(receipt: Receipt, document: bytes) -> None:
    """Check that the receipt is this document's."""
    facts = receipt.document
    if facts.bytes != len(document) or facts.sha256 != hashlib.sha256(document).hexdigest():
        raise ValueError("another document's receipt")


def _notice(code: str, parameters: dict[str, Any]) -> Notice:
    facts = {
        name: value
        for name, value in map(_fact, _few(_exactly(dict, parameters).items()))
        if isinstance(value, str | int | float)
    }
    notice = Notice(_WARNINGS[code], facts)
    str(notice)  # its sentence speaks of parameters that must be there
    return notice


def _fact(pair: tuple[object, object]) -> tuple[str, DetailValue]:
    name, value = pair
    if isinstance(value, str):
        value = printable(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("no number")
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError("no fact")
    return printable(_exactly(str, name)), value


def _few(items: Iterable[tuple[object, object]]) -> list[tuple[object, object]]:
    return list(items)[:_MAX_FACTS]


def _exactly(kind: type[_Value], value: object) -> _Value:
    if type(value) is not kind:
        raise TypeError("another type")
    return value


def _share(value: object) -> float:
    number = float(value) if type(value) is int else _exactly(float, value)
    if not 0 <= number <= 1:
        raise ValueError("no share")
    return number


def _count(value: object, most: int) -> int:
    number = _exactly(int, value)
    if not 0 <= number <= most:
        raise ValueError("no count")
    return number
