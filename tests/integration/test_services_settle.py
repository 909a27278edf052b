"""The webhook against a real database: the order of its checks, packaging, and exactly one end whatever comes."""

import uuid
from typing import Any

import pytest

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.keys import master_key, output_key
from rythmiq.contracts.problems import ProblemCode
from rythmiq.contracts.result import Success
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import StartedJob
from tests.support.service_rig import DOCUMENT, LEASE_S, METRICS, TEXT, Rig, User
from tests.support.service_steps import refused_report


def with_artifacts(body: WebhookBody, **changed: Any) -> WebhookBody:
    """The same report with other storage keys."""
    assert isinstance(body.result, Success)
    artifacts = body.result.artifacts.model_copy(update=changed)
    return body.model_copy(update={"result": body.result.model_copy(update={"artifacts": artifacts})})


def attempts(rig: Rig, job_id: str) -> int:
    return int(rig.row(job_id)["attempt"])


# --- the order of checks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["hang", "memory"])
def test_a_hang_is_not_repeated_whatever_the_report_says_of_it(rig: Rig, user: User, reason: str) -> None:
    job_id = rig.create(user).job_id
    error: dict[str, Any] = {
        "code": "INTERNAL_ERROR",
        "stage": "decode",
        "retryable": True,
        "detail": {"reason": reason},
    }
    assert rig.webhooks.receive(rig.failure(job_id, **error)) == "failed"
    assert attempts(rig, job_id) == 1


def test_failures_of_the_input_beyond_the_days_limit_are_charged_and_say_so(rig: Rig, user: User) -> None:
    rig.max_failures_a_day = 2
    rig.build()
    jobs = [rig.create(user).job_id for _ in range(3)]
    for job_id in jobs:
        rig.webhooks.receive(rig.failure(job_id))
    assert [rig.ledger(job_id)[-1] for job_id in jobs] == ["refund", "refund", "settle"]
    assert [rig.view(user, job_id).charged for job_id in jobs] == [False, False, True]
    assert rig.balances_are_the_ledgers()


def test_a_report_for_an_unknown_job_is_not_found_before_its_keys_are_judged(rig: Rig, user: User) -> None:
    """404, also when the keys are nobody's."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    stranger = str(uuid.uuid4())
    unknown = body.model_copy(update={"job_id": stranger})
    assert refused_report(rig, unknown).code == ProblemCode.NOT_FOUND
    assert refused_report(rig, rig.failure(stranger)).code == ProblemCode.NOT_FOUND


def foreign_keys(rig: Rig, user: User, body: WebhookBody) -> list[WebhookBody]:
    """Reports whose keys are not this job's, each in another way."""
    other, job_id = User().user_id, body.job_id
    assert isinstance(body.result, Success)
    stamp = body.result.artifacts.document_path.rsplit("/", 1)[1]
    mine = rig.row(job_id)["document_id"]
    return [
        with_artifacts(body, document_path=output_key(other, job_id, stamp)),
        with_artifacts(body, document_path=output_key(user.user_id, str(uuid.uuid4()), stamp)),
        with_artifacts(body, document_path=output_key(user.user_id, job_id, "preview.jpg.enc")),
        with_artifacts(body, preview_path=output_key(other, job_id, "preview.jpg.enc")),
        with_artifacts(body, preview_path=output_key(user.user_id, job_id, "result-a1.json.enc")),
        with_artifacts(body, before_path=output_key(other, job_id, "before.jpg.enc")),
        with_artifacts(body, before_path=output_key(user.user_id, str(uuid.uuid4()), "before.jpg.enc")),
        with_artifacts(body, before_path=body.result.artifacts.preview_path),
        with_artifacts(body, text_path=body.result.artifacts.document_path),
        with_artifacts(body, master_path=master_key(other, mine)),
        with_artifacts(body, master_path=master_key(user.user_id, str(uuid.uuid4()))),
        with_artifacts(body, master_path=output_key(user.user_id, job_id, stamp)),
        with_artifacts(body, master_path="../../etc/passwd"),
        with_artifacts(
            body,
            document_path=output_key(other, job_id, stamp),
            preview_path=output_key(other, job_id, "preview.jpg.enc"),
            text_path=None,
            master_path=master_key(other, mine),
        ),
    ]


