"""`rythmiq doctor`: how it finds the functions, and what it prints."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app
from rythmiq_cli.commands.doctor import Given

ROOT = Path(__file__).parents[2]

PAGE = "https://page.test"


# --- where the functions are, and what is printed of it --------------------------------------------------------------


def doctor_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctl: str | None, *arguments: str) -> Result:
    """The command on a file that leaves PUBLIC_URL unset, with such a doctl at hand."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    if doctl is not None:
        (programs / "doctl").write_text(f"#!/bin/sh\n{doctl}\n")
        (programs / "doctl").chmod(0o700)
    monkeypatch.setenv("PATH", str(programs))
    file = tmp_path / "my deploy.env"
    file.write_text("PUBLIC_URL=-\nSUPABASE_URL=https://project.invalid\n", encoding="utf-8")
    command = ["doctor", "--env", str(file), "--only", "functions", "--json", *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.mark.parametrize("doctl", [None, "exit 1", "echo nonsense"])
def test_without_an_address_the_functions_are_a_warning_that_says_how_to_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doctl: str | None
) -> None:
    done = doctor_of(tmp_path, monkeypatch, doctl)
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.exit_code, finding["state"], "--url" in finding["fix"]) == (0, "warning", True)


def test_doctl_is_asked_for_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = (
        '[ "$*" = "serverless functions get api/health --url" ] && echo https://faas.invalid/api/v1/web/fn-1/api/health'
    )
    (finding,) = json.loads(doctor_of(tmp_path, monkeypatch, echo).stdout)["findings"]
    assert finding["probe"] == "reach"
    assert finding["said"].startswith("https://faas.invalid/api/v1/web/fn-1 does not answer")


def test_remedies_name_the_file_and_the_origins_that_the_doctor_was_given() -> None:
    given = Given(env_file=Path("my deploy.env"), origins=(PAGE,))
    assert (
        given.typed("run `rythmiq spaces apply`") == f"run `rythmiq spaces apply --env 'my deploy.env' --origin {PAGE}`"
    )
    assert given.typed("`rythmiq env check` lists") == "`rythmiq env check 'my deploy.env'` lists"
    assert given.typed("`doctl x --env FILE`") == "`doctl x --env 'my deploy.env'`"
    assert given.typed("`rythmiq migrate`") == "`rythmiq migrate --env 'my deploy.env'`"
    unknown = Given(env_file=Path("a.env"), knows_owner=False)
    assert unknown.typed("`rythmiq migrate`") == '`read -rs OWNER_URL; DATABASE_URL="$OWNER_URL" rythmiq migrate`'
    assert Given(cloud=Path("c")).typed("`rythmiq keys retire 1`") == "`rythmiq keys retire 1 --cloud c`"
    assert Given().typed("run `rythmiq spaces apply`") == "run `rythmiq spaces apply`"


SOURCES = sorted((ROOT / "infra" / "cli" / "rythmiq_cli" / "doctor").glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_command_of_ours_that_a_remedy_prints_is_one_that_the_doctor_completes(source: Path) -> None:
    """`--help` accepts what is printed, options and all."""
    text = source.read_text(encoding="utf-8")
    for printed in re.findall(r"`rythmiq ([a-z][^`{]*)`", text):
        if "..." in printed or source.stem in {"typed", "camber"}:
            continue
        for given in (Given(env_file=Path("a.env")), Given(cloud=Path("c"))):
            command = given.typed(f"`rythmiq {printed}`").strip("`").removeprefix("rythmiq ")
            run = CliRunner().invoke(app, [*shlex.split(command), "--help"])
            assert run.exit_code == 0, command
            assert "a.env" in command or "c" in command.split() or printed.startswith(("up", "env check")), command
