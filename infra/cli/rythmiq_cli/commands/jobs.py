"""`rythmiq jobs` and `rythmiq credits`: show jobs and accounts, end jobs that hang, grant credits."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rythmiq_cli.operator import DatabaseCloud, EnvFile, operator_actor, operator_database
from rythmiq_cli.output import EPILOG, ExitCode, plain, usage
from rythmiq_cli.service import checked_id

if TYPE_CHECKING:
    from rythmiq.contracts.errors import ErrorCode
    from rythmiq.ports.database import Account, Capacity, Database
    from rythmiq.ports.jobs import OperatorJob


jobs_app = typer.Typer(
    help="Show anyone's jobs, and end those that hang (operator).", no_args_is_help=True, epilog=EPILOG
)
JobId = Annotated[str, typer.Argument(help="The job.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PIPE_COLUMNS = 180


@jobs_app.command("list", epilog=EPILOG)
def list_jobs(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    status: Annotated[
        Literal["pending", "processing", "completed", "failed"] | None,
        typer.Option("--status", help="pending, processing, completed or failed only."),
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Jobs of this user only, a UUID.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="At most so many.")] = 50,
    env_file: EnvFile = None,
    cloud: DatabaseCloud = None,
    as_json: AsJson = False,
) -> None:
    """List jobs of all users, newest first."""
    who = checked_id(user, "--user") if user else None
    with operator_database(cloud, env_file) as database:
        found = database.jobs_search(status=status, user_id=who, limit=limit)
    if as_json:
        print(json.dumps({"jobs": [job.model_dump(mode="json") for job in found]}))
    else:
        _print_table(found)


@jobs_app.command(epilog=EPILOG)
def show(job_id: JobId, env_file: EnvFile = None, cloud: DatabaseCloud = None, as_json: AsJson = False) -> None:
    """Show one job with its executor's reference and every error so far."""
    known = checked_id(job_id, "JOB_ID")
    with operator_database(cloud, env_file) as database:
        job = _inspected(database, known)
    document = job.model_dump(mode="json")
    if as_json:
        print(json.dumps(document))
        return
    for name, value in document.items():
        print(f"{name:15} {json.dumps(value, indent=2) if isinstance(value, dict) else plain(str(value))}")


@jobs_app.command(epilog=EPILOG)
def retry(job_id: JobId, env_file: EnvFile = None, cloud: DatabaseCloud = None, as_json: AsJson = False) -> None:
    """Start the next attempt of a job that hangs or waits: the next tick does, as soon as there is room.

    What the old attempt still reports is ignored. Without attempts left the job fails, with a refund. A job that has
    ended is not retried: its owner submits again.
    """
    from rythmiq.contracts.errors import ErrorCode  # noqa: PLC0415  `--help` needs none of it

    known = checked_id(job_id, "JOB_ID")
    with operator_database(cloud, env_file) as database:
        job = _inspected(database, known)
        if job.status != "processing":
            usage(f"the job is {job.status}; only a job that is being processed is retried")
        error = _error(ErrorCode.EXECUTOR_LOST, "an operator gave the attempt up")
        outcome = database.job_retry_now(
            job.job_id, job.attempt, error=error, capacity=_no_room(), actor=operator_actor()
        ).outcome
    _done(job, outcome, {"retrying", "failed"}, as_json=as_json)


@jobs_app.command(epilog=EPILOG)
def fail(job_id: JobId, env_file: EnvFile = None, cloud: DatabaseCloud = None, as_json: AsJson = False) -> None:
    """End a job that is pending or being processed as failed, with a refund."""
    from rythmiq.contracts.errors import ErrorCode  # noqa: PLC0415  `--help` needs none of it

    known = checked_id(job_id, "JOB_ID")
    with operator_database(cloud, env_file) as database:
        job = _inspected(database, known)
        if job.status not in {"pending", "processing"}:
            usage(f"the job is {job.status} already")
        error = _error(ErrorCode.EXECUTOR_CANCELLED, "an operator ended the job")
        ended = database.job_end(job.job_id, error=error, capacity=_no_room(), actor=operator_actor())
        outcome = ended.outcome
    _done(job, outcome, {"failed"}, as_json=as_json)


