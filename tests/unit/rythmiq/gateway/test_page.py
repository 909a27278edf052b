"""`api/app` sends the page, its files, its configuration and its policy."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from rythmiq.gateway.routes import app
from rythmiq.gateway.routes.app import PageConfig, PageFiles, policy, tree_of
from rythmiq.wiring.factories import page_config
from tests.support.web_calls import Seen, ask

CONFIG = PageConfig(
    supabase_url="https://auth.example",
    supabase_anon_key="sb_publishable_x",
    store_origin="https://store.example",
    origins=("https://page.example",),
)
HTML = '<meta name="rythmiq-config" content="" />\n<style>a{}</style>\n<script type="module" src="./main.js"></script>'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    contents = {
        "index.html": HTML,
        "operator.html": '<script type="module" src="./operator.js"></script>',
        "main.js": "console.log(1);",
        "sw.js": "self;",
        "deep/words.json": "{}",
        "package.json": "{}",
        "secret.py": "",
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "main.js.gz").write_bytes(gzip.compress(b"console.log(1);"))
    return tmp_path


def asked(files: Path, path: str, config: PageConfig = CONFIG, **headers: str) -> Seen:
    function = app.application(lambda: app.Dependencies(dict, PageFiles(files), config), tuple)
    return ask(function, "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def header(seen: Seen, name: str) -> Any:
    return {key.lower(): value for key, value in seen.headers.items()}.get(name.lower())


def test_the_page_names_its_files_below_the_tree_and_holds_its_configuration(files: Path) -> None:
    seen = asked(files, "")
    tree = PageFiles(files).tree
    assert f'src="app/a/{tree}/main.js"' in str(seen.body)
    told = re.search(r'rythmiq-config" content="([^"]*)"', str(seen.body))
    assert told is not None
    assert json.loads(told[1].replace("&quot;", '"')) == CONFIG.document() == asked(files, "/config.json").body
    assert header(asked(files, "/config.json"), "Cache-Control") == "no-store"


def test_the_page_is_not_sent_twice(files: Path) -> None:
    etag = header(asked(files, ""), "ETag")
    assert asked(files, "", If_None_Match=etag).status == 304


def test_the_operator_s_view_names_its_files_from_its_own_path(files: Path) -> None:
    assert f'src="a/{PageFiles(files).tree}/operator.js"' in str(asked(files, "/operator").body)


def test_a_slash_at_the_end_leads_to_the_page(files: Path) -> None:
    seen = asked(files, "/")
    assert (seen.status, header(seen, "Location")) == (308, "../app")


def test_a_file_of_this_tree_is_kept_for_ever_and_of_another_not_at_all(files: Path) -> None:
    tree = PageFiles(files).tree
    assert "immutable" in header(asked(files, f"/a/{tree}/main.js"), "Cache-Control")
    old = asked(files, f"/a/{'0' * 16}/main.js")
    assert (old.status, header(old, "Cache-Control")) == (200, "no-cache")


def test_a_script_is_sent_compressed_under_a_type_that_may_be_bytes(files: Path) -> None:
    tree = PageFiles(files).tree
    plain = asked(files, f"/a/{tree}/main.js")
    assert header(plain, "Content-Type") == "text/javascript; charset=utf-8"
    packed = asked(files, f"/a/{tree}/main.js", Accept_Encoding="gzip")
    assert header(packed, "Content-Encoding") == "gzip"
    assert header(packed, "Content-Type") == "application/ecmascript"
    assert gzip.decompress(base64.b64decode(str(packed.body))) == b"console.log(1);"


@pytest.mark.parametrize(
    "name", ["package.json", "secret.py", "main.js.gz", "index.html", "../pyproject.toml", "no.js"]
)
def test_nothing_but_the_page_s_files_is_sent(files: Path, name: str) -> None:
    assert asked(files, f"/a/{PageFiles(files).tree}/{name}").status == 404


def test_the_service_worker_may_have_the_page_s_own_path(files: Path) -> None:
    seen = asked(files, "/sw.js")
    assert header(seen, "Service-Worker-Allowed") == "../app"
    assert "immutable" not in header(seen, "Cache-Control")


def test_the_policy_allows_nothing_inline_but_the_document_s_own_styles(files: Path) -> None:
    said = dict(rule.split(" ", 1) for rule in str(header(asked(files, ""), "Content-Security-Policy")).split("; "))
    digest = base64.b64encode(hashlib.sha256(b"a{}").digest()).decode()
    assert said["script-src"] == said["worker-src"] == "'self'"
    assert said["style-src"] == f"'self' 'sha256-{digest}'"
    assert said["connect-src"] == "'self' https://auth.example https://store.example"
    assert (said["default-src"], said["frame-ancestors"], said["base-uri"]) == ("'none'",) * 3
    assert said["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in str(said)
    assert "frame-ancestors" not in policy(CONFIG, HTML, in_markup=True)


def test_a_function_without_its_page_says_so(tmp_path: Path) -> None:
    seen = asked(tmp_path / "none", "")
    assert seen.status == 200
    assert "built without its page" in str(seen.body)


def test_the_tree_changes_with_any_file() -> None:
    trees = {tree_of(files) for files in ({"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b""})}
    assert len(trees) == 4
    assert all(re.fullmatch(r"[0-9a-f]{16}", tree) for tree in trees)


@pytest.mark.parametrize(
    ("public_url", "origins"),
    [
        ("https://rythmiq.example", ("https://rythmiq.example",)),
        ("https://faas.example/api/v1/web/fn-1", ()),
        ("-", ()),
    ],
)
def test_only_an_origin_of_its_own_lets_the_page_keep_anything(public_url: str, origins: tuple[str, ...]) -> None:
    assert page_config({"PUBLIC_URL": public_url}).origins == origins


def test_a_variable_that_cannot_be_used_leaves_preflight_only() -> None:
    assert page_config({"SUPABASE_URL": "not an address", "GUEST_CREDITS": "3"}) == PageConfig()
