"""A receipt cannot contradict itself, cannot be changed, and survives its way through JSON."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rythmiq.contracts.advice import Advice, WarningCode
from rythmiq.contracts.errors import Stage
from rythmiq.contracts.result import (
    Artifacts,
    Clause,
    ClauseName,
    DocumentFacts,
    Hashes,
    Metrics,
    Operation,
    Receipt,
    StageTime,
    Success,
    Verdict,
)
from rythmiq.portals import all_portals

CLAUSES = st.lists(
    st.builds(
        Clause,
        clause=st.sampled_from(get_args(ClauseName)),
        wanted=st.text(),
        measured=st.none() | st.text(),
        verdict=st.sampled_from(get_args(Verdict)),
        hard=st.booleans(),
        source=st.none(),
    ),
    max_size=6,
).map(tuple)
DOCUMENT = DocumentFacts(filename="a.jpg", sha256="a" * 64, bytes=1, width_px=1, height_px=1, dpi=None, format="jpeg")
VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))
OPERATIONS = st.lists(
    st.builds(Operation, op=st.text(), parameters=st.dictionaries(st.text(), VALUES, max_size=3)), max_size=3
).map(tuple)


def receipt(clauses: tuple[Clause, ...], *, conforms: bool, operations: tuple[Operation, ...] = ()) -> Receipt:
    return Receipt(
        portal="p",
        slot=None,
        version="1",
        conforms=conforms,
        clauses=clauses,
        document=DOCUMENT,
        operations=operations,
    )


def fits(clauses: tuple[Clause, ...]) -> bool:
    return all(clause.verdict != "fail" for clause in clauses)


@given(CLAUSES)
def test_it_conforms_when_no_clause_fails(clauses: tuple[Clause, ...]) -> None:
    assert receipt(clauses, conforms=fits(clauses)).conforms is fits(clauses)


@given(CLAUSES)
def test_a_receipt_that_says_otherwise_than_its_clauses_is_refused(clauses: tuple[Clause, ...]) -> None:
    with pytest.raises(ValidationError, match="disagrees"):
        receipt(clauses, conforms=not fits(clauses))


@given(CLAUSES, OPERATIONS)
def test_it_survives_its_way_through_json(clauses: tuple[Clause, ...], operations: tuple[Operation, ...]) -> None:
    made = receipt(clauses, conforms=fits(clauses), operations=operations)
    assert Receipt.model_validate_json(made.model_dump_json()) == made


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        receipt((), conforms=True).conforms = False  # type: ignore[misc]  # that is the point


def test_a_field_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Receipt.model_validate({**receipt((), conforms=True).model_dump(), "made_at": "2026-01-01"})


@pytest.mark.parametrize("digest", ["", "A" * 64, "a" * 63])
def test_a_digest_is_64_lower_case_hexadecimal_digits(digest: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        DocumentFacts.model_validate({**DOCUMENT.model_dump(), "sha256": digest})


def success(whole: Receipt) -> Success:
    """What a worker prints with a receipt: every warning that there is, every artifact, every stage."""
    key = f"output/{'0' * 36}/{'0' * 36}/20260102T030405Z_document.pdf.enc"
    stages = [StageTime(stage=stage, wall_ms=60_000, cpu_ms=60_000) for stage in get_args(Stage)]
    return Success(
        job_id="1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d",
        quality_score=0.87,
        warnings=tuple(map(str, WarningCode)),
        advice=tuple(Advice(code=code.value, parameters={"reason": "unknown", "pages": 10}) for code in WarningCode),
        artifacts=Artifacts(master_path=key, preview_path=key, document_path=key, text_path=key, before_path=key),
        hashes=Hashes(preview="a" * 64, document="a" * 64, text="a" * 64, master="a" * 64),
        metrics=Metrics(ocr_confidence=0.93, processing_ms=60_000, stages=tuple(stages), input_bytes=20_000_000),
        receipt=whole,
    )


def test_ten_pages_with_every_clause_fit_48_kib_of_stdout() -> None:
    """The sources are as long as the longest of the rule book, and stand once."""
    sources = [source for portal in all_portals() for slot in portal.slots for source in slot.sources.values()]
    longest = max(sources, key=lambda source: len(source.model_dump_json()))
    row = {"wanted": "all text read, none cut by the border", "verdict": "advice", "hard": False}
    row["measured"] = "about 93% read; 12 lines or parts of lines not read; 3 lines run into the border"
    of_file = [Clause.model_validate({**row, "clause": name, "source": longest}) for name in get_args(ClauseName)]
    of_pages = [
        Clause.model_validate({**row, "clause": name, "page": page})
        for page in range(1, 11)
        for name in ("legibility", "completeness", "sharpness", "ink")
    ]
    corners = [[0.1234, 0.1234]] * 4
    operations = [
        Operation(op=name, parameters={"page": page, "corners": corners, "by": "edges", "tilt": 0.123, "lines": 12})
        for page in range(1, 11)
        for name in ("turn", "page", "deskew", "shadow_division", "denoise")
    ]
    whole = receipt((*of_file, *of_pages), conforms=True, operations=tuple(operations))
    assert len(success(whole).model_dump_json().encode()) <= 48 * 1024
