"""What the machine that runs the doctor gives a worker: the walls behind which pictures are read."""

from collections.abc import Iterator, Mapping

from rythmiq_cli.doctor import Finding, Reporter
from rythmiq_worker.walls.probe import missing_walls

_FIX = (
    "run workers on Linux 5.13 or later on x86_64; `python -m rythmiq_worker.walls` says the same on the machine that "
    "runs them, and SANDBOX=required has them refuse to run without"
)


def wall_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Try the walls here; a missing one is broken where SANDBOX=required, else a warning."""
    report = Reporter("store")  # with what else is asked of the worker, which has its own key to it
    try:
        missing = missing_walls()
    except OSError as error:
        yield report.broken("worker_walls", str(error), "check the worker's installation on this machine")
        return
    if not missing:
        yield report.ok("worker_walls", "this machine gives a worker every wall")
        return
    tell = report.broken if environ.get("SANDBOX") == "required" else report.warning
    yield tell("worker_walls", f"this machine lacks {', '.join(missing)}", _FIX)