def test_artifacts_that_are_not_this_jobs_are_refused_and_change_nothing(rig: Rig, user: User) -> None:
    """422: another user's, another job's, another document's, another kind's, no key at all."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    before = rig.row(accepted.job_id)
    for forged in foreign_keys(rig, user, body):
        problem = refused_report(rig, forged)
        assert (problem.code, problem.status) == (ProblemCode.INVALID_FIELD, 422)
        assert [error.pointer for error in problem.errors] == ["/result/artifacts"]
    assert rig.row(accepted.job_id) == before
    assert rig.zip_writes() == []
    assert rig.webhooks.receive(body) == "completed"


def test_keys_are_judged_before_a_job_that_has_ended_answers(rig: Rig, user: User) -> None:
    """The right report again is 200; a foreign one is 422 still."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    rig.webhooks.receive(body)
    before = rig.row(accepted.job_id)
    assert rig.webhooks.receive(body) == "terminal"
    assert rig.webhooks.receive(rig.failure(accepted.job_id)) == "terminal"
    assert refused_report(rig, foreign_keys(rig, user, body)[0]).code == ProblemCode.INVALID_FIELD
    assert rig.row(accepted.job_id) == before


def test_a_report_before_the_job_has_started_is_to_be_repeated(rig: Rig, user: User) -> None:
    """409 with Retry-After, for success and failure; repeated after the start it settles."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    first, second = rig.create(user), rig.create(user)
    problem = refused_report(rig, rig.failure(second.job_id))
    assert (problem.code, problem.status) == (ProblemCode.JOB_PENDING, 409)
    assert problem.retry_after_s is not None
    rig.webhooks.receive(rig.failure(first.job_id))
    assert rig.webhooks.receive(rig.work(second.job_id)) == "completed"


def test_a_stale_attempt_is_answered_and_recorded_and_changes_nothing(rig: Rig, user: User) -> None:
    """Its artifacts are this job's, but it was given up."""
    accepted = rig.create(user)
    late = rig.work(accepted.job_id)
    rig.webhooks.receive(rig.failure(accepted.job_id, retryable=True))
    rig.advance(LEASE_S)
    rig.loop.tick()
    before = rig.row(accepted.job_id)
    assert rig.webhooks.receive(late) == "stale"
    assert rig.webhooks.receive(rig.failure(accepted.job_id)) == "stale"
    assert rig.row(accepted.job_id) == before
    assert rig.sql("select value from public.counters where (name, label) = ('webhook_results', 'stale')") == [(2,)]


def test_an_attempt_that_was_never_started_is_refused(rig: Rig, user: User) -> None:
    """409."""
    accepted = rig.create(user)
    assert refused_report(rig, rig.failure(accepted.job_id, 2)).code == ProblemCode.ATTEMPT_UNKNOWN


def test_without_an_attempt_a_report_is_for_the_first(rig: Rig, user: User) -> None:
    """The hand-off's webhook: taken while attempt is 1, stale afterwards."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id).model_copy(update={"attempt": None})
    rig.webhooks.receive(rig.failure(accepted.job_id, None, retryable=True))
    rig.advance(LEASE_S)
    rig.loop.tick()
    assert attempts(rig, accepted.job_id) == 2
    assert rig.webhooks.receive(body) == "stale"
    other = rig.create(user)
    assert rig.webhooks.receive(rig.work(other.job_id).model_copy(update={"attempt": None})) == "completed"


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_final_failure_ends_the_job_with_its_whole_error_and_a_refund(rig: Rig, user: User) -> None:
    """Figures of what it took are kept."""
    accepted = rig.create(user)
    body = rig.failure(accepted.job_id, detail={"reason": "truncated"})
    assert rig.webhooks.receive(body) == "failed"
    row = rig.row(accepted.job_id)
    assert row["error_details"]["code"] == "DECODE_FAILED"
    assert row["error_details"]["detail"] == {"reason": "truncated"}
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]
    assert rig.sql("select stage, cpu_ms from public.cpu_usage order by stage") == [
        (time.stage, time.cpu_ms) for time in METRICS.stages
    ]
    assert rig.balances_are_the_ledgers()


@pytest.mark.parametrize(
    "error", [{"retryable": True}, {"retryable": False, "code": "FETCH_FAILED", "detail": {"transient": True}}]
)
def test_a_failure_that_may_pass_is_tried_again_until_attempts_are_spent(
    rig: Rig, user: User, error: dict[str, Any]
) -> None:
    """Three attempts, each dispatched by a tick; every error is kept; one refund."""
    accepted = rig.create(user)
    for attempt in (1, 2):
        assert rig.webhooks.receive(rig.failure(accepted.job_id, attempt, **error)) == "retrying"
        assert rig.row(accepted.job_id)["status"] == "processing"
        rig.advance(LEASE_S)
        rig.loop.tick()
    assert rig.webhooks.receive(rig.failure(accepted.job_id, 3, **error)) == "failed"
    assert [execution.order.attempt for execution in rig.executor.of(accepted.job_id)] == [1, 2, 3]
    assert len(rig.row(accepted.job_id)["error_details"]["attempts"]) == 2
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]


@pytest.mark.parametrize("transient", [False, "true", 1, None])
def test_only_what_is_really_transient_is_tried_again(rig: Rig, user: User, transient: object) -> None:
    """`detail.transient` is true, or it is not."""
    accepted = rig.create(user)
    body = rig.failure(accepted.job_id, code="FETCH_FAILED", stage="fetch", detail={"transient": transient})
    assert rig.webhooks.receive(body) == "failed"


def test_with_one_attempt_every_failure_is_final(rig: Rig, user: User) -> None:
    """MAX_ATTEMPTS=1 gives the hand-off's behaviour."""
    rig.capacity = Capacity(max_inflight=4, lease_s=LEASE_S, max_attempts=1)
    rig.build()
    accepted = rig.create(user)
    assert rig.webhooks.receive(rig.failure(accepted.job_id, retryable=True)) == "failed"


