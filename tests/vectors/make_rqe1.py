"""Makes `rqe1.json`: objects that every implementation of RQE1 must open, or refuse for the reason given.

`rqe1_client.json` has what a client can test itself with: it has data keys and no ring.

Keys, salts and nonces are counted, not drawn: these vectors protect nothing. Run `python -m tests.vectors.make_rqe1`.

The file holds two key rings (the first key of each is current), the one data key, and objects in two lists. An object
is opened with its `data_key`, as a client does, or, when that is null, by its own header as the service does: for the
user of its storage key with `key_ring`, a service object with `dispatch_ring`. `wraps` holds what each user's KEK is.
"""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from rythmiq.crypto import Reason, seal

VECTORS = Path(__file__).with_name("rqe1.json")
CLIENT_VECTORS = Path(__file__).with_name("rqe1_client.json")
KID, OLD_KID, LOST_KID = 0x0102, 7, 9
KEKS = {KID: bytes(range(32)), OLD_KID: bytes(range(64, 96))}
DISPATCH_KEYS = {3: bytes(range(32, 64)), OLD_KID: bytes(range(128, 160))}
DISPATCH_KID = 3
LOST_KEK = bytes(range(200, 232))
DATA_KEY = bytes(range(100, 132))
OTHER_KEY = bytes(range(150, 182))
SALT = bytes(range(200, 216))
NONCE = bytes(range(30, 42))
USER, JOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-9222-222222222222"
STRANGER = "33333333-3333-4333-a333-333333333333"
KEY = f"raw/{USER}/{JOB}/20260102T030405Z_photo.jpg.enc"
ELSEWHERE = f"raw/{USER}/{JOB}/20260102T030405Z_other.jpg.enc"
DISPATCH = f"raw/{USER}/{JOB}/dispatch-a1.json.enc"
RESULT = f"output/{USER}/{JOB}/result-a1.json.enc"


def service_kek(dispatch_key: bytes) -> bytes:
    """The key that wraps a service object's data key: by a library, a second opinion on our own HKDF."""
    return HKDF(SHA256(), 32, b"", b"rythmiq dispatch v1").derive(dispatch_key)


def users_kek(kek: bytes, user_id: str = USER) -> bytes:
    """The key that wraps a user's data keys; ditto."""
    return HKDF(SHA256(), 32, b"", b"rythmiq wrap v2" + user_id.encode()).derive(kek)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _object(
    plaintext: bytes,
    storage_key: str = KEY,
    *,
    service: bool = False,
    kid: int | None = None,
    kek: bytes | None = None,
) -> bytes:
    """Seal for `USER`, or as the service; `kek` is the derived key when it is not what is due."""
    if kid is None:
        kid = DISPATCH_KID if service else KID
    if kek is None:
        kek = service_kek(DISPATCH_KEYS[kid]) if service else users_kek(KEKS[kid])
    return seal(
        plaintext,
        storage_key=storage_key,
        data_key=DATA_KEY,
        kid=kid,
        wrapped_key=aes_key_wrap(kek, DATA_KEY),
        service=service,
        salt=SALT,
        nonce=NONCE,
    )


