"""The webhook against a real database: the order of its checks, packaging, and exactly one end whatever comes."""

import base64
import random
import uuid
from collections import Counter
from typing import Any

import pytest

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.errors import StoreError, StoreUnavailableError
from rythmiq.contracts.keys import master_key, output_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.contracts.result import Success
from rythmiq.ports import DatabaseUnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import StartedJob
from tests.support.memory import Fault
from tests.support.service_rig import (
    BEFORE,
    DOCUMENT,
    LEASE_S,
    METRICS,
    PREVIEW,
    TEXT,
    Rig,
    User,
    at_once,
    lines,
    rig,
    service_database,
    user,
)

__all__ = ["rig", "service_database", "user"]


def refused(rig: Rig, body: WebhookBody) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        rig.webhooks.receive(body)
    return caught.value


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
    assert refused(rig, unknown).code == ProblemCode.NOT_FOUND
    assert refused(rig, rig.failure(stranger)).code == ProblemCode.NOT_FOUND


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
        problem = refused(rig, forged)
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
    assert refused(rig, foreign_keys(rig, user, body)[0]).code == ProblemCode.INVALID_FIELD
    assert rig.row(accepted.job_id) == before


def test_a_report_before_the_job_has_started_is_to_be_repeated(rig: Rig, user: User) -> None:
    """409 with Retry-After, for success and failure; repeated after the start it settles."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    first, second = rig.create(user), rig.create(user)
    problem = refused(rig, rig.failure(second.job_id))
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
    assert refused(rig, rig.failure(accepted.job_id, 2)).code == ProblemCode.ATTEMPT_UNKNOWN


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


# --- packaging trouble ------------------------------------------------------------------------------------------------

DOWN = StoreUnavailableError("the server answered 503")
FAULTS = [
    Fault("fetch", DOWN, key_part="_document"),
    Fault("fetch", DOWN, key_part="preview"),
    Fault("fetch", DOWN, key_part="before"),
    Fault("fetch", DOWN, key_part="_text"),
    Fault("upload", DOWN, key_part="_output.zip"),
    Fault("upload", DOWN, key_part="_output.zip", after=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.call}-{fault.key_part}-{fault.after}")
def test_a_store_that_fails_at_any_call_of_packaging_is_to_be_repeated(rig: Rig, user: User, fault: Fault) -> None:
    """503 with Retry-After; the repeat settles once, and writes the same ZIP key."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    rig.store.plan(Fault(fault.call, fault.error, fault.key_part, after=fault.after))
    problem = refused(rig, body)
    assert (problem.code, problem.status, problem.retry_after_s) == (ProblemCode.PACKAGING_TROUBLE, 503, 5)
    assert rig.row(accepted.job_id)["status"] == "processing"
    assert rig.webhooks.receive(body) == "completed"
    assert len(set(rig.zip_writes())) == 1
    assert rig.ledger(accepted.job_id) == ["reserve", "settle"]


def test_packaging_that_never_works_ends_the_job_with_a_refund(rig: Rig, user: User) -> None:
    """After MAX_ATTEMPTS: PACKAGING_FAILED."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    rig.store.plan(Fault("upload", DOWN, key_part="_output.zip", times=99))
    assert refused(rig, body).code == ProblemCode.PACKAGING_TROUBLE
    assert refused(rig, body).code == ProblemCode.PACKAGING_TROUBLE
    assert rig.webhooks.receive(body) == "failed"
    row = rig.row(accepted.job_id)
    assert (row["error_details"]["code"], row["error_details"]["stage"]) == ("PACKAGING_FAILED", "package")
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]
    assert rig.webhooks.receive(body) == "terminal"


def damaged(rig: Rig, body: WebhookBody, how: str) -> None:
    """Damage the document object."""
    assert isinstance(body.result, Success)
    path = body.result.artifacts.document_path
    dispatch = rig.dispatch_of(rig.order(body.job_id))
    if how == "missing":
        del rig.store.objects[path]
    elif how == "another":
        rig.put(dispatch, path, DOCUMENT[:-1] + b"?")
    elif how == "longer":
        rig.put(dispatch, path, DOCUMENT + bytes(200))
    elif how == "tampered":
        rig.store.objects[path] = rig.store.objects[path][:-1] + b"?"
    elif how == "plaintext":
        rig.store.objects[path] = DOCUMENT
    else:
        rig.store.objects[path] = rig.store.objects[body.result.artifacts.preview_path]


@pytest.mark.parametrize("how", ["missing", "another", "longer", "tampered", "plaintext", "moved"])
def test_a_document_that_is_not_what_its_receipt_proves_is_never_packed(rig: Rig, user: User, how: str) -> None:
    """It is packaging trouble, and no ZIP is written."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    damaged(rig, body, how)
    assert refused(rig, body).code == ProblemCode.PACKAGING_TROUBLE
    assert rig.zip_writes() == []


