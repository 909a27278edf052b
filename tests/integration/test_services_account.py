"""DELETE /account: the receipt, the sign-in, and what is left to others."""

import json
from typing import Any

import pytest

from rythmiq.contracts.bodies import AccountLimits
from rythmiq.ports import AccountErasedError, DatabaseUnavailableError, UnavailableError
from rythmiq.services.account import Accounts
from tests.support.service_rig import Rig, User, lines

LIMITS = AccountLimits(max_active_jobs=20, max_upload_bytes=1_000_000, max_pages=10)


class Auth:
    """Whoever keeps sign-ins; answers as it is told."""

    def __init__(self, error: UnavailableError | None = None) -> None:
        self.deleted: list[str] = []
        self._error = error

    def delete(self, user_id: str) -> None:
        """Delete one."""
        if self._error is not None:
            raise self._error
        self.deleted.append(user_id)


def accounts(rig: Rig, auth: Auth) -> Accounts:
    return Accounts(database=rig.database, initial_credits=3, limits=LIMITS, sign_ins=lambda: auth)


def events(captured: Any) -> dict[str, dict[str, Any]]:
    return {line["event"]: line for line in lines(captured.readouterr().err)}


def test_the_sign_in_is_deleted_after_the_account(rig: Rig, user: User, capsys: pytest.CaptureFixture[str]) -> None:
    rig.upload(user)
    auth = Auth()
    receipt = accounts(rig, auth).erase(user.user_id)
    assert (receipt.jobs, receipt.uploads, receipt.objects) == (0, 1, 1)
    assert auth.deleted == [user.user_id]
    logged = events(capsys)["account_erased"]
    assert (logged["receipt_id"], logged["sign_in"]) == (receipt.receipt_id, "deleted")
    assert user.user_id not in json.dumps(logged)


def test_a_sign_in_that_cannot_be_deleted_is_left_and_told_to_the_operator(
    rig: Rig, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account is erased all the same, and its tokens are refused."""
    auth = Auth(UnavailableError("Supabase Auth answered 500"))
    receipt = accounts(rig, auth).erase(user.user_id)
    logged = events(capsys)
    assert (logged["sign_in_left"]["level"], logged["account_erased"]["sign_in"]) == ("warning", "left")
    assert logged["account_erased"]["receipt_id"] == receipt.receipt_id
    with pytest.raises(AccountErasedError):
        rig.accounts.view(user.user_id)


def test_a_database_that_does_not_answer_erases_nothing_and_leaves_the_sign_in(rig: Rig, user: User) -> None:
    auth = Auth()

    class Down:
        def account_erase(self, user_id: str) -> None:
            raise DatabaseUnavailableError(f"no answer for one of {len(user_id)} characters")

    down: Any = Down()
    with pytest.raises(DatabaseUnavailableError):
        Accounts(database=down, initial_credits=3, limits=LIMITS, sign_ins=lambda: auth).erase(user.user_id)
    assert auth.deleted == []
    assert rig.accounts.view(user.user_id).credits.available == 3


def test_a_second_erasure_is_refused_and_deletes_no_sign_in(rig: Rig, user: User) -> None:
    auth = Auth()
    accounts(rig, auth).erase(user.user_id)
    with pytest.raises(AccountErasedError):
        accounts(rig, auth).erase(user.user_id)
    assert auth.deleted == [user.user_id]


def test_a_job_that_runs_is_fenced_by_the_next_tick_and_its_late_objects_are_swept(rig: Rig, user: User) -> None:
    """A launcher that starts late finds no dispatch object; one that runs may still store its results."""
    job_id = rig.create(user).job_id
    dispatch = rig.dispatch_of(rig.order(job_id))
    rig.accounts.erase(user.user_id)
    rig.loop.tick()
    assert rig.store.objects == {}
    body = rig.work_on(dispatch)
    assert rig.store.objects
    assert rig.webhooks.receive(body) == "terminal"
    rig.advance(3_601)
    rig.loop.tick()
    assert rig.store.objects == {}
    assert rig.row(job_id)["error_details"]["code"] == "EXECUTOR_CANCELLED"
