"""Labelled real pages, in the folder that RYTHMIQ_REAL_PICTURES names, held to the bars of docs/benchmarks.md."""

import pytest

from tests.bench.pages_found import rows
from tests.bench.real_pictures import VARIABLE, real_pages


def test_real_pages_are_found_and_none_is_cut_wrongly() -> None:
    pictures = real_pages()
    if not pictures:
        pytest.skip(f"{VARIABLE} names no folder of labelled pictures")
    failed = [row["what"] for row in rows(pictures) if row["holds"] is False]
    assert failed == []
