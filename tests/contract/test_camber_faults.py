"""Every way in which Camber was seen to fail, and what the executor makes of it (docs/camber.md)."""

import asyncio
import hashlib
import json
import logging
import re
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from rythmiq.adapters.camber import (
    CREATE_FIELDS,
    MAX_ANSWER_BYTES,
    NAMES,
    TIMEOUT,
    CamberAmbiguousError,
    CamberAuthError,
    CamberError,
    CamberRejectedError,
    CamberUnavailableError,
    HttpTransport,
    JobConfig,
    Wire,
)
from rythmiq.adapters.camber.executor import CamberExecutor, CamberService, command_of, starts_attempt
from rythmiq.contracts.keys import LAUNCH_GRAMMAR
from rythmiq.ports import ExecutorRejectedError, ExecutorUnclearError, Order
from rythmiq.settings.execution import CamberSettings
from tests.support.camber_rig import TIMEOUT_S, executor, fake, payload, service
from tests.support.executor_rigs import TERMS, WIRE, camber_in_process
from tests.support.executor_run import new_order
from tests.support.fake_camber import BASE, KEY, PATH, FakeCamber, Plan

__all__ = ["executor", "fake"]

if TYPE_CHECKING:
    from collections.abc import Callable

# --- submit -----------------------------------------------------------------------------------------------------------


SUBMITS: list[tuple[Plan, type[CamberError], int]] = [
    ("refuse_connection", CamberUnavailableError, 0),
    ("connect_timeout", CamberUnavailableError, 0),
    ("html_502", CamberUnavailableError, 0),
    ("accept_then_502", CamberUnavailableError, 1),
    ("too_many", CamberUnavailableError, 0),
    ("read_timeout", CamberAmbiguousError, 0),
    ("accept_then_drop", CamberAmbiguousError, 1),
    ("accept_then_timeout", CamberAmbiguousError, 1),
    ("html_200", CamberAmbiguousError, 0),
    ("redirect", CamberAmbiguousError, 0),
    ("no_id", CamberAmbiguousError, 1),
]


@pytest.mark.parametrize(("plan", "kind", "taken"), SUBMITS)
def test_a_submit_that_fails_says_whether_it_may_have_been_taken(
    fake: FakeCamber, plan: Plan, kind: type[CamberError], taken: int
) -> None:
    order = new_order()
    fake.plan.append(plan)
    with pytest.raises(kind):
        asyncio.run(service(fake).submit_job(order.job_id, payload(order)))
    assert len(fake.jobs) == taken


@pytest.mark.parametrize(("plan", "kind", "taken"), SUBMITS)
def test_a_submit_that_failed_is_found_exactly_when_it_was_taken(
    fake: FakeCamber, executor: CamberExecutor, plan: Plan, kind: type[CamberError], taken: int
) -> None:
    """So that it is repeated when it was not, and only then."""
    del kind
    order = new_order()
    fake.plan.append(plan)
    with pytest.raises(ExecutorUnclearError):
        executor.submit(order, timeout_s=TIMEOUT_S)
    found = executor.find(order.job_id, order.attempt, timeout_s=TIMEOUT_S)
    assert found == ("25001" if taken else None)


def test_nothing_is_sent_twice_by_itself(fake: FakeCamber, executor: CamberExecutor) -> None:
    fake.plan.append("html_502")
    with pytest.raises(ExecutorUnclearError):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)
    assert fake.requests == [("POST", f"{BASE}/jobs")]


def test_what_is_sent_is_a_command_of_fixed_words_and_ids(fake: FakeCamber) -> None:
    """The payload stands sealed in the store; Camber expands and shows whatever it is told."""
    order = new_order(attempt=2)
    number = asyncio.run(service(fake).submit_job(uuid.UUID(order.job_id), payload(order)))
    job = fake.jobs[int(number)]
    assert job.command == f"./rythmiq-launch {order.user_id} {order.job_id} 2"
    assert re.fullmatch(LAUNCH_GRAMMAR, job.command)
    assert dict(job.body) == {
        "command": job.command,
        "engine_type": "base",
        "node_size": "xxsmall",
        "mount_dir": PATH,
    }


def test_a_release_that_a_job_has_rewritten_is_not_run(tmp_path: Path) -> None:
    """H4: the working directory may be the Stash folder, and the next job's. The shell runs what Camber would."""
    release = tmp_path / "rythmiq-launch"
    release.write_text("#!/bin/sh\necho genuine $1 $3\n", encoding="ascii")
    release.chmod(0o755)
    digest = hashlib.sha256(release.read_bytes()).hexdigest()
    order = new_order(attempt=2)
    command = command_of(JobConfig(release_digest=digest), order)
    assert "$" not in command
    assert starts_attempt(command, order.job_id, 2)

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run().stdout == f"genuine {order.user_id} 2\n"
    release.write_text("#!/bin/sh\necho what the last job left\n", encoding="ascii")
    rewritten = run()
    assert rewritten.returncode != 0
    assert "left" not in rewritten.stdout
    unchecked = command_of(JobConfig(), order)
    assert unchecked == f"./rythmiq-launch {order.user_id} {order.job_id} 2"


