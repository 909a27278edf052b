"""OCR: read the text of a document's pages, in a child process that can be killed.

Nothing of a text engine is imported for a slot that reads no text.

Source: docs/specification/worker.md.
"""

import math
import time
from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.result import Operation
from rythmiq_worker.job import Context, Enhanced, Texts

if TYPE_CHECKING:
    from PIL import Image
    from pydantic import JsonValue

    from rythmiq.contracts.payload import Crop
    from rythmiq.contracts.portal import OcrLanguage
    from rythmiq_worker.conform.geometry import ResolvedKind
    from rythmiq_worker.decode.picture import Picture
    from rythmiq_worker.engines import PageTurn, TextLine, TextSight
    from rythmiq_worker.engines.child import Reader

_UNCLEAR = 0.80


def ocr(enhanced: Enhanced, kind: "ResolvedKind", ctx: Context) -> Texts:
    """Read a document whose rules or owner ask for text, and turn the pages whose text shows another orientation.

    The owner's turn or crop wins, and so does `enhance: off`. OCR_TIMEOUT_S bounds the pages together; the pages that
    are left when it has passed are not read, as long as one was.

    Raises:
        JobError: OCR_FAILED or OCR_TIMEOUT.
    """
    wanted = ctx.payload.portal_schema.schema_definition.ocr != "off" or ctx.payload.options.text_layer
    if not wanted or kind != "document":
        return Texts(enhanced)
    from rythmiq_worker.engines import sight_of_lines  # noqa: PLC0415  ditto
    from rythmiq_worker.engines.child import OcrTimeoutError  # noqa: PLC0415  only documents

    settings, reader = ctx.settings, ctx.reader or own_reader(ctx)
    count = len(enhanced.pages)
    pages: list[tuple[TextLine, ...]] = []
    sights: list[TextSight | None] = [None] * count
    ends_at = time.monotonic() + settings.ocr_timeout_s
    for index, page in enumerate(enhanced.pages):
        with reader.frame(_seen(page, ctx.payload.options.crop)) as pixels:
            page.release()
            left_s = max(0.0, ends_at - time.monotonic())
            try:
                read = reader.read(pixels, turn=may_turn(ctx, index), timeout_s=left_s)
            except OcrTimeoutError:
                if index == 0:  # in words of the whole limit, not of what was left of it
                    raise OcrTimeoutError(settings.ocr_timeout_s) from None
                ctx.warn(Notice(WarningCode.TEXT_NOT_READ, {"pages": count - index, "of": count}))
                break
        pages.append(tuple(read.lines))
        sights[index] = read.sight or sight_of_lines(read.lines)
        if read.turn is not None:
            enhanced = _turned(enhanced, index, read.turn)
    texts = Texts(enhanced, tuple(pages), tuple(sights))
    _warn(texts, ctx)
    return texts


def own_reader(ctx: Context) -> "Reader":
    """Make the reader of a job, which starts a process for each page."""
    from rythmiq_worker.engines.child import Reader  # noqa: PLC0415  only documents

    return Reader(ctx.settings, language_of(ctx))


def _warn(texts: Texts, ctx: Context) -> None:
    """Warn of text that was not read, or with little confidence."""
    scripts = dict.fromkeys(name for sight in texts.sights if sight is not None for name in sight.scripts)
    for script in scripts:
        ctx.warn(_script_notice(script))
    if not texts.lines and not scripts:
        ctx.warn(WarningCode.NO_TEXT)
    elif texts.lines and (texts.confidence or 0) < _UNCLEAR:
        ctx.warn(WarningCode.TEXT_UNCLEAR)


def _script_notice(script: str) -> Notice:
    """The warning of a script that was not read, and what to install for it."""
    from rythmiq_worker.engines.tesseract import packages_of  # noqa: PLC0415  few pages have such a script

    if script == "unknown":
        return Notice(WarningCode.SCRIPT_NOT_READ, {"reason": "unknown", "script": script})
    return Notice(WarningCode.SCRIPT_NOT_READ, {"script": script, "install": packages_of(script)})


def may_turn(ctx: Context, index: int) -> bool:
    """Return whether a page (from 0) may be turned by its text: its owner gave neither `rotate` nor `crop`."""
    options = ctx.payload.options.of_page(index)
    mends = ctx.payload.portal_schema.schema_definition.enhance != "off"
    return mends and options.rotate is None and options.crop is None


def _turned(enhanced: Enhanced, index: int, turn: "PageTurn") -> Enhanced:
    facts: dict[str, JsonValue] = {
        "page": index + 1,
        "degrees_clockwise": turn.degrees_clockwise,
        "decided_by": turn.decided_by,
        "lines": turn.lines,
        "evidence": turn.evidence,
        "against": turn.against,
    }
    pages = list(enhanced.pages)
    pages[index] = pages[index].turned(turn.degrees_clockwise)
    operations = (*enhanced.operations, Operation(op="turn", parameters=facts))
    return enhanced._replace(pages=tuple(pages), operations=operations)


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
