"""The `rythmiq` command in this process."""

from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app
from rythmiq_cli.output import ExitCode


def rythmiq_command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def misused(*arguments: object) -> str:
    """What it says, in one line, when it is used wrongly."""
    done = rythmiq_command(*arguments)
    assert done.exit_code == ExitCode.USAGE
    assert done.stdout == ""
    return " ".join(done.stderr.split())