def test_the_receipts_page_shows_the_picture_of_before(rig: Rig, user: User) -> None:
    accepted = rig.create(user)
    rig.webhooks.receive(rig.work(accepted.job_id))
    page = rig.zip_of(rig.view(user, accepted.job_id))["receipt.html"]
    assert base64.b64encode(BEFORE) in page
    assert base64.b64encode(PREVIEW) in page


def test_a_picture_of_before_that_is_lost_does_not_fail_the_job(rig: Rig, user: User) -> None:
    """It proves nothing: the document does, and has its receipt."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    assert isinstance(body.result, Success)
    del rig.store.objects[str(body.result.artifacts.before_path)]
    assert rig.webhooks.receive(body) == "completed"
    page = rig.zip_of(rig.view(user, accepted.job_id))["receipt.html"]
    assert base64.b64encode(BEFORE) not in page
    assert base64.b64encode(PREVIEW) in page


def test_a_picture_of_before_that_was_tampered_with_is_never_packed(rig: Rig, user: User) -> None:
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    assert isinstance(body.result, Success)
    rig.store.objects[str(body.result.artifacts.before_path)] = BEFORE
    assert refused(rig, body).code == ProblemCode.PACKAGING_TROUBLE
    assert rig.zip_writes() == []


def test_a_defect_met_while_packing_is_packaging_trouble_too(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The job must end in any case; the log has the kind of error and nothing of its content."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)

    def broken(*_: object, **__: object) -> str:
        raise ZeroDivisionError("me_photo.jpg")

    monkeypatch.setattr("rythmiq.services.output.receipt_page", broken)
    assert refused(rig, body).code == ProblemCode.PACKAGING_TROUBLE
    logged = capsys.readouterr().err
    assert [line["reason"] for line in lines(logged) if line["event"] == "packaging_trouble"] == ["ZeroDivisionError"]
    assert "me_photo" not in logged


def test_a_database_that_goes_away_between_zip_and_commit_is_settled_once_by_the_repeat(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim is held until it runs out; then one settlement, and one ZIP key."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)

    def gone(*_: object) -> None:
        raise DatabaseUnavailableError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(rig.database, "job_finish", gone)
        with pytest.raises(DatabaseUnavailableError):
            rig.webhooks.receive(body)
    problem = refused(rig, body)
    assert (problem.code, problem.retry_after_s) == (ProblemCode.SETTLEMENT_BUSY, 5)
    rig.advance(61)
    assert rig.webhooks.receive(body) == "completed"
    assert len(rig.zip_writes()) == 2
    assert len(set(rig.zip_writes())) == 1
    assert rig.ledger(accepted.job_id) == ["reserve", "settle"]


def test_a_job_that_every_packager_dies_of_is_given_up(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three died; the fourth does not try, and the credit comes back."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)

    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rig.settlement, "_packed", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                rig.webhooks.receive(body)
            rig.advance(61)
        assert rig.webhooks.receive(body) == "failed"
    assert rig.row(accepted.job_id)["error_details"]["code"] == "PACKAGING_FAILED"
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]


def test_a_commit_whose_answer_was_lost_is_not_made_again(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeat finds a job that has ended."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    finish = rig.database.job_finish

    def lost(*arguments: Any) -> None:
        finish(*arguments)
        raise DatabaseUnavailableError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(rig.database, "job_finish", lost)
        with pytest.raises(DatabaseUnavailableError):
            rig.webhooks.receive(body)
    assert rig.webhooks.receive(body) == "terminal"
    assert rig.ledger(accepted.job_id) == ["reserve", "settle"]


def test_a_failure_that_meets_a_held_settlement_is_to_be_repeated(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """409 with Retry-After: the success that is being packed wins."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    met: list[ProblemCode] = []
    fetch = rig.store.fetch_object

    def meanwhile(key: str, **terms: Any) -> bytes:
        if not met:
            met.append(refused(rig, rig.failure(accepted.job_id)).code)
        return fetch(key, **terms)

    monkeypatch.setattr(rig.store, "fetch_object", meanwhile)
    assert rig.webhooks.receive(body) == "completed"
    assert met == [ProblemCode.SETTLEMENT_BUSY]


