"""rythmiq.js can be packed for npm with its types and nothing else, and the page knows where it is."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import rythmiq
from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
OWN = {"supabase_url": "https://a.example", "supabase_anon_key": "k", "store_origin": "https://s.example"}
PROGRAM = """
globalThis.location = { href: "https://page.example/app" };
const { configOf } = await import(%s);
const asked = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(asked.map(([told, here, home]) => configOf(told, new URL(here), new URL(home)))));
"""

pytestmark = pytest.mark.node


def config(told: dict[str, Any], here: str, home: str) -> dict[str, Any]:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", PROGRAM % json.dumps((PAGE / "config.js").as_uri())],
        input=json.dumps([[told, here, home]]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (found,) = json.loads(done.stdout)
    return dict(found)


def test_the_package_holds_the_client_and_its_types(tmp_path: Path) -> None:
    for name in ("package.json", "rythmiq.js", "README.md", "main.js"):
        shutil.copy(PAGE / name, tmp_path / name)
    for folder in ("client", "types"):
        shutil.copytree(PAGE / folder, tmp_path / folder)
    npm = shutil.which("npm") or pytest.fail("npm comes with Node")
    done = subprocess.run(
        [npm, "pack", "--dry-run", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    (packed,) = json.loads(done.stdout)
    modules = {"rythmiq", *(f"client/{path.stem}" for path in (PAGE / "client").iterdir())}
    assert {file["path"] for file in packed["files"]} == {
        "package.json",
        "README.md",
        *(f"{module}.js" for module in modules),
        *(f"types/{module}.d.ts" for module in modules),
    }
    assert (packed["name"], packed["version"]) == ("rythmiq", rythmiq.__version__)


def test_the_client_needs_no_module_but_its_own() -> None:
    named = re.compile(r"""(?:\bfrom|^import|\bimport\()\s*["']([^"']+)""", re.MULTILINE)
    own = {PAGE / "rythmiq.js", *(PAGE / "client").glob("*.js")}
    found = {(path.parent / name).resolve() for path in own for name in named.findall(path.read_text(encoding="utf-8"))}
    assert PAGE / "client" / "client.js" in found
    assert found <= own
    assert not [path.name for path in own if "require(" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    ("origins", "here", "is_whole"),
    [
        (["https://page.example"], "https://page.example/app", True),
        (["*"], "https://cdn.example/app/", True),
        (["https://page.example"], "https://faas.example/api/v1/web/fn/api/app", False),
        ([], "https://faas.example/api/v1/web/fn/api/app", False),
        (["http://127.0.0.1:8640"], "http://localhost:8640/app", True),
        (["http://127.0.0.1:8640"], "https://page.example/app", False),
        (["https://page.example"], "http://127.0.0.1:8640/app", False),
    ],
)
def test_only_an_origin_of_its_own_makes_the_page_whole(origins: list[str], here: str, *, is_whole: bool) -> None:
    found = config({**OWN, "origins": origins}, here, f"{here.rstrip('/')}/")
    assert (found["isOwn"], found["isWhole"]) == (is_whole, is_whole)


def test_what_is_absent_leaves_preflight_only() -> None:
    for name in OWN:
        told = {key: value for key, value in OWN.items() if key != name} | {"origins": ["*"]}
        assert config(told, "https://page.example/app", "https://page.example/app/")["isWhole"] is False


@pytest.mark.parametrize(
    ("home", "told", "api"),
    [
        ("https://page.example/app/", {}, "https://page.example"),
        ("https://faas.example/api/v1/web/fn/api/app/", {}, "https://faas.example/api/v1/web/fn/api"),
        ("https://cdn.example/app/", {"api_url": "https://api.example/api"}, "https://api.example/api"),
    ],
)
def test_the_api_is_beside_the_page_unless_it_is_told(home: str, told: dict[str, Any], api: str) -> None:
    assert config(told, home.rstrip("/"), home)["apiUrl"] == api
