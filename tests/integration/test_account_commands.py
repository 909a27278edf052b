"""`rythmiq account` and `rythmiq events` on a real database."""

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app
from rythmiq_cli.output import ExitCode
from tests.support.client_stub import Stub, stub
from tests.support.database_calls import Calls

__all__ = ["stub"]


@pytest.fixture(autouse=True)
def nothing_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cloud runs, with nothing named."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "RYTHMIQ_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def user(fresh_database_url: str) -> str:
    """Somebody with a completed job."""
    with psycopg.connect(fresh_database_url) as connection:
        calls = Calls(connection)
        who = calls.user(3)
        calls.complete(calls.job(who))
        return who


def command(fresh_database_url: str, *arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"DATABASE_URL": fresh_database_url, **environ})


def acts(fresh_database_url: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(command(fresh_database_url, "events", "--json").stdout)["events"]
    return told


def test_an_export_is_a_file_of_its_own_that_others_cannot_read(
    fresh_database_url: str, user: str, tmp_path: Path
) -> None:
    file = tmp_path / "export.json"
    done = command(fresh_database_url, "account", "export", user, "-o", str(file), "--json")
    assert (done.exit_code, json.loads(done.stdout)["jobs"]) == (0, 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["user_id"] == user
    assert json.loads(command(fresh_database_url, "account", "export", user).stdout)["credits"]["balance"] == 2
    assert [(event["act"], event["user_id"]) for event in acts(fresh_database_url)] == [("account.export", user)] * 2


def test_an_export_that_cannot_be_written_is_a_misuse(fresh_database_url: str, user: str, tmp_path: Path) -> None:
    done = command(fresh_database_url, "account", "export", user, "-o", str(tmp_path / "no" / "export.json"))
    assert done.exit_code == ExitCode.USAGE


def test_an_erasure_without_yes_does_nothing(fresh_database_url: str, user: str) -> None:
    done = command(fresh_database_url, "account", "erase", user)
    assert done.exit_code == ExitCode.USAGE
    assert "--yes" in done.stderr
    assert command(fresh_database_url, "credits", "show", user).exit_code == 0
    assert acts(fresh_database_url) == []


def test_an_account_is_erased_with_its_receipt_and_gets_nothing_more(fresh_database_url: str, user: str) -> None:
    assert command(fresh_database_url, "credits", "grant", user, "2").exit_code == 0
    done = command(fresh_database_url, "account", "erase", user, "--yes", "--json")
    receipt = json.loads(done.stdout)
    assert (receipt["outcome"], receipt["jobs"], receipt["uploads"], receipt["sign_in_deleted"]) == (
        "erased",
        1,
        1,
        False,
    )
    erased, granted = acts(fresh_database_url)
    assert (erased["act"], erased["user_id"], erased["details"]["receipt_id"]) == (
        "account.erase",
        None,
        receipt["receipt_id"],
    )
    assert (granted["act"], granted["details"]) == ("credits.grant", {"amount": 2})
    assert granted["user_id"] not in {None, user}
    assert "@" in granted["actor"]
    for again in (("credits", "grant", user, "1"), ("account", "export", user)):
        refused = command(fresh_database_url, *again)
        assert refused.exit_code == ExitCode.USAGE
        assert "has been erased" in refused.stderr
    second = command(fresh_database_url, "account", "erase", user, "--yes")
    assert (second.exit_code, "erased before" in second.stdout) == (0, True)
    assert "delete from auth.users" in second.stdout


def test_events_are_a_table_for_people(fresh_database_url: str, user: str) -> None:
    command(fresh_database_url, "credits", "grant", user, "2")
    shown = command(fresh_database_url, "events").stdout
    assert "credits.grant" in shown
    assert user in shown


@pytest.fixture
def auth() -> Iterator[tuple[str, list[str]]]:
    """Supabase Auth's admin API: its address, and whom it was asked to delete."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            asked.append(self.path.rpartition("/")[2])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_the_sign_in_goes_too_where_a_service_key_is_set(
    fresh_database_url: str, user: str, auth: tuple[str, list[str]]
) -> None:
    url, asked = auth
    keys = {"SUPABASE_URL": url, "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x", "SUPABASE_ANON_KEY": "sb_publishable_x"}
    done = command(fresh_database_url, "account", "erase", user, "--yes", "--json", **keys)
    assert (json.loads(done.stdout)["sign_in_deleted"], asked) == (True, [user])


# --- one's own --------------------------------------------------------------------------------------------------------


def test_one_s_own_account_is_erased_by_its_token_and_yes(stub: Stub) -> None:
    here = ("--url", stub.url, "--token", "t")
    refused = CliRunner().invoke(app, ["account", "delete", *here])
    assert (refused.exit_code, stub.lines()) == (ExitCode.USAGE, [])
    done = CliRunner().invoke(app, ["account", "delete", "--yes", "--json", *here])
    assert (done.exit_code, json.loads(done.stdout)["objects"]) == (0, 18)
    assert stub.lines() == ["DELETE /api/account"]
    stub.refuse("DELETE /api/account", 403, "ACCOUNT_ERASED")
    again = CliRunner().invoke(app, ["account", "delete", "--yes", *here])
    assert again.exit_code == ExitCode.USAGE
    assert "ACCOUNT_ERASED" in again.stderr