def _inspected(database: "Database", job_id: str) -> "OperatorJob":
    job = database.job_inspect(job_id)
    if job is None:
        usage("there is no such job")
    return job


def _no_room() -> "Capacity":
    """A capacity that starts nothing: this command could not dispatch it; the next tick can."""
    from rythmiq.ports.database import Capacity  # noqa: PLC0415  `--help` needs none of it

    return Capacity(max_inflight=0)


def _error(code: "ErrorCode", message: str) -> dict[str, object]:
    from rythmiq.contracts.errors import CATALOGUE  # noqa: PLC0415  `--help` needs none of it

    entry = CATALOGUE[code]
    return {"code": code, "stage": entry.stage, "message": message, "retryable": entry.retryable, "detail": None}


def _done(job: "OperatorJob", outcome: str, wanted: set[str], *, as_json: bool) -> None:
    """Print the outcome; exit 3 when the job changed meanwhile, so that nothing was done."""
    if as_json:
        print(json.dumps({"job_id": job.job_id, "outcome": outcome}))
    elif outcome in wanted:
        print(outcome)
    else:
        print(f"nothing was done: the job changed meanwhile ({outcome}); see `rythmiq jobs show`")
    if outcome not in wanted:
        raise typer.Exit(ExitCode.JOB_FAILED)


def _print_table(jobs: Sequence["OperatorJob"]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("created", "job", "user", "status", "stage", "attempt", "portal", "slot", "error"):
        table.add_column(heading, no_wrap=heading in {"job", "user"})
    for job in jobs:
        code = str((job.error_details or {}).get("code", ""))
        when = job.created_at.isoformat(timespec="seconds")
        words = (when, job.job_id, job.user_id, job.status, job.stage or "", str(job.attempt))
        table.add_row(*words, *(escape(plain(word)) for word in (job.portal, job.slot or "", code)))
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    console.print(table)


credits_app = typer.Typer(help="Grant credits and show accounts (operator).", no_args_is_help=True, epilog=EPILOG)
User = Annotated[str, typer.Argument(help="The user's UUID.", show_default=False)]
AccountAsJson = Annotated[bool, typer.Option("--json", help="Print the account as JSON.")]


@credits_app.command(epilog=EPILOG)
def grant(
    user: User,
    amount: Annotated[int, typer.Argument(min=1, max=1_000_000, help="How many.", show_default=False)],
    env_file: EnvFile = None,
    cloud: DatabaseCloud = None,
    as_json: AccountAsJson = False,
) -> None:
    """Grant USER some credits; the initial credits of a first use come on top, once."""
    who = checked_id(user, "USER")
    with operator_database(cloud, env_file) as database:
        account = database.credits_grant(who, amount, actor=operator_actor())
    _print_account(who, account, as_json=as_json)


@credits_app.command("show", epilog=EPILOG)
def show_account(
    user: User, env_file: EnvFile = None, cloud: DatabaseCloud = None, as_json: AccountAsJson = False
) -> None:
    """Show USER's balance and latest ledger entries; this grants nothing."""
    who = checked_id(user, "USER")
    with operator_database(cloud, env_file) as database:
        account = database.account(who, initial_credits=None)
    _print_account(who, account, as_json=as_json)


def _print_account(user: str, account: "Account", *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"user_id": user, **account.model_dump(mode="json")}))
        return
    table = Table("when", "kind", "amount", "job", box=None, pad_edge=False)
    for entry in account.entries:
        when = entry.created_at.isoformat(timespec="seconds")
        table.add_row(when, entry.kind, f"{entry.amount:+d}", entry.job_id or "")
    console = Console()
    console.print(table)
    console.print(f"balance {account.balance}, reserved {account.reserved}")
