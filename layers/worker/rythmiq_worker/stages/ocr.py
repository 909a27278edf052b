"""OCR: read the text of a document's pages, in a child process that can be killed.

Nothing of a text engine is imported for a slot that reads no text.

Source: docs/specification/worker.md.
"""

import math
import time
from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.receipt import Operation
from rythmiq_worker.frame import Context, Frame

if TYPE_CHECKING:
    from PIL import Image
    from pydantic import JsonValue

    from rythmiq.contracts.payload import Crop
    from rythmiq.contracts.portal import OcrLanguage
    from rythmiq_worker.decode.picture import Picture
    from rythmiq_worker.engines.text import PageTurn

_UNCLEAR = 0.80


def ocr(frame: Frame, ctx: Context) -> None:
    """Fill in `lines` of a document whose rules or owner ask for text, and turn pages whose text shows they lie wrong.

    What the owner said of turn or crop stands, and so does `enhance: off`. OCR_TIMEOUT_S bounds the pages together; the
    pages that are left when it has passed are not read, as long as one was.

    Raises:
        JobError: OCR_FAILED or OCR_TIMEOUT.
    """
    wanted = ctx.payload.portal_schema.schema_definition.ocr != "off" or ctx.payload.options.text_layer
    if not wanted or frame.kind != "document":
        return
    from rythmiq_worker.engines.child import OcrTimeoutError, read_page, write_frame  # noqa: PLC0415  only documents
    from rythmiq_worker.engines.text import ModelChoice, sight_of_lines  # noqa: PLC0415  ditto

    settings = ctx.settings
    models = ModelChoice(language_of(ctx), settings.ocr_models_dir, settings.ocr_languages)
    frame.lines = []
    frame.sights = [None] * len(frame.pages)
    ends_at = time.monotonic() + settings.ocr_timeout_s
    for index, page in enumerate(frame.pages):
        with write_frame(_seen(page, ctx.payload.options.crop)) as pixels:
            page.release()
            left_s = max(0.0, ends_at - time.monotonic())
            try:
                turn = may_turn(ctx, index)
                read = read_page(pixels, turn=turn, timeout_s=left_s, engine=settings.ocr_engine, models=models)
            except OcrTimeoutError:
                if index == 0:  # in words of the whole limit, not of what was left of it
                    raise OcrTimeoutError(settings.ocr_timeout_s) from None
                left = len(frame.pages) - index
                frame.warn(Notice(WarningCode.TEXT_NOT_READ, {"pages": left, "of": len(frame.pages)}))
                break
        frame.lines += read.lines
        frame.page_lines.append(read.lines)
        frame.sights[index] = read.sight or sight_of_lines(read.lines)
        if read.turn is not None:
            _turn(frame, index, read.turn)
    _warn(frame)


def _warn(frame: Frame) -> None:
    """Say what of the text was not read, or hardly."""
    scripts = dict.fromkeys(name for sight in frame.sights if sight is not None for name in sight.scripts)
    for script in scripts:
        frame.warn(_script_notice(script))
    if not frame.lines and not scripts:
        frame.warn(WarningCode.NO_TEXT)
    elif frame.lines and (confidence_of(frame) or 0) < _UNCLEAR:
        frame.warn(WarningCode.TEXT_UNCLEAR)


def _script_notice(script: str) -> Notice:
    """The warning of a script that was not read, and what to install for it."""
    from rythmiq_worker.engines.scripts import packages_of  # noqa: PLC0415  few pages have such a script

    if script == "unknown":
        return Notice(WarningCode.SCRIPT_NOT_READ, {"reason": "unknown", "script": script})
    return Notice(WarningCode.SCRIPT_NOT_READ, {"script": script, "install": packages_of(script)})


def may_turn(ctx: Context, index: int) -> bool:
    """Whether a page, counted from 0, may be turned by what its text shows: nobody has said how it is to lie."""
    options = ctx.payload.options.of_page(index)
    mends = ctx.payload.portal_schema.schema_definition.enhance != "off"
    return mends and options.rotate is None and options.crop is None


def _turn(frame: Frame, index: int, turn: "PageTurn") -> None:
    facts: dict[str, JsonValue] = {
        "page": index + 1,
        "degrees_clockwise": turn.degrees_clockwise,
        "decided_by": turn.decided_by,
        "lines": turn.lines,
        "evidence": turn.evidence,
        "against": turn.against,
    }
    frame.pages[index] = frame.pages[index].turned(turn.degrees_clockwise)
    frame.operations.append(Operation(op="turn", parameters=facts))


def language_of(ctx: Context) -> "OcrLanguage":
    """The language of the text: the owner's choice, else the slot's, else English."""
    rules = ctx.payload.portal_schema.schema_definition
    return ctx.payload.options.ocr_language or rules.ocr_language or "en"


def _seen(page: "Picture", crop: "Crop | None") -> "Image.Image":
    """The page at full size, and of it what its owner chose: what they cut off is not read either."""
    image = page.image()
    if crop is None:
        return image
    from rythmiq_worker.conform.geometry import chosen_region  # noqa: PLC0415  few jobs have a crop

    region = chosen_region(image.width, image.height, crop)
    return image.crop((int(region.left), int(region.top), math.ceil(region.right), math.ceil(region.bottom)))


def confidence_of(frame: Frame) -> float | None:
    """Mean confidence of the lines, weighted by their length; None when there is no text."""
    if not frame.lines:
        return None
    weights = [max(1, len(line.text)) for line in frame.lines]
    total = sum(weight * line.confidence for weight, line in zip(weights, frame.lines, strict=True))
    return round(total / sum(weights), 4)
