"""Writes the pages of docs/ that are made from the code, so that page and code cannot differ.

`python -m docs.pages [--check]`; with --check nothing is written, and a page that is out of date ends it with 1.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import typer.main
from typer.core import TyperGroup

from docs.reference import reference_page
from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import CATALOGUE
from rythmiq.contracts.portal import Portal, Slot, Source
from rythmiq.contracts.problems import PROBLEMS, FieldCode, ProblemCode
from rythmiq.gateway import Operation
from rythmiq.gateway.openapi import FUNCTIONS
from rythmiq.portals import all_portals
from rythmiq_cli.commands import app
from rythmiq_cli.commands.portals import kb_of, lowest, pixels_of
from rythmiq_cli.output import ExitCode

DOCS = Path(__file__).parent
_NO_RULES = frozenset({"slot", "kind", "sources"})

_ERRORS_HEAD = """# Errors and warnings

Generated from `core/rythmiq/contracts/{errors,problems,advice}.py` by `make docs`; do not edit.

## Failed jobs

A job that fails ends with one of these codes; `retryable` says whether the same job may succeed when it is run again.
A failed job is not charged, unless its input made it fail and the user has had MAX_FAILURES_PER_DAY such failures that
day ([specification/credits.md](specification/credits.md)): its view then has `charged: true`. The upload of a failed
job is removed.

| code | stage | retryable | happens when | what to do |
|---|---|---|---|---|
"""

_ERRORS_DETAIL = """
`detail` is for programs: `transient` (FETCH_FAILED: a retry may succeed), `reason` (DECODE_FAILED; for a failed
decryption `not_encrypted`, `wrong_key`, `tampered`, `unknown_kid` or `malformed`; INTERNAL_ERROR, where `hang` and
`memory` are not retried), `smallest_bytes`, `width_px`,
`height_px` (SIZE_EXCEEDED), and `upload` (DECODE_FAILED of several uploads: which one, counted from 1).

## Refused calls

A refused call is answered with RFC 9457 `application/problem+json`: `code` is one of these, `detail` says more,
`errors[]` points at wrong fields, and `request_id` finds the call in the log. `Retry-After` is present when the same
call may succeed later. [api.md](api.md) lists the codes of each call.

| code | status | what it is | what to do |
|---|---|---|---|
"""

_FIELDS_HEAD = """
`errors[]` holds `pointer` (a JSON pointer into the body, or `/` and the name of a parameter), `detail` and `code`,
which is one of """

_WARNINGS_HEAD = """
## Warnings

A completed job may have `warnings`, as `"CODE: sentence"`, and, in the same order, `advice`: the code and its
`parameters`, from which a client builds the sentence in another language. A name in braces is the parameter of that
name; the parameter `reason` selects one of a code's sentences.

| code | reason | sentence |
|---|---|---|
"""

_API_HEAD = """# The HTTP API

Generated from the operations in `core/rythmiq/gateway/routes/` by `make docs`; do not edit. The same, with every
schema, is served as OpenAPI 3.1 at `/api/app/openapi.json`. What all calls have in common is in
[specification/http-api.md](specification/http-api.md).

