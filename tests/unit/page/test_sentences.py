"""The page's languages: one key set, the API's own advice, and no sentence that the page asks for and does not have."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import CATALOGUE
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.portals import all_portals
from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
ENGLISH, HINDI = (json.loads((PAGE / f"{name}.json").read_text(encoding="utf-8")) for name in ("en", "hi"))
NEVER_ONE = {
    *("application.state.pages", "make.pages", "pages.title", "order.completed.pages"),  # one page is a file
    *("receipt.face.several", "receipt.signature.several"),
    *("measured.bytes", "receipt.bytes.least", "receipt.bytes.most", "receipt.bytes.range"),  # of a picture
    "pages.moved",  # "is" is no plural
}
_PARAMETER = re.compile(r"\{(\w+)\}")
_ASKED = re.compile(r"""\bt\(\s*"([^"]+)"|\b(?:press|t)\([^"`]*\? "([a-z_.-]+)" : "([a-z_.-]+)\"""")


def test_both_languages_have_the_same_keys() -> None:
    """A key that one file lacks would show English, or the key itself, to somebody."""
    assert ENGLISH.keys() == HINDI.keys()


@pytest.mark.node
def test_the_first_words_are_those_of_the_languages() -> None:
    """They are there before a language is fetched, and nothing changes when it is."""
    program = f"const m = await import({json.dumps((PAGE / 'first-words.js').as_uri())});"
    command = [node(), "--input-type=module", "-e", f"{program} console.log(JSON.stringify(m.FIRST_WORDS));"]
    first = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert {key: ENGLISH[key] for key in first["en"]} == first["en"]
    assert {key: HINDI[key] for key in first["en"]} == first["hi"]


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_a_sentence_says_the_same_in_both(key: str) -> None:
    """The same parameters in both, and in Hindi either Devanagari or nothing but names, units and numbers."""
    assert set(_PARAMETER.findall(ENGLISH[key])) == set(_PARAMETER.findall(HINDI[key]))
    assert re.search("[\u0900-\u097f]", HINDI[key]) or HINDI[key] == ENGLISH[key]
    assert not re.search("[\u0966-\u096f]", HINDI[key]), "digits are Latin, so that KB read alike"


def test_a_count_of_one_is_said_right() -> None:
    """A number before a plural has a sentence for one, or is never one; `t` takes it for `count` alone."""
    plural = re.compile(r"\{(\w+)\} [a-z]+s\b")
    said = {key: text for key, text in ENGLISH.items() if not key.startswith("advice.")}
    counted = {key: plural.findall(text) for key, text in said.items() if key not in NEVER_ONE}
    wrong = {key for key, names in counted.items() if names and not (names == ["count"] and f"{key}.one" in ENGLISH)}
    assert wrong == set()


def test_the_advice_is_the_apis_own() -> None:
    """What the API says in English, the page says word for word, with the same variants."""
    said = {key.removeprefix("advice."): text for key, text in ENGLISH.items() if key.startswith("advice.")}
    catalogue = {code.value: code.sentence for code in WarningCode}
    catalogue |= {f"{code.value}.{reason}": text for code in WarningCode for reason, text in code.variants.items()}
    assert said == catalogue


@pytest.mark.parametrize("code", sorted(code.value for code in CATALOGUE))
def test_every_failure_has_words_and_advice(code: str) -> None:
    """A failed job says what happened and what to do."""
    assert {f"failed.{code}", f"failed.{code}.todo"} <= ENGLISH.keys()


def test_every_slot_has_a_name() -> None:
    """Slots are named in the person's language."""
    slots = {slot.slot for portal in all_portals() for slot in portal.slots}
    assert {f"slot.{slot}" for slot in slots} <= ENGLISH.keys()


def test_whoever_agreed_to_other_words_is_asked_anew() -> None:
    """The consent that a device remembers is of the words themselves, in both languages."""
    source = (PAGE / "consent.js").read_text(encoding="utf-8")
    (terms,) = re.findall(r'^const TERMS = "(\w+)";$', source, re.MULTILINE)
    (listed,) = re.findall(r"^const WORDS = Object\.freeze\(\[(.*)\]\);$", source, re.MULTILINE)
    keys = [*re.findall(r'"(\w+)"', listed), "agree"]
    words = "\n".join(language[f"consent.{key}"] for language in (ENGLISH, HINDI) for key in keys)
    assert terms == hashlib.sha256(words.encode()).hexdigest()[:8]


def test_every_sentence_that_is_asked_for_is_there() -> None:
    """A key in the sources that no file has would be shown as it is."""
    asked = {
        key
        for path in PAGE.glob("*.js")
        for match in _ASKED.findall(path.read_text(encoding="utf-8"))
        for key in match
        if key
    }
    assert len(asked) > 200
    assert asked - ENGLISH.keys() == set()


def test_every_colour_and_background_has_words() -> None:
    """Rules of the rule book are said in words."""
    fields = SchemaDefinition.model_fields
    assert {f"colour.{value}" for value in ("rgb", "gray", "bw")} <= ENGLISH.keys()
    assert {"wanted.background.light", "wanted.background.white"} <= ENGLISH.keys()
    assert {"background", "color"} <= fields.keys()
