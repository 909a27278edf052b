"""How long ago the reconciler last ran."""

import datetime as dt

from rythmiq_cli.doctor.finding import Finding, Reporter

MAX_AGE_S = 15 * 60
_FIX = (
    "POST /internal/reconcile with X-Webhook-Secret every minute: the platform's trigger, pg_cron or any scheduler"
    " (docs/deploy.md)"
)


def tick_finding(report: Reporter, last_tick_at: object, now: dt.datetime) -> Finding:
    """Judge the last tick; jobs also heal without a scheduler, at the next webhook or poll."""
    if not isinstance(last_tick_at, str):
        return report.warning("last-tick", "the reconciler has never run", _FIX)
    age_s = (now - dt.datetime.fromisoformat(last_tick_at)).total_seconds()
    if age_s > MAX_AGE_S:
        return report.warning("last-tick", f"the reconciler last ran {age_s / 60:.0f} minutes ago", _FIX)
    return report.ok("last-tick", f"the reconciler ran {max(age_s, 0):.0f} s ago")
