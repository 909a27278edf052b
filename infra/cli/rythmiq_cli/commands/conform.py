"""`rythmiq conform` and `rythmiq check`: make the file that a portal takes, or measure one, without a server."""

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import JobError
from rythmiq.contracts.payload import Options
from rythmiq.contracts.result import Receipt
from rythmiq_cli.exits import ExitCode, job_failed, json_line, plain, usage
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
from rythmiq_cli.output import output_folder, print_receipt, stage_progress, write_whole

MAX_INPUT_BYTES = 20 * 1024 * 1024


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
    from rythmiq.services.output import receipt_page  # noqa: PLC0415  `--help` needs none of it
    from rythmiq_cli.local_job import STAGES, run_local  # noqa: PLC0415  ditto
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
    from rythmiq_cli.local_job import read_texts  # noqa: PLC0415  `--help` needs none of it
    from rythmiq_worker.conform import Labels  # noqa: PLC0415  ditto
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
