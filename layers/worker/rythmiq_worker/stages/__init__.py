"""The seven stages, one verb each; and those between FETCH and UPLOAD, in order.

They are called in one place each; a stage and what it needs is imported when it runs, so that a job that ends early
does not pay for what comes later, and a slot without text loads no engine.

Source: docs/specification/worker.md.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from rythmiq.contracts.errors import Stage
from rythmiq_worker.job import Conformed, Context, Upload

Running = Callable[[Stage], AbstractContextManager[None]]


def conformed(fetched: Upload, ctx: Context, running: Running) -> Conformed:
    """Run the stages between FETCH and UPLOAD, which need no store.

    Args:
        fetched: FETCH's value.
        ctx: the job.
        running: entered with each stage's name, and left when the stage ends.

    Raises:
        JobError: a stage fails with a code of the catalogue.
    """
    with running("decode"):
        from rythmiq_worker.stages.decode import decode  # noqa: PLC0415  see the module docstring

        decoded = decode(fetched, ctx)
    with running("quality"):
        from rythmiq_worker.stages.quality import quality  # noqa: PLC0415  ditto

        assessment = quality(decoded, ctx)
    with running("enhance"):
        from rythmiq_worker.stages.enhance import enhance  # noqa: PLC0415  ditto

        enhanced = enhance(decoded, assessment.kind, ctx)
    with running("ocr"):
        from rythmiq_worker.stages.ocr import ocr  # noqa: PLC0415  ditto

        texts = ocr(enhanced, assessment.kind, ctx)
    with running("schema"):
        from rythmiq_worker.stages.schema import schema  # noqa: PLC0415  ditto

        document = schema(texts, assessment, ctx)
    return Conformed(decoded, assessment, texts, document)