Paths follow the address of the deployment (`PUBLIC_URL`). Users send `Authorization: Bearer <JWT>` of Supabase Auth.
A body is one JSON object in UTF-8 of at most 1 MB, with `Content-Type: application/json`; unknown fields are refused.
Every GET also answers HEAD. Refusals, and every `code` of `advice` with its `parameters`, are explained in
[errors.md](errors.md); what is done to a picture, in [worker.md](specification/worker.md#what-is-done-to-a-picture).

| call | who | what |
|---|---|---|
"""

_ACCESS = {
    "public": "everybody",
    "user": "users",
    "webhook": "the launcher",
    "secret": "schedulers, by `RECONCILE_SECRET`",
    "metrics": "operators, by `METRICS_TOKEN`",
}

_PORTALS_HEAD = """# The rule book

Generated from `core/rythmiq/portals/*.toml` by `make docs`; do not edit. `rythmiq portals --stale` lists what has to
be looked up again, with addresses. The rules are explained in [specification/portals.md](specification/portals.md).

A slot is one file that a portal asks for. Kilobytes have two readings: a file is made at most KB x 1000 bytes and at
least KB x 1024, so that it is right in both. **Confidence** is the lowest among a slot's numbers; where sources
contradict each other, the value that is right in every reading was taken, and the note says so. Compare a receipt
with the portal's own notice before you rely on a number of low confidence.

A rule that a slot does not state is not checked: its measure is advice and fails nothing. A background is replaced,
and a strip with name and date printed, only where the slot says `background_edit` or `caption`; "none found" is no
permission; it means that nothing against it was found on that page. Rules of a year are used past its end, with a
warning, until the next ones are known; a name without the year always leads to the newest.
"""

_CLI_HEAD = """# The `rythmiq` command

Generated from the commands by `make docs`; do not edit.

Progress goes to STDERR, and only to a terminal. With `--json`, STDOUT holds one JSON document, or nothing when STDERR
says why the command did not run.

Options for a photo apply in this order: `--rotate`, `--face x,y`, levelling, `--crop x,y,width,height`,
`--background`, the caption. Shares refer to the picture upright by EXIF and turned by `--rotate`; `--face` is a point
inside `--crop`. `conform` and `submit` exit with 2, before anything is read or sent, when the slot's rules do not
allow `--background` (`background_edit`), the caption (`caption`) or `--text-layer` (`text_layer`), and say why;
[portals.md](portals.md) shows each slot's rules. They do the same for two of `--corners`, `--page` and `--crop`,
which exclude each other.
"""


def errors_page() -> str:
    """Every failure and warning with its advice."""
    failures = "".join(
        f"| `{entry.code}` | {entry.stage or 'any'} | {'yes' if entry.retryable else 'no'} | {entry.when} "
        f"| {entry.advice} |\n"
        for entry in CATALOGUE.values()
    )
    problems = "".join(
        f"| `{entry.code}` | {entry.status} | {entry.title} | {entry.advice} |\n" for entry in PROBLEMS.values()
    )
    fields = ", ".join(f"`{code}`" for code in FieldCode)
    warnings = "".join(
        f"| `{code.value}` | {f'`{reason}`' if reason else ''} | {sentence} |\n"
        for code in WarningCode
        for reason, sentence in {"": code.sentence, **code.variants}.items()
    )
    return f"{_ERRORS_HEAD}{failures}{_ERRORS_DETAIL}{problems}{_FIELDS_HEAD}{fields}.\n{_WARNINGS_HEAD}{warnings}"


def api_page() -> str:
    """Every call of the API with its parameters, answers and refusals."""
    calls = [(function, operation) for function, operations in FUNCTIONS.items() for operation in operations]
    rows = "".join(
        f"| [`{operation.method} {_path(function, operation)}`](#{operation.name.lower()}) "
        f"| {_ACCESS[operation.access]} | {operation.summary} |\n"
        for function, operation in calls
    )
    return _API_HEAD + rows + "".join(_call(function, operation) for function, operation in calls)


def _path(function: str, operation: Operation) -> str:
    return f"/{function}{operation.path}"


def _call(function: str, operation: Operation) -> str:
    text = f"\n## {operation.name}\n\n    {operation.method} {_path(function, operation)}\n\n{operation.summary}\n"
    named = [(parameter.name, f"{parameter.place}: {parameter.meaning}") for parameter in operation.parameters]
    if operation.body is not None:
        named += _fields(operation.body.model_json_schema())
    if operation.description:
        text += f"\n{operation.description}\n"
    if named:
        text += "\n| name | where and what |\n|---|---|\n"
        text += "".join(f"| `{name}` | {meaning} |\n" for name, meaning in named)
    text += "\n| status | answer |\n|---|---|\n"
    for status, answer in operation.answers.items():
        fields = ", ".join(f"`{name}`" for name in answer.model.model_fields) if answer.model is not None else ""
        headers = f" Headers: {', '.join(f'`{name}`' for name in answer.headers)}." if answer.headers else ""
        text += f"| {status} | {answer.meaning}{f' {fields}.' if fields else ''}{headers} |\n"
    by_status: dict[int, list[str]] = {}
    for code in ProblemCode:
        if code in operation.problems:
            by_status.setdefault(PROBLEMS[code].status, []).append(f"`{code}`")
    return text + "".join(f"| {status} | {', '.join(codes)} |\n" for status, codes in sorted(by_status.items()))


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A body's fields, and below one that is a model of ours that model's fields, as `outer.inner`."""
    needed = schema.get("required", ())
    for name, rule in schema["properties"].items():
        meaning = f": {rule['description']}" if "description" in rule else ""
        yield name, f"body{', required' if name in needed else ''}{meaning}"
        inner = _resolved(rule, schema).get("properties", {})
        for part, choice in inner.items():
            yield f"{name}.{part}", f"body, {_type(choice, schema)}: {choice['description']}"


def _resolved(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema["$defs"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
    return found


def _type(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a value may be, in a few words; that null is as if left out is said elsewhere."""
    rule = _resolved(rule, schema)
    if choices := rule.get("anyOf") or rule.get("oneOf"):
        return " or ".join(_type(choice, schema) for choice in choices if choice.get("type") != "null")
    if "enum" in rule:
        return " or ".join(f"`{json.dumps(value)}`" for value in rule["enum"])
    if "const" in rule:
        return f"`{json.dumps(rule['const'])}`"
    if "properties" in rule:
        return f"object of {', '.join(f'`{name}`' for name in rule['properties'])}"
    if "prefixItems" in rule:
        return f"[{', '.join(_type(item, schema) for item in rule['prefixItems'])}]"
    return "a list of these" if rule["type"] == "array" else str(rule["type"])


def portals_page() -> str:
    """Every number of every slot with its source."""
    portals = all_portals()
    rows = [
        f"| [{portal.name}](#{portal.portal}) | `{slot.slot}` | {pixels_of(slot)} | {kb_of(slot)} "
        f"| {' '.join(slot.formats or (slot.output_format,))} | {lowest(slot)} |\n"
        for portal in portals
        for slot in portal.slots
    ]
    table = "\n| portal | slot | pixels | KB | formats | confidence |\n|---|---|---|---|---|---|\n" + "".join(rows)
    return _PORTALS_HEAD + table + "".join(_portal(portal) for portal in portals)


def _portal(portal: Portal) -> str:
    sources = list(dict.fromkeys(source for slot in portal.slots for source in slot.sources.values()))
    slots = "".join(_slot(slot, sources) for slot in portal.slots)
    listed = "".join(
        f"{number}. {_address(source)}: {source.source_kind.replace('_', ' ')}, checked {source.checked_on}, "
        f"confidence {source.confidence}{f'; {source.note}' if source.note else ''}\n"
        for number, source in enumerate(sources, start=1)
    )
    names = " or ".join(f"`{alias}`" for alias in portal.aliases)
    also = f" Also named {names}." if names else ""
    return f"\n## {portal.portal}\n\n{portal.name}, rules {portal.version}.{also}\n{slots}\nSources:\n\n{listed}"


def _slot(slot: Slot, sources: list[Source]) -> str:
    rules = slot.model_dump(mode="json", include=slot.model_fields_set - _NO_RULES, exclude_none=True)
    rows = []
    for rule, value in rules.items():
        source = slot.sources.get(rule)
        cited = "ours" if source is None else f"source {sources.index(source) + 1}, {source.confidence}"
        rows.append(f"| `{rule}` | {_value(value)} | {cited} |\n")
    return f"\n### {slot.slot} ({slot.kind})\n\n| rule | value | from |\n|---|---|---|\n{''.join(rows)}"


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def _address(source: Source) -> str:
    return f"<{source.source_url}>" if source.source_url.startswith("https://") else "our own page"


def cli_page() -> str:
    """Every command with its arguments and options, and the exit codes."""
    group = cast("TyperGroup", typer.main.get_command(app))
    codes = (inspect.getdoc(ExitCode) or "").partition("\n\n")[2]
    return f"{_CLI_HEAD}{''.join(_commands(group, 'rythmiq'))}\n## Exit codes\n\n{codes}\n"


def _commands(group: TyperGroup, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{path} {name}")
            continue
        words, rows = [path, name], []
        for parameter in command.params:
            shown = (parameter.name or "").upper()
            if parameter.param_type_name == "argument":
                label = shown if parameter.required else f"[{shown}]"
                words.append(label)
            else:
                label = ", ".join(sorted(parameter.opts, key=len, reverse=True))
                if parameter.required:
                    words.append(f"{label.partition(',')[0]} {shown}")
            rows.append(f"| `{label}` | {getattr(parameter, 'help', None) or ''} |\n")
        text = " ".join((command.help or "").split())
        table = f"| argument or option | meaning |\n|---|---|\n{''.join(rows)}"
        yield f"\n## {path} {name}\n\n    {' '.join(words)}\n\n{text}\n\n{table}"


PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": api_page,
    "errors.md": errors_page,
    "portals.md": portals_page,
    "cli.md": cli_page,
    "../page/docs.html": reference_page,
}


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    check = parser.parse_args(arguments).check
    old = [name for name, page in PAGES.items() if not _is_current(name, page)]
    for name in old:
        if check:
            print(f"docs/{name} is out of date; run `make docs`", file=sys.stderr)
        else:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
            print(f"wrote docs/{name}", file=sys.stderr)
    return int(check and bool(old))


def _is_current(name: str, page: Callable[[], str]) -> bool:
    path = DOCS / name
    return path.is_file() and path.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    sys.exit(main())
