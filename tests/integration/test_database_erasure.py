"""The erasure of an account: all that is personal goes, bookkeeping stays without the id, which gets nothing more."""

import hashlib
import hmac
import uuid
from typing import Any, LiteralString

import psycopg
import psycopg.sql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rythmiq.contracts import keys
from tests.support.database_calls import Calls, call, handed_out, new_id, new_job
from tests.support.database_invariants import broken_invariants
from tests.support.erased_accounts import ERASED, account, erase, everywhere, is_refused

__all__ = ["account"]


def test_the_receipt_counts_what_was_erased(sql: Calls, account: dict[str, Any]) -> None:
    objects = sql.value("select count(*) from public.uploads where user_id = %s", account["user"])
    answer = erase(sql, account["user"])
    assert (answer["outcome"], answer["jobs"], answer["uploads"]) == ("erased", 5, objects)
    ids = [*account["jobs"], account["upload"]["job_id"]]
    removals = sql.rows("select keys from public.removals where job_id::text = any (%s)", ids)
    assert answer["objects"] == sum(len(found) for (found,) in removals)
    row = sql.value("select to_jsonb(e) from public.erased_accounts e")
    assert {name: row[name] for name in ("receipt_id", "jobs", "uploads", "objects")} == {
        name: answer[name] for name in ("receipt_id", "jobs", "uploads", "objects")
    }


def test_no_row_names_the_account_any_more_but_what_is_still_to_be_removed(sql: Calls, account: dict[str, Any]) -> None:
    erase(sql, account["user"])
    assert everywhere(sql, account["user"]) == {"removals"}
    for wait_s in (0, 3_601, 24 * 3_600):  # at once, when no signature is open, when no token of an attempt holds
        sql.advance(wait_s)
        while removals := handed_out(sql):
            sql("removals_done", job_ids=list(removals))
    assert everywhere(sql, account["user"]) == set()


def test_bookkeeping_stays_under_one_id_that_is_nobodys(sql: Calls, account: dict[str, Any]) -> None:
    balance, entries = sql.rows(
        "select balance, (select count(*) from public.credit_ledger l where l.user_id = c.user_id)"
        " from public.user_credits c where user_id = %s",
        account["user"],
    )[0]
    receipt = erase(sql, account["user"])["receipt_id"]
    ((other,),) = sql.rows("select distinct user_id::text from public.jobs where id::text = any (%s)", account["jobs"])
    assert other not in {account["user"], receipt}
    assert uuid.UUID(other).version == 4
    row = sql.rows("select balance from public.user_credits where user_id = %s", other)
    refunds = 3  # of the one that ran, the one between attempts, and the one that waited
    assert row == [(balance + refunds,)]
    assert sql.value("select count(*) from public.credit_ledger where user_id = %s", other) == entries + refunds
    assert broken_invariants(sql.connection) == []


def test_jobs_end_as_cancelled_and_are_erased(sql: Calls, account: dict[str, Any]) -> None:
    erase(sql, account["user"])
    for job_id in account["jobs"]:
        row = sql.row(job_id)
        assert row["erased_at"] is not None
        assert (row["raw_path"], row["wrapped_key"], row["receipt"], row["original_filename"]) == (None,) * 4
        assert (row["idempotency_key"], row["request_hash"]) == (None, "")
    for job in (account["running"], account["waiting"]):
        row = sql.row(job["id"])
        assert (row["status"], row["error_details"]["code"]) == ("failed", "EXECUTOR_CANCELLED")
    assert sql.value("select count(*) from public.queue") == 0


def test_what_still_reports_finds_the_job_ended(sql: Calls, account: dict[str, Any]) -> None:
    job = account["running"]
    erase(sql, account["user"])
    late = {"job_id": job["id"], "attempt": 1, "document_id": job["document_id"], "claim_s": 60}
    assert sql("job_claim_settlement", user_id=account["user"], **late)["outcome"] == "terminal"
    assert sql.fail(job, attempt=1)["outcome"] == "terminal"
    assert sql("job_progress", job_id=job["id"], attempt=1, stage="ocr") is False
    assert sql("job_extend", job_id=job["id"], attempt=1, lease_s=60) is False


