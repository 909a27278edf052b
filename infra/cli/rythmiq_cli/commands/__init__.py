"""The `rythmiq` command: one module a subject."""

from typing import Annotated

import typer

import rythmiq
from rythmiq_cli.commands import (
    account,
    backup,
    cloud,
    conform,
    doctor,
    env,
    jobs,
    keys,
    migrate,
    page,
    portals,
    spaces,
    submit,
)
from rythmiq_cli.output import EPILOG, ExitCode

app = typer.Typer(
    name="rythmiq",
    help="From a phone photo to a file that fits the portal to the byte, with a receipt that proves it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=EPILOG,
)
for command in (
    *(conform.conform, conform.check, portals.portals, cloud.up, submit.submit, submit.watch, submit.download),
    submit.delete,
    *(cloud.token, migrate.migrate, doctor.doctor, account.events),
):
    app.command(epilog=EPILOG)(command)
app.add_typer(jobs.credits_app, name="credits")
app.add_typer(account.app, name="account")
app.add_typer(doctor.camber_app, name="camber")
app.add_typer(jobs.jobs_app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(page.app, name="page")
app.add_typer(spaces.app, name="spaces")
app.add_typer(env.app, name="env")
app.add_typer(backup.app, name="backup")


@app.callback(invoke_without_command=True)
def _rythmiq(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(rythmiq.__version__)
        raise typer.Exit(ExitCode.OK)
