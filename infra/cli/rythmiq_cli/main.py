"""The `rythmiq` command."""

import sys
from typing import Annotated

import typer

import rythmiq
from rythmiq_cli.commands import keys
from rythmiq_cli.commands.check import check
from rythmiq_cli.commands.conform import conform
from rythmiq_cli.commands.portals import portals
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
app.add_typer(keys.app, name="keys")


@app.callback(invoke_without_command=True)
def _rythmiq(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(rythmiq.__version__)
        raise typer.Exit(ExitCode.OK)


def main() -> None:
    """Run the command; Ctrl-C ends it with 130 and leaves nothing half written."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
