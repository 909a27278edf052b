"""docs/client-js.md lists every method of rythmiq.js, and names nothing that it does not have."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.node import node

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "client-js.md").read_text(encoding="utf-8")
PROGRAM = """
const module = await import(%s);
const methods = Object.getOwnPropertyNames(module.Client.prototype);
console.log(JSON.stringify({ names: Object.keys(module), methods }));
"""

pytestmark = pytest.mark.node


def found() -> dict[str, list[str]]:
    program = PROGRAM % json.dumps((ROOT / "page" / "rythmiq.js").as_uri())
    command = [node(), "--input-type=module", "-e", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    listed: dict[str, list[str]] = json.loads(done.stdout)
    return listed


def test_the_table_names_every_method() -> None:
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    assert named == set(found()["methods"]) - {"constructor", "apiUrl"}


def test_what_is_imported_and_listed_beside_is_there() -> None:
    names = set(found()["names"])
    (imported,) = re.findall(r"^import \{ (.*?) \} from", TEXT, re.MULTILINE)
    (beside,) = re.findall(r"Beside the client the module has (.*?);", TEXT, re.DOTALL)
    assert set(imported.split(", ")) | set(re.findall(r"`(\w+)`", beside)) <= names
