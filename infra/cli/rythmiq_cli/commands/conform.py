"""`rythmiq conform` and `rythmiq check`: make the file that a portal takes, or measure one, without a server.

A job without a server runs the worker's own stages, between FETCH and UPLOAD, on bytes at hand. Its id is made from the
file's and the rules' bytes, so that the same command gives the same result. `rythmiq --help` imports every command, and
none of them the worker.
"""

import datetime as dt
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError, SettingsError
from rythmiq.contracts.keys import raw_key, sanitize_filename
from rythmiq.contracts.payload import InputReference, Options, Payload, PortalSchema, StorageReference
from rythmiq.contracts.result import Receipt
from rythmiq_cli.job_arguments import (
    Background,
    CaptionDate,
    CaptionName,
    CornersText,
    CropText,
    Face,
    PageText,
    Rotate,
    Rules,
    TextLayer,
    for_several,
    hold_to_rules,
    options_of,
    read_file,
    read_files,
    rules_for,
    worker_options,
)
from rythmiq_cli.output import (
    ExitCode,
    job_failed,
    json_line,
    output_folder,
    plain,
    print_receipt,
    stage_progress,
    usage,
    write_whole,
)

if TYPE_CHECKING:
    from rythmiq.settings.worker import WorkerSettings
    from rythmiq_worker.engines import TextSight
    from rythmiq_worker.job import Conformed, Context

MAX_INPUT_BYTES = 20 * 1024 * 1024
STAGES = ("decode", "quality", "enhance", "ocr", "schema")
_WHOLE = {"x": 0, "y": 0, "width": 1, "height": 1}  # a portal turns no page, and with a crop neither do we
_NO_ONE = "00000000-0000-4000-8000-000000000000"
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_OF_TEXT = ("OCR_ENGINE", "OCR_LANGUAGES", "OCR_MODELS_DIR", "OCR_TIMEOUT_S")
"""The worker's variables that hold here too; the others are about a store, or guard a server."""


