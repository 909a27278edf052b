"""Writes docs/errors.md from the catalogue, so that the page and the code are the same set."""

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import CATALOGUE

HEAD = """# Errors and warnings

Made from `core/rythmiq/contracts/errors.py` and `advice.py` by `make docs`; do not edit.

A job that fails ends with one of these codes; `retryable` says whether the same job may succeed when it is run again.
Nothing is charged for a job that failed.

| code | stage | retryable | happens when | what to do |
|---|---|---|---|---|
"""

DETAILS = """
`detail` holds small facts for a program: `transient` (FETCH_FAILED: a repeat may do), `reason` (DECODE_FAILED; for a
failed decryption `not_encrypted`, `wrong_key`, `tampered`, `unknown_kid` or `malformed`), and `smallest_bytes`,
`width_px`, `height_px` (SIZE_EXCEEDED).

## Warnings

A job that completes may carry warnings, as `"CODE: sentence"`.

| code | sentence |
|---|---|
"""


def errors_page() -> str:
    """The page's Markdown."""
    failures = "".join(
        f"| `{entry.code}` | {entry.stage or 'any'} | {'yes' if entry.retryable else 'no'} | {entry.when} "
        f"| {entry.advice} |\n"
        for entry in CATALOGUE.values()
    )
    warnings = "".join(f"| `{code.value}` | {code.sentence} |\n" for code in WarningCode)
    return HEAD + failures + DETAILS + warnings