# --- many at once -----------------------------------------------------------------------------------------------------


def test_fifty_reports_at_once_make_one_end(rig: Rig, user: User) -> None:
    """Success and failure mixed: one transition, one settlement, one ZIP key, and everybody is answered."""
    accepted = rig.create(user)
    success, failure = rig.work(accepted.job_id), rig.failure(accepted.job_id)
    mixed = [success] * 25 + [failure] * 25
    random.Random(4).shuffle(mixed)  # noqa: S311  an order drawn by lot, the same each time
    came = at_once(50, lambda number: rig.webhooks.receive(mixed[number]))
    told = Counter(answer.code.value if isinstance(answer, ProblemError) else answer for answer in came)
    assert set(told) <= {"completed", "failed", "terminal", "SETTLEMENT_BUSY"}
    row = rig.row(accepted.job_id)
    assert told[row["status"]] == 1
    assert told["completed"] + told["failed"] == 1
    assert len(rig.ledger(accepted.job_id)) == 2
    assert len(set(rig.zip_writes())) <= 1
    assert rig.balances_are_the_ledgers()
    assert [rig.webhooks.receive(body) for body in (success, failure)] == ["terminal", "terminal"]


def test_fifty_successes_at_once_pack_one_zip(rig: Rig, user: User) -> None:
    """One delivery wins the claim; the others are told to come back, or that it is done."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    came = at_once(50, lambda _: rig.webhooks.receive(body))
    told = Counter(answer.code.value if isinstance(answer, ProblemError) else answer for answer in came)
    assert told["completed"] == 1
    assert len(rig.zip_writes()) == 1
    assert rig.sql("select count(*) from public.documents") == [(1,)]
    assert rig.sql("select count(*) from public.cpu_usage") == [(len(METRICS.stages),)]


def test_reports_that_come_late_doubled_and_out_of_order_end_every_job_once(rig: Rig, user: User) -> None:
    """Twenty jobs, five hundred deliveries in an order drawn by lot."""
    rig.initial_credits = 20
    rig.capacity = Capacity(max_inflight=20, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    bodies: list[WebhookBody] = []
    for number in range(20):
        accepted = rig.create(user)
        reports = [rig.failure(accepted.job_id)] if number % 3 else [rig.work(accepted.job_id)]
        bodies += reports * 25
    random.Random(7).shuffle(bodies)  # noqa: S311  ditto
    for body in bodies:
        rig.webhooks.receive(body)
    assert rig.sql("select count(*) from public.credit_ledger where kind in ('settle', 'refund')") == [(20,)]
    assert len(rig.zip_writes()) == 7
    assert rig.balances_are_the_ledgers()


@pytest.mark.parametrize("error", [DOWN, StoreError("strange")])
def test_no_log_of_trouble_holds_a_storage_key(
    rig: Rig, user: User, error: StoreError, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor a name or a key of the ring."""
    accepted = rig.create(user)
    rig.store.plan(Fault("fetch", error, key_part="_document"))
    refused(rig, rig.work(accepted.job_id))
    logged = capsys.readouterr().err
    assert [line["job_id"] for line in lines(logged)] == [accepted.job_id] * len(lines(logged))
    assert user.user_id not in logged
    assert "output/" not in logged
