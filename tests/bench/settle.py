"""Settling a webhook, ZIP and store left out, against the SQL functions alone: the same jobs, the same Postgres.

Bare is `job_claim_settlement` and `job_finish` with arguments made beforehand, over the transport; the service reads
and checks the webhook's bytes, judges its keys, and makes the same two calls. They take turns job by job, by wall,
because most of it is spent in another process; the middle counts.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.result import Success
from rythmiq.ports.jobs import SettlingJob
from rythmiq.services.output import Packed
from rythmiq.services.settle import Settlement
from rythmiq_cli.local.postgres import LocalPostgres
from tests.support.fault_parts import Launch
from tests.support.fault_world import World, set_clock
from tests.support.postgres_fixture import PostgresForTests
from tests.support.service_rig import User

JOBS = 300
LEAST = 0.7


class WithoutZip(Settlement):
    """Settles without building or storing anything."""

    def _packed(self, job: SettlingJob, success: Success, timeout_s: float) -> Packed:
        del success, timeout_s
        return Packed(f"output/{job.user_id}/{job.job_id}/20261125T120000Z_output.zip.enc", "0" * 64)


def main() -> None:
    """Measure, and print the rows."""
    with (
        tempfile.TemporaryDirectory(prefix="rythmiq-bench-", ignore_cleanup_errors=True) as directory,
        LocalPostgres(Path(directory), throwaway=True) as server,
    ):
        server.provision()
        postgres = PostgresForTests(server)
        with postgres.database() as url:
            superuser_url = postgres.superuser_url(url.rsplit("/", 1)[1])
            set_clock(superuser_url)
            world = World(url, superuser_url, max_inflight=10_000)
            world.settlement = WithoutZip(world.backends, world.capacity)
            ours, bares = [], []
            for _ in range(JOBS):
                ours.append(spent_s(served(world, ready(world))))
                bares.append(spent_s(bare(world, ready(world))))
            world.close()
    ratio = statistics.median(bares) / statistics.median(ours)
    row = {
        "what": "settlements a second, over the rate of the two bare SQL functions",
        "measured": f"{ratio:.2f}",
        "bar": f">= {LEAST}",
        "unit": None,
        "holds": ratio >= LEAST,
        "note": f"middle of {JOBS} each, in turns: {statistics.median(ours) * 1000:.1f} ms and "
        f"{statistics.median(bares) * 1000:.1f} ms by wall on this machine as loaded",
    }
    print(json.dumps([row]))


def ready(world: World) -> Launch:
    """A job whose launcher has its result."""
    world.wish(User())
    launch = world.machine.launches[-1]
    for _ in range(2):
        world.step(launch)
    return launch


def spent_s(call: Callable[[], object]) -> float:
    """Seconds of a call, by wall."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def served(world: World, launch: Launch) -> Callable[[], object]:
    """The webhook from its bytes on."""
    assert launch.body is not None
    content = launch.body.model_dump_json().encode()
    return lambda: world.settlement.settle(WebhookBody.model_validate_json(content))


def bare(world: World, launch: Launch) -> Callable[[], object]:
    """The two calls; the second shows the claim that the first was given."""
    assert launch.body is not None
    success = launch.body.result
    assert isinstance(success, Success)
    room = {f"p_{name}": getattr(world.capacity, name) for name in ("max_inflight", "lease_s", "max_attempts")}
    about = {"p_job_id": launch.order.job_id, "p_attempt": 1}
    keys = {"p_user_id": launch.order.user_id, "p_document_id": launch.dispatch.document_id, "p_claim_s": 60}
    finish: dict[str, Any] = {
        **about,
        "p_quality_score": success.quality_score,
        "p_warnings": [],
        "p_artifacts": success.artifacts.model_dump(exclude_none=True),
        "p_metrics": success.metrics.model_dump(mode="json"),
        "p_receipt": success.receipt.model_dump(mode="json"),
        "p_conforms": True,
        **room,
    }

    def call() -> None:
        claim = world.faulty.call("job_claim_settlement", about | keys)["claim"]
        world.faulty.call("job_finish", finish | {"p_claim": claim})

    return call


if __name__ == "__main__":
    main()
