"""The `rythmiq` command and its parts."""

from typing import Annotated

import typer

import rythmiq
from rythmiq_cli.commands import camber, env, jobs, keys, spaces
from rythmiq_cli.commands import credits as credits_commands
from rythmiq_cli.commands.check import check
from rythmiq_cli.commands.conform import conform
from rythmiq_cli.commands.doctor import doctor
from rythmiq_cli.commands.download import download
from rythmiq_cli.commands.migrate import migrate
from rythmiq_cli.commands.portals import portals
from rythmiq_cli.commands.submit import submit
from rythmiq_cli.commands.token import token
from rythmiq_cli.commands.up import up
from rythmiq_cli.commands.watch import watch
from rythmiq_cli.exits import EPILOG, ExitCode

app = typer.Typer(
    name="rythmiq",
    help="From a phone photo to a file that fits the portal to the byte, with a receipt that proves it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=EPILOG,
)
app.command(epilog=EPILOG)(conform)
app.command(epilog=EPILOG)(check)
app.command(epilog=EPILOG)(portals)
app.command(epilog=EPILOG)(up)
app.command(epilog=EPILOG)(submit)
app.command(epilog=EPILOG)(watch)
app.command(epilog=EPILOG)(download)
app.command(epilog=EPILOG)(token)
app.command(epilog=EPILOG)(migrate)
app.command(epilog=EPILOG)(doctor)
app.add_typer(credits_commands.app, name="credits")
app.add_typer(camber.app, name="camber")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(spaces.app, name="spaces")
app.add_typer(env.app, name="env")


@app.callback(invoke_without_command=True)
def _rythmiq(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(rythmiq.__version__)
        raise typer.Exit(ExitCode.OK)
