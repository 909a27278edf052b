"""`job_create` of several uploads: claimed together in their order, or not at all; erased and dispatched whole."""

from typing import Any

import pytest

from rythmiq.contracts import keys
from tests.support.database_calls import WRAPPED_KEY, Calls, finish, new_id

PDF = {"portal": "aadhaar-update", "slot": "document-pdf"}
OTHER_KEY = WRAPPED_KEY.replace("A", "C")


def uploads(sql: Calls, user: str, count: int = 3, **changed: object) -> list[dict[str, Any]]:
    return [sql.upload(user, **changed) for _ in range(count)]


def several(sql: Calls, user: str, sources: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
    """`job_create` of these, each object as large as it may be."""
    paths = [source["raw_path"] for source in sources]
    sizes = {"objects_bytes": [1124] * len(paths), "object_bytes": None}
    return sql.create(user, {"raw_path": None}, **{"raw_paths": paths, **PDF, **sizes, **changed})


def claims(sql: Calls, sources: list[dict[str, Any]]) -> set[str | None]:
    """By which jobs these uploads are claimed."""
    ids = [source["job_id"] for source in sources]
    return {by for (by,) in sql.rows("select claimed_by::text from public.uploads where job_id::text = any (%s)", ids)}


def test_several_uploads_are_one_job_of_the_first_ones_id_and_key_for_one_credit(sql: Calls) -> None:
    user = sql.user(3)
    sources = [sql.upload(user, mime_type="image/png"), sql.upload(user, wrapped_key=OTHER_KEY, kid=2)]
    answer = several(sql, user, sources)
    assert (answer["outcome"], answer["job_id"]) == ("created", sources[0]["job_id"])
    started = answer["started"]
    assert (started["raw_path"], started["raw_paths"]) == (None, [source["raw_path"] for source in sources])
    assert started["inputs"] == [{"kid": 1, "wrapped_key": WRAPPED_KEY}, {"kid": 2, "wrapped_key": OTHER_KEY}]
    assert (started["kid"], started["wrapped_key"], started["mime_type"]) == (1, WRAPPED_KEY, "image/png")
    assert claims(sql, sources) == {answer["job_id"]}
    account = sql("account_open", user_id=user, initial_credits=3)
    assert (account["balance"], account["reserved"]) == (2, 1)


def test_an_upload_alone_is_claimed_by_its_own_job(sql: Calls) -> None:
    user = sql.user()
    upload = sql.upload(user)
    started = sql.create(user, upload)["started"]
    assert (started["raw_paths"], started["inputs"]) == (None, None)
    assert claims(sql, [upload]) == {upload["job_id"]}


def test_an_equal_request_is_the_same_job_and_another_one_finds_each_upload_claimed(sql: Calls) -> None:
    user = sql.user()
    sources = uploads(sql, user)
    first = several(sql, user, sources)
    again = several(sql, user, sources)
    assert (again["outcome"], again["job_id"]) == ("replayed", first["job_id"])
    other = {"request_hash": "b" * 64}
    assert several(sql, user, sources[::-1], **other) == {"outcome": "upload_claimed"}
    assert several(sql, user, [sql.upload(user), sources[1]], **other) == {"outcome": "upload_claimed"}
    for source in sources:
        assert sql.create(user, source, **other) == {"outcome": "upload_claimed"}


def test_one_claimed_upload_leaves_the_others_unclaimed(sql: Calls) -> None:
    user = sql.user()
    taken, *free = uploads(sql, user)
    sql.create(user, taken)
    assert several(sql, user, [*free, taken], request_hash="b" * 64) == {"outcome": "upload_claimed"}
    assert claims(sql, free) == {None}
    assert several(sql, user, free, request_hash="b" * 64)["outcome"] == "created"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_upload_of_another_user_or_of_nobody_makes_all_unknown(sql: Calls, place: int) -> None:
    user, other = sql.user(), sql.user()
    never = {"raw_path": f"raw/{user}/{new_id()}/20261125T120000Z_scan.jpg.enc"}
    for stranger in (sql.upload(other), never):
        sources = uploads(sql, user, 2)
        sources.insert(place, stranger)
        assert several(sql, user, sources) == {"outcome": "upload_unknown"}
        assert claims(sql, [source for source in sources if "job_id" in source]) == {None}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_missing_object_or_one_that_is_too_large_refuses_all(sql: Calls, place: int) -> None:
    user = sql.user(3)
    sources = uploads(sql, user)
    sizes: list[int | None] = [1124, 1124, 1124]
    sizes[place] = None
    assert several(sql, user, sources, objects_bytes=sizes) == {"outcome": "object_missing"}
    sizes[place] = 1125
    assert several(sql, user, sources, objects_bytes=sizes) == {"outcome": "too_large"}
    assert claims(sql, sources) == {None}
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 3


def test_sealed_beside_plain_is_refused_and_all_plain_is_a_plaintext_job(sql: Calls) -> None:
    user = sql.user()
    plain = uploads(sql, user, 2, kid=None, wrapped_key=None)
    assert several(sql, user, [sql.upload(user), plain[0]]) == {"outcome": "mixed_encryption"}
    started = several(sql, user, plain, objects_bytes=[1000, 1000])["started"]
    assert (started["kid"], started["wrapped_key"]) == (None, None)


@pytest.mark.parametrize(
    ("slot", "outcome"),
    [
        ({"portal": "neet-2026", "slot": "photo"}, "several_refused"),
        ({"portal": "aadhaar-update", "slot": "document"}, "created"),
        ({"portal": "mars-2026"}, "portal_unknown"),
        ({"slot": None}, "slot_required"),
        ({"options": {"background": "white"}}, "option_refused"),
        ({"options": {"text_layer": True}}, "option_refused"),
    ],
)
def test_several_are_for_a_slot_that_takes_a_pdf(sql: Calls, slot: dict[str, Any], outcome: str) -> None:
    user = sql.user()
    assert several(sql, user, uploads(sql, user), **slot)["outcome"] == outcome


def test_several_where_one_is_due_are_told_before_an_unknown_upload(sql: Calls) -> None:
    user = sql.user()
    never = {"raw_path": f"raw/{user}/{new_id()}/20261125T120000Z_scan.jpg.enc"}
    assert several(sql, user, [never, never], portal="neet-2026", slot="photo") == {"outcome": "several_refused"}


def test_a_text_layer_is_taken_where_the_slot_allows_it(sql: Calls) -> None:
    sql.connection.execute(
        'update public.portal_schemas set schema_definition = schema_definition || \'{"text_layer": "allowed"}\''
        " where portal = 'aadhaar-update'"
    )
    user = sql.user()
    assert several(sql, user, uploads(sql, user), options={"text_layer": True})["outcome"] == "created"


def test_deletion_names_every_upload_and_a_pdf(sql: Calls) -> None:
    user = sql.user()
    sources = uploads(sql, user)
    job = sql.row(several(sql, user, sources, slot="document")["job_id"])
    sql.fail(job)
    found = sql("job_delete", user_id=user, job_id=job["id"], **sql.capacity)["keys"]
    assert {source["raw_path"] for source in sources} <= set(found)
    assert [key for key in found if "_document." in key and not key.endswith("_document.pdf.enc")] == []


def test_erasure_leaves_none_of_the_uploads_nor_their_names(sql: Calls) -> None:
    user = sql.user()
    sources, bystander = uploads(sql, user), sql.upload(user)
    job = sql.row(several(sql, user, sources)["job_id"])
    sql.finish(job, sql.claim(job)["claim"])
    assert sql("job_erase", user_id=user, job_id=job["id"]) == {"outcome": "erased"}
    row = sql.row(job["id"])
    assert (row["raw_paths"], row["raw_path"]) == (None, None)
    assert "scan.jpg" not in str(row)
    ids = [source["job_id"] for source in sources]
    assert sql.value("select count(*) from public.uploads where job_id::text = any (%s)", ids) == 0
    assert sql.value("select count(*) from public.uploads where job_id = %s", bystander["job_id"]) == 1
    removals = sql.value("select keys from public.removals where job_id = %s", job["id"])
    assert {source["raw_path"] for source in sources} <= set(removals)  # an open signature may bring them back
    assert keys.master_key(user, job["document_id"]) in removals


def test_unclaimed_uploads_lapse_and_claimed_ones_do_not(sql: Calls) -> None:
    user = sql.user()
    sources, left = uploads(sql, user), sql.upload(user)
    several(sql, user, sources)
    sql.advance(25 * 3600)
    sql("jobs_tick", **sql.capacity)
    assert sql("upload_get", user_id=user, job_id=left["job_id"])["outcome"] == "unknown"
    assert {sql("upload_get", user_id=user, job_id=source["job_id"])["outcome"] for source in sources} == {"claimed"}


def test_a_retry_hands_out_the_same_uploads_with_the_keys_as_they_are_wrapped_by_then(sql: Calls) -> None:
    user = sql.user()
    sources = uploads(sql, user, 2)
    job = sql.row(several(sql, user, sources)["job_id"])
    sql.fail(job, retry=True)
    sql.connection.execute("update public.uploads set kid = 7, wrapped_key = %s", [OTHER_KEY])
    sql.advance(60)
    started = sql("jobs_tick", **sql.capacity)["dispatch"]
    assert (started["attempt"], started["raw_paths"]) == (2, [source["raw_path"] for source in sources])
    assert started["inputs"] == [{"kid": 7, "wrapped_key": OTHER_KEY}] * 2


def test_the_api_of_the_release_before_creates_and_finishes_jobs_of_one_upload(sql: Calls) -> None:
    """It names neither `raw_paths` nor `objects_bytes` nor `advice`."""
    job = sql.job()
    assert sql("job_finish", **finish(job, sql.claim(job)["claim"], sql.capacity))["outcome"] == "completed"
