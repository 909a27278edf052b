"""SCHEMA: make the file that the portal takes, and measure it.

Source: docs/specification/worker.md, docs/specification/receipt.md.
"""

import datetime as dt

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.result import MAX_STDOUT_BYTES
from rythmiq_worker.conform import Labels, conform
from rythmiq_worker.decode.thumbnail import small
from rythmiq_worker.frame import Context, Frame

# What the rest of the result may need beside the receipt.
_RESULT_ROOM_BYTES = 16 * 1024


def schema(frame: Frame, ctx: Context) -> None:
    """Fill in `document`, `receipt` and `encodes`.

    Raises:
        JobError: SCHEMA_FAILED or SIZE_EXCEEDED.
    """
    portal, payload = ctx.payload.portal_schema, ctx.payload
    rules = portal.schema_definition
    if rules.valid_to is not None and rules.valid_to < ctx.dispatched_at.astimezone(dt.UTC).date():
        years = {"year": rules.valid_to.year, "next_year": rules.valid_to.year + 1}
        frame.warn(Notice(WarningCode.PORTAL_RULES_OLD, years))
    labels = Labels(
        portal=portal.portal or portal.name,
        slot=portal.slot,
        version=portal.version,
        job_id=payload.job_id,
        original=payload.input.original_filename or "document",
    )
    made = conform(
        frame.pages,
        rules,
        labels,
        kind=frame.kind,
        portrait=frame.portrait,
        options=payload.options.of_page(0),
        operations=frame.operations,
        ink=frame.ink,
        texts=frame.sights,
        lines=frame.page_lines,
    )
    if len(made.receipt.model_dump_json().encode()) > MAX_STDOUT_BYTES - _RESULT_ROOM_BYTES:
        # Before anything is stored: sources of any length travel with the rules, and the result is bounded.
        raise JobError(ErrorCode.SCHEMA_FAILED, "the receipt is too long: shorten the notes of the rules' sources")
    frame.after = small(made.shown) if made.shown is not None else None
    frame.document, frame.receipt, frame.encodes = made.document, made.receipt, made.encodes
    frame.warn(*made.warnings)
