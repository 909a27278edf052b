"""What a client tests itself with is current, and rythmiq.js and the example's sealing pass it."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import node
from tests.vectors.make_rqe1 import CLIENT_VECTORS, client_vectors, text

ROOT = Path(__file__).parents[2]
VECTORS = json.loads(CLIENT_VECTORS.read_text(encoding="utf-8"))
PROGRAM = """
import { open, seal } from %s;
const vectors = JSON.parse(await new Response(process.stdin).text());
const bytes = (text) => Buffer.from(text, "base64");
const key = (text) => (%s ? bytes(text) : text);
const at = (vector) => ({ storageKey: vector.storage_key, dataKey: key(vector.data_key) });
const opened = [], sealed = [], refused = [];
const base64 = (data) => Buffer.from(data).toString("base64");
for (const vector of vectors.opens) opened.push(base64(await open(bytes(vector.object), at(vector))));
for (const vector of vectors.seals) {
  const drawn = { salt: bytes(vector.salt), nonce: bytes(vector.nonce) };
  const terms = { ...at(vector), ...drawn, kid: vector.kid, wrappedKey: key(vector.wrapped_key) };
  sealed.push(base64(await seal(bytes(vector.plaintext), terms)));
}
for (const vector of vectors.refused) {
  refused.push(await open(bytes(vector.object), at(vector)).then(() => "opened", (error) => error.reason ?? "refused"));
}
console.log(JSON.stringify({ opened, sealed, refused }));
"""


def said(module: Path, *, takes_bytes: bool) -> dict[str, Any]:
    program = PROGRAM % (json.dumps(module.as_uri()), json.dumps(takes_bytes))
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program],
        input=json.dumps(VECTORS),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_file_is_what_its_program_makes() -> None:
    assert CLIENT_VECTORS.read_text(encoding="utf-8") == text(client_vectors())


def test_every_vector_has_its_data_key_and_nothing_of_a_ring() -> None:
    every = [vector for kind in VECTORS.values() for vector in kind]
    assert all(len(base64.b64decode(vector["data_key"])) == 32 for vector in every)
    assert set(VECTORS) == {"seals", "opens", "refused"}
    assert len(VECTORS["refused"]) > 15


@pytest.mark.node
def test_rythmiq_js_passes_them() -> None:
    told = said(ROOT / "page" / "rythmiq.js", takes_bytes=True)
    assert told["opened"] == [vector["plaintext"] for vector in VECTORS["opens"]]
    assert told["sealed"] == [vector["object"] for vector in VECTORS["seals"]]
    assert told["refused"] == [vector["reason"] for vector in VECTORS["refused"]]


@pytest.mark.node
def test_the_example_passes_them() -> None:
    told = said(ROOT / "docs" / "examples" / "rqe1.mjs", takes_bytes=False)
    assert told["opened"] == [vector["plaintext"] for vector in VECTORS["opens"]]
    assert told["sealed"] == [vector["object"] for vector in VECTORS["seals"]]
    assert "opened" not in told["refused"]
