"""Joining the page's modules changes nothing of what they do, and what would is refused."""

import gzip
import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import node

ROOT = Path(__file__).parents[3]
JOINING = runpy.run_path(str(ROOT / "page" / "assets.py"))

pytestmark = pytest.mark.node


def page(directory: Path, **files: str) -> Path:
    """Sources; a name's `__` is a slash, and `_` a dot."""
    for name, text in {"index_html": '<script type="module" src="./main.js"></script>', **files}.items():
        path = directory / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def built(source: Path) -> Path:
    target = source.with_name("built")
    JOINING["build"](source, target)
    return target


def said(script: Path) -> str:
    """What a script prints in Node."""
    shutil.copy(script, script.with_suffix(".mjs"))
    done = subprocess.run([node(), script.with_suffix(".mjs")], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


@pytest.mark.parametrize(
    ("main", "other", "expected"),
    [
        ('import { one } from "./a.js";\nconsole.log(one());', "export function one() {\n  return 1;\n}", "1\n"),
        ('import { one as uno } from "./a.js";\nconsole.log(uno);', "export const one = 1;", "1\n"),
        ('import * as all from "./a.js";\nconsole.log(all.one);', "const x = 1;\nexport { x as one };", "1\n"),
        ('import "./a.js";\nconsole.log(2);', "console.log(1);", "1\n2\n"),
        ('console.log(0);\nconsole.log((await import("./a.js")).one);', "export const one = 1;", "0\n1\n"),
        (
            'console.log(0);\nconst a = await import("./a.js");\nconsole.log(a === (await import("./a.js")));',
            "console.log(1);\nexport const one = 1;",
            "0\n1\ntrue\n",
        ),
        ('import { one } from "./a.js";\nconsole.log(one);', 'export { two as one } from "./b/c.js";', "2\n"),
        (
            'import { deep } from "./b/c.js";\nconsole.log(deep);',
            "",
            "words.txt\n",
        ),
        ('import words from "./w.json" with { type: "json" };\nconsole.log(words.one);', "", "eins\n"),
        ("// gone\nconsole.log(1); // gone, too", "", "1\n"),
        ("console.log('a; // b'); // stays: a 'quote' follows", "", "a; // b\n"),
        ("if (true) {\n  console.log(`${1}`);\n}", "", "1\n"),
    ],
)
def test_a_joined_script_does_what_its_modules_do(tmp_path: Path, main: str, other: str, expected: str) -> None:
    deep = (
        'export const two = 2;\nexport const deep = new URL("../words.txt", import.meta.url).pathname.split("/").pop();'
    )
    source = page(tmp_path / "page", main_js=main, a_js=other, b__c_js=deep, w_json='{"one": "eins"}')
    assert said(built(source) / "main.js") == expected


@pytest.mark.parametrize(
    ("main", "other", "words"),
    [
        (
            'import { a } from "./a.js";\nexport const b = 1;',
            'import { b } from "./main.js";\nexport const a = b;',
            "itself",
        ),
        ("export default 1;", "", "no form"),
        ("export let moving = 1;", "", "no form"),
        ('import { a } from "./missing.js";', "", "not there"),
        ('import { a } from "../other.js";', "", "outside"),
        ('import a from "package";', "", "no form"),
        ("export const text = `a\n  b`;", "", "several lines"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, main: str, other: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        built(page(tmp_path / "page", main_js=main, a_js=other))


def test_styles_go_into_the_document_and_scripts_are_compressed_beside_themselves(tmp_path: Path) -> None:
    links = "".join(f'<link rel="stylesheet" href="./style/{name}.css" />\n' for name in ("a", "b"))
    html = f'{links}<script type="module" src="./main.js"></script>\n'
    styles = {"style__a_css": "/* why */ a { b: c }\n", "style__b_css": "d { e: f }\n"}
    target = built(page(tmp_path / "page", index_html=html, main_js="console.log(1);", **styles))
    assert (target / "index.html").read_text() == (
        '<style>a { b: c }\nd { e: f }</style>\n<script type="module" src="./main.js"></script>\n'
    )
    assert gzip.decompress((target / "main.js.gz").read_bytes()) == (target / "main.js").read_bytes()
    assert not list(target.rglob("*.css"))


def test_a_worker_is_a_script_of_its_own(tmp_path: Path) -> None:
    worker = 'import { one } from "./a.js";\nconsole.log(one);'
    source = page(
        tmp_path / "page",
        main_js='export const at = () => new URL("./seal-worker.js", import.meta.url);',
        a_js="export const one = 1;",
        **{"seal-worker_js": worker},
    )
    assert said(built(source) / "seal-worker.js") == "1\n"


def test_the_page_s_own_sources_are_joined_without_their_tools() -> None:
    source = ROOT / "page"
    target = ROOT / "build" / "page-for-tests"
    JOINING["build"](source, target)
    assert {"index.html", "main.js", "sw.js"} <= {path.name for path in target.iterdir()}
    assert not {"package.json", "tsconfig.json", "eslint.config.js"} & {path.name for path in target.rglob("*")}
    assert json.loads((source / "package.json").read_text())["name"] == "rythmiq"
