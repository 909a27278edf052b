"""Makes `rqe1.json`: objects that every implementation of RQE1 must open, or refuse for the reason given.

Keys, salts and nonces are counted, not drawn: these vectors protect nothing. Run `python -m tests.vectors.make_rqe1`.
"""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from rythmiq.crypto.rqe1 import seal

VECTORS = Path(__file__).with_name("rqe1.json")
KID = 7
KEK = bytes(range(32))
DATA_KEY = bytes(range(100, 132))
OTHER_KEY = bytes(range(150, 182))
SALT = bytes(range(200, 216))
NONCE = bytes(range(30, 42))
USER, JOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-9222-222222222222"
KEY = f"raw/{USER}/{JOB}/20260102T030405Z_photo.jpg.enc"
ELSEWHERE = f"raw/{USER}/{JOB}/20260102T030405Z_other.jpg.enc"
DISPATCH = f"raw/{USER}/{JOB}/dispatch-a1.json.enc"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _object(plaintext: bytes, storage_key: str = KEY, *, service: bool = False) -> bytes:
    return seal(
        plaintext,
        storage_key=storage_key,
        data_key=DATA_KEY,
        kid=KID,
        wrapped_key=aes_key_wrap(KEK, DATA_KEY),
        service=service,
        salt=SALT,
        nonce=NONCE,
    )


def _changed(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


def vectors() -> dict[str, Any]:
    """The file's content."""
    whole = _object("नमस्ते, RQE1".encode())
    opens = [
        ("text", whole, KEY, False, "नमस्ते, RQE1".encode()),
        ("empty", _object(b""), KEY, False, b""),
        ("64 KiB", _object(bytes(range(256)) * 256), KEY, False, bytes(range(256)) * 256),
        ("service object", _object(b'{"v":1}', DISPATCH, service=True), DISPATCH, True, b'{"v":1}'),
    ]
    refused = [
        ("not an object", b"\xff\xd8\xff\xe0 a JPEG" + bytes(200), KEY, False, DATA_KEY, "not_encrypted"),
        ("cut short", whole[:100], KEY, False, DATA_KEY, "malformed"),
        ("another suite", whole[:4] + b"\x02" + whole[5:], KEY, False, DATA_KEY, "malformed"),
        ("unknown flag", whole[:5] + b"\x02" + whole[6:], KEY, False, DATA_KEY, "malformed"),
        ("kid 0", whole[:6] + b"\x00\x00" + whole[8:], KEY, False, DATA_KEY, "malformed"),
        ("a user's object where a service object is due", whole, KEY, True, DATA_KEY, "malformed"),
        ("a service object where a user's is due", opens[3][1], DISPATCH, False, DATA_KEY, "malformed"),
        ("another key", whole, KEY, False, OTHER_KEY, "wrong_key"),
        ("copied to another place", whole, ELSEWHERE, False, DATA_KEY, "wrong_key"),
        ("changed salt", _changed(whole, 50), KEY, False, DATA_KEY, "wrong_key"),
        ("changed commitment", _changed(whole, 80), KEY, False, DATA_KEY, "wrong_key"),
        ("changed nonce", _changed(whole, 70), KEY, False, DATA_KEY, "tampered"),
        ("changed ciphertext", _changed(whole, 108), KEY, False, DATA_KEY, "tampered"),
        ("changed tag", _changed(whole, len(whole) - 1), KEY, False, DATA_KEY, "tampered"),
        ("a byte cut off", whole[:-1], KEY, False, DATA_KEY, "tampered"),
    ]
    return {
        "kek": _b64(KEK),
        "kid": KID,
        "data_key": _b64(DATA_KEY),
        "wrapped_key": _b64(aes_key_wrap(KEK, DATA_KEY)),
        "salt": _b64(SALT),
        "nonce": _b64(NONCE),
        "opens": [
            {"name": name, "storage_key": key, "service": service, "plaintext": _b64(plain), "object": _b64(data)}
            for name, data, key, service, plain in opens
        ],
        "refused": [
            {
                "name": name,
                "storage_key": key,
                "service": service,
                "data_key": _b64(data_key),
                "object": _b64(data),
                "reason": reason,
            }
            for name, data, key, service, data_key, reason in refused
        ],
    }


def text() -> str:
    """The file's bytes as text."""
    return json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(text(), encoding="utf-8")
