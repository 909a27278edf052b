"""SECURITY.md: each promise names a test that is there, and each secret has a holder and a runbook."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## Promises, and the test of each")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]
TESTS = [(promise, named) for promise, tests in PROMISES for named in re.findall(r"`([^`]+)`", tests)]


@pytest.mark.parametrize(("promise", "named"), TESTS)
def test_a_promise_names_a_test_that_is_there(promise: str, named: str) -> None:
    file, _, function = named.partition("::")
    assert re.fullmatch(r"tests/[\w/]+/test_\w+\.py", file), promise
    source = (ROOT / file).read_text(encoding="utf-8")
    if function:
        assert re.search(rf"^def {function}\(", source, re.MULTILINE), named
    assert re.search(r"^def test_", source, re.MULTILINE)


def test_every_promise_has_a_test_of_its_own_line() -> None:
    assert len(PROMISES) >= 25
    assert all(re.findall(r"`tests/", tests) for _, tests in PROMISES)
    assert len({promise for promise, _ in PROMISES}) == len(PROMISES)


@pytest.mark.parametrize(
    "heading",
    [
        "Report a vulnerability",
        "Attackers, by what they hold",
        "What is not defended",
        "Who is responsible for what",
        "When something leaked",
        "Duties under India's DPDP Act",
        "Releases",
    ],
)
def test_the_page_has_what_a_reader_looks_for(heading: str) -> None:
    assert f"\n## {heading}\n" in PAGE


@pytest.mark.parametrize(
    "secret",
    [
        "ENCRYPTION_KEYS",
        "DISPATCH_KEYS",
        "SUPABASE_SERVICE_ROLE_KEY",
        "WEBHOOK_SECRET",
        "RECONCILE_SECRET",
        "METRICS_TOKEN",
    ],
)
def test_every_secret_is_in_the_table_of_who_holds_it_and_has_a_runbook(secret: str) -> None:
    table = PAGE.partition("| key or secret |")[2].partition("\n\n")[0]
    assert secret in table
    assert secret in PAGE.partition("## When something leaked")[2].partition("\n## ")[0]
    template = (ROOT / "infra" / "env" / "touch.env").read_text(encoding="utf-8")
    assert secret in template
