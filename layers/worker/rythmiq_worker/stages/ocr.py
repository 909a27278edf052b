"""OCR: read the text of a document's pages, in a child process that can be killed.

Nothing of a text engine is imported for a slot that reads no text.

Source: SPEC 10, 16.
"""

import os
import time

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.frame import Context, Frame

_UNCLEAR = 0.80


def ocr(frame: Frame, ctx: Context) -> None:
    """Fill in `lines` for a document whose rules ask for text.

    OCR_TIMEOUT_S bounds the pages together.

    Raises:
        JobError: OCR_FAILED or OCR_TIMEOUT.
    """
    if ctx.payload.portal_schema.schema_definition.ocr == "off" or frame.kind != "document":
        return
    from rythmiq_worker.engines.child import OcrTimeoutError, read_text, write_frame  # noqa: PLC0415  only documents

    frame.lines = []
    timeout_s = ctx.settings.ocr_timeout_s
    ends_at = time.monotonic() + timeout_s
    for page in frame.pages:
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            raise OcrTimeoutError(timeout_s)
        with write_frame(page.image()) as pixels:
            page.release()
            frame.lines += read_text(pixels, timeout_s=left_s, engine=ctx.settings.ocr_engine, environ=dict(os.environ))
    if not frame.lines:
        frame.warn(WarningCode.NO_TEXT)
    elif (confidence_of(frame) or 0) < _UNCLEAR:
        frame.warn(WarningCode.TEXT_UNCLEAR)


def confidence_of(frame: Frame) -> float | None:
    """Mean confidence of the lines, weighted by their length; None when there is no text."""
    if not frame.lines:
        return None
    weights = [max(1, len(line.text)) for line in frame.lines]
    total = sum(weight * line.confidence for weight, line in zip(weights, frame.lines, strict=True))
    return round(total / sum(weights), 4)