def test_whoever_settles_just_then_loses_the_claim(sql: Calls) -> None:
    job = sql.job()
    claim = sql.claim(job)["claim"]
    assert erase(sql, job["user_id"])["jobs"] == 1
    assert sql.finish(job, claim)["outcome"] == "terminal"
    assert sql.value("select count(*) from public.documents") == 0
    assert broken_invariants(sql.connection) == []


def test_objects_are_handed_out_at_once_and_again_when_no_signature_is_open(
    sql: Calls, account: dict[str, Any]
) -> None:
    erase(sql, account["user"])
    wanted = {*account["jobs"], account["upload"]["job_id"]}
    for wait_s in (0, 3_601):
        sql.advance(wait_s)
        found: dict[str, list[str]] = {}
        while removals := handed_out(sql):
            found |= removals
            sql("removals_done", job_ids=list(removals))
        assert wanted <= set(found)
        assert found[account["upload"]["job_id"]] == [account["upload"]["raw_path"]]
        master = keys.master_key(account["user"], account["completed"]["document_id"])
        assert {account["completed"]["raw_path"], master} <= set(found[account["completed"]["id"]])
        assert keys.dispatch_key(account["user"], account["running"]["id"], 1) in found[account["running"]["id"]]
    assert sql.value("select count(*) from public.removals where job_id::text = any (%s)", list(wanted)) == 0


def test_an_erased_account_is_refused_everywhere_and_gets_no_credits(sql: Calls, account: dict[str, Any]) -> None:
    user, job_id = account["user"], account["completed"]["id"]
    erase(sql, user)
    path = account["upload"]["raw_path"]
    upload = {"raw_path": path, "mime_type": "image/jpeg", "size_bytes": 9, "kid": None, "wrapped_key": None}
    upload |= {"job_id": new_id(), "created_at": sql.now}
    upload["raw_path"] = path.replace(account["upload"]["job_id"], str(upload["job_id"]))
    assert is_refused(sql, "account_open", user_id=user, initial_credits=3)
    assert is_refused(sql, "upload_create", user_id=user, initial_credits=3, **upload)
    assert is_refused(sql, "upload_get", user_id=user, job_id=account["upload"]["job_id"])
    assert is_refused(sql, "job_create", **new_job(user, path))
    assert is_refused(sql, "job_delete", user_id=user, job_id=job_id, **sql.capacity)
    assert is_refused(sql, "upload_delete", user_id=user, job_id=new_id())
    assert is_refused(sql, "credits_grant", user_id=user, amount=1)
    assert is_refused(sql, "account_export", user_id=user, actor="root@host")
    assert is_refused(sql, "job_get", as_user=user, job_id=job_id)
    everything = {"status": None, "limit": 9, "before_at": None, "before_id": None}
    assert is_refused(sql, "jobs_list", as_user=user, **everything)
    assert is_refused(sql, "jobs_list", as_user=user, **everything | {"status": "failed"})
    assert erase(sql, user) == {"outcome": "gone"}
    assert everywhere(sql, user) == {"removals"}


def test_nobody_else_is_refused_and_nobody_learns_of_another(sql: Calls, account: dict[str, Any]) -> None:
    other = sql.user()
    job = sql.job(other)
    erase(sql, account["user"])
    assert sql.as_user(other, "job_get", job_id=job["id"])["status"] == "pending"
    assert sql.as_user(other, "job_get", job_id=account["completed"]["id"]) is None
    assert sql("upload_get", user_id=other, job_id=new_id())["outcome"] == "unknown"
    assert sql.row(job["id"])["user_id"] == other
    assert sql("account_open", user_id=new_id(), initial_credits=3)["balance"] == 3


def test_an_account_that_was_never_opened_is_erased_too(sql: Calls) -> None:
    user = new_id()
    answer = erase(sql, user)
    assert {answer[name] for name in ("jobs", "uploads", "objects")} == {0}
    assert is_refused(sql, "account_open", user_id=user, initial_credits=3)


# --- many jobs --------------------------------------------------------------------------------------------------------


MANY = 1_100


