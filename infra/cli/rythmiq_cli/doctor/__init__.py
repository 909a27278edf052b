"""Findings of `rythmiq doctor`: what a probe found, and how to fix it."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Area = Literal["store", "database", "functions"]
State = Literal["ok", "warning", "broken", "unreachable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One probe's answer.

    Attributes:
        probe: its name, the same at every run.
        said: one clause, without secrets.
        fix: what to do; empty when nothing is needed.
    """

    area: Area
    probe: str
    state: State
    said: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes findings of one area."""

    area: Area

    def ok(self, probe: str, said: str) -> Finding:
        """It is as it should be."""
        return Finding(self.area, probe, "ok", said)

    def warning(self, probe: str, said: str, fix: str) -> Finding:
        """It works, but an operator should know."""
        return Finding(self.area, probe, "warning", said, fix)

    def broken(self, probe: str, said: str, fix: str) -> Finding:
        """It lacks what the service relies on."""
        return Finding(self.area, probe, "broken", said, fix)

    def unreachable(self, probe: str, said: str, fix: str) -> Finding:
        """It does not answer."""
        return Finding(self.area, probe, "unreachable", said, fix)


MAX_AGE_S = 15 * 60
_TRIGGER = (
    "POST /internal/reconcile with X-Reconcile-Secret every minute: the platform's trigger, pg_cron or any scheduler"
    " (docs/deploy.md)"
)


def tick_finding(report: Reporter, last_tick_at: object, now: dt.datetime) -> Finding:
    """Judge the last tick; jobs also heal without a scheduler, at the next webhook or poll."""
    if not isinstance(last_tick_at, str):
        return report.warning("last-tick", "the reconciler has never run", _TRIGGER)
    age_s = (now - dt.datetime.fromisoformat(last_tick_at)).total_seconds()
    if age_s > MAX_AGE_S:
        return report.warning("last-tick", f"the reconciler last ran {age_s / 60:.0f} minutes ago", _TRIGGER)
    return report.ok("last-tick", f"the reconciler ran {max(age_s, 0):.0f} s ago")