def conform(  # noqa: PLR0913, PLR0917  the command's options
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The photo, scan or PDF; several are the pages of one PDF.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")],
    portal: Annotated[str | None, typer.Option("--portal", help="A portal of the rule book.")] = None,
    slot: Annotated[str | None, typer.Option("--slot", help="Which file; may be left out if there is one.")] = None,
    schema: Annotated[Path | None, typer.Option("--schema", help="A schema_definition as JSON, instead.")] = None,
    crop: CropText = None,
    rotate: Rotate = None,
    face: Face = None,
    background: Background = None,
    caption_name: CaptionName = None,
    caption_date: CaptionDate = None,
    corners: CornersText = None,
    page: PageText = None,
    text_layer: TextLayer = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Make FILE fit a portal: writes the document, receipt.json, receipt.html and, if there is any, text.txt.

    Environment variables that say how text is read hold here too: OCR_LANGUAGES (hin), OCR_TIMEOUT_S (60) and the
    others of the worker.
    """
    rules = rules_for(portal, slot, schema)
    if len(files) > 1:
        rules = for_several(rules)
    options = options_of(
        crop=crop,
        rotate=rotate,
        face=face,
        background=background,
        caption_name=caption_name,
        caption_date=caption_date,
        corners=corners,
        page=page,
        text_layer=text_layer,
    )
    hold_to_rules(options, rules.definition)
    contents = read_files(files, MAX_INPUT_BYTES)
    with output_folder(output):
        try:
            receipt, notices, made = _made(contents, files[0], rules, worker_options(options))
        except JobError as error:
            job_failed(error, as_json=as_json)
        target = output / receipt.document.filename
        if target.exists() and any(target.samefile(file) for file in files):
            usage(f"{target} is the input itself; choose another folder with -o")
        for name, data in made.items():
            write_whole(output / name, data)
    warnings = [str(notice) for notice in notices]
    if as_json:
        advice = [{"code": notice.code.value, "parameters": dict(notice.parameters)} for notice in notices]
        found = {
            "receipt": receipt.model_dump(mode="json"),
            "warnings": warnings,
            "advice": advice,
            "files": sorted(made),
        }
        print(json_line(found))
    else:
        print_receipt(receipt, warnings)
        print(plain(str(target)))
    raise typer.Exit(ExitCode.OK if receipt.conforms else ExitCode.DOES_NOT_CONFORM)


def _made(
    contents: list[bytes], first: Path, rules: Rules, options: Options
) -> tuple[Receipt, list[Notice], dict[str, bytes]]:
    """Run the job; the results by file name."""
    from rythmiq.services.output import receipt_page  # noqa: PLC0415  see above
    from rythmiq_worker.stages.schema import before_of, preview_of, text_of  # noqa: PLC0415  ditto

    with stage_progress(STAGES) as on_stage:
        made, notices = run_local(contents, first.name, rules, options, on_stage)
    receipt = made.document.receipt
    page = receipt_page(
        receipt,
        before=before_of(made.decoded),
        after=preview_of(made.document),
        warnings=[str(notice) for notice in notices],
    )
    files = {
        receipt.document.filename: made.document.content,
        "receipt.json": receipt.model_dump_json(indent=2).encode(),
        "receipt.html": page.encode(),
    }
    text = text_of(made.texts)
    if text:
        files["text.txt"] = text
    return receipt, notices, files


def check(
    file: Annotated[Path, typer.Argument(help="The file that would be uploaded.", show_default=False)],
    portal: Annotated[str | None, typer.Option("--portal", help="A portal of the rule book.")] = None,
    slot: Annotated[str | None, typer.Option("--slot", help="Which file; may be left out if there is one.")] = None,
    schema: Annotated[Path | None, typer.Option("--schema", help="A schema_definition as JSON, instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
) -> None:
    """Measure FILE against a portal's rules, clause by clause; exit 1 when a hard one fails. Nothing is changed."""
    rules = rules_for(portal, slot, schema)
    content = read_file(file, MAX_INPUT_BYTES)
    from rythmiq_worker.conform import Labels  # noqa: PLC0415  see above
    from rythmiq_worker.conform.check import check_with_advice  # noqa: PLC0415  ditto

    labels = Labels(rules.portal, rules.slot, rules.version, "", file.name)
    texts = partial(read_texts, content, file.name, rules)
    checked = check_with_advice(content, rules.definition, labels, read_texts=texts)
    receipt, warnings = checked.receipt, [str(notice) for notice in checked.warnings]
    valid_to = rules.definition.valid_to
    if valid_to is not None and valid_to < dt.datetime.now(tz=dt.UTC).date():
        years = {"year": valid_to.year, "next_year": valid_to.year + 1}
        warnings.insert(0, str(Notice(WarningCode.PORTAL_RULES_OLD, years)))
    if as_json:
        print(json_line(receipt.model_dump(mode="json")))
    else:
        print_receipt(receipt, warnings)
    fails = any(clause.hard and clause.verdict == "fail" for clause in receipt.clauses)
    raise typer.Exit(ExitCode.DOES_NOT_CONFORM if fails else ExitCode.OK)


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
    from rythmiq_worker.job import Upload  # noqa: PLC0415  see above
    from rythmiq_worker.stages import conformed  # noqa: PLC0415  ditto

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
    from rythmiq_worker.job import Enhanced, Upload  # noqa: PLC0415  see above
    from rythmiq_worker.stages.decode import decode  # noqa: PLC0415  ditto
    from rythmiq_worker.stages.ocr import ocr  # noqa: PLC0415  ditto

    ctx = _context(content, filename, rules, Options.model_validate({"crop": _WHOLE}))
    try:
        return ocr(Enhanced(decode(Upload((content,)), ctx).pages), "document", ctx).sights
    except JobError:
        return ()


def _context(content: bytes, filename: str, rules: Rules, options: Options) -> "Context":
    from rythmiq_worker.job import Context  # noqa: PLC0415  see above

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


def _settings() -> "WorkerSettings":
    """The worker's settings, without a store; how text is read is told by the environment, as it is to a worker."""
    from rythmiq.settings.worker import WorkerSettings  # noqa: PLC0415  see above

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
