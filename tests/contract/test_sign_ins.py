"""Supabase Auth's admin API, as its documentation has it: what is sent, and what each answer means."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rythmiq.adapters.supabase import SupabaseSignIns
from rythmiq.ports import UnavailableError

USER = "0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a"


class Auth:
    """A server that answers DELETE with `status`."""

    url = ""
    status = 200

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []


@pytest.fixture
def auth() -> Iterator[Auth]:
    """A running one."""
    state = Auth()

    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            state.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(state.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_port}"
        yield state
        server.shutdown()


@pytest.mark.parametrize(
    ("key", "authorization"),
    [("sb_secret_x", None), ("legacy.jwt.key", "Bearer legacy.jwt.key")],
    ids=["new", "legacy"],
)
def test_a_user_is_deleted_with_the_service_key(auth: Auth, key: str, authorization: str | None) -> None:
    SupabaseSignIns(f"{auth.url}/", key).delete(USER)
    [(path, headers)] = auth.seen
    assert path == f"/auth/v1/admin/users/{USER}"
    assert (headers["apikey"], headers.get("authorization"), headers["user-agent"]) == (key, authorization, "rythmiq")


@pytest.mark.parametrize("status", [200, 204, 404])
def test_a_user_who_is_not_there_is_deleted_already(auth: Auth, status: int) -> None:
    auth.status = status
    SupabaseSignIns(auth.url, "sb_secret_x").delete(USER)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 429, 500, 503])
def test_every_other_answer_leaves_the_sign_in(auth: Auth, status: int) -> None:
    auth.status = status
    with pytest.raises(UnavailableError, match=str(status)):
        SupabaseSignIns(auth.url, "sb_secret_x").delete(USER)


def test_silence_leaves_it_too() -> None:
    with pytest.raises(UnavailableError, match="does not answer") as refused:
        SupabaseSignIns("http://127.0.0.1:9", "sb_secret_x").delete(USER)
    assert "sb_secret_x" not in str(refused.value)
