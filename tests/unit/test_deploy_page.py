"""docs/deploy.md names commands, options, variables and files that are there."""

import json
import re
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from rythmiq_cli.env_check import template_rows
from rythmiq_cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "deploy.md", ROOT / "infra" / "monitoring" / "README.md"]
PAGE = PAGES[0].read_text(encoding="utf-8")
NOT_OURS = {"TAG", "USER", "RELEASE", "USER_ID", "JOB_ID", "ATTEMPT", "DELETE", "POST", "GET", "STDERR"}
LINES = re.findall(r"(?:^ {4,}|`)(?:\.venv/bin/)?rythmiq ([a-z][^`\n]*)", PAGE, re.MULTILINE)


def command_of(words: list[str]) -> tuple[object, list[str]]:
    """The command that these words name, and what is left of them."""
    found: object = typer.main.get_command(app)
    while isinstance(found, TyperGroup):
        assert words, "a group is no command"
        assert words[0] in found.commands, f"there is no `rythmiq ... {words[0]}`"
        found, words = found.commands[words[0]], words[1:]
    return found, words


@pytest.mark.parametrize("line", sorted(set(LINES)))
def test_every_command_and_option_is_there(line: str) -> None:
    command, rest = command_of(line.split())
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]  # a command has parameters
    assert {word for word in rest if word.startswith("--")} <= options


def test_commands_are_shown_at_all() -> None:
    assert {"migrate", "env check deploy.env"} <= set(LINES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_is_one_of_the_template(page: Path) -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", page.read_text(encoding="utf-8")))
    assert named - NOT_OURS <= {row.name for row in template_rows()} | {"WITH_POSTGRES", "LOG_DESTINATIONS"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:infra|core|layers|tests)/[\w./-]+)`", PAGE))))
def test_every_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_step_says_how_far_it_was_tried() -> None:
    for step in re.split(r"^## (?=\d)", PAGE, flags=re.MULTILINE)[1:]:
        body = step.partition("\n## ")[0]
        assert re.search(r"\*\*\[(run|stand-in|there)\]\*\*", body), step.splitlines()[0]


def test_the_worker_gets_its_variables_and_no_others() -> None:
    """The grep of the page, on every name of the template."""
    pattern = re.search(r"grep -E '(.*?)' deploy.env", PAGE)
    assert pattern is not None
    taken = {row.name for row in template_rows() if re.match(pattern[1], f"{row.name}=")}
    needed = {row.name for row in template_rows() if {"worker", "launcher"} & set(row.components)}
    optional = {"ALLOW_PLAINTEXT", "ARTIFACT_URL_ALLOWED_ORIGINS"}
    assert needed - optional <= taken
    assert not {row.name for row in template_rows() if row.is_secret and row.name in taken} - needed


def test_the_camber_app_holds_no_secret_and_a_command_that_nothing_can_be_smuggled_into() -> None:
    definition = json.loads((ROOT / "infra" / "camber" / "camber-app.json").read_text(encoding="utf-8"))
    words = re.sub(r"\$\{\w+\}", "0", definition["command"])
    assert re.fullmatch(r"[A-Za-z0-9_./= -]+", words)
    assert set(re.findall(r"\$\{(\w+)\}", definition["command"])) == {entry["name"] for entry in definition["spec"]}
    assert re.fullmatch(r"[a-z0-9-]+", definition["name"])
    assert definition["jobConfig"][0]["name"] == "system_size"
