"""What a guest is granted, and what is added once when the account is linked to an address."""

from typing import Any

import psycopg
import pytest

from tests.support.database_calls import Calls, new_id


def grants(sql: Calls, user: str) -> list[tuple[Any, ...]]:
    return sql.rows(
        "select granted_as, amount from public.credit_ledger where user_id = %s and kind = 'grant' order by id", user
    )


def guest(sql: Calls, granted: int) -> str:
    user = new_id()
    sql("account_open", user_id=user, initial_credits=granted, is_guest=True)
    return user


@pytest.mark.parametrize(("guests", "initial", "more"), [(1, 3, 2), (0, 3, 3), (3, 3, 0), (5, 3, 0)])
def test_a_guest_who_links_an_address_is_granted_the_difference_once(
    sql: Calls, guests: int, initial: int, more: int
) -> None:
    user = guest(sql, guests)
    for _ in range(2):
        assert sql("account_open", user_id=user, initial_credits=initial)["balance"] == guests + more
    expected = [("guest", guests), ("linked", more)]
    assert grants(sql, user) == [(kind, amount) for kind, amount in expected if amount]


@pytest.mark.parametrize("first", ["upload", "job"])
def test_a_charged_call_grants_the_difference_too(sql: Calls, first: str) -> None:
    user = guest(sql, 1)
    if first == "upload":
        sql.upload(user)
    else:
        sql.create(user, {"raw_path": None}, artifact_url="https://example.org/a.jpg")
    assert grants(sql, user) == [("guest", 1), ("linked", 2)]


@pytest.mark.parametrize("first", ["upload", "job"])
def test_a_guests_own_calls_grant_what_guests_get(sql: Calls, first: str) -> None:
    user, as_guest = new_id(), {"initial_credits": 1, "is_guest": True}
    if first == "upload":
        sql.upload(user, **as_guest)
    else:
        sql.create(user, {"raw_path": None}, artifact_url="https://example.org/a.jpg", **as_guest)
    sql("account_open", user_id=user, **as_guest)
    assert grants(sql, user) == [("guest", 1)]


def test_a_token_from_before_the_link_grants_nothing_more(sql: Calls) -> None:
    user = guest(sql, 1)
    sql("account_open", user_id=user, initial_credits=3)
    assert sql("account_open", user_id=user, initial_credits=1, is_guest=True)["balance"] == 3
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 3


def test_an_operators_grant_to_a_guest_is_kept_beside_the_difference(sql: Calls) -> None:
    user = guest(sql, 1)
    sql("credits_grant", user_id=user, amount=5)
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 8
    assert grants(sql, user) == [("guest", 1), (None, 5), ("linked", 2)]


def test_a_guest_keeps_jobs_and_what_was_spent(sql: Calls) -> None:
    user = guest(sql, 1)
    job = sql.job(user, upload=sql.upload(user, initial_credits=1, is_guest=True), initial_credits=1, is_guest=True)
    sql.complete(job)
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 2
    assert sql.as_user(user, "job_get", job_id=job["id"])["status"] == "completed"


@pytest.mark.parametrize("granted_as", ["initial", "guest", "linked"])
def test_nothing_can_be_granted_twice_under_its_key(sql: Calls, granted_as: str) -> None:
    user = sql.user(0)
    sql("credits_add", user_id=user, amount=1, label=granted_as)
    with pytest.raises(psycopg.errors.UniqueViolation):
        sql("credits_add", user_id=user, amount=1, label=granted_as)