def test_the_digest_is_of_the_file_that_the_program_names() -> None:
    order, digest = new_order(), "ab" * 32
    program = "sh /stash/rythmiq-launch --open-env"
    command = command_of(JobConfig(program=program, release_digest=digest), order)
    assert command.startswith(f'echo "{digest}  /stash/rythmiq-launch" | sha256sum --check --quiet && {program} ')
    for wrong in (JobConfig(program="rythmiq-launch", release_digest=digest), JobConfig(release_digest="x; rm")):
        with pytest.raises(ExecutorRejectedError):
            command_of(wrong, order)


@pytest.mark.parametrize(
    "order",
    [
        Order("$(id)", str(uuid.uuid4()), 1),
        Order(str(uuid.uuid4()), "x; rm -rf /", 1),
        Order(str(uuid.uuid4()).upper(), str(uuid.uuid4()), 1),
        Order(str(uuid.uuid4()), str(uuid.uuid4()), 0),
        Order(str(uuid.uuid4()), str(uuid.uuid4()), 1_001),
    ],
)
def test_what_is_no_attempt_is_rejected_here(fake: FakeCamber, executor: CamberExecutor, order: Order) -> None:
    with pytest.raises(ExecutorRejectedError):
        executor.submit(order, timeout_s=TIMEOUT_S)
    assert fake.requests == []


@pytest.mark.parametrize("program", ["launch $HOME", "launch `id`", "launch;id", "launch\nid", "लॉन्च"])
def test_a_program_that_could_be_expanded_is_rejected_here(fake: FakeCamber, program: str) -> None:
    transport = HttpTransport("https://camber.test", KEY, config=TERMS, wire=Wire(), http=fake.http)
    executor = CamberExecutor(CamberService("", "", config=JobConfig(program=program), transport=transport))
    with pytest.raises(ExecutorRejectedError):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)
    assert fake.requests == []


@pytest.mark.parametrize("wrong", [{"job_id": str(uuid.uuid4())}, {"attempt": "1"}, {"user_id": None}])
def test_a_payload_of_another_job_is_rejected_here(fake: FakeCamber, wrong: dict[str, object]) -> None:
    order = new_order()
    with pytest.raises(CamberRejectedError):
        asyncio.run(service(fake).submit_job(order.job_id, payload(order) | wrong))
    assert fake.requests == []


def test_a_field_that_camber_wants_otherwise_is_named(fake: FakeCamber, executor: CamberExecutor) -> None:
    """And can be set without a release."""
    fake.create_names = ("command", "engine_type", "engine_size", "mount_dir")
    with pytest.raises(ExecutorRejectedError, match=r"code 1: engine_size, node_size$"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)
    settings = CamberSettings.from_environ({"CAMBER_CREATE_FIELDS": "size=engine_size"})
    wire = Wire.of(
        path_jobs="/jobs",
        path_logs="/jobs/{id}/logs",
        list_query="size=50",
        create_fields=settings.camber_create_fields,
        command_field="command",
    )
    assert camber_in_process(fake, wire=wire).submit(new_order(), timeout_s=TIMEOUT_S) == "25001"


def test_an_engine_that_camber_does_not_have_is_a_rejection(fake: FakeCamber) -> None:
    transport = HttpTransport(
        f"https://camber.test{BASE}", KEY, config=JobConfig(engine="container", path=PATH), wire=Wire(), http=fake.http
    )
    executor = CamberExecutor(CamberService("", "", transport=transport))
    with pytest.raises(ExecutorRejectedError, match="code 2"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)


def test_an_address_that_starts_no_jobs_is_no_word_about_the_job(fake: FakeCamber) -> None:
    """A moved route: were it a rejection, every new job would fail for good at once."""
    executor = camber_in_process(fake, wire=replace(WIRE, path_jobs="/moved"))
    with pytest.raises(ExecutorUnclearError, match="404"):
        executor.submit(new_order(), timeout_s=TIMEOUT_S)


def test_a_refused_key_is_no_word_about_the_job(fake: FakeCamber) -> None:
    """The reconciler asks again while the attempt may wait, and an operator mends it."""
    order = new_order()
    with pytest.raises(CamberAuthError):
        asyncio.run(service(fake, key="wrong").submit_job(order.job_id, payload(order)))
    executor = camber_in_process(fake, key="wrong")
    calls: list[Callable[[], object]] = [
        lambda: executor.submit(order, timeout_s=TIMEOUT_S),
        lambda: executor.status("25001", timeout_s=TIMEOUT_S),
        lambda: executor.find(order.job_id, 1, timeout_s=TIMEOUT_S),
        lambda: executor.logs("25001", tail_lines=1, timeout_s=TIMEOUT_S),
    ]
    for call in calls:
        with pytest.raises(ExecutorUnclearError, match="key"):
            call()


