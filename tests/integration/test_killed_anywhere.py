"""SIGKILL at twenty points between a started launcher and a settled job: nothing is lost, nothing doubled.

Launcher and worker are real processes beside a real store; the webhook's function dies by the virtual world's trap, at
the calls it makes outside. docs/faults.md lists the points, and a test holds the two together.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.errors import ObjectMissingError
from rythmiq.contracts.keys import result_key
from rythmiq.contracts.result import Success
from tests.support.fault_ends import check
from tests.support.fault_parts import killed
from tests.support.fault_world import World, set_clock
from tests.support.launch_run import TIMEOUT_S, WEBHOOK_SECRET, Order, other_attempt
from tests.support.postgres_fixture import PostgresForTests
from tests.support.service_rig import User
from tests.support.webhook_receiver import Receiver
from tests.support.worker_run import FAULTS, ROOT, WORKER_PYTHON, Job, environ_for
from tests.support.worker_uploads import blank

# point: whether the result object stands afterwards, how many webhooks were sent
LAUNCHER = {
    "before_dispatch": (False, 0),
    "after_dispatch": (False, 0),
    "launcher_at_fetch": (False, 0),
    "launcher_at_schema": (False, 0),
    "launcher_at_upload": (False, 0),
    "before_result": (False, 0),
    "after_result": (True, 0),
    "before_webhook": (True, 0),
    "after_webhook": (True, 1),
}
WORKER = ("worker_at_fetch", "worker_at_decode", "worker_at_schema", "worker_at_upload")
WEBHOOK = (
    "before job_claim_settlement",
    "after job_claim_settlement",
    "after fetch document",
    "before upload zip",
    "after upload zip",
    "before job_finish",
    "after job_finish",
)
PAGE = ROOT / "docs" / "faults.md"


@pytest.fixture
def order(store: SpacesStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A sealed job that succeeds, its dispatch object in place."""
    order = Order(Job(store), receiver, tmp_path)
    order.upload(blank(300))
    order.put()
    return order


def launch(order: Order, point: str) -> int:
    """Run the launcher that goes wrong at a point; its exit code."""
    return subprocess.run(
        [WORKER_PYTHON, str(FAULTS / "launcher_goes_wrong.py"), point, *order.words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        cwd=order.folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(order.folder),
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            **environ_for(order.store.config),
            **order.environ,
        },
    ).returncode


def result_of(order: Order) -> WebhookBody | None:
    """What the attempt's result object holds."""
    try:
        return order.result()
    except ObjectMissingError:
        return None


def completes_with_the_next_attempt(order: Order) -> None:
    """Another attempt has all it needs, and writes where the first one would have."""
    told = len(order.receiver.told)
    second = other_attempt(order, 2)
    second.put()
    assert second.run().exit_code == 0
    body = second.result()
    assert isinstance(body.result, Success)
    assert [WebhookBody.model_validate(one.body) for one in order.receiver.told[told:]] == [body]
    paths = body.result.artifacts.model_dump(exclude_none=True).values()
    assert all(order.store.object_exists(path) for path in paths)


@pytest.mark.parametrize("point", LAUNCHER)
def test_a_launcher_that_is_killed_leaves_its_result_or_another_attempts_way_clear(order: Order, point: str) -> None:
    has_result, webhooks = LAUNCHER[point]
    assert launch(order, point) == -9
    body = result_of(order)
    assert (body is not None) is has_result
    assert [WebhookBody.model_validate(one.body) for one in order.receiver.told] == [body] * webhooks
    if body is None:
        completes_with_the_next_attempt(order)
    else:
        assert isinstance(body.result, Success)


@pytest.mark.parametrize("point", WORKER)
def test_a_worker_that_is_killed_is_reported_once_and_the_next_attempt_completes(order: Order, point: str) -> None:
    """Near its end a kill may come after its last word, and be too late to matter."""
    assert launch(order, point) == 0
    body = order.webhook()
    assert body == result_of(order)
    if isinstance(body.result, Success):
        assert point in {"worker_at_schema", "worker_at_upload"}
    else:
        assert body.result.error.detail == {"reason": "killed", "signal": "SIGKILL"}
        assert body.result.error.retryable
        order.receiver.told.clear()
        completes_with_the_next_attempt(order)


@pytest.fixture(scope="module")
def fault_database(postgres: PostgresForTests) -> Iterator[tuple[str, str]]:
    """One database on the worlds' clock: its owner's URL, and its superuser's."""
    with postgres.database() as url:
        superuser_url = postgres.superuser_url(url.rsplit("/", 1)[1])
        set_clock(superuser_url)
        yield url, superuser_url


@pytest.mark.parametrize("point", WEBHOOK)
def test_a_webhook_that_is_killed_settles_when_it_comes_again(fault_database: tuple[str, str], point: str) -> None:
    """One attempt, one ZIP, one charge; and whoever waits for the place is started."""
    world = World(*fault_database, max_inflight=1)
    try:
        first, second = world.wish(User()), world.wish(User())
        launcher = world.machine.launches[0]
        for _ in range(3):
            world.step(launcher)
        sprung = world.gate.sprung
        world.gate.arm(1, killed, at=point)
        world.step(launcher)
        assert world.gate.sprung == sprung + 1
        key = result_key(first.user.user_id, first.job_id, 1)
        assert key in world.store.objects
        world.heal()
        jobs = world.sql("select id::text, status, attempt from public.jobs")
        assert sorted(jobs) == sorted((wish.job_id, "completed", 1) for wish in (first, second))
        check(world)
    finally:
        world.close()


def test_the_page_lists_the_points_that_are_tried() -> None:
    _, _, points = PAGE.read_text(encoding="utf-8").partition("## Twenty points")
    listed = re.findall(r"^\| `([^`]+)` \|", points, re.MULTILINE)
    assert listed == [*LAUNCHER, *WORKER, *WEBHOOK]
    assert len(listed) == 20
