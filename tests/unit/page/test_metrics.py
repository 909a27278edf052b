"""The operator's view reads what the service tells Prometheus."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rythmiq.gateway.routes.metrics import render
from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
PROGRAM = """
import * as metrics from %(module)s;
const families = metrics.readMetrics(await new Response(process.stdin).text());
const answer = await (async () => (%(asked)s))();
console.log(JSON.stringify(answer));
"""
SNAPSHOT: dict[str, Any] = {
    "jobs": {"pending": 3, "completed": 7},
    "in_flight": 2,
    "oldest_pending_s": 65.5,
    "credits": {"granted": 12, "settled": 4},
    "counters": [
        {"name": "failures", "label": "DECODE_FAILED", "value": 2},
        {"name": "failures", "label": 'A "quoted"\n\\ code', "value": 5},
        {"name": "last_tick_ms", "label": "", "value": 1_800_000_000_000},
        {"name": "stage_wall_ms", "label": "ocr|100", "value": 50},
        {"name": "stage_wall_ms", "label": "ocr|250", "value": 45},
        {"name": "stage_wall_ms", "label": "ocr|inf", "value": 5},
        {"name": "stage_wall_ms", "label": "ocr|sum", "value": 20_000},
    ],
}

pytestmark = pytest.mark.node


def seen(asked: str, text: str | None = None) -> Any:
    """What an expression over the module `metrics` and the `families` gives."""
    program = PROGRAM % {"module": json.dumps((PAGE / "metrics.js").as_uri()), "asked": asked}
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program],
        input=render(SNAPSHOT) if text is None else text,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_values_are_found_by_name_and_label() -> None:
    asked = """[
      metrics.valueOf(families, "rythmiq_jobs", {state: "pending"}),
      metrics.valueOf(families, "rythmiq_jobs_in_flight"),
      metrics.valueOf(families, "rythmiq_oldest_job_age_seconds", {state: "pending"}),
      metrics.valueOf(families, "rythmiq_last_tick_timestamp_seconds"), metrics.valueOf(families, "no_such"),
    ]"""
    assert seen(asked) == [3, 2, 65.5, 1_800_000_000, None]


def test_codes_come_in_their_order_and_as_they_are_written() -> None:
    asked = 'metrics.byLabel(families, "rythmiq_job_failures_total", "code")'
    assert seen(asked) == [['A "quoted"\n\\ code', 5], ["DECODE_FAILED", 2]]


def test_a_histogram_gives_quantiles_and_a_mean() -> None:
    (stage,) = seen('metrics.stageTimes(families, "rythmiq_stage_wall_seconds")')
    assert (stage["stage"], stage["count"], stage["meanS"]) == ("ocr", 100, 0.2)
    assert (stage["p50S"], stage["p95S"]) == (0.1, 0.25)


def test_what_no_part_shows_is_listed_and_a_histogram_once() -> None:
    asked = 'metrics.others(families, new Set(["rythmiq_jobs", "rythmiq_stage_wall_seconds"]))'
    assert "rythmiq_stage_wall_seconds_bucket" not in seen(asked)
    assert "rythmiq_credits_total" in seen(asked)


def test_what_is_no_metric_is_passed_over() -> None:
    text = '# HELP a b\n# TYPE a gauge\na 1\nnot a metric at all\na{b="c"} NaN\n\n'
    assert seen("families.get('a').samples", text) == [{"labels": {}, "value": 1}]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "none"), (0.25, "250 ms"), (1.25, "1.3 s"), (45, "45 s"), (300, "5 min"), (9_000, "3 h"), (400_000, "5 d")],
)
def test_ages_are_said_in_the_largest_unit_that_tells(seconds: float | None, words: str) -> None:
    assert seen(f"metrics.duration({json.dumps(seconds)})") == words
