"""Credits and uploads: what the first call grants, who finds what, and what the ledger says."""

import psycopg
import pytest

from tests.support.database_calls import WRAPPED_KEY, Calls, new_id


def test_the_first_call_grants_the_initial_credits_and_the_second_does_not(sql: Calls) -> None:
    user = new_id()
    first = sql("account_open", user_id=user, initial_credits=3)
    assert (first["balance"], first["reserved"], [e["kind"] for e in first["entries"]]) == (3, 0, ["grant"])
    assert sql("account_open", user_id=user, initial_credits=3) == first


@pytest.mark.parametrize("first", ["upload", "job"])
def test_uploads_and_jobs_grant_the_initial_credits_too(sql: Calls, first: str) -> None:
    user = new_id()
    if first == "upload":
        sql.upload(user)
    else:
        sql.create(user, {"raw_path": None}, artifact_url="https://example.org/a.jpg")
    entries = sql("account_open", user_id=user, initial_credits=3)["entries"]
    assert [entry["amount"] for entry in entries if entry["kind"] == "grant"] == [3]


def test_an_operators_grant_does_not_take_the_place_of_the_initial_credits(sql: Calls) -> None:
    user = new_id()
    assert sql("credits_grant", user_id=user, amount=5)["balance"] == 5
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 8


def test_an_operator_who_looks_at_an_account_grants_nothing(sql: Calls) -> None:
    user = new_id()
    assert sql("account_open", user_id=user, initial_credits=None) == {"balance": 0, "reserved": 0, "entries": []}
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 3


def test_without_initial_credits_an_account_opens_empty_and_has_no_entry(sql: Calls) -> None:
    assert sql("account_open", user_id=new_id(), initial_credits=0) == {"balance": 0, "reserved": 0, "entries": []}


@pytest.mark.parametrize("amount", [0, -1])
def test_a_grant_is_of_one_credit_at_least(sql: Calls, amount: int) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        sql("credits_grant", user_id=new_id(), amount=amount)


def test_an_account_shows_its_latest_fifty_entries_newest_first(sql: Calls) -> None:
    user = sql.user(0)
    for amount in range(1, 61):
        sql("credits_grant", user_id=user, amount=amount)
    entries = sql("account_open", user_id=user, initial_credits=0)["entries"]
    assert [entry["amount"] for entry in entries] == list(range(60, 10, -1))


def test_an_upload_is_found_with_its_key_until_a_job_claims_it(sql: Calls) -> None:
    user = sql.user()
    upload = sql.upload(user)
    assert upload["wrapped_key"] == WRAPPED_KEY
    assert sql("upload_get", user_id=user, job_id=upload["job_id"]) == {"outcome": "found", "upload": upload}
    sql.create(user, upload)
    assert sql("upload_get", user_id=user, job_id=upload["job_id"]) == {"outcome": "claimed", "upload": upload}


def test_an_upload_is_unknown_to_everybody_else(sql: Calls) -> None:
    upload = sql.upload(sql.user())
    assert sql("upload_get", user_id=sql.user(), job_id=upload["job_id"])["outcome"] == "unknown"
    assert sql("upload_get", user_id=upload["user_id"], job_id=new_id())["outcome"] == "unknown"


def test_an_upload_that_is_written_twice_stays_as_it_was(sql: Calls) -> None:
    upload = sql.upload(sql.user())
    again = sql("upload_create", **upload | {"size_bytes": 5}, initial_credits=3)
    assert again == {"outcome": "found", "upload": upload}
    other = sql.user()
    stolen = upload | {"user_id": other, "raw_path": upload["raw_path"].replace(upload["user_id"], other)}
    assert sql("upload_create", **stolen, initial_credits=3)["outcome"] == "unknown"


def test_uploads_that_no_job_claims_are_bounded_and_count_for_a_day(sql: Calls) -> None:
    user, other = sql.user(200), sql.user()
    uploads = [sql.upload(user) for _ in range(100)]
    fresh, first = new_id(), uploads[0]
    asked = first | {"job_id": fresh, "raw_path": first["raw_path"].replace(first["job_id"], fresh)}
    assert sql("upload_create", **asked, initial_credits=0) == {"outcome": "too_many", "upload": None}
    assert sql.upload(other)["user_id"] == other
    sql.create(user, first)
    assert sql("upload_create", **asked, initial_credits=0)["outcome"] == "created"
    sql.advance(25 * 3_600)
    assert sql.upload(user)["user_id"] == user


def test_an_uploads_key_must_be_its_owners_and_its_jobs(sql: Calls) -> None:
    user = sql.user()
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.upload(user, raw_path=f"raw/{new_id()}/{new_id()}/20261125T120000Z_scan.jpg.enc")
