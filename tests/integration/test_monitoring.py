"""The dashboard and the alerts ask for metrics that /internal/metrics serves, with labels and values that it has."""

import json
import re
from pathlib import Path

import pytest

from rythmiq.contracts.errors import CATALOGUE
from rythmiq.gateway.routes.metrics import render
from tests.support.database_calls import Calls

ROOT = Path(__file__).parents[2] / "infra" / "monitoring"
RULES = (ROOT / "alerts.yml").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "dashboard.json").read_text(encoding="utf-8"))
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
ALERTS = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - alert|\Z)", RULES, re.DOTALL)
ASKED = SHOWN + [re.split(r"\n        (?:for|labels):", body.partition("expr:")[2])[0] for _, body in ALERTS]
METRIC = re.compile(r"\b(rythmiq_\w+)(?:\{([^}]*)\})?")


@pytest.fixture
def page(sql: Calls) -> str:
    """What Prometheus reads when every kind of thing has happened once."""
    job = sql.job()
    sql.complete(job)
    sql.fail(sql.job())
    sql.fail(sql.job(), retry=True)
    sql("jobs_tick", **sql.capacity)
    return render(sql("metrics_snapshot"))


def test_every_metric_that_is_asked_for_is_served(page: str) -> None:
    served = set(re.findall(r"^(rythmiq_\w+)", page, re.MULTILINE))
    asked = {name for text in ASKED for name, _ in METRIC.findall(text)}
    assert len(asked) > 8
    # counted where a webhook comes in, which SQL alone does not do
    assert asked - {"rythmiq_webhook_results_total"} <= served


def test_every_label_that_is_asked_for_is_served_with_such_a_value(page: str) -> None:
    for text in ASKED:
        for name, selector in METRIC.findall(text):
            for label, operator, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', selector):
                values = {
                    found for _, found in re.findall(rf"^({name})\{{[^}}]*{label}=\"([^\"]*)\"", page, re.MULTILINE)
                }
                values |= {code.value for code in CATALOGUE} if label == "code" else set()
                pattern = value if operator == "=~" else re.escape(value)
                assert any(re.fullmatch(pattern, found) for found in values), (name, label, value)


def test_every_code_that_an_alert_names_is_one_of_the_catalogue() -> None:
    known = {code.value for code in CATALOGUE}
    for selector in re.findall(r'code=~"([^"]*)"', RULES):
        for alternative in selector.split("|"):
            assert any(re.fullmatch(alternative, code) for code in known), alternative


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    assert len(ALERTS) >= 6
    for name, body in ALERTS:
        assert re.search(r"severity: (page|ticket)", body), name
        assert "summary:" in body, name
        assert "do:" in body, name


def test_the_panels_are_numbered_placed_and_distinct() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_brackets_match_in_every_expression() -> None:
    for text in ASKED:
        assert all(text.count(opening) == text.count(closing) for opening, closing in ("()", "[]", "{}")), text
