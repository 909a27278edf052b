"""Failures that arise outside the worker, in the words of the one catalogue.

Source: docs/specification/worker.md.
"""

from typing import Any

from rythmiq.contracts.errors import CATALOGUE, DetailValue, ErrorCode


def failure(code: ErrorCode, message: str, **detail: DetailValue) -> dict[str, Any]:
    """An error as `jobs.error_details` keeps it; `code` is one that has a stage of its own."""
    entry = CATALOGUE[code]
    return {
        "code": code.value,
        "stage": entry.stage,
        "message": message,
        "retryable": entry.retryable,
        "detail": detail or None,
    }
