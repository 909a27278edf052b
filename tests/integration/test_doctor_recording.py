"""`rythmiq doctor --record-events`: the function of infra/recorder, run the platform's way, and what is made of it."""

import contextlib
import json
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from rythmiq_cli.commands import app
from rythmiq_cli.doctor.recording import REQUESTS, Recording
from rythmiq_cli.local.functions import gateway as gateway_server
from rythmiq_cli.local.functions.pool import Function, FunctionPool
from rythmiq_cli.local.tether import Tether
from tests.bundles.events import frame

ROOT = Path(__file__).parents[2]
RECORDER = ROOT / "infra" / "recorder"
TOKEN = "metrics-token-of-the-operator"
OURS = '"host": "(left out)"'


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[str]:
    """The recorder behind the local gateway, which knows no webSecure; the address."""
    target = tmp_path / "event"
    shutil.copytree(RECORDER / "packages" / "doctor" / "event", target)
    with contextlib.ExitStack() as stack:
        function = Function("doctor", "event", target, {"A_SECRET": "hush"}, 10)
        pool = FunctionPool(function, stack.enter_context(Tether()), logs=subprocess.DEVNULL)
        gateway = gateway_server.GatewayServer()
        stack.callback(gateway.close)
        gateway.serve([pool])
        yield gateway.url


def recorded(url: str, file: Path) -> tuple[int, dict[str, Any]]:
    """Run the command: its exit code, and what it said as JSON."""
    environment = file.with_name("deploy.env")
    environment.write_text(f"PUBLIC_URL={url}\nMETRICS_TOKEN={TOKEN}\n", encoding="utf-8")
    run = CliRunner().invoke(
        app,
        ["doctor", "--env", str(environment), "--record-events", str(file), "--json"],
        catch_exceptions=False,
    )
    return run.exit_code, json.loads(run.stdout)


def answering(body: Callable[[httpx.Request], object], status: int = 200) -> httpx.Client:
    """A platform whose answers a test makes."""
    return httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(status, json=body(request))))


def test_every_request_is_recorded_and_read_as_it_was_sent(deployed: str, tmp_path: Path) -> None:
    code, said = recorded(deployed, tmp_path / "events.json")
    states = {finding["probe"]: finding["state"] for finding in said["findings"]}
    assert code == 0
    assert states == {**{f"event: {sent.name}": "ok" for sent in REQUESTS}, "recording": "warning"}
    recording = json.loads((tmp_path / "events.json").read_bytes())
    assert [event["sent"]["name"] for event in recording["events"]] == [sent.name for sent in REQUESTS]
    assert recording["python"].startswith("3.")
    assert "__OW_NAMESPACE" in recording["environment"]
    assert recording["context"]["deadline"] == "int"


def test_the_recording_tells_no_secret_and_no_address(deployed: str, tmp_path: Path) -> None:
    recorded(deployed, tmp_path / "events.json")
    text = (tmp_path / "events.json").read_text(encoding="utf-8")
    assert OURS in text
    for secret in (TOKEN, "hush", "A_SECRET", "127.0.0.1"):
        assert secret not in text
    assert stat.S_IMODE((tmp_path / "events.json").stat().st_mode) == 0o600


def test_a_recording_takes_the_place_of_the_events_that_tests_make(deployed: str, tmp_path: Path) -> None:
    recorded(deployed, tmp_path / "events.json")
    around = frame(tmp_path / "events.json")
    assert around["http"]["headers"]["x-rythmiq-probe"] == "get"
    assert around["http"]["headers"]["x-forwarded-for"] == "203.0.113.7"
    assert frame(tmp_path / "none.json")["http"]["headers"]["user-agent"] == "made/1"


def test_no_recording_is_written_when_there_is_no_recorder(tmp_path: Path) -> None:
    with contextlib.closing(gateway_server.GatewayServer()) as gateway:
        gateway.serve([])
        code, said = recorded(gateway.url, tmp_path / "events.json")
    assert code == 1
    (finding,) = said["findings"]
    assert "infra/recorder" in finding["fix"]
    assert not (tmp_path / "events.json").exists()


def test_a_file_that_cannot_be_written_is_said(deployed: str, tmp_path: Path) -> None:
    environment = tmp_path / "deploy.env"
    environment.write_text(f"PUBLIC_URL={deployed}\nMETRICS_TOKEN={TOKEN}\n", encoding="utf-8")
    command = ["doctor", "--env", str(environment), "--record-events", str(tmp_path / "none" / "events.json")]
    run = CliRunner().invoke(app, command, catch_exceptions=False)
    assert run.exit_code == 1
    assert "name a file that can be written" in run.stdout


def test_what_it_needs_to_know_is_asked_for(tmp_path: Path) -> None:
    environment = tmp_path / "deploy.env"
    environment.write_text("PUBLIC_URL=https://platform.invalid\nMETRICS_TOKEN=-\n", encoding="utf-8")
    command = ["doctor", "--env", str(environment), "--record-events", str(tmp_path / "events.json")]
    run = CliRunner().invoke(app, command, catch_exceptions=False)
    assert run.exit_code == 1
    assert "METRICS_TOKEN not set" in run.stdout


def test_a_platform_that_drops_the_query_is_found_out() -> None:
    def told(request: httpx.Request) -> object:
        headers = {name.lower(): value for name, value in request.headers.items()}
        http = {"method": request.method, "path": request.url.path.removeprefix("/doctor/event"), "headers": headers}
        return {"event": {"http": {**http, "body": request.content.decode("latin-1"), "isBase64Encoded": False}}}

    with answering(told) as client:
        findings = {finding.probe: finding for finding in Recording("https://p.invalid", client, TOKEN).run()}
    assert findings["event: get"].state == "ok"
    assert findings["event: get with a path and a query"].said == "the gateway does not read its query as it was sent"
    assert "its body" in findings["event: post of bytes"].said


def test_a_recorder_that_does_not_answer_is_unreachable() -> None:
    def gone(request: httpx.Request) -> object:
        raise httpx.ConnectError("gone", request=request)

    with answering(gone) as client:
        (finding,) = Recording("https://p.invalid", client, TOKEN).run()
    assert finding.state == "unreachable"


def test_the_recorder_is_shut_to_others_and_reads_events_as_the_service_s_functions_do() -> None:
    (package,) = yaml.safe_load((RECORDER / "project.yml").read_text(encoding="utf-8"))["packages"]
    (function,) = package["functions"]
    assert function["webSecure"] == "${METRICS_TOKEN}"
    service = yaml.safe_load((ROOT / "project.yml").read_text(encoding="utf-8"))["packages"][0]["functions"][0]
    assert all(function[key] == service[key] for key in ("runtime", "web", "annotations"))
