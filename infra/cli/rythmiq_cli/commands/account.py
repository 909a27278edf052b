"""`rythmiq account` and `rythmiq events`: export and erase accounts, and what operators did to whom."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from rythmiq_cli.operator import DatabaseCloud, EnvFile, operator_actor, operator_database, operator_environ
from rythmiq_cli.output import EPILOG, usage
from rythmiq_cli.service import CloudFolder, CloudUser, Token, Url, checked_id, open_client, service_errors

if TYPE_CHECKING:
    from collections.abc import Mapping


app = typer.Typer(
    help="Export and erase anyone's account (operator), or erase your own.", no_args_is_help=True, epilog=EPILOG
)
User = Annotated[str, typer.Argument(help="The account's user, a UUID.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Confirm; without this nothing is done. It cannot be undone.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")]
_LEFT = "delete from auth.users u where public.account_is_erased(u.id)"
_PIPE_COLUMNS = 180


@app.command(epilog=EPILOG)
def export(
    user: User,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file that only you may read; default: STDOUT.")
    ] = None,
    env_file: EnvFile = None,
    cloud: DatabaseCloud = None,
    as_json: Annotated[bool, typer.Option("--json", help="With -o, say as JSON what was written.")] = False,
) -> None:
    """Write every row of USER's account as JSON: credits, uploads, jobs with receipts, documents; no data key.

    Files are sealed, and their owner downloads them; the rows hold their names. The export is written into
    `rythmiq events`.
    """
    who = checked_id(user, "USER")
    with operator_database(cloud, env_file) as database:
        document = database.account_export(who, actor=operator_actor())
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if output is None:
        print(text)
        return
    from rythmiq_cli.service import write_private  # noqa: PLC0415  `--help` needs none of it

    try:
        write_private(output, text + "\n")
    except OSError as error:
        usage(f"{output} cannot be written: {error.strerror}")
    if as_json:
        print(json.dumps({"user_id": who, "file": str(output), "jobs": len(document["jobs"])}))


@app.command(epilog=EPILOG)
def erase(
    user: User, yes: Yes = False, env_file: EnvFile = None, cloud: DatabaseCloud = None, as_json: AsJson = False
) -> None:
    """Erase USER's account: jobs are cancelled and erased, files removed by the next ticks, tokens refused for good.

    What was charged stays in the books, under an id that leads to nobody. The sign-in is deleted too where SUPABASE_URL
    and SUPABASE_SERVICE_ROLE_KEY are set; else the statement that deletes it is printed. The erasure is written into
    `rythmiq events`.
    """
    who = checked_id(user, "USER")
    if not yes:
        usage(f"this erases the account {who} and all its data for good: add --yes")
    with operator_database(cloud, env_file) as database:
        erasure = database.account_erase(who, actor=operator_actor())
        while database.account_erase_step(who):  # ticks would go on with it, too
            pass
        sign_in_deleted = cloud is None and _delete_sign_in(who, operator_environ(env_file, None))
    receipt = erasure.model_dump(mode="json") | {"sign_in_deleted": sign_in_deleted}
    if as_json:
        print(json.dumps(receipt))
        return
    if erasure.outcome == "gone":
        print("the account was erased before")
    else:
        counts = f"{erasure.jobs} jobs, {erasure.uploads} uploads, {erasure.objects} storage keys"
        print(f"erased: {counts}; receipt {erasure.receipt_id}")
    if not sign_in_deleted:
        print(f"its sign-in still exists: delete it in Supabase (Authentication, Users), or in its SQL editor: {_LEFT}")


def _delete_sign_in(user_id: str, environ: "Mapping[str, str]") -> bool:
    from rythmiq.ports import UnavailableError  # noqa: PLC0415  `--help` needs none of it
    from rythmiq_cli.operator import is_set  # noqa: PLC0415  ditto

    if not (is_set(environ, "SUPABASE_URL") and is_set(environ, "SUPABASE_SERVICE_ROLE_KEY")):
        return False
    from rythmiq.adapters.supabase import SupabaseSignIns  # noqa: PLC0415  ditto

    try:
        SupabaseSignIns(environ["SUPABASE_URL"], environ["SUPABASE_SERVICE_ROLE_KEY"]).delete(user_id)
    except UnavailableError:
        return False
    return True


@app.command("delete", epilog=EPILOG)
def delete_own(  # noqa: PLR0913, PLR0917  the command's options
    yes: Yes = False,
    url: Url = None,
    token: Token = None,
    cloud: CloudFolder = None,
    user: CloudUser = None,
    as_json: AsJson = False,
) -> None:
    """Erase your own account with every file, job and upload of it, and print the receipt."""
    if not yes:
        usage("this erases your account and all its data for good: add --yes")
    with open_client(url, token, cloud, user) as client, service_errors(as_json=as_json):
        receipt = client.erase_account()
    if as_json:
        print(receipt.model_dump_json())
    else:
        counts = f"{receipt.jobs} jobs, {receipt.uploads} uploads, {receipt.objects} storage keys"
        print(f"erased: {counts}; receipt {receipt.receipt_id}")


def events(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    env_file: EnvFile = None,
    cloud: DatabaseCloud = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what operators did, newest first: credits, retries, ended jobs, exports, erasures, keys (operator)."""
    with operator_database(cloud, env_file) as database:
        found = database.operator_events(limit)
    if as_json:
        print(json.dumps({"events": [event.model_dump(mode="json") for event in found]}))
        return
    table = Table("when", "act", "actor", "user", "job", "details", box=None, pad_edge=False)
    for event in found:
        when = event.created_at.isoformat(timespec="seconds")
        details = json.dumps(event.details) if event.details else ""
        table.add_row(when, event.act, event.actor or "", event.user_id or "", event.job_id or "", details)
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    console.print(table)
