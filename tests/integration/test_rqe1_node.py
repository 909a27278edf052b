"""Node's WebCrypto and Python open each other's RQE1 objects, and refuse the same ones for the same reason."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rythmiq.crypto.rqe1 import open_sealed

SCRIPT = Path(__file__).parents[1] / "vectors" / "check_rqe1.mjs"
VECTORS = json.loads(SCRIPT.with_name("rqe1.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def node_says() -> dict[str, Any]:
    """What Node makes of the vectors."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI"):
            pytest.fail("continuous integration must have Node.js: the vectors are to be opened by WebCrypto")
        pytest.skip("Node.js is not installed")
    done = subprocess.run([node, str(SCRIPT)], capture_output=True, check=True, timeout=60)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_node_unwraps_the_data_key(node_says: dict[str, Any]) -> None:
    assert node_says["data_key"] == VECTORS["data_key"]


def test_node_opens_every_vector(node_says: dict[str, Any]) -> None:
    expected = [{"name": vector["name"], "plaintext": vector["plaintext"]} for vector in VECTORS["opens"]]
    assert node_says["opened"] == expected


def test_node_refuses_every_bad_vector_for_its_reason(node_says: dict[str, Any]) -> None:
    expected = [{"name": vector["name"], "reason": vector["reason"]} for vector in VECTORS["refused"]]
    assert node_says["refused"] == expected


def test_python_opens_what_node_made(node_says: dict[str, Any]) -> None:
    for made in node_says["made"]:
        opened = open_sealed(
            base64.b64decode(made["object"]),
            storage_key=made["storage_key"],
            data_key=base64.b64decode(VECTORS["data_key"]),
            service=made["service"],
        )
        assert opened == base64.b64decode(made["plaintext"]), made["name"]


def test_with_the_same_salt_and_nonce_node_makes_the_same_bytes(node_says: dict[str, Any]) -> None:
    assert [made["fixed"] for made in node_says["made"]] == [vector["object"] for vector in VECTORS["opens"]]
