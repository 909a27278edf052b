"""`rythmiq credits`: an operator grants credits, and looks."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from rythmiq_cli.exits import EPILOG
from rythmiq_cli.operator.database import DatabaseCloud, operator_database
from rythmiq_cli.operator.environment import EnvFile
from rythmiq_cli.service import checked_id

if TYPE_CHECKING:
    from rythmiq.ports.rows import Account

app = typer.Typer(help="Grant credits and look at them (operator).", no_args_is_help=True, epilog=EPILOG)
User = Annotated[str, typer.Argument(help="The user's UUID.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the account as JSON.")]


@app.command(epilog=EPILOG)
def grant(
    user: User,
    amount: Annotated[int, typer.Argument(min=1, max=1_000_000, help="How many.", show_default=False)],
    env_file: EnvFile = None,
    cloud: DatabaseCloud = None,
    as_json: AsJson = False,
) -> None:
    """Grant USER some credits; what one is given at the first use comes on top, once."""
    who = checked_id(user, "USER")
    with operator_database(cloud, env_file) as database:
        account = database.credits_grant(who, amount)
    _print(who, account, as_json=as_json)


@app.command(epilog=EPILOG)
def show(user: User, env_file: EnvFile = None, cloud: DatabaseCloud = None, as_json: AsJson = False) -> None:
    """Show USER's balance and latest ledger entries; looking grants nothing."""
    who = checked_id(user, "USER")
    with operator_database(cloud, env_file) as database:
        account = database.account(who, initial_credits=None)
    _print(who, account, as_json=as_json)


def _print(user: str, account: "Account", *, as_json: bool) -> None:
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
