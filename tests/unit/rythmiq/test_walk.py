"""How far a reader has to walk: the files and frames of one warm `POST /uploads`, from `functions/` to the answer.

Everything is as deployed, wired from an environment; only the transport behind the database is in the process.
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import jwt
import pytest

from rythmiq.crypto.key_ring import KeyRing
from rythmiq.wiring import APPLICATIONS
from tests.support.web_calls import web_event

ROOT = Path(__file__).parents[3]
MOST_FILES = 14
MOST_FRAMES = 8
SECRET = "0123456789abcdef0123456789abcdef"
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "SUPABASE_URL": "http://auth.test",
    "SUPABASE_JWT_SECRET": SECRET,
    "DO_SPACES_ENDPOINT": "http://127.0.0.1:9",
    "DO_SPACES_REGION": "test1",
    "DO_SPACES_BUCKET": "rythmiq",
    "DO_SPACES_ACCESS_KEY": "key",
    "DO_SPACES_SECRET_KEY": "secret",
    "ENCRYPTION_KEYS": KeyRing.new_entry(7),
    "DISPATCH_KEYS": KeyRing.new_entry(7),
}
CLAIMS = {
    "iss": "http://auth.test/auth/v1",
    "sub": "0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a",
    "aud": "authenticated",
    "role": "authenticated",
}


class InProcess:
    """A transport that writes nothing, and answers that it did."""

    def __init__(self, url: str) -> None:
        """Take the place of `PostgresTransport`."""

    def presenting(self, headers: Mapping[str, str]) -> "InProcess":
        """Present nothing."""
        del headers
        return self

    def call(self, function: str, arguments: Mapping[str, object], caller: object = None) -> dict[str, str]:
        """Answer as `upload_create` does."""
        del arguments, caller
        assert function == "upload_create"
        return {"outcome": "created"}


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """The function as the platform loads it."""
    for name in ("SERVICE_ENV", "AUTH_MODE", "ALLOW_PLAINTEXT", "UPLOAD_METHOD", "ALLOWED_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("rythmiq.adapters.postgres.PostgresTransport", InProcess)
    APPLICATIONS.clear()
    spec = importlib.util.spec_from_file_location("main__", ROOT / "functions" / "api" / "uploads" / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.main
    APPLICATIONS.clear()


def walk(call: Callable[[], object]) -> tuple[set[str], list[str]]:
    """The product's files that a call enters, and its deepest stack of the product's frames."""
    ours = (f"{ROOT / 'core'}{os.sep}", f"{ROOT / 'functions'}{os.sep}")
    files, deepest = set[str](), list[str]()
    stack: list[str | None] = []

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            name = frame.f_code.co_filename
            is_ours = name.startswith(ours)
            stack.append(f"{Path(name).name}:{frame.f_code.co_name}" if is_ours else None)
            if is_ours:
                files.add(name)
                frames = [entry for entry in stack if entry is not None]
                if len(frames) > len(deepest):
                    deepest[:] = frames
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files, deepest


def test_a_warm_upload_walks_through_few_files_and_frames(main: Callable[..., dict[str, Any]]) -> None:
    token = jwt.encode({**CLAIMS, "exp": int(time.time()) + 600}, SECRET, "HS256")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    body = json.dumps({"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 5})
    event = web_event("POST", headers=headers, body=body)
    assert main(event)["statusCode"] == 201
    answers = list[dict[str, Any]]()
    files, deepest = walk(lambda: answers.append(main(event)))
    assert answers[0]["statusCode"] == 201
    assert len(files) <= MOST_FILES, sorted(file.removeprefix(str(ROOT)) for file in files)
    assert len(deepest) <= MOST_FRAMES, deepest
