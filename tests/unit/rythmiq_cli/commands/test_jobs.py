"""`rythmiq credits` and `rythmiq jobs`: what they say when the database is not named, not there, or has no such row.

What they do is tried against a whole cloud (tests/e2e/test_client.py).
"""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app
from rythmiq_cli.output import ExitCode

USER = "0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
COMMANDS = [
    ("credits", "show", USER),
    ("credits", "grant", USER, "5"),
    ("jobs", "list"),
    ("jobs", "show", USER),
    ("jobs", "retry", USER),
    ("jobs", "fail", USER),
    ("account", "export", USER),
    ("account", "erase", USER, "--yes"),
    ("events",),
]


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cloud runs, with no database named."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delenv(name, raising=False)


def command(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environ)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_database_that_is_not_named_is_a_misuse(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.exit_code == ExitCode.USAGE
    assert "DATABASE_URL" in done.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_database_that_does_not_answer_is_unreachable(arguments: tuple[str, ...]) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody:x@127.0.0.1:{taken.getsockname()[1]}/none"
        done = command(*arguments, DATABASE_URL=url)
    assert done.exit_code == ExitCode.UNREACHABLE
    assert done.stderr.startswith("rythmiq: ")
    assert len(done.stderr.splitlines()) == 1
    assert url not in done.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_database_of_a_file_is_the_one_that_is_asked(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever the environment names."""
    file = tmp_path / "deploy.env"
    file.write_text("DATABASE_URL=postgresql://nobody:x@127.0.0.1:9/none\n", encoding="utf-8")
    done = command(*arguments, "--env", str(file), DATABASE_URL="no address")
    assert done.exit_code == ExitCode.UNREACHABLE
    file.write_text("DATABASE_URL=-\nSUPABASE_URL=https://x.example\n", encoding="utf-8")
    done = command(*arguments, "--env", str(file), DATABASE_URL="postgresql://nobody:x@127.0.0.1:9/none")
    assert done.exit_code == ExitCode.USAGE
    assert "SUPABASE_SERVICE_ROLE_KEY" in done.stderr
    assert command(*arguments, "--env", str(file), "--cloud", ".").exit_code == ExitCode.USAGE
    assert command(*arguments, "--env", "none.env").exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments", [("credits", "show", "me"), ("jobs", "show", "12"), ("jobs", "list", "--user", "me")]
)
def test_an_id_that_is_none_is_a_misuse(arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.exit_code == ExitCode.USAGE
    assert "UUID" in done.stderr


def test_a_cloud_that_does_not_run_is_unreachable() -> None:
    done = command("jobs", "list", "--cloud", "nowhere")
    assert done.exit_code == ExitCode.UNREACHABLE
    assert "rythmiq up" in done.stderr


@pytest.mark.parametrize("amount", ["0", "-1", "many"])
def test_a_grant_is_a_number_above_zero(amount: str) -> None:
    assert command("credits", "grant", USER, amount).exit_code == ExitCode.USAGE