@pytest.fixture
def large(sql: Calls) -> dict[str, Any]:
    """Somebody with more jobs than one call erases; all ended well, as copies of one."""
    user = sql.user(9)
    job = sql.job(user)
    sql.complete(job)
    sql.connection.execute("alter table public.jobs disable trigger user")
    sql.connection.execute(
        "insert into public.jobs select c.* from public.jobs j cross join generate_series(1, %s) n"
        " cross join jsonb_populate_record(j, jsonb_build_object('id', gen_random_uuid(), 'document_id',"
        " gen_random_uuid(), 'raw_path', 'raw/' || j.user_id || '/' || n || '/x', 'artifacts', null)) c"
        " where j.id = %s",
        [MANY - 1, job["id"]],
    )
    sql.connection.execute("alter table public.jobs enable trigger user")
    return {"user": user, "job": job}


def test_an_account_of_many_jobs_is_erased_by_its_call_and_ticks(sql: Calls, large: dict[str, Any]) -> None:
    """The receipt is whole at once; each step is bounded, and the last one leaves no row with the account's id."""
    receipt = erase(sql, large["user"])
    assert (receipt["outcome"], receipt["jobs"]) == ("erased", MANY)
    left = []
    while sql("jobs_tick", **sql.capacity)["erasing"]:
        left.append(sql.value("select count(*) from public.jobs where user_id = %s", large["user"]))
        assert sql("account_erase_step") is (len(left) == 2)
    assert left == [600, 100]
    assert everywhere(sql, large["user"]) == {"removals"}
    objects = sql.rows("select jsonb_array_length(keys) from public.removals where not is_last")
    assert receipt["objects"] == sum(length for (length,) in objects)
    assert sql("account_erase_step") is None


def test_while_its_erasure_goes_on_an_account_is_refused_what_is_left_of_it(sql: Calls, large: dict[str, Any]) -> None:
    user = large["user"]
    erase(sql, user)
    ((left,),) = sql.rows("select id::text from public.jobs where user_id = %s and erased_at is null limit 1", user)
    everything = {"status": None, "limit": 9, "before_at": None, "before_id": None}
    assert is_refused(sql, "job_get", as_user=user, job_id=left)
    assert is_refused(sql, "jobs_list", as_user=user, **everything)
    assert is_refused(sql, "job_delete", user_id=user, job_id=left, **sql.capacity)
    assert is_refused(sql, "account_open", user_id=user, initial_credits=3)
    assert is_refused(sql, "account_export", user_id=user, actor="root@host")
    assert erase(sql, user) == {"outcome": "gone"}


def test_accounts_that_are_erased_take_turns(sql: Calls, large: dict[str, Any]) -> None:
    """The next step is of the one that waits the longest."""
    erase(sql, large["user"])
    other = sql.user()
    sql.connection.execute("insert into public.erasures (user_id, due_at) values (%s, '-infinity')", [other])
    assert sql("account_erase_step") is True
    assert sql.rows("select user_id::text from public.erasures") == [(large["user"],)]


def test_a_second_account_gets_another_id(sql: Calls) -> None:
    jobs = [sql.job() for _ in range(2)]
    for job in jobs:
        erase(sql, job["user_id"])
    assert len({sql.row(job["id"])["user_id"] for job in jobs}) == 2


# --- the HMAC ---------------------------------------------------------------------------------------------------------


def test_an_erased_account_is_known_by_the_hmac_of_its_id(sql: Calls) -> None:
    user = sql.user()
    erase(sql, user)
    ((key, mac),) = sql.rows("select key, mac from public.account_key, public.erased_accounts")
    assert mac == hmac.new(key, user.encode(), hashlib.sha256).digest()
    assert len(key) == 32


@settings(max_examples=40, deadline=None)
@given(key=st.binary(max_size=200), message=st.binary(max_size=200))
def test_the_hmac_is_that_of_rfc_2104(database_url: str, key: bytes, message: bytes) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("select public.hmac_sha256(%s, %s)", [key, message]).fetchone()
    assert row == (hmac.new(key, message, hashlib.sha256).digest(),)


def test_two_databases_know_the_same_account_by_different_macs(sql: Calls) -> None:
    user, macs = new_id(), set()
    for _ in range(2):
        with sql.connection.transaction(force_rollback=True):
            erase(sql, user)
            macs.add(sql.value("select mac from public.erased_accounts"))
    assert len(macs) == 2


# --- who may change what is append-only -------------------------------------------------------------------------------


