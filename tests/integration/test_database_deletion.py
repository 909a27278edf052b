"""DELETE: a waiting job is cancelled, an ended one is erased, a running one is left alone."""

import datetime as dt
from typing import Any

import psycopg
import pytest

from rythmiq.contracts import keys
from tests.support.database_calls import Calls, handed_out, new_id

PERSONAL = ("scan.jpg", "wrapped", "UPSCALED", "the picture")


def delete(sql: Calls, job: dict[str, Any], user_id: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = sql("job_delete", user_id=user_id or job["user_id"], job_id=job["id"], **sql.capacity)
    return answer


def test_a_waiting_job_is_cancelled_with_its_refund(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    user = sql.user(3)
    job = sql.job(user)
    assert delete(sql, job)["outcome"] == "cancelled"
    row = sql.row(job["id"])
    assert (row["status"], row["error_details"]["code"], row["attempt"]) == ("failed", "EXECUTOR_CANCELLED", 0)
    account = sql("account_open", user_id=user, initial_credits=3)
    assert (account["balance"], account["reserved"]) == (3, 0)


def test_a_cancelled_job_stays_visible_until_it_is_deleted_again(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job()
    assert delete(sql, job)["keys"] == [job["raw_path"]]
    assert sql.as_user(job["user_id"], "job_get", job_id=job["id"])["status"] == "failed"
    assert delete(sql, job) == {"outcome": "erasable", "keys": [job["raw_path"]]}


def test_a_running_job_is_left_alone(sql: Calls) -> None:
    job = sql.job()
    assert delete(sql, job) == {"outcome": "processing", "keys": []}
    sql.fail(job, retry=True)
    assert delete(sql, job) == {"outcome": "processing", "keys": []}


def test_a_job_is_unknown_to_everybody_else(sql: Calls) -> None:
    job = sql.job()
    sql.fail(job)
    assert delete(sql, job, user_id=new_id()) == {"outcome": "unknown", "keys": []}
    assert sql("job_erase", user_id=new_id(), job_id=job["id"]) == {"outcome": "unchanged"}
    assert sql.row(job["id"])["erased_at"] is None


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("slot", ["photo", "document-pdf"])
def test_what_is_to_be_removed_are_the_keys_that_the_grammar_builds(sql: Calls, sealed: bool, slot: str) -> None:  # noqa: FBT001  a parameter of the test
    user = sql.user()
    key = {} if sealed else {"kid": None, "wrapped_key": None}
    portal = "neet-2026" if slot == "photo" else "aadhaar-update"
    job = sql.job(user, portal=portal, slot=slot) if sealed else _plain_job(sql, user, key, portal, slot)
    sql.fail(job, retry=True)
    sql.advance(60)
    sql("jobs_tick", **sql.capacity)
    sql.fail(job)
    row = sql.row(job["id"])
    at, made = (dt.datetime.fromisoformat(row[name]) for name in ("dispatched_at", "created_at"))
    extension = "jpg" if slot == "photo" else "pdf"
    assert extension in {"jpg", "pdf"}
    names = [
        keys.preview_name(sealed=sealed),
        keys.before_name(sealed=sealed),
        keys.document_name(at, "jpg" if slot == "photo" else "pdf", sealed=sealed),
        keys.text_name(at, sealed=sealed),
        keys.zip_name(made, sealed=sealed),
    ]
    assert delete(sql, job)["keys"] == sorted(
        [
            row["raw_path"],
            keys.master_key(user, row["document_id"]),
            *(keys.dispatch_key(user, job["id"], attempt) for attempt in (1, 2)),
            *(keys.result_key(user, job["id"], attempt) for attempt in (1, 2)),
            *(keys.output_key(user, job["id"], name) for name in names),
        ]
    )


def _plain_job(sql: Calls, user: str, key: dict[str, Any], portal: str, slot: str) -> dict[str, Any]:
    answer = sql.create(user, sql.upload(user, **key), object_bytes=1000, portal=portal, slot=slot)
    return sql.row(answer["job_id"])


def test_a_shared_master_is_not_removed_with_the_job_that_was_made_from_it(sql: Calls) -> None:
    user = sql.user()
    first = sql.job(user)
    sql.complete(first)
    master = keys.master_key(user, first["document_id"])
    second = sql.row(sql.create(user, {"raw_path": master})["job_id"])
    sql.fail(second)
    assert master not in delete(sql, second)["keys"]


@pytest.mark.parametrize("end", [Calls.complete, Calls.fail])
def test_erasure_leaves_a_tombstone_for_the_ledger_and_nothing_personal(sql: Calls, end: Any) -> None:
    job = sql.job()
    end(sql, job)
    account = sql("account_open", user_id=job["user_id"], initial_credits=3)
    status = sql.row(job["id"])["status"]
    assert delete(sql, job)["outcome"] == "erasable"
    assert sql("job_erase", user_id=job["user_id"], job_id=job["id"]) == {"outcome": "erased"}
    row = sql.row(job["id"])
    assert (row["status"], row["user_id"], row["wrapped_key"], row["receipt"]) == (status, job["user_id"], None, None)
    assert not [word for word in PERSONAL if word in str(list(row.values()))]
    for table in ("documents", "uploads"):
        assert sql.connection.execute(f"select from public.{table} where job_id = %s", [job["id"]]).rowcount == 0
    assert sql("account_open", user_id=job["user_id"], initial_credits=3) == account


def test_erasure_takes_the_caption_and_what_was_advised(sql: Calls) -> None:
    sql.connection.execute(
        'update public.portal_schemas set schema_definition = schema_definition || \'{"caption": "allowed"}\''
    )
    job = sql.job(options={"caption": {"name": "Asha Rao", "date": "2026-11-28"}})
    claim = sql.claim(job)["claim"]
    sql.finish(job, claim, advice=[{"code": "BACKGROUND", "parameters": {"reason": "dark", "measured": 75}}])
    before = sql.row(job["id"])
    assert (before["options"]["caption"]["name"], before["advice"][0]["code"]) == ("Asha Rao", "BACKGROUND")
    sql("job_erase", user_id=job["user_id"], job_id=job["id"])
    row = sql.row(job["id"])
    assert (row["options"], row["advice"]) == ({}, [])
    assert "Asha" not in str(row)


def test_a_second_delete_finds_the_job_gone_and_a_second_erasure_changes_nothing(sql: Calls) -> None:
    job = sql.job()
    sql.complete(job)
    sql("job_erase", user_id=job["user_id"], job_id=job["id"])
    row = sql.row(job["id"])
    assert delete(sql, job) == {"outcome": "gone", "keys": []}
    assert sql("job_erase", user_id=job["user_id"], job_id=job["id"]) == {"outcome": "unchanged"}
    assert sql.row(job["id"]) == row


def test_a_running_or_waiting_job_cannot_be_erased(sql: Calls) -> None:
    running = sql.job()
    assert sql("job_erase", user_id=running["user_id"], job_id=running["id"]) == {"outcome": "unchanged"}
    with pytest.raises(psycopg.errors.CheckViolation, match="cannot be erased"), sql.connection.transaction():
        sql.connection.execute("update public.jobs set erased_at = now() where id = %s", [running["id"]])


def test_an_equal_call_after_erasure_is_still_the_same_job(sql: Calls) -> None:
    user = sql.user()
    job = sql.job(user, idempotency_key="k")
    sql.complete(job)
    sql("job_erase", user_id=user, job_id=job["id"])
    assert sql.create(user, idempotency_key="k")["job_id"] == job["id"]


def test_what_a_cancelled_job_was_asked_for_goes_with_its_upload(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job(options={"face": {"x": 0.5, "y": 0.5}})
    assert (job["original_filename"], job["options"]["face"]["x"]) == ("scan.jpg", 0.5)
    delete(sql, job)
    row = sql.row(job["id"])
    assert (row["original_filename"], row["options"]) == (None, {})


@pytest.mark.parametrize("end", ["cancelled", "erased"])
def test_a_key_whose_signature_is_open_is_swept_once_it_has_expired(sql: Calls, end: str) -> None:
    """A signature holds for an hour at most: the second sweep comes after it, and is the last."""
    if end == "cancelled":
        sql.capacity["max_inflight"] = 0
    job = sql.job()
    if end == "erased":
        sql.complete(job)
        sql("job_erase", user_id=job["user_id"], job_id=job["id"])
    else:
        delete(sql, job)
    assert sql("jobs_tick", **sql.capacity)["removals"] == []
    for _ in range(2):
        sql.advance(3_601)
        assert job["raw_path"] in handed_out(sql)[job["id"]]
        assert sql("removals_done", job_ids=[job["id"]]) == 1
    sql.advance(3_601)
    assert sql("jobs_tick", **sql.capacity)["removals"] == []


# --- uploads ----------------------------------------------------------------------------------------------------------


def test_an_upload_without_a_job_is_deleted_and_a_second_call_finds_it_gone(sql: Calls) -> None:
    user = sql.user()
    upload, other = sql.upload(user), sql.upload(user)
    about = {"user_id": user, "job_id": upload["job_id"]}
    assert sql("upload_delete", **about) == {"outcome": "deleted", "keys": [upload["raw_path"]]}
    assert sql("upload_delete", **about) == {"outcome": "gone", "keys": [upload["raw_path"]]}
    assert sql("upload_get", **about)["outcome"] == "unknown"
    assert sql("upload_get", user_id=user, job_id=other["job_id"])["outcome"] == "found"
    assert sql.create(user, upload)["outcome"] == "upload_unknown"


def test_a_deleted_upload_is_swept_until_its_signature_has_expired_and_is_unknown_then(sql: Calls) -> None:
    user = sql.user()
    upload = sql.upload(user)
    sql("upload_delete", user_id=user, job_id=upload["job_id"])
    for _ in range(2):
        sql.advance(3_601)
        assert handed_out(sql) == {upload["job_id"]: [upload["raw_path"]]}
        sql("removals_done", job_ids=[upload["job_id"]])
    assert sql("upload_delete", user_id=user, job_id=upload["job_id"]) == {"outcome": "unknown", "keys": []}


def test_what_one_account_leaves_delays_nobody_else(sql: Calls) -> None:
    """Of a backlog of two hours' uploads that were created and deleted, the others' few come with the first."""
    flood = new_id()
    sql.connection.execute(
        "insert into public.removals (job_id, keys, due_at)"
        " select gen_random_uuid(), jsonb_build_array('raw/' || %s || '/x/' || n), public.instant() - interval '1 hour'"
        " from generate_series(1, 7200) n",
        [flood],
    )
    sql.advance(60)
    others = {}
    for _ in range(5):
        user = sql.user()
        upload = sql.upload(user)
        sql("upload_delete", user_id=user, job_id=upload["job_id"])
        others[upload["job_id"]] = [upload["raw_path"]]
    sql.advance(3_600)
    found = handed_out(sql)
    assert len(found) == 200
    assert {job_id: found[job_id] for job_id in others} == others
    assert list(found.values()).index(list(others.values())[-1]) <= len(others)


def test_ticks_of_a_minute_take_more_than_an_account_can_leave_in_it(sql: Calls) -> None:
    """However often they come; what was handed out is not handed out again."""
    user = sql.user()
    for _ in range(60):
        upload = sql.upload(user)
        sql("upload_delete", user_id=user, job_id=upload["job_id"])
    sql.advance(3_600)
    assert len(handed_out(sql)) == 60
    assert handed_out(sql) == {}


def test_an_upload_that_has_a_job_goes_with_the_job(sql: Calls) -> None:
    job = sql.job()
    assert sql("upload_delete", user_id=job["user_id"], job_id=job["id"]) == {"outcome": "claimed", "keys": []}
    assert sql.value("select count(*) from public.removals") == 0


def test_an_upload_is_unknown_to_everybody_else_also_while_it_is_swept(sql: Calls) -> None:
    user, stranger = sql.user(), sql.user()
    upload = sql.upload(user)
    for _ in range(2):
        asked = sql("upload_delete", user_id=stranger, job_id=upload["job_id"])
        assert asked == {"outcome": "unknown", "keys": []}
        sql("upload_delete", user_id=user, job_id=upload["job_id"])


def test_a_job_that_is_swept_is_no_deleted_upload(sql: Calls) -> None:
    job = sql.job()
    sql.complete(job)
    sql("job_erase", user_id=job["user_id"], job_id=job["id"])
    assert sql("upload_delete", user_id=job["user_id"], job_id=job["id"])["outcome"] == "unknown"
