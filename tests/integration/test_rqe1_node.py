"""Node's WebCrypto and Python open each other's RQE1 objects, and refuse the same ones for the same reason."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rythmiq.crypto import open_sealed, parse_header
from rythmiq.crypto.key_ring import KeyRing
from tests.vectors.make_rqe1 import DISPATCH_KEYS, KEKS, USER

SCRIPT = Path(__file__).parents[1] / "vectors" / "check_rqe1.mjs"
VECTORS = json.loads(SCRIPT.with_name("rqe1.json").read_text(encoding="utf-8"))
RING, DISPATCH_RING = KeyRing(KEKS), KeyRing(DISPATCH_KEYS)

pytestmark = pytest.mark.node


def node_with_webcrypto(environ: Mapping[str, str]) -> str:
    """Find Node.js; skip without one, but fail in continuous integration, where the vectors must be held to it."""
    node = shutil.which("node", path=environ.get("PATH", ""))
    probe = "process.exit(globalThis.crypto?.subtle ? 0 : 3)"
    if node is not None and subprocess.run([node, "-e", probe], check=False, timeout=60).returncode == 0:
        return node
    if environ.get("CI"):
        pytest.fail("continuous integration must have Node.js with WebCrypto")
    pytest.skip("there is no Node.js with a global WebCrypto (20 has one)")


@pytest.fixture(scope="module")
def node_says() -> dict[str, Any]:
    """What Node makes of the vectors."""
    done = subprocess.run([node_with_webcrypto(os.environ), SCRIPT], capture_output=True, check=True, timeout=60)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_node_opens_every_vector(node_says: dict[str, Any]) -> None:
    expected = [{"name": vector["name"], "plaintext": vector["plaintext"]} for vector in VECTORS["opens"]]
    assert node_says["opened"] == expected


def test_node_refuses_every_bad_vector_for_its_reason(node_says: dict[str, Any]) -> None:
    expected = [{"name": vector["name"], "reason": vector["reason"]} for vector in VECTORS["refused"]]
    assert node_says["refused"] == expected


def test_node_unwraps_the_data_key_and_makes_the_same_bytes_of_it(node_says: dict[str, Any]) -> None:
    """With the salt and nonce of the vectors, an object has one form."""
    expected = [
        {"name": vector["name"], "data_key": VECTORS["data_key"], "object": vector["object"]}
        for vector in VECTORS["opens"]
    ]
    assert node_says["remade"] == expected


def test_node_derives_the_same_kek_for_each_user(node_says: dict[str, Any]) -> None:
    assert node_says["wraps"] == [entry["kek"] for entry in VECTORS["wraps"]]


def test_python_unwraps_and_opens_what_node_minted_and_sealed(node_says: dict[str, Any]) -> None:
    """User objects with the unwrapped data key, service objects with the ring."""
    assert {made["service"] for made in node_says["fresh"]} == {True, False}
    for made in node_says["fresh"]:
        data, plaintext = base64.b64decode(made["object"]), base64.b64decode(made["plaintext"])
        if made["service"]:
            assert DISPATCH_RING.open_service(data, storage_key=made["storage_key"]) == plaintext, made["name"]
            continue
        header = parse_header(data)
        data_key = RING.unwrap(header.kid, header.wrapped_key, USER)
        assert data_key == base64.b64decode(made["data_key"])
        assert open_sealed(data, storage_key=made["storage_key"], data_key=data_key) == plaintext, made["name"]


def _old_node(folder: Path) -> str:
    """A `node` that finds no WebCrypto, as Node 18's does."""
    (folder / "node").write_text("#!/bin/sh\nexit 3\n")
    (folder / "node").chmod(0o755)
    return str(folder)


def test_without_node_the_vectors_are_skipped_with_a_reason(tmp_path: Path) -> None:
    for path in (str(tmp_path), _old_node(tmp_path)):
        with pytest.raises(pytest.skip.Exception, match=r"no Node\.js"):
            node_with_webcrypto({"PATH": path})


def test_without_node_continuous_integration_fails(tmp_path: Path) -> None:
    for path in (str(tmp_path), _old_node(tmp_path)):
        with pytest.raises(pytest.fail.Exception, match=r"must have Node\.js"):
            node_with_webcrypto({"PATH": path, "CI": "true"})
