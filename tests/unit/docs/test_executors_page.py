"""docs/executors.md has the adapters' capabilities and variables, docs/camber.md every name on Camber's wire."""

import re
from pathlib import Path

import pytest

from rythmiq.adapters.camber import NAMES, Name
from rythmiq.adapters.camber.executor import CamberExecutor, CamberService
from rythmiq.adapters.kubernetes import KubernetesConfig, KubernetesExecutor
from rythmiq.adapters.local_executor import HoldExecutor, LocalExecutor
from rythmiq.ports import Executor
from rythmiq.settings.execution import CamberSettings, KubernetesSettings

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "executors.md").read_text(encoding="utf-8")
WIRE = (DOCS / "camber.md").read_text(encoding="utf-8")
EXECUTORS: list[Executor] = [
    CamberExecutor(CamberService("https://x.example", "key")),
    KubernetesExecutor(KubernetesConfig("https://x.example", "token", "image")),
    LocalExecutor("http://127.0.0.1:9"),
    HoldExecutor(),
]


@pytest.mark.parametrize("executor", EXECUTORS, ids=lambda executor: executor.name)
def test_it_says_what_an_executor_can_do(executor: Executor) -> None:
    found = re.search(rf"^\| `{executor.name}` \|[^|]*\| (\w+) \| (\w+) \| (\w+) \|", PAGE, re.MULTILINE)
    can = executor.capabilities
    assert found is not None
    assert [word == "yes" for word in found.groups()] == [can.cancel, can.idempotent_submit, can.logs]


def test_it_names_every_variable() -> None:
    variables = {*CamberSettings.variables().values(), *KubernetesSettings.variables().values()}
    assert variables <= set(re.findall(r"`([A-Z][A-Z_]+)`", PAGE))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.what)
def test_it_says_of_every_name_on_the_wire_how_sure_it_is(name: Name) -> None:
    rows = [row for row in WIRE.splitlines() if row.startswith(f"| {name.what} | `{name.default}` |")]
    assert len(rows) == 1
    assert f"| {name.evidence} |" in rows[0]
    assert (f"`{name.variable}`" if name.variable else "") in rows[0]