def _changed(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


def _vector(name: str, data: bytes, key: str = KEY, *, service: bool = False, data_key: bytes | None) -> dict[str, Any]:
    return {
        "name": name,
        "storage_key": key,
        "service": service,
        "data_key": None if data_key is None else _b64(data_key),
        "object": _b64(data),
    }


def _opens() -> list[dict[str, Any]]:
    text, kib, order = "नमस्ते, RQE1".encode(), bytes(range(256)) * 4, b'{"v":1}'
    old = _object(text, kid=OLD_KID)
    return [
        _vector("text", _object(text), data_key=DATA_KEY) | {"plaintext": _b64(text)},
        _vector("empty", _object(b""), data_key=DATA_KEY) | {"plaintext": ""},
        _vector("1 KiB", _object(kib), data_key=DATA_KEY) | {"plaintext": _b64(kib)},
        _vector("by its header", _object(text), data_key=None) | {"plaintext": _b64(text)},
        _vector("under an older key of the ring", old, data_key=None) | {"plaintext": _b64(text)},
        _vector("service object", _object(order, DISPATCH, service=True), DISPATCH, service=True, data_key=None)
        | {"plaintext": _b64(order)},
        _vector(
            "service object under an older dispatch key",
            _object(order, RESULT, service=True, kid=OLD_KID),
            RESULT,
            service=True,
            data_key=None,
        )
        | {"plaintext": _b64(order)},
    ]


def _refused() -> list[dict[str, Any]]:
    whole, order = _object(b"secret"), _object(b"{}", DISPATCH, service=True)
    forged = _object(b"{}", DISPATCH, service=True, kid=OLD_KID, kek=users_kek(KEKS[OLD_KID]))
    by_the_other_ring = _object(b"{}", DISPATCH, service=True, kid=OLD_KID, kek=service_kek(KEKS[OLD_KID]))
    lost = _object(b"secret", kid=LOST_KID, kek=users_kek(LOST_KEK))
    lost_order = _object(b"{}", DISPATCH, service=True, kid=LOST_KID, kek=service_kek(LOST_KEK))
    strangers, theirs = _object(b"secret", kek=users_kek(KEKS[KID], STRANGER)), KEY.replace(USER, STRANGER)
    unbound = _object(b"secret", kek=KEKS[KID])

    def client(name: str, data: bytes, reason: Reason, key: str = KEY, data_key: bytes = DATA_KEY) -> dict[str, Any]:
        return _vector(name, data, key, data_key=data_key) | {"reason": reason}

    def by_header(name: str, data: bytes, reason: Reason, key: str = KEY, *, service: bool = False) -> dict[str, Any]:
        return _vector(name, data, key, service=service, data_key=None) | {"reason": reason}

    return [
        client("nothing", b"", "not_encrypted"),
        client("not an object", b"\xff\xd8\xff\xe0 a JPEG" + bytes(200), "not_encrypted"),
        client("another magic", _changed(whole, 3), "not_encrypted"),
        client("magic alone", whole[:4], "malformed"),
        client("cut short", whole[:123], "malformed"),
        client("suite 1, which was never released", whole[:4] + b"\x01" + whole[5:], "malformed"),
        by_header("suite 1 by its header", whole[:4] + b"\x01" + whole[5:], "malformed"),
        client("another suite", whole[:4] + b"\x03" + whole[5:], "malformed"),
        client("unknown flag", whole[:5] + b"\x02" + whole[6:], "malformed"),
        client("unknown flag beside a known one", whole[:5] + b"\x81" + whole[6:], "malformed"),
        client("kid 0", whole[:6] + b"\x00\x00" + whole[8:], "malformed"),
        client("a service object where a user's is due", order, "malformed", DISPATCH),
        by_header("a user's object where a service object is due", whole, "malformed", service=True),
        by_header("a kid that the ring does not hold", lost, "unknown_kid"),
        by_header("another kid of the ring", whole[:6] + b"\x00\x07" + whole[8:], "wrong_key"),
        by_header("a data key that was wrapped for another user", strangers, "wrong_key"),
        by_header("a data key that was wrapped for no user, as in suite 1", unbound, "wrong_key"),
        by_header("an object under another user's name", whole, "wrong_key", theirs),
        by_header("changed wrapped key", _changed(whole, 8), "wrong_key"),
        by_header("a service object under a key that a client has seen", forged, "wrong_key", DISPATCH, service=True),
        by_header(
            "a service object under the other ring's key", by_the_other_ring, "wrong_key", DISPATCH, service=True
        ),
        by_header("a dispatch key that the ring does not hold", lost_order, "unknown_kid", DISPATCH, service=True),
        client("another data key", whole, "wrong_key", data_key=OTHER_KEY),
        client("copied to another place", whole, "wrong_key", ELSEWHERE),
        by_header("service object copied to another place", order, "wrong_key", f"{DISPATCH}x", service=True),
        client("changed salt", _changed(whole, 48), "wrong_key"),
        client("changed commitment", _changed(whole, 107), "wrong_key"),
        client("changed nonce", _changed(whole, 64), "tampered"),
        client("changed ciphertext", _changed(whole, 108), "tampered"),
        client("changed tag", _changed(whole, len(whole) - 1), "tampered"),
        client("a byte cut off", whole[:-1], "tampered"),
        client("a byte added", whole + b"\x00", "tampered"),
        client("user flag on a service object", order[:5] + b"\x00" + order[6:], "tampered", DISPATCH),
    ]


def vectors() -> dict[str, Any]:
    """The file's content."""
    return {
        "key_ring": [{"kid": kid, "kek": _b64(kek)} for kid, kek in KEKS.items()],
        "dispatch_ring": [{"kid": kid, "key": _b64(key)} for kid, key in DISPATCH_KEYS.items()],
        "wraps": [{"user_id": user, "kek": _b64(users_kek(KEKS[KID], user)), "kid": KID} for user in (USER, STRANGER)],
        "data_key": _b64(DATA_KEY),
        "salt": _b64(SALT),
        "nonce": _b64(NONCE),
        "opens": _opens(),
        "refused": _refused(),
    }


def client_vectors() -> dict[str, Any]:
    """What a client can test itself with: it has data keys and no ring.

    `seals` has everything that goes into an object, also what a client draws; `opens` and `refused` are opened with
    `data_key` at `storage_key`.
    """
    mine = [vector for vector in _opens() if vector["data_key"] is not None]
    opens = [{name: value for name, value in vector.items() if name != "service"} for vector in mine]
    wrapped = aes_key_wrap(users_kek(KEKS[KID]), DATA_KEY)
    given = {"kid": KID, "wrapped_key": _b64(wrapped), "salt": _b64(SALT), "nonce": _b64(NONCE)}
    refused = [
        {name: value for name, value in vector.items() if name != "service"}
        for vector in _refused()
        if vector["data_key"] is not None
    ]
    return {"seals": [vector | given for vector in opens], "opens": opens, "refused": refused}


def text(document: dict[str, Any] | None = None) -> str:
    """A file's bytes as text."""
    return json.dumps(vectors() if document is None else document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(text(), encoding="utf-8")
    CLIENT_VECTORS.write_text(text(client_vectors()), encoding="utf-8")
