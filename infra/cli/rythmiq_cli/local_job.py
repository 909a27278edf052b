"""One job without a server: the worker's own stages, between FETCH and UPLOAD, on bytes at hand.

The job's id is made from the file's and the rules' bytes, so that the same command gives the same result. A module of
its own, because `rythmiq --help` imports every command, and none of them the worker.
"""

import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rythmiq.contracts.errors import ErrorCode, JobError, SettingsError
from rythmiq.contracts.keys import raw_key, sanitize_filename
from rythmiq.contracts.payload import InputReference, Options, Payload, PortalSchema, StorageReference
from rythmiq.settings.worker import WorkerSettings
from rythmiq_cli.exits import usage
from rythmiq_cli.job_arguments import Rules
from rythmiq_worker.job import Conformed, Context, Enhanced, Upload

if TYPE_CHECKING:
    from rythmiq.contracts.advice import Notice
    from rythmiq_worker.engines import TextSight

STAGES = ("decode", "quality", "enhance", "ocr", "schema")
_WHOLE = {"x": 0, "y": 0, "width": 1, "height": 1}  # a portal turns no page, and with a crop neither do we
_NO_ONE = "00000000-0000-4000-8000-000000000000"
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_OF_TEXT = ("OCR_ENGINE", "OCR_LANGUAGES", "OCR_MODELS_DIR", "OCR_TIMEOUT_S")
"""The worker's variables that hold here too; the others are about a store, or guard a server."""


def run_local(
    contents: Sequence[bytes], filename: str, rules: Rules, options: Options, on_stage: Callable[[str], object]
) -> "tuple[Conformed, list[Notice]]":
    """Run the stages; what they made, and the warnings.

    Args:
        contents: the file, or several as the pages of one PDF.
        filename: the first one's.
        rules: what the portal wants.
        options: what the owner chose.
        on_stage: called with each stage as it begins.

    Raises:
        JobError: a stage fails with a code of the catalogue.
    """
    from rythmiq_worker.stages import conformed  # noqa: PLC0415  heavy, and `--help` needs none

    @contextmanager
    def running(stage: str) -> Iterator[None]:
        on_stage(stage)
        try:
            yield
        except (JobError, KeyboardInterrupt):
            raise
        except Exception as error:
            message = f"something unexpected went wrong in {stage} ({type(error).__name__})"
            raise JobError(ErrorCode.INTERNAL_ERROR, message) from error

    ctx = _context(b"".join(contents), filename, rules, options)
    return conformed(Upload(tuple(contents)), ctx, running), ctx.warnings


def read_texts(content: bytes, filename: str, rules: Rules) -> "Sequence[TextSight | None]":
    """Read the text of a document as it lies; nothing where it does not decode or its text cannot be read."""
    from rythmiq_worker.stages.decode import decode  # noqa: PLC0415  heavy, and `--help` needs none
    from rythmiq_worker.stages.ocr import ocr  # noqa: PLC0415  ditto

    ctx = _context(content, filename, rules, Options.model_validate({"crop": _WHOLE}))
    try:
        return ocr(Enhanced(decode(Upload((content,)), ctx).pages), "document", ctx).sights
    except JobError:
        return ()


def _context(content: bytes, filename: str, rules: Rules, options: Options) -> Context:
    digest = hashlib.sha256(content + rules.definition.model_dump_json().encode()).digest()
    job_id = str(uuid.UUID(bytes=digest[:16], version=4))
    payload = Payload(
        job_id=job_id,
        user_id=_NO_ONE,
        portal_schema=PortalSchema(
            id=f"{rules.portal}/{rules.slot}",
            name=rules.name[:200],
            version=rules.version,
            portal=rules.portal[:64],
            slot=rules.slot,
            schema_definition=rules.definition,
        ),
        input=InputReference(
            raw_path=raw_key(_NO_ONE, job_id, _EPOCH, sanitize_filename(filename)), original_filename=filename[:1000]
        ),
        storage=StorageReference(bucket="local", region="local", endpoint="http://127.0.0.1"),
        options=options,
    )
    return Context(payload, _settings(), dt.datetime.now(tz=dt.UTC))


def _settings() -> WorkerSettings:
    """The worker's settings, without a store; how text is read is told by the environment, as it is to a worker."""
    nowhere = {
        "SPACES_ENDPOINT": "http://127.0.0.1",
        "SPACES_REGION": "local",
        "SPACES_BUCKET": "local",
        "SPACES_KEY": "none",
        "SPACES_SECRET": "none",
    }
    try:
        return WorkerSettings.from_environ(nowhere | {name: os.environ.get(name, "-") for name in _OF_TEXT})
    except SettingsError as error:
        usage(str(error))