MOVED: dict[str, tuple[LiteralString, LiteralString]] = {
    "jobs": ("update public.jobs set user_id = gen_random_uuid() where user_id = %s", ", attempt = attempt + 1"),
    "credit_ledger": ("update public.credit_ledger set user_id = gen_random_uuid() where user_id = %s", ", amount = 9"),
    "user_credits": ("update public.user_credits set user_id = gen_random_uuid() where user_id = %s", ", balance = 9"),
    "operator_events": (
        "update public.operator_events set user_id = gen_random_uuid() where user_id = %s",
        ", actor = ''",
    ),
}


def of_an_erased_job(sql: Calls) -> str:
    """Somebody with a row in each of these tables, whose job is erased."""
    user = sql.user()
    job = sql.job(user)
    sql.complete(job)
    sql("job_erase", user_id=user, job_id=job["id"])
    sql("operator_credits_grant", user_id=user, amount=1, actor="root@host")
    sql.connection.execute("select set_config('rythmiq.forgotten', %s, true)", [user])
    return user


@pytest.mark.parametrize("table", MOVED)
def test_a_writer_of_the_api_moves_no_row_to_another_account(sql: Calls, table: str) -> None:
    """Not with the setting that `account_forget` uses either."""
    user = of_an_erased_job(sql)
    if table != "user_credits":  # no privilege at all, or a trigger
        sql.connection.execute(f"grant update on public.{table} to service_role".encode())
    sql.connection.execute("set local role service_role")
    with pytest.raises(psycopg.Error) as refused, sql.connection.transaction():
        sql.connection.execute(MOVED[table][0], [user])
    assert refused.value.sqlstate in {"23514", "23001"}


@pytest.mark.parametrize("table", MOVED)
def test_nothing_but_the_id_of_an_erased_account_changes(sql: Calls, table: str) -> None:
    """The owner's own hand included: with the id alone it is what `account_forget` does."""
    user = of_an_erased_job(sql)
    statement, more = MOVED[table]
    with pytest.raises(psycopg.Error) as refused, sql.connection.transaction():
        sql.connection.execute(statement.replace(" where", f"{more} where"), [user])
    assert refused.value.sqlstate in {"23514", "23001"}
    with sql.connection.transaction(force_rollback=True):
        assert sql.connection.execute(statement, [user]).rowcount > 0
        sql.connection.execute("select set_config('rythmiq.forgotten', '', true)")
    sql.connection.execute("select set_config('rythmiq.forgotten', '', true)")
    with pytest.raises(psycopg.Error), sql.connection.transaction():
        sql.connection.execute(statement, [user])


def test_an_account_of_which_anything_runs_or_waits_is_not_forgotten(sql: Calls) -> None:
    for prepare in (sql.upload, sql.job):
        user = sql.user()
        prepare(user)
        with pytest.raises(psycopg.errors.CheckViolation), sql.connection.transaction():
            sql("account_forget", user_id=user, jobs=0, uploads=0, objects=0)


@pytest.mark.parametrize(
    "statement",
    [
        "update public.erased_accounts set jobs = 9",
        "delete from public.erased_accounts",
        "truncate public.erased_accounts",
        "delete from public.operator_events",
        "update public.operator_events set actor = 'x'",
        "truncate public.operator_events",
        "update public.account_key set key = 'x'",
        "delete from public.account_key",
    ],
)
def test_what_was_erased_and_done_stays_written_down(sql: Calls, statement: str) -> None:
    erase(sql, sql.user(), actor="root@host")
    with pytest.raises(psycopg.errors.RestrictViolation), sql.connection.transaction():
        sql.connection.execute(statement.encode())


# --- two at once ------------------------------------------------------------------------------------------------------


def test_a_job_that_is_created_while_its_account_is_erased_is_refused(database_url: str) -> None:
    """It waits for the account's credits, and finds the account gone."""
    with psycopg.connect(database_url) as first, psycopg.connect(database_url) as second:
        user = Calls(first).user()
        upload = Calls(first).upload(user)
        first.commit()
        with first.transaction():
            Calls(first)("account_erase", user_id=user, actor=None)
            second.execute("set statement_timeout = '300ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                call(second, "job_create", **new_job(user, upload["raw_path"]))
            second.rollback()
        with pytest.raises(psycopg.Error) as refused:
            call(second, "job_create", **new_job(user, upload["raw_path"]))
        assert refused.value.sqlstate == ERASED
