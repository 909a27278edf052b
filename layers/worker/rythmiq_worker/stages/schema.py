"""SCHEMA: make the file that the portal takes, and measure it.

Source: docs/specification/worker.md, docs/specification/receipt.md.
"""

import datetime as dt

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.result import MAX_STDOUT_BYTES
from rythmiq_worker.conform import Labels, conform
from rythmiq_worker.decode.picture import small
from rythmiq_worker.job import Assessment, Context, Document, Texts

# What the rest of the result may need beside the receipt.
_RESULT_ROOM_BYTES = 16 * 1024


def schema(texts: Texts, assessment: Assessment, ctx: Context) -> Document:
    """Make the document that the slot takes, with its receipt.

    Raises:
        JobError: SCHEMA_FAILED or SIZE_EXCEEDED.
    """
    portal, payload = ctx.payload.portal_schema, ctx.payload
    rules = portal.schema_definition
    if rules.valid_to is not None and rules.valid_to < ctx.dispatched_at.astimezone(dt.UTC).date():
        years = {"year": rules.valid_to.year, "next_year": rules.valid_to.year + 1}
        ctx.warn(Notice(WarningCode.PORTAL_RULES_OLD, years))
    labels = Labels(
        portal=portal.portal or portal.name,
        slot=portal.slot,
        version=portal.version,
        job_id=payload.job_id,
        original=payload.input.original_filename or "document",
    )
    made = conform(
        texts.enhanced.pages,
        rules,
        labels,
        kind=assessment.kind,
        portrait=assessment.portrait,
        options=payload.options.of_page(0),
        operations=texts.enhanced.operations,
        ink=texts.enhanced.ink,
        texts=texts.sights,
        lines=texts.pages or (),
    )
    if len(made.receipt.model_dump_json().encode()) > MAX_STDOUT_BYTES - _RESULT_ROOM_BYTES:
        # Before anything is stored: sources of any length travel with the rules, and the result is bounded.
        raise JobError(ErrorCode.SCHEMA_FAILED, "the receipt is too long: shorten the notes of the rules' sources")
    ctx.warn(*made.warnings)
    after = small(made.shown) if made.shown is not None else None
    return Document(made.document, made.receipt, made.encodes, after)
