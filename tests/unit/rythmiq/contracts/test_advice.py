"""A warning as words: a code, the sentence that its reason selects, and never too long for the wire."""

import string

import pytest

from rythmiq.contracts.advice import MAX_WARNING_CHARS, Notice, WarningCode

SENTENCES = [(code, None) for code in WarningCode] + [
    (code, reason) for code in WarningCode for reason in code.variants
]


def names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize(("code", "reason"), SENTENCES)
def test_every_sentence_is_said_with_its_parameters_and_fits_the_wire(code: WarningCode, reason: str | None) -> None:
    sentence = code.sentence if reason is None else code.variants[reason]
    told = str(Notice(code, dict.fromkeys(names_in(sentence), 12345) | ({"reason": reason} if reason else {})))
    assert told.startswith(f"{code.value}: ")
    assert "{" not in told
    assert len(told) < MAX_WARNING_CHARS


def test_a_reason_selects_its_sentence_and_one_that_nobody_knows_the_plain_one() -> None:
    plain, of_a_face, unknown = (
        str(Notice(WarningCode.BLURRED, parameters)) for parameters in ({}, {"reason": "face"}, {"reason": "weather"})
    )
    assert plain == unknown != of_a_face


def test_a_warning_that_is_too_long_for_the_wire_is_cut() -> None:
    told = str(Notice(WarningCode.SCRIPT_NOT_READ, {"script": "x" * 2 * MAX_WARNING_CHARS, "install": "y"}))
    assert len(told) == MAX_WARNING_CHARS


def test_a_sentence_without_what_it_speaks_of_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        str(Notice(WarningCode.FACES_SEVERAL))