# --- time -------------------------------------------------------------------------------------------------------------


class Stalling(httpx.AsyncBaseTransport):
    """A server that takes what it is sent, and never answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait, for ever."""
        del request
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")


def test_a_call_ends_by_its_time_whatever_camber_does() -> None:
    """A submit inside a webhook or a GET has 5 s in all."""
    transport = HttpTransport("https://camber.test", KEY, config=TERMS, wire=Wire(), http=Stalling())
    executor = CamberExecutor(CamberService("", "", transport=transport))
    with pytest.raises(ExecutorUnclearError, match=r"within 0\.01 s"):
        executor.submit(new_order(), timeout_s=0.01)
    with pytest.raises(ExecutorUnclearError, match=r"within 0 s"):
        executor.find(str(uuid.uuid4()), 1, timeout_s=0)


def test_each_phase_has_the_hand_offs_limit() -> None:
    assert (TIMEOUT.connect, TIMEOUT.read, TIMEOUT.write, TIMEOUT.pool) == (5.0, 30.0, 30.0, 5.0)


def test_an_answer_without_end_is_cut() -> None:
    class Endless(httpx.AsyncByteStream):
        sent = 0

        async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204  httpx's
            while True:
                Endless.sent += 65_536
                yield b"x" * 65_536

    transport = HttpTransport(
        "https://camber.test",
        KEY,
        config=TERMS,
        wire=Wire(),
        http=httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless())),
    )
    with pytest.raises(ExecutorUnclearError):
        CamberExecutor(CamberService("", "", transport=transport)).find(str(uuid.uuid4()), 1, timeout_s=TIMEOUT_S)
    assert MAX_ANSWER_BYTES < Endless.sent < 2 * MAX_ANSWER_BYTES


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["html_502", "too_many", "read_timeout", "no_id", "redirect"])
def test_no_error_and_no_log_shows_the_key(
    fake: FakeCamber, executor: CamberExecutor, plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    fake.plan.append(plan)
    with caplog.at_level(logging.DEBUG), pytest.raises(ExecutorUnclearError) as raised:
        executor.submit(new_order(), timeout_s=TIMEOUT_S)
    assert KEY not in str(raised.value) + repr(raised.value.__context__) + caplog.text


# --- the names --------------------------------------------------------------------------------------------------------


def test_the_settings_defaults_are_the_wires() -> None:
    settings, wire, terms = CamberSettings.from_environ({}), Wire(), JobConfig()
    assert settings.camber_path_jobs == wire.path_jobs
    assert settings.camber_path_logs == wire.path_logs
    assert settings.camber_list_query == wire.list_query
    assert settings.camber_command_field == wire.command_field
    assert (settings.camber_program, settings.camber_engine) == (terms.program, terms.engine)
    assert (settings.camber_size, settings.camber_stash_path) == (terms.size, terms.path)


def test_every_inferred_name_can_be_set_from_the_environment() -> None:
    known = set(CamberSettings.variables().values())
    assert {name.variable for name in NAMES if name.variable} <= known
    assert [name.what for name in NAMES if name.evidence == "inferred" and name.variable is None] == []
    assert set(Wire().create_fields) == set(CREATE_FIELDS)


def test_no_other_module_of_ours_knows_a_name_of_cambers() -> None:
    """But for the settings, whose defaults are held against the wire's above."""
    core = Path(__file__).parents[2] / "core" / "rythmiq"
    names = ["engine_type", "node_size", "mount_dir", '"job_status"', '"/jobs/{id}/logs"', '"/me"']
    knowing = {
        path.relative_to(core).as_posix()
        for path in core.rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in names)
    }
    assert knowing == {"adapters/camber/__init__.py", "settings/execution.py"}


def test_the_address_of_the_key_is_https_or_this_machine() -> None:
    with pytest.raises(Exception, match="CAMBER_API_URL"):
        CamberSettings.from_environ({"CAMBER_API_URL": "http://camber.example"})
    assert CamberSettings.from_environ({"CAMBER_API_URL": "http://127.0.0.1:1/x"}).camber_api_url


def test_the_fake_answers_in_the_forms_that_were_seen(fake: FakeCamber) -> None:
    status, media_type, body = fake.answer("GET", f"{BASE}/me", KEY, b"")
    assert (status, media_type, json.loads(body)["code"]) == (200, "application/json", 0)
    assert fake.answer("DELETE", f"{BASE}/jobs/1", KEY, b"")[0] == 404
    assert fake.answer("GET", "/api/ai/me", "other", b"")[0] == 401
