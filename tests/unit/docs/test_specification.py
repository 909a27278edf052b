"""The specification names every rule, code, table, key, verdict and exit code that the code has."""

import re
from pathlib import Path
from typing import get_args

import pytest

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import CATALOGUE
from rythmiq.contracts.keys import parse_key
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import ClauseName, Receipt, Verdict
from rythmiq.gateway.openapi import FUNCTIONS
from rythmiq_cli.output import ExitCode
from rythmiq_worker.conform.person_clauses import CENTRING_BOUNDS, EYE_LINE_BOUNDS, FACE_SIZE_BOUNDS
from rythmiq_worker.people.looks import (
    COLOUR,
    DARK_GLASSES,
    EDGE_WIDTH_PX,
    EYES_OPEN,
    MOUTH_OPEN,
    PITCH_DEG,
    ROLL_DEG,
    SMEAR,
    UNEVEN,
    YAW_DEG,
)

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "specification"
ID = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"


def text_of(name: str) -> str:
    """A page of the specification."""
    return (PAGES / name).read_text(encoding="utf-8")


def codes_of(name: str) -> set[str]:
    """Words that a page holds as code."""
    return {word for span in re.findall(r"`([^`\n]+)`", text_of(name)) for word in re.findall(r"\w+", span)}


def rows_of(name: str) -> list[str]:
    """The first cells of the tables of a page."""
    return re.findall(r"^\| `?(\w+)`? \|", text_of(name), re.MULTILINE)


def test_every_rule_of_a_slot_is_listed() -> None:
    assert set(SchemaDefinition.model_fields) <= codes_of("portals.md")


def test_every_failure_is_named() -> None:
    assert {code.value for code in CATALOGUE} <= set(re.findall(r"[A-Z]+_[A-Z]+", text_of("worker.md")))


def test_the_retryable_failures_are_listed() -> None:
    listed = re.search(r"^- Retryable are (.*?);", text_of("worker.md"), re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"[A-Z]+_[A-Z]+", listed[1])) == {
        c.value for c, entry in CATALOGUE.items() if entry.retryable
    }


def test_every_field_and_verdict_of_a_receipt_is_listed() -> None:
    assert set(Receipt.model_fields) <= codes_of("receipt.md")
    assert set(get_args(Verdict)) <= set(rows_of("receipt.md"))


def test_every_table_of_the_database_is_listed() -> None:
    schema = (ROOT / "infra" / "database" / "schema.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"^create table public\.(\w+)", schema, re.MULTILINE)) <= codes_of("database.md")


def test_every_exit_code_is_listed() -> None:
    assert sorted(int(cell) for cell in rows_of("commands.md") if cell.isdecimal()) == sorted(ExitCode)


def test_every_function_has_its_address() -> None:
    names = codes_of("http-api.md")
    assert {word for function in FUNCTIONS for word in function.split("/")} <= names


def people_rows() -> dict[str, list[str]]:
    """The cells of the table of what is measured of a person, by clause."""
    table = text_of("worker.md").partition("## What is measured of a person")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def test_every_clause_of_a_photo_is_listed_with_the_rule_and_the_warning() -> None:
    others = {"legibility", "completeness", "ink", "signatures", "name_date_strip"}
    hard = {"bytes", "pixels", "dpi", "format", "colour", "metadata", "aspect", "compression_ratio", "filename"}
    assert people_rows().keys() == set(get_args(ClauseName)) - others - hard
    said = re.findall(r"[A-Z]+(?:_[A-Z]+)*", " ".join(cells[-1] for cells in people_rows().values()))
    assert set(said) <= {code.value for code in WarningCode}


@pytest.mark.parametrize(
    ("clause", "bounds"),
    [
        ("face_size", [[100 * share for share in FACE_SIZE_BOUNDS]]),
        ("centring", [[100 * share for share in pair] for pair in (CENTRING_BOUNDS, EYE_LINE_BOUNDS)]),
        ("roll", [ROLL_DEG]),
        ("pose", [YAW_DEG, PITCH_DEG]),
        ("eyes", [EYES_OPEN]),
        ("mouth", [MOUTH_OPEN]),
        ("glasses", [DARK_GLASSES]),
        ("grey", [COLOUR]),
        ("face_light", [UNEVEN]),
        ("sharpness", [EDGE_WIDTH_PX, SMEAR]),
    ],
)
def test_the_bounds_of_a_clause_are_the_codes(clause: str, bounds: list[list[float]]) -> None:
    pairs = re.findall(r"(\d*\.?\d+) and (\d*\.?\d+)", people_rows()[clause][2])
    assert [[float(passes), float(fails)] for passes, fails in pairs] == [pytest.approx(list(pair)) for pair in bounds]


def keys() -> list[str]:
    """The grammar's lines, each in every form that it stands for, with true parts."""
    found = re.findall(r"^    ((?:raw|master|output)/\S+)$", text_of("storage-keys.md"), re.MULTILINE)
    for name in ("user_id", "job_id", "document_id"):
        found = [key.replace(f"{{{name}}}", ID) for key in found]
    found = [key.replace("{timestamp}", "20260102T030405Z").replace("{attempt}", "1") for key in found]
    found = [key.replace("{filename}", "photo.jpg") for key in found]
    found = [key.replace("{jpg|png|pdf}", form) for key in found for form in ("jpg", "png", "pdf")]
    return sorted({key.replace("[.enc]", end) for key in found for end in ("", ".enc")})


@pytest.mark.parametrize("key", keys())
def test_every_key_of_the_grammar_is_one(key: str) -> None:
    assert str(parse_key(key)) == key


def test_the_grammar_lists_every_kind_of_key() -> None:
    kinds = {getattr(key, "artifact", key.kind) for key in map(parse_key, keys())}
    assert kinds == {"raw", "master", "zip", "document", "text", "preview", "before", "result"}
