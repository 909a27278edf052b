"""Verify what a release consists of: that `SHA256SUMS` is signed by the project's key, and every file is what it says.

    python layers/worker/verify_release.py DIRECTORY PUBLIC_KEY

DIRECTORY holds the release's files, `SHA256SUMS` and `SHA256SUMS.minisig`; PUBLIC_KEY is the key (`RW...`) or a file
that holds it. The same as `minisign -Vm SHA256SUMS -P RW...` and `sha256sum -c SHA256SUMS` where those are installed;
needs Python and `cryptography` alone. Exit 0: all of it is so; 1: a sentence on STDERR says what is not.

Source: the format of minisign, https://jedisct1.github.io/minisign/ (Ed25519 over BLAKE2b-512).
"""

import base64
import binascii
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SUMS = "SHA256SUMS"
_KEY_BYTES, _SIGNATURE_BYTES, _LINES = 2 + 8 + 32, 2 + 8 + 64, 4
_OF_A_KEY, _PREHASHED = b"Ed", b"ED"
_COMMENT = "trusted comment: "
_SUM = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9._-]*)")


class NotVerifiedError(Exception):
    """Something is not what the project released; the message is for a person."""


def signed_comment(data: bytes, signature: str, public_key: str) -> str:
    """Check a minisign signature, and return its trusted comment.

    Args:
        data: what was signed.
        signature: the text of the `.minisig` file.
        public_key: in base64, or the text of a `.pub` file.

    Raises:
        NotVerifiedError: it is no signature of this data by this key.
    """
    key = _decoded((public_key.split() or [""])[-1], _KEY_BYTES, "the public key")
    lines = signature.splitlines()
    if len(lines) < _LINES or not lines[2].startswith(_COMMENT):
        raise NotVerifiedError("the signature is not minisign's")
    made = _decoded(lines[1], _SIGNATURE_BYTES, "the signature")
    whole = _decoded(lines[3], _SIGNATURE_BYTES - 10, "the signature")
    if key[:2] != _OF_A_KEY or made[:2] != _PREHASHED:
        raise NotVerifiedError("the signature is of a kind that is not taken")
    if made[2:10] != key[2:10]:
        raise NotVerifiedError("the signature is by another key")
    comment = lines[2].removeprefix(_COMMENT)
    verifier = Ed25519PublicKey.from_public_bytes(key[10:])
    try:
        verifier.verify(made[10:], hashlib.blake2b(data).digest())
        verifier.verify(whole, made[10:] + comment.encode())
    except InvalidSignature:
        raise NotVerifiedError("the signature does not fit: somebody changed the file, or the signature") from None
    return comment


def verify(directory: Path, public_key: str) -> str:
    """Check a release's files, and return what its signature says of it.

    Raises:
        NotVerifiedError: the list is not signed by this key, or a file is missing or another.
    """
    try:
        listed = (directory / SUMS).read_bytes()
        signature = (directory / f"{SUMS}.minisig").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise NotVerifiedError(f"{SUMS} and {SUMS}.minisig are not both there") from None
    comment = signed_comment(listed, signature, public_key)
    files = [_SUM.fullmatch(line) for line in listed.decode("ascii", "replace").splitlines()]
    if not files:
        raise NotVerifiedError(f"{SUMS} names no file")
    for found in files:
        if found is None:
            raise NotVerifiedError(f"{SUMS} has a line that is no checksum")
        file = directory / found[2]
        if not file.is_file():
            raise NotVerifiedError(f"{found[2]} is missing")
        with file.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != found[1]:
                raise NotVerifiedError(f"{found[2]} is not the file that was released")
    return comment


def checksums(files: Sequence[Path]) -> str:
    """`SHA256SUMS` of a release's files."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files))


def _decoded(text: str, size: int, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != size:
        raise NotVerifiedError(f"{what} is damaged")
    return data


def main(arguments: Sequence[str]) -> int:
    """Verify, and say what was found."""
    if len(arguments) != 2:  # noqa: PLR2004  a directory and a key
        raise SystemExit(__doc__)
    key = Path(arguments[1])
    try:
        comment = verify(Path(arguments[0]), key.read_text(encoding="utf-8") if key.is_file() else arguments[1])
    except NotVerifiedError as error:
        sys.stderr.write(f"NOT verified: {error}\n")
        return 1
    sys.stdout.write(f"verified: {comment}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
