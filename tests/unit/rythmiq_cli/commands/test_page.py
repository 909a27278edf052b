"""`rythmiq page export` writes a page that a static host can serve."""

import gzip
import json
import re
from html import unescape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rythmiq_cli.commands import app
from rythmiq_cli.output import ExitCode

GIVEN = {
    "--api": "https://api.example/api/v1/web/fn-1",
    "--supabase-url": "https://auth.example",
    "--supabase-anon-key": "sb_publishable_x",
    "--store-origin": "https://store.example",
}


def export(directory: Path, **changed: str) -> tuple[int, str]:
    options = GIVEN | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    words = [word for pair in options.items() for word in pair]
    done = CliRunner().invoke(app, ["page", "export", str(directory), *words, "--json"])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("export") / "site"
    code, said = export(directory)
    assert code == ExitCode.OK, said
    return directory


def test_every_file_that_the_page_names_is_there(exported: Path) -> None:
    html = (exported / "app" / "index.html").read_text()
    named = re.findall(r'(?:src|href)="/([^"#]+)"', html)
    assert any(re.fullmatch(r"app/a/[0-9a-f]{16}/main\.js", name) for name in named)
    assert [name for name in named if name.startswith("app/a/") and not (exported / name).is_file()] == []
    assert "./" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', html))


def test_scripts_are_compressed_beside_themselves(exported: Path) -> None:
    (script,) = exported.glob("app/a/*/main.js")
    assert gzip.decompress(script.with_name("main.js.gz").read_bytes()) == script.read_bytes()


def test_the_page_knows_the_service_and_may_keep_things_anywhere(exported: Path) -> None:
    config = json.loads((exported / "app" / "config.json").read_text())
    assert config["api_url"] == "https://api.example/api/v1/web/fn-1/api"
    assert (config["origins"], config["guest_credits"]) == (["*"], 0)
    held = re.search(r'rythmiq-config" content="([^"]*)"', (exported / "app" / "index.html").read_text())
    assert held is not None
    assert json.loads(unescape(held[1])) == config


def test_the_reference_finds_the_api_s_document(exported: Path) -> None:
    assert 'href="openapi.json"' in (exported / "app" / "docs" / "index.html").read_text()
    described = json.loads((exported / "app" / "docs" / "openapi.json").read_text())
    assert described["servers"] == [{"url": "https://api.example/api/v1/web/fn-1"}]


def test_the_policy_is_in_the_document_and_in_the_headers(exported: Path) -> None:
    html = (exported / "app" / "index.html").read_text()
    held = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert held is not None
    said = unescape(held[1])
    assert "https://api.example https://auth.example https://store.example" in said
    assert "frame-ancestors" not in said
    assert "unsafe" not in said
    assert html.index("Content-Security-Policy") < html.index("<script")
    rules = (exported / "_headers").read_text()
    assert "frame-ancestors 'none'" in rules
    assert "Service-Worker-Allowed: /app\n" in rules


def test_no_two_rules_give_one_path_the_same_header_twice(exported: Path) -> None:
    """Hosts join them with a comma, and two policies are the stricter one of both."""
    rules: dict[str, list[str]] = {}
    for line in (exported / "_headers").read_text().splitlines():
        if line.startswith("/"):
            rules[line] = here = []
        else:
            here.append(line.strip().partition(":")[0])
    for path, names in rules.items():
        matching = [name for rule, held in rules.items() if rule == path or _covers(rule, path) for name in held]
        assert len(matching) == len(set(matching)), path
        assert names


def _covers(rule: str, path: str) -> bool:
    return rule.endswith("*") and rule != path and path.startswith(rule[:-1])


def test_an_export_replaces_an_earlier_one_and_nothing_else(exported: Path, tmp_path: Path) -> None:
    (exported / "app" / "old.js").touch()
    assert export(exported)[0] == ExitCode.OK
    assert not (exported / "app" / "old.js").exists()
    (tmp_path / "thesis.txt").touch()
    assert export(tmp_path)[0] == ExitCode.USAGE
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.parametrize("option", ["api", "supabase_url", "store_origin"])
def test_what_is_no_address_is_refused_by_the_option_s_name(tmp_path: Path, option: str) -> None:
    code, said = export(tmp_path / "site", **{option: "no address"})
    assert (code, f"--{option.replace('_', '-')}" in said) == (ExitCode.USAGE, True)
    assert not (tmp_path / "site").exists()
