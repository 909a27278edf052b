"""docs/client-in-any-language.md is true line by line, and its programs run: what other clients rely on."""

import base64
import hashlib
import io
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.cloud_process import CloudProcess
from tests.support import loopback
from tests.support.node import node

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "client-in-any-language.md").read_text(encoding="utf-8")
EXAMPLES = DOCS / "examples"
MOST_S = 240
_SEALED = "{the sealed file}"


@dataclass
class Shown:
    """One exchange of the page."""

    method: str
    address: str
    headers: dict[str, str]
    body: str
    status: int
    answer_headers: set[str]
    answer: Any


def exchanges() -> Iterator[Shown]:
    """Every request with the answer that follows it."""
    blocks = re.findall(r"^```http\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for asked, said in zip(blocks[::2], blocks[1::2], strict=True):
        head, _, body = asked.partition("\n\n")
        line, *lines = head.splitlines()
        method, address = line.split(" ", 1)
        headers = dict(each.split(": ", 1) if ": " in each else (each, "") for each in lines)
        answer_head, _, answer = said.partition("\n\n")
        status, *answer_lines = answer_head.splitlines()
        yield Shown(
            method,
            address,
            headers,
            body.strip(),
            int(status.split()[0]),
            {each.partition(":")[0].lower() for each in answer_lines},
            json.loads(answer) if answer.strip() else None,
        )


def flat(document: Any, prefix: str = "") -> dict[str, Any]:
    """An answer's fields by dotted name, and as last named without it."""
    found = {}
    for name, value in document.items():
        found[prefix + name] = value
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
    return found


def same_fields(shown: Any, real: Any, at: str = "") -> None:
    """The page shows the fields that there are; `...` stands for those of an object that it leaves out."""
    if isinstance(shown, dict) and "..." not in shown:
        assert isinstance(real, dict), at
        assert set(shown) == set(real), at
        for name, value in shown.items():
            same_fields(value, real[name], f"{at}/{name}")
    elif isinstance(shown, list) and shown and isinstance(shown[0], dict):
        assert real, at
        same_fields(shown[0], real[0], f"{at}/0")


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    """The functions of the page's Python."""
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102  the page's own program, which is what is tested
    return names


def test_every_exchange_of_the_page_is_answered_as_it_says(
    process: CloudProcess, portrait: bytes, code: dict[str, Any]
) -> None:
    known: dict[str, Any] = {"base": process.file.base_url, "token": process.token(str(uuid.uuid4()))}
    sealed = b""

    def told(text: str) -> str:
        return re.sub(r"\{([\w.]+)\}", lambda match: str(known[match[1]]), text)

    for shown in exchanges():
        headers: dict[str, str] = {}
        for name, value in shown.headers.items():
            headers.update(known["upload.headers"] if name == "{upload.headers}" else {name: told(value)})
        body = told(shown.body) if shown.body != _SEALED else sealed
        if "size_bytes" in shown.body:
            body = json.dumps({**json.loads(shown.body), "size_bytes": len(portrait)})
        answer = loopback.request(shown.method, told(shown.address), headers=headers, content=body, timeout=MOST_S)
        where = f"{shown.method} {shown.address}: {answer.text[:300]}"
        while answer.status_code == 200 and answer.headers.get("retry-after"):  # the job goes on
            answer = loopback.get(told(shown.address), headers=headers, timeout=MOST_S)
        assert answer.status_code == shown.status, where
        assert shown.answer_headers <= set(answer.headers), where
        if shown.answer is not None:
            same_fields(shown.answer, answer.json(), shown.address)
            if answer.is_success:
                known.update(flat(answer.json()))
        known["etag"] = answer.headers.get("etag", known.get("etag", ""))
        if shown.address.endswith("/uploads"):
            key = base64.b64decode(known["encryption.data_key"])
            wrapped = base64.b64decode(known["encryption.wrapped_key"])
            sealed = code["seal"](portrait, known["raw_path"], key, known["encryption.kid"], wrapped)
        if shown.address == "{links.document}":
            key = base64.b64decode(known["encryption.data_key"])
            opened = code["open_sealed"](answer.content, known["artifacts.document_path"], key)
            made = hashlib.sha256(opened).hexdigest()
            assert made == known["receipt.document.sha256"]
            assert made == known["hashes.document"], "what the page tells a client to compare"


def test_the_page_counts_the_lines_of_its_programs() -> None:
    lines = [len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) for name in ("client.mjs", "rqe1.mjs")]
    said = re.search(r"\(examples/client\.mjs\) \((\d+) lines, and (\d+) of RQE1\)", PAGE)
    assert said
    assert [round(count, -1) for count in lines] == [int(count) for count in said.groups()]


def test_the_page_s_sealing_is_the_vectors_sealing(code: dict[str, Any]) -> None:
    vectors = json.loads((DOCS.parent / "tests" / "vectors" / "rqe1_client.json").read_text(encoding="utf-8"))
    for vector in vectors["opens"]:
        opened = code["open_sealed"](
            base64.b64decode(vector["object"]), vector["storage_key"], base64.b64decode(vector["data_key"])
        )
        assert base64.b64encode(opened).decode() == vector["plaintext"]


@pytest.mark.node
@pytest.mark.parametrize("program", ["client.mjs", "client.sh"])
def test_an_example_makes_the_file(process: CloudProcess, portrait: bytes, tmp_path: Path, program: str) -> None:
    (tmp_path / "me.jpg").write_bytes(portrait)
    command = [node(), str(EXAMPLES / program)] if program.endswith(".mjs") else [str(EXAMPLES / program)]
    token = process.token(str(uuid.uuid4()))
    arguments = [process.file.base_url, token, "me.jpg", "neet-2026", "photo", "out.jpg"]
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=MOST_S
    )
    assert done.returncode == 0, done.stderr
    assert "me_photo.jpg" in done.stdout
    with Image.open(io.BytesIO((tmp_path / "out.jpg").read_bytes())) as image:
        assert image.size == (413, 531)


@pytest.mark.node
@pytest.mark.parametrize("program", ["client.mjs", "client.sh"])
def test_an_example_says_what_the_service_refuses(process: CloudProcess, tmp_path: Path, program: str) -> None:
    (tmp_path / "me.jpg").write_bytes(b"no picture")
    command = [node(), str(EXAMPLES / program)] if program.endswith(".mjs") else [str(EXAMPLES / program)]
    arguments = [process.file.base_url, process.token(str(uuid.uuid4())), "me.jpg", "neet-2026", "foto", "out.jpg"]
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=MOST_S
    )
    assert done.returncode != 0
    assert "Did you mean photo?" in done.stderr
