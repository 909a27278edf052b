"""`internal/metrics`: the database's counts in Prometheus' text format 0.0.4.

Counters named `{stage}|{upper bound in ms}` and `{stage}|sum` become a histogram in seconds.

Source: docs/specification/observability.md.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rythmiq.gateway import Answer, HasGuard, Operation, OperatorGuard, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response

if TYPE_CHECKING:
    from rythmiq.ports.database import Database

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_MS = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000)
_MS = 1_000

_COUNTERS = {
    "webhook_results": ("rythmiq_webhook_results_total", "result", "Webhooks, by what became of them."),
    "failures": ("rythmiq_job_failures_total", "code", "Jobs that failed, by code."),
    "retries": ("rythmiq_job_retries_total", "code", "Attempts that failed and were followed by another, by code."),
}
_HISTOGRAMS = {
    "stage_wall_ms": ("rythmiq_stage_wall_seconds", "How long the worker's stages took."),
    "stage_cpu_ms": ("rythmiq_stage_cpu_seconds", "How much CPU time the worker's stages took."),
}

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]

SHOW = Operation(
    name="showMetrics",
    method="GET",
    path="",
    summary="Show the service's counts to Prometheus.",
    access="metrics",
    answers={200: Answer("Prometheus text.", schema={"type": "string"}, media_type="text/plain")},
)
OPERATIONS = (SHOW,)


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """Dependencies of the handlers."""

    guard: OperatorGuard
    database: "Database"


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `internal/metrics`."""
    routes: Sequence[Route[Dependencies]] = (Route(SHOW, _show),)
    return Application(
        "internal/metrics",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _show(dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, render(dependencies.database.metrics_snapshot()), MEDIA_TYPE)


def render(snapshot: Mapping[str, Any]) -> str:
    """Write a snapshot as a page of metrics; what is missing from it is left out."""
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for counter in snapshot.get("counters", ()):
        counts[counter["name"]][counter["label"]] = counter["value"]
    lines: list[str] = []
    lines += _family(
        "rythmiq_jobs", "gauge", "Jobs, by state.", _labelled("rythmiq_jobs", "state", snapshot.get("jobs"))
    )
    lines += _family(
        "rythmiq_jobs_in_flight",
        "gauge",
        "Attempts that an executor has.",
        _single("rythmiq_jobs_in_flight", snapshot.get("in_flight")),
    )
    name = "rythmiq_oldest_job_age_seconds"
    ages = {state: snapshot.get(f"oldest_{state}_s") or 0 for state in ("pending", "processing")}
    lines += _family(
        name, "gauge", "Age of the oldest job in a state; 0 when there is none.", _labelled(name, "state", ages)
    )
    name = "rythmiq_credits_total"
    lines += _family(
        name, "counter", "Credits, by kind of ledger entry.", _labelled(name, "kind", snapshot.get("credits"))
    )
    for key, (name, label, meaning) in _COUNTERS.items():
        lines += _family(name, "counter", meaning, _labelled(name, label, counts.get(key)))
    lines += _family(
        "rythmiq_ticks_total",
        "counter",
        "Ticks of the reconciler.",
        _single("rythmiq_ticks_total", counts["ticks"].get("")),
    )
    last_tick_ms = counts["last_tick_ms"].get("")
    name = "rythmiq_last_tick_timestamp_seconds"
    lines += _family(name, "gauge", "When the last tick ran.", _single(name, last_tick_ms and last_tick_ms / _MS))
    for key, (name, meaning) in _HISTOGRAMS.items():
        lines += _family(name, "histogram", meaning, _histograms(name, counts.get(key) or {}))
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> Iterator[str]:
    written = [f"{sample}{_braces(labels)} {value:.15g}" for sample, labels, value in samples]
    if written:
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} {kind}"
        yield from written


def _single(name: str, value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield name, {}, value


def _labelled(name: str, label: str, values: Mapping[str, float] | None) -> Iterator[Sample]:
    for key, value in (values or {}).items():
        yield name, {label: key}, value


def _histograms(name: str, counts: Mapping[str, float]) -> Iterator[Sample]:
    stages: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in counts.items():
        stage, _, part = key.partition("|")
        stages[stage][part] = value
    for stage, parts in stages.items():
        total = 0.0
        for bound_ms in _BUCKETS_MS:
            total += parts.get(str(bound_ms), 0)
            yield f"{name}_bucket", {"stage": stage, "le": f"{bound_ms / _MS:g}"}, total
        total += parts.get("inf", 0)
        yield f"{name}_bucket", {"stage": stage, "le": "+Inf"}, total
        yield f"{name}_sum", {"stage": stage}, parts.get("sum", 0) / _MS
        yield f"{name}_count", {"stage": stage}, total


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
