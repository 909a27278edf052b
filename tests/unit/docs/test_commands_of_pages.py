"""Pages name commands and options that are there; docs/deploy.md also variables, files and how far it was tried."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from rythmiq.settings.worker import LauncherSettings, WorkerSettings
from rythmiq_cli.commands import app
from rythmiq_cli.operator import parse_env
from rythmiq_cli.operator.env_check import names_of_project, template_rows

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "docs" / "deploy.md", ROOT / "infra" / "monitoring" / "README.md"]
PAGE = PAGES[0].read_text(encoding="utf-8")
NOT_OURS = {"TAG", "USER", "RELEASE", "USER_ID", "JOB_ID", "ATTEMPT", "DELETE", "POST", "GET", "STDERR"}
HISTORY = {"CHANGELOG.md", "decisions.md"}
WITH_COMMANDS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").rglob("*.md")]
CALL = re.compile(r"(?:^ {4,}|`)(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?rythmiq ([a-z][^`\n]*)", re.MULTILINE)
COMMAND = re.compile(r"^ {4,}\S|`(?:[A-Z_]+=\S+ )*(?:rythmiq|doctl|kubectl|git|make) ", re.MULTILINE)


def lines_of(page: Path) -> set[str]:
    """The calls of the command that a page shows, in code blocks and in prose."""
    text = page.read_text(encoding="utf-8")
    return set(CALL.findall(re.sub(r"`rythmiq[^`\n]*\n[^`\n]*`", lambda wrapped: " ".join(wrapped[0].split()), text)))


LINES = sorted({line for page in WITH_COMMANDS if page.name not in HISTORY for line in lines_of(page)})


def command_of(words: list[str]) -> tuple[object, list[str]]:
    """The command that these words name, and what is left of them."""
    found: object = typer.main.get_command(app)
    while isinstance(found, TyperGroup):
        assert words, "a group is no command"
        assert words[0] in found.commands, f"there is no `rythmiq ... {words[0]}`"
        found, words = found.commands[words[0]], words[1:]
    return found, words


@pytest.mark.parametrize("line", LINES)
def test_every_command_and_option_is_there(line: str) -> None:
    command, rest = command_of(line.split())
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]  # a command has parameters
    assert {word for word in rest if re.fullmatch(r"--[a-z0-9-]+", word)} <= options | {"--help"}


def test_commands_are_shown_at_all() -> None:
    assert {"migrate", "env check deploy.env"} <= set(LINES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_is_one_of_the_template(page: Path) -> None:
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", page.read_text(encoding="utf-8")))
    assert named - NOT_OURS <= {row.name for row in template_rows()} | {"WITH_POSTGRES", "LOG_DESTINATIONS"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:infra|core|layers|tests)/[\w./-]+)`", PAGE))))
def test_every_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def sections() -> list[tuple[str, str]]:
    """Title and text of each."""
    return [(text.partition("\n")[0], text) for text in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize("text", [pytest.param(text, id=title) for title, text in sections() if COMMAND.search(text)])
def test_every_section_that_holds_commands_says_how_far_they_were_tried(text: str) -> None:
    assert re.search(r"\*\*\[(run|stand-in|there)\]\*\*", text)


def test_the_steps_and_what_comes_after_them_are_held_to_that() -> None:
    held = [title for title, text in sections() if COMMAND.search(text)]
    assert held == [title for title, _ in sections()]
    assert {"Change the keys", "Upgrade, and back"} <= set(held)


def test_nothing_that_doctl_deploys_is_exported_into_the_shell_that_it_is_called_from() -> None:
    """It takes a name from there first."""
    deployed, _ = names_of_project((ROOT / "project.yml").read_text(encoding="utf-8"))
    exported = {name for line in re.findall(r"^ {4,}export (.*)", PAGE, re.MULTILINE) for name in line.split()}
    assert exported
    assert not {name.partition("=")[0] for name in exported} & deployed


def test_the_worker_gets_its_variables_and_no_others(tmp_path: Path) -> None:
    """The page's own lines, on a file that sets every name of the template but one."""
    lines = re.search(r"^    OWN=.*?> worker\.env\)$", PAGE, re.MULTILINE | re.DOTALL)
    assert lines is not None
    given = {row.name: "x" for row in template_rows()} | {"OCR_ENGINE": "-"}
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    (tmp_path / "deploy.env").write_text(f"# SPACES_KEY=\n{text}", encoding="utf-8")
    subprocess.run([shutil.which("bash") or "bash", "-euc", lines[0]], cwd=tmp_path, check=True)
    made = tmp_path / "worker.env"
    read = {*WorkerSettings.variables().values(), *LauncherSettings.variables().values()}
    assert set(parse_env(made.read_text(encoding="utf-8")).values) == read - {"OCR_ENGINE"}
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    # H4: it goes to Camber's Stash, and into the Kubernetes Secret.
    assert "ENCRYPTION_KEYS" not in made.read_text(encoding="utf-8")
    assert "\nDISPATCH_KEYS=x\n" in made.read_text(encoding="utf-8")


def test_the_camber_app_holds_no_secret_and_a_command_that_nothing_can_be_smuggled_into() -> None:
    definition = json.loads((ROOT / "infra" / "camber" / "camber-app.json").read_text(encoding="utf-8"))
    words = re.sub(r"\$\{\w+\}", "0", definition["command"])
    assert re.fullmatch(r"[A-Za-z0-9_./= -]+", words)
    assert set(re.findall(r"\$\{(\w+)\}", definition["command"])) == {entry["name"] for entry in definition["spec"]}
    assert re.fullmatch(r"[a-z0-9-]+", definition["name"])
    assert definition["jobConfig"][0]["name"] == "system_size"
