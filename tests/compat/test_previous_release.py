"""The release before goes on on the schema of this one: its calls, and what was in flight when the schema changed."""

from pathlib import Path

import pytest

from rythmiq.contracts.attempt import SECRET_HEADER
from tests.bundles.events import USER
from tests.compat.conftest import COMMIT, CommitMissingError, World, is_full_hash, tree_of


def by_token(world: World, job_id: str, attempt: int = 1) -> dict[str, str]:
    """The header that an attempt's launcher shows."""
    return {SECRET_HEADER.lower(): world.dispatch(job_id, attempt).callback.token}


def test_the_release_before_is_named_by_a_whole_hash() -> None:
    assert is_full_hash(COMMIT)


def test_a_commit_that_is_missing_is_a_failure_that_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(CommitMissingError, match="git fetch --unshallow"):
        tree_of("0" * 40, tmp_path)


def test_a_job_from_before_is_settled_by_the_release_before(world: World) -> None:
    job_id = world.open_jobs[0]
    answer = world.settle(world.rig.work(job_id))
    assert (answer["statusCode"], answer["body"]) == (200, {"outcome": "completed"})
    view = world.view(job_id)
    assert (view["status"], view["conforms"]) == ("completed", True)
    assert view["links"]["output"]


def test_a_job_from_before_is_settled_by_this_release(world: World) -> None:
    job_id = world.open_jobs[1]
    assert world.rig.webhooks.receive(world.rig.work(job_id)) == "completed"
    assert world.view(job_id)["status"] == "completed"


def test_progress_of_a_job_from_before_is_recorded_by_the_release_before(world: World) -> None:
    job_id = world.open_jobs[2]
    body = {"job_id": job_id, "attempt": 1, "stage": "ocr"}
    answer = world.user("internal/webhooks", "POST", "/progress", body=body)
    assert answer["statusCode"] == 401
    told = world.report("/progress", body, by_token(world, job_id))
    assert (told["statusCode"], told["body"]) == (200, {"recorded": True})
    assert world.view(job_id)["stage"] == "ocr"


def test_a_retry_of_a_job_from_before_has_the_rules_of_its_creation(world: World) -> None:
    job_id = world.open_jobs[3]
    first = world.dispatch(job_id)
    failed = world.rig.failure(job_id, code="UPLOAD_FAILED", stage="upload", retryable=True)
    answer = world.settle(failed)
    assert answer["body"] == {"outcome": "retrying"}
    world.rig.sql("update public.portal_schemas set schema_definition = '{}' where portal = 'neet-2026'")
    world.rig.advance(60)
    assert world.tick()["statusCode"] == 200
    assert world.dispatch(job_id, 2).portal_schema == first.portal_schema


def test_a_job_is_made_and_settled_by_the_release_before(world: World) -> None:
    made = world.new_job()
    assert made["statusCode"] == 202
    job_id = made["body"]["job_id"]
    answer = world.settle(world.rig.work(job_id))
    assert answer["body"] == {"outcome": "completed"}


def test_a_job_of_the_release_before_is_erased_by_it(world: World) -> None:
    job_id = world.open_jobs[4]
    failed = world.rig.failure(job_id)
    assert world.settle(failed)["statusCode"] == 200
    assert world.user("api/jobs", "DELETE", f"/{job_id}")["statusCode"] == 204
    assert world.user("api/jobs", "GET", f"/{job_id}")["statusCode"] == 404


def test_the_other_calls_of_the_release_before_are_answered(world: World) -> None:
    listed = world.user("api/jobs", "GET", query="limit=5")
    account = world.user("api/account", "GET")
    health = world.operator("api/health", "deep=1")
    metrics = world.operator("internal/metrics")
    assert [answer["statusCode"] for answer in (listed, account, health, metrics)] == [200, 200, 200, 200]
    assert len(listed["body"]["jobs"]) == 5
    assert world.rig.row(listed["body"]["jobs"][0]["job_id"])["user_id"] == USER
