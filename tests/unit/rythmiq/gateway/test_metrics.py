"""The page that Prometheus reads."""

import pytest

from rythmiq.gateway.routes.metrics import render

SNAPSHOT = {
    "jobs": {"pending": 2, "processing": 1, "completed": 10, "failed": 3},
    "in_flight": 1,
    "oldest_pending_s": 12.5,
    "oldest_processing_s": None,
    "credits": {"granted": 30, "reserved": 16, "settled": 10, "refunded": 3},
    "counters": [
        {"name": "webhook_results", "label": "completed", "value": 10},
        {"name": "failures", "label": 'DECODE_"FAILED\\\n', "value": 3},
        {"name": "ticks", "label": "", "value": 7},
        {"name": "last_tick_ms", "label": "", "value": 1_700_000_000_250},
        {"name": "stage_wall_ms", "label": "ocr|100", "value": 2},
        {"name": "stage_wall_ms", "label": "ocr|2500", "value": 1},
        {"name": "stage_wall_ms", "label": "ocr|inf", "value": 1},
        {"name": "stage_wall_ms", "label": "ocr|sum", "value": 152_180},
        {"name": "a_name_of_a_later_release", "label": "", "value": 1},
    ],
}


def samples(text: str) -> dict[str, float]:
    """Values by name and labels."""
    return {
        line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ('rythmiq_jobs{state="pending"}', 2),
        ("rythmiq_jobs_in_flight", 1),
        ('rythmiq_oldest_job_age_seconds{state="pending"}', 12.5),
        ('rythmiq_oldest_job_age_seconds{state="processing"}', 0),
        ('rythmiq_credits_total{kind="granted"}', 30),
        ('rythmiq_webhook_results_total{result="completed"}', 10),
        (r'rythmiq_job_failures_total{code="DECODE_\"FAILED\\\n"}', 3),
        ("rythmiq_ticks_total", 7),
        ("rythmiq_last_tick_timestamp_seconds", 1_700_000_000.25),
    ],
)
def test_a_count_is_told(name: str, value: float) -> None:
    assert samples(render(SNAPSHOT))[name] == value


def test_stage_times_are_a_cumulative_histogram_in_seconds() -> None:
    found = samples(render(SNAPSHOT))
    buckets = [
        found[f'rythmiq_stage_wall_seconds_bucket{{stage="ocr",le="{bound}"}}']
        for bound in ("0.05", "0.1", "0.25", "2.5", "120", "+Inf")
    ]
    assert buckets == [0, 2, 2, 3, 3, 4]
    assert found['rythmiq_stage_wall_seconds_count{stage="ocr"}'] == 4
    assert found['rythmiq_stage_wall_seconds_sum{stage="ocr"}'] == 152.18


def test_every_family_is_described_once_before_its_samples() -> None:
    lines = render(SNAPSHOT).splitlines()
    described = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(set(described)) == len(described)
    family = ""
    for line in lines:
        if line.startswith("#"):
            family = line.split()[2]
        else:
            assert line.startswith(family)
    assert render(SNAPSHOT).endswith("\n")


def test_a_database_without_jobs_is_told_too() -> None:
    empty = {"jobs": {}, "in_flight": 0, "oldest_pending_s": None, "credits": {}, "counters": []}
    assert samples(render(empty))["rythmiq_jobs_in_flight"] == 0
    assert "rythmiq_ticks_total" not in render(empty)