# --- success ----------------------------------------------------------------------------------------------------------


def test_a_success_is_kept_whole(rig: Rig, user: User) -> None:
    """Artifacts with the ZIP's place, figures per stage, the document for later jobs."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    rig.webhooks.receive(body)
    row = rig.row(accepted.job_id)
    assert isinstance(body.result, Success)
    zip_path = row["artifacts"].pop("output_path")
    assert row["artifacts"] == body.result.artifacts.model_dump(exclude_none=True)
    assert zip_path.endswith("_output.zip.enc")
    assert row["receipt"]["document"]["sha256"] == body.result.receipt.document.sha256
    assert rig.sql("select job_id::text from public.documents where user_id = %s", user.user_id) == [(accepted.job_id,)]
    assert dict(rig.sql("select name, value from public.metrics"))["processing_ms"] == 900


def test_a_job_without_text_has_a_zip_without_text(rig: Rig, user: User) -> None:
    """And its artifacts name none."""
    accepted = rig.create(user)
    rig.webhooks.receive(rig.work(accepted.job_id, text=False))
    view = rig.view(user, accepted.job_id)
    assert "text.txt" not in rig.zip_of(view)
    assert view.artifacts is not None
    assert "text_path" not in view.artifacts


def test_a_plaintext_job_has_plaintext_objects_and_no_key(rig: Rig, user: User) -> None:
    """Where a service has no keys; names say so."""
    rig.ring = None
    rig.build()
    accepted = rig.create(user)
    rig.webhooks.receive(rig.work(accepted.job_id))
    view = rig.view(user, accepted.job_id)
    assert view.encryption is None
    assert rig.zip_of(view)["me_photo.jpg"] == DOCUMENT
    assert view.artifacts is not None
    assert view.artifacts["output_path"].endswith("_output.zip")


def test_nothing_of_a_sealed_job_stands_in_the_store_in_the_clear(rig: Rig, user: User) -> None:
    """Raw, master, document, preview, before, text and ZIP; what the service left for itself is gone."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    rig.store_result(body)
    rig.webhooks.receive(body)
    assert len(rig.store.objects) == 7
    assert all(data.startswith(b"RQE1") for data in rig.store.objects.values())
    assert not any(DOCUMENT in data or TEXT in data for data in rig.store.objects.values())


def test_a_settled_webhook_starts_the_next_job(rig: Rig, user: User) -> None:
    """Without any scheduler."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    first, second = rig.create(user), rig.create(user)
    rig.webhooks.receive(rig.work(first.job_id))
    assert [execution.order.job_id for execution in rig.executor.executions] == [first.job_id, second.job_id]


def test_trouble_with_the_next_job_is_not_the_webhooks(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was settled is answered 200 whatever the next dispatch meets, a defect of ours included."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    first, _ = rig.create(user), rig.create(user)

    def broken(_: StartedJob, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(rig.dispatcher, "dispatch", broken)
    assert rig.webhooks.receive(rig.work(first.job_id)) == "completed"
