"""ENHANCE: what the owner asked for, and what a measured defect calls for; by kind, and nothing else.

A photo gets nothing tonal, because portals match it with a live one. Ink is freed of its paper. A page is seen from
straight above, level, without shadow and noise, where each is measured and its mending is safe; which way up it lies
only its text can tell, so that is left to OCR. Each thing done stands in `frame.operations`. What is to be done is
decided on small copies, and done at full size when the pixels are asked for.
"""

from rythmiq.contracts.receipt import Operation
from rythmiq_worker.frame import Context, Frame


def enhance(frame: Frame, ctx: Context) -> None:
    """Turn the pages as their owner wishes, then mend them by kind unless the slot says `enhance: off`.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules = ctx.payload.portal_schema.schema_definition
    options = ctx.payload.options
    for index, page in enumerate(frame.pages):
        degrees = options.of_page(index).rotate
        if degrees:
            frame.pages[index] = page.turned(degrees)
            own = {"page": index + 1} if options.by_page else {}
            if own or index == 0:  # one that is said of all pages stands once in the receipt
                frame.operations.append(Operation(op="turn", parameters={**own, "degrees_clockwise": degrees}))
    if frame.kind == "document":
        from rythmiq_worker.stages.enhance_page import enhance_pages  # noqa: PLC0415  each kind pays for its own

        enhance_pages(frame, ctx)
    elif frame.kind in {"signature", "thumb"}:
        from rythmiq_worker.stages.enhance_ink import enhance_ink, look_at_ink  # noqa: PLC0415  ditto

        for index, page in enumerate(frame.pages):
            corners = options.of_page(index).corners
            if corners is not None:
                from rythmiq_worker.stages.enhance_page import cut_out  # noqa: PLC0415  ditto

                frame.pages[index] = cut_out(page, corners)
        (look_at_ink if rules.enhance == "off" else enhance_ink)(frame, ctx)
