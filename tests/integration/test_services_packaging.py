"""Settling a success: trouble while the ZIP is made, and many reports at once."""

import base64
import random
from collections import Counter
from typing import Any

import pytest

from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.errors import StoreError, StoreUnavailableError
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.contracts.result import Success
from rythmiq.ports import DatabaseUnavailableError
from rythmiq.ports.database import Capacity
from tests.support.memory import Fault
from tests.support.service_rig import BEFORE, DOCUMENT, LEASE_S, METRICS, PREVIEW, Rig, User, at_once, lines
from tests.support.service_steps import refused_report

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
    problem = refused_report(rig, body)
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
    assert refused_report(rig, body).code == ProblemCode.PACKAGING_TROUBLE
    assert refused_report(rig, body).code == ProblemCode.PACKAGING_TROUBLE
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
    assert refused_report(rig, body).code == ProblemCode.PACKAGING_TROUBLE
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
    assert refused_report(rig, body).code == ProblemCode.PACKAGING_TROUBLE
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
    assert refused_report(rig, body).code == ProblemCode.PACKAGING_TROUBLE
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
    problem = refused_report(rig, body)
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
            met.append(refused_report(rig, rig.failure(accepted.job_id)).code)
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
    refused_report(rig, rig.work(accepted.job_id))
    logged = capsys.readouterr().err
    assert [line["job_id"] for line in lines(logged)] == [accepted.job_id] * len(lines(logged))
    assert user.user_id not in logged
    assert "output/" not in logged
