"""A release's checksums: signed by minisign itself with a throw-away key; nothing that was changed is verified."""

import base64
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.image.dockerfile import ROOT

SIGNED = ROOT / "tests" / "vectors" / "minisign"
KEY = (SIGNED / "throwaway.pub").read_text(encoding="ascii")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    import verify_release  # noqa: PLC0415  a script of layers/worker

    module: ModuleType = verify_release
    return module


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The files as somebody downloads them."""
    return Path(shutil.copytree(SIGNED, tmp_path / "release"))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The script as a person runs it."""
    command = [sys.executable, str(ROOT / "layers" / "worker" / "verify_release.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_what_minisign_signed_is_verified(release: Path) -> None:
    for key in (KEY.split()[-1], release / "throwaway.pub"):
        done = run(release, key)
        assert (done.returncode, done.stdout) == (0, "verified: rythmiq 0.2.0\n")


def swapped(file: Path, old: str, new: str) -> None:
    """Change a file's text."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def _another_file_and_its_sum(at: Path) -> None:
    (at / "sbom.cdx.json").write_bytes(b"evil")
    old = hashlib.sha256((SIGNED / "sbom.cdx.json").read_bytes()).hexdigest()
    swapped(at / "SHA256SUMS", old, hashlib.sha256(b"evil").hexdigest())


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file": lambda at: (at / "rythmiq-worker-0.2.0.run").write_bytes(b"evil"),
    "a file that is missing": lambda at: (at / "licences.md").unlink(),
    "a file and its sum": _another_file_and_its_sum,
    "a line less": lambda at: swapped(at / "SHA256SUMS", "licences.md\n", "licences"),
    "no sums": lambda at: (at / "SHA256SUMS").write_bytes(b""),
    "no signature": lambda at: (at / "SHA256SUMS.minisig").unlink(),
    "an empty signature": lambda at: (at / "SHA256SUMS.minisig").write_bytes(b""),
    "the trusted comment": lambda at: swapped(at / "SHA256SUMS.minisig", "rythmiq 0.2.0", "rythmiq 0.3.0"),
    "the signature's kind": lambda at: swapped(at / "SHA256SUMS.minisig", "\nRUR", "\nRWR"),
    "bytes that are no text": lambda at: (at / "SHA256SUMS.minisig").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_not(release: Path, change: Callable[[Path], object]) -> None:
    change(release)
    done = run(release, release / "throwaway.pub")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("NOT verified: ")


def minisigned(data: bytes, key: Ed25519PrivateKey, kid: bytes, comment: str) -> tuple[str, str]:
    """A public key and a signature, as minisign writes them."""
    made = key.sign(hashlib.blake2b(data).digest())
    whole = key.sign(made + comment.encode())
    lines = ["untrusted comment: x", base64.b64encode(b"ED" + kid + made).decode(), f"trusted comment: {comment}"]
    public = base64.b64encode(b"Ed" + kid + key.public_key().public_bytes_raw()).decode()
    return public, "\n".join([*lines, base64.b64encode(whole).decode(), ""])


def test_another_key_does_not_verify_even_under_the_same_number(script: ModuleType) -> None:
    ours, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    public, good = minisigned(b"sums", ours, b"12345678", "c")
    assert script.signed_comment(b"sums", good, public) == "c"
    for kid in (b"12345678", b"87654321"):
        _, forged = minisigned(b"sums", theirs, kid, "c")
        with pytest.raises(script.NotVerifiedError):
            script.signed_comment(b"sums", forged, public)


@given(signature=st.text(max_size=300), key=st.text(max_size=80))
def test_whatever_stands_in_a_signature_or_key_is_refused(script: ModuleType, signature: str, key: str) -> None:
    for text, public in ((signature, KEY), ((SIGNED / "SHA256SUMS.minisig").read_text(encoding="ascii"), key)):
        with pytest.raises(script.NotVerifiedError):
            script.signed_comment(b"sums", text, public)


def test_a_name_in_the_sums_leads_nowhere_else(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x")
    room = tmp_path / "release"
    room.mkdir()
    sums = f"{hashlib.sha256(b'x').hexdigest()}  ../outside\n".encode()
    public, signature = minisigned(sums, Ed25519PrivateKey.generate(), b"12345678", "c")
    (room / "SHA256SUMS").write_bytes(sums)
    (room / "SHA256SUMS.minisig").write_text(signature, encoding="ascii")
    with pytest.raises(script.NotVerifiedError, match="no checksum"):
        script.verify(room, public)


def test_the_sums_that_are_written_are_the_ones_that_are_read(script: ModuleType) -> None:
    files = [SIGNED / name for name in ("sbom.cdx.json", "licences.md", "rythmiq-worker-0.2.0.run")]
    assert script.checksums(files) == (SIGNED / "SHA256SUMS").read_text(encoding="ascii")
