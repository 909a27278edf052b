"""What the pages say is what the code does: generated pages are current, links resolve, examples are valid."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.pages import DOCS, PAGES, main
from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import CATALOGUE
from rythmiq.contracts.job_bodies import JobOptions
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.result import RESULT, Success
from rythmiq.portals import all_portals
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.intake import admitted

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WRITTEN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests" / "rig").glob("*.md")])
BINARY = {".jpg", ".png", ".webp", ".heic", ".gif", ".pdf"}


def tracked() -> list[Path]:
    """Every file of the repository."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def examples(kind: str) -> list[str]:
    """The JSON blocks of docs/specification/worker.md that are marked as this."""
    page = (DOCS / "specification" / "worker.md").read_text(encoding="utf-8")
    return re.findall(rf"^```json {kind}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def names_of(path: Path) -> set[str]:
    """Prose that a page holds as code."""
    return set(re.findall(r"`([A-Z][A-Z_]+)`", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_an_outdated_page_is_found_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("docs.pages.DOCS", tmp_path)
    assert main(["--check"]) == 1
    assert "docs/cli.md" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("page", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?:`|^ {4})make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    assert targets == set(re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, re.MULTILINE))


def test_the_worker_s_variables_are_all_listed() -> None:
    assert set(WorkerSettings.variables().values()) <= names_of(DOCS / "specification" / "configuration.md")


def test_every_failure_and_warning_has_its_line() -> None:
    codes = {code.value for code in CATALOGUE} | {code.value for code in WarningCode}
    assert codes <= names_of(DOCS / "errors.md")


@pytest.mark.parametrize("text", examples("payload"))
def test_the_payloads_that_are_shown_are_valid(text: str) -> None:
    payload = Payload.model_validate_json(text)
    assert payload.job_id == "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
    store = {f"SPACES_{name.upper()}": value for name, value in payload.storage.model_dump().items()}
    settings = WorkerSettings.from_environ(
        {**store, "SPACES_KEY": "key", "SPACES_SECRET": "hush", "ALLOW_PLAINTEXT": "yes"}
    )
    assert admitted(payload, settings).payload == payload


@pytest.mark.parametrize("text", examples("result"))
def test_the_results_that_are_shown_are_valid(text: str) -> None:
    assert RESULT.validate_python(json.loads(text)).job_id == "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"


def test_the_warnings_and_the_advice_that_are_shown_have_the_same_codes() -> None:
    shown = RESULT.validate_json(examples("result")[0])
    assert isinstance(shown, Success)
    codes = [warning.partition(":")[0] for warning in shown.warnings]
    assert codes
    assert codes == [str(Notice(WarningCode[each.code], each.parameters)).partition(":")[0] for each in shown.advice]


def test_the_success_that_is_shown_is_of_the_first_payload_and_of_the_rules_that_hold() -> None:
    payload, shown = Payload.model_validate_json(examples("payload")[0]), RESULT.validate_json(examples("result")[0])
    assert isinstance(shown, Success)
    asked, told = payload.portal_schema, shown.receipt
    assert (asked.portal, asked.slot, asked.version) == (told.portal, told.slot, told.version)
    assert asked.version in {portal.version for portal in all_portals() if portal.portal == asked.portal}
    assert shown.artifacts.before_path is not None


def test_every_option_of_a_job_has_its_row() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `options\.(\w+)` \| body, (.*) \|$", page, re.MULTILINE))
    assert rows.keys() == JobOptions.model_fields.keys()
    assert {"0", "90", "180", "270"} <= set(re.findall(r"`(\d+)`", rows["rotate"]))
    assert {"x", "y"} <= set(re.findall(r"`(\w)`", rows["face"]))


def test_both_payloads_and_both_results_are_shown() -> None:
    assert (len(examples("payload")), len(examples("result"))) == (2, 2)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("tests/requirements.txt", ("worker", "cli", "local")),
        ("layers/worker/requirements.txt", ("worker",)),
        ("layers/worker/requirements-paddle.txt", ("worker", "paddle")),
    ],
)
def test_what_is_locked_is_what_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))
    wanted = [*PROJECT["project"]["dependencies"]]
    for extra in extras:
        wanted += PROJECT["project"]["optional-dependencies"][extra]
    for requirement in map(Requirement, wanted):
        if requirement.name == PROJECT["project"]["name"]:
            continue  # an extra that takes in another
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked; run `make lock`"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run `make lock`"


@pytest.mark.parametrize("lock", ["tests/requirements.txt", "layers/worker/requirements.txt"])
def test_every_locked_package_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)


def test_the_worker_s_page_lists_every_operation() -> None:
    page = (DOCS / "specification" / "worker.md").read_text(encoding="utf-8")
    table = page.partition("## What is done to a picture")[2].partition("\n## ")[0]
    listed = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "layers/worker/rythmiq_worker").rglob("*.py")]
    made = {name for source in sources for name in re.findall(r"(?:op=|\bnote\()\"(\w+)\"", source)}
    assert listed == made


def test_no_file_names_a_package_registry_or_a_place_of_one_machine() -> None:
    # Written apart, so that this test does not find itself.
    option = "index" + "-url"
    words = ["/" + "work/main", "/" + "work/shared", "/" + "opt/pypi", option, "files." + "pythonhosted"]
    guilty = [
        (str(path.relative_to(ROOT)), word)
        for path in tracked()
        if path.suffix not in BINARY
        for word in words
        if word in path.read_text(encoding="utf-8", errors="ignore").replace(f"--no-emit-{option}", "")
    ]
    assert not guilty


def test_the_readme_shows_a_picture_before_the_commands_that_start_everything() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert text.index("![") < text.index("    make demo") < 2_500


def test_decisions_are_dated_and_the_newest_comes_first() -> None:
    titles = re.findall(r"^## (.*)$", (DOCS / "decisions.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(re.match(r"\d{4}-\d\d-\d\d: .", title) for title in titles)
    dates = [title[:10] for title in titles]
    assert dates == sorted(dates, reverse=True)
