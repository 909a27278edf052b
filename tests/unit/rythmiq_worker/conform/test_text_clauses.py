"""What a receipt and the advice say of a page's text: how surely it was read, how much of it, and page by page."""

import pytest

from rythmiq.contracts.result import Clause
from rythmiq_worker.conform.content_clauses import text_clauses, text_notices
from rythmiq_worker.engines import TextSight

WHOLE = TextSight(letters=1000, said=980.0)


def completeness_of(text: TextSight | None) -> Clause:
    return text_clauses([text])[1]


def codes(*texts: TextSight | None) -> list[str]:
    return [str(notice.code.value) for notice in text_notices(texts)]


@pytest.mark.parametrize(("missed", "verdict"), [(30.0, "pass"), (32.0, "advice"), (330.0, "advice"), (334.0, "fail")])
def test_completeness_is_graded_by_the_share_that_was_read(missed: float, verdict: str) -> None:
    assert completeness_of(TextSight(1000, 980.0, missed, 3)).verdict == verdict


@pytest.mark.parametrize(("cut", "verdict"), [(1, "pass"), (2, "advice")])
def test_lines_that_run_into_the_border_are_advice(cut: int, verdict: str) -> None:
    clause = completeness_of(TextSight(1000, 980.0, cut_lines=cut))
    assert clause.verdict == verdict
    assert clause.measured == f"about 100% read; {cut} lines run into the border"


def test_legibility_counts_what_was_not_read_as_nothing() -> None:
    assert text_clauses([TextSight(500, 500.0, 500.0, 9)])[0].measured == "50%"


def test_a_page_without_text_and_one_that_nobody_read_are_not_checked() -> None:
    for text in (None, TextSight()):
        assert [clause.verdict for clause in text_clauses([text])] == ["not_checked"] * 2


def test_a_script_that_was_not_read_is_not_called_illegible() -> None:
    text = TextSight(10, 9.0, 400.0, 12, scripts=("Devanagari",))
    assert [clause.verdict for clause in text_clauses([text])] == ["not_checked", "advice"]
    assert codes(text) == []


def test_each_of_several_pages_has_its_clauses_and_a_single_one_no_number() -> None:
    assert [(clause.clause, clause.page) for clause in text_clauses([WHOLE, None])] == [
        ("legibility", 1),
        ("completeness", 1),
        ("legibility", 2),
        ("completeness", 2),
    ]
    assert {clause.page for clause in text_clauses([WHOLE])} == {None}


def test_text_that_was_not_looked_for_is_not_checked() -> None:
    assert [clause.verdict for clause in text_clauses([])] == ["not_checked"] * 2
    assert text_notices([]) == []


def test_whole_text_needs_no_advice() -> None:
    assert codes(WHOLE, None) == []


def test_missing_text_is_told_with_the_worst_pages_share() -> None:
    (notice,) = text_notices([WHOLE, TextSight(900, 890.0, 100.0, 4)])
    assert str(notice).startswith("TEXT_MISSING: About 10 % of what looks like text could not be read")


def test_cut_lines_are_told_in_words_of_their_own() -> None:
    (notice,) = text_notices([TextSight(1000, 990.0, cut_lines=4)])
    assert str(notice).startswith("TEXT_MISSING: Text runs out of the picture")


def test_text_that_is_hardly_legible_is_told() -> None:
    assert codes(TextSight(1000, 590.0)) == ["TEXT_UNCLEAR"]
