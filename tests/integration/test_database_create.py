"""`job_create`: every outcome, in the order in which they are looked at."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from rythmiq.portals import load_portal
from tests.support.database_calls import WRAPPED_KEY, Calls, new_id


def test_a_job_takes_id_key_and_media_type_from_its_upload_and_reserves_one_credit(sql: Calls) -> None:
    user = sql.user(3)
    upload = sql.upload(user)
    answer = sql.create(user, upload)
    job = sql.row(answer["job_id"])
    assert (job["id"], job["kid"], job["wrapped_key"], job["mime_type"]) == (
        upload["job_id"],
        1,
        WRAPPED_KEY,
        "image/jpeg",
    )
    account = sql("account_open", user_id=user, initial_credits=3)
    assert (account["balance"], account["reserved"]) == (2, 1)
    assert [entry["kind"] for entry in account["entries"]] == ["reserve", "grant"]


def test_a_job_with_room_starts_at_once_and_is_handed_out_for_dispatch(sql: Calls) -> None:
    answer = sql.create(sql.user())
    started = answer["started"]
    assert (answer["status"], started["job_id"], started["attempt"]) == ("processing", answer["job_id"], 1)
    assert started["portal_name"] == "NEET (UG) 2026"
    assert started["schema_definition"]["kind"] == "photo"
    row = sql.row(answer["job_id"])
    assert (row["stage"], row["dispatched_at"]) == ("dispatch", started["dispatched_at"])


def test_a_job_without_room_waits(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 1
    sql.job()
    answer = sql.create(sql.user())
    assert (answer["status"], answer["started"]) == ("pending", None)


def test_a_job_of_a_url_has_the_id_and_the_key_that_it_is_given(sql: Calls) -> None:
    user, job_id = sql.user(), new_id()
    source = {"raw_path": None}
    answer = sql.create(
        user, source, job_id=job_id, artifact_url="https://example.org/a.jpg", kid=2, wrapped_key="fresh"
    )
    started = answer["started"]
    assert (answer["job_id"], started["kid"], started["wrapped_key"]) == (job_id, 2, "fresh")
    assert (started["raw_path"], started["artifact_url"]) == (None, "https://example.org/a.jpg")


def test_a_job_of_a_master_opens_it_with_the_key_of_the_job_that_made_it(sql: Calls) -> None:
    user = sql.user()
    first = sql.job(user)
    sql.complete(first)
    master = f"master/{user}/{first['document_id']}/{first['document_id']}.enc"
    started = sql.create(user, {"raw_path": master}, kid=2, wrapped_key="fresh")["started"]
    assert (started["raw_path"], started["kid"], started["wrapped_key"]) == (master, 2, "fresh")
    assert (started["input_kid"], started["input_wrapped_key"]) == (1, WRAPPED_KEY)


def test_a_job_of_a_plaintext_master_is_plaintext_too(sql: Calls) -> None:
    user = sql.user()
    first = sql.job(user, upload=sql.upload(user, kid=None, wrapped_key=None), object_bytes=1000)
    sql.complete(first)
    master = f"master/{user}/{first['document_id']}/{first['document_id']}.enc"
    started = sql.create(user, {"raw_path": master}, kid=2, wrapped_key="fresh")["started"]
    assert started["raw_path"] == master
    assert {started[name] for name in ("kid", "wrapped_key", "input_kid", "input_wrapped_key")} == {None}


def test_a_master_that_is_anothers_erased_or_not_there_is_unknown(sql: Calls) -> None:
    user, other = sql.user(), sql.user()
    job = sql.job(user)
    master = {"raw_path": f"master/{user}/{job['document_id']}/{job['document_id']}.enc"}
    assert sql.create(user, master)["outcome"] == "upload_unknown"
    sql.complete(job)
    assert sql.create(other, master)["outcome"] == "upload_unknown"
    sql("job_erase", user_id=user, job_id=job["id"])
    assert sql.create(user, master)["outcome"] == "upload_unknown"


def test_the_same_idempotency_key_with_an_equal_request_is_the_same_job(sql: Calls) -> None:
    user = sql.user()
    first = sql.create(user, idempotency_key="k")
    again = sql.create(user, idempotency_key="k")
    assert again == {"outcome": "replayed", "job_id": first["job_id"], "status": "processing"}
    assert sql("account_open", user_id=user, initial_credits=3)["reserved"] == 1


def test_a_replay_tells_the_present_status(sql: Calls) -> None:
    user = sql.user()
    sql.complete(sql.job(user, idempotency_key="k"))
    assert sql.create(user, idempotency_key="k")["status"] == "completed"


def test_the_same_idempotency_key_with_another_request_is_a_mismatch(sql: Calls) -> None:
    user = sql.user()
    sql.job(user, idempotency_key="k")
    assert sql.create(user, idempotency_key="k", request_hash="b" * 64) == {"outcome": "idempotency_mismatch"}


def test_an_idempotency_key_is_a_users_own(sql: Calls) -> None:
    first, second = sql.create(sql.user(), idempotency_key="k"), sql.create(sql.user(), idempotency_key="k")
    assert (first["outcome"], second["outcome"]) == ("created", "created")


def test_the_same_upload_with_an_equal_request_is_the_same_job_whatever_the_idempotency_key(sql: Calls) -> None:
    user = sql.user()
    upload = sql.upload(user)
    first = sql.create(user, upload, idempotency_key="one")
    for key in (None, "two"):
        again = sql.create(user, upload, idempotency_key=key)
        assert (again["outcome"], again["job_id"]) == ("replayed", first["job_id"])


def test_the_same_upload_with_another_request_is_claimed(sql: Calls) -> None:
    user = sql.user()
    upload = sql.upload(user)
    sql.create(user, upload)
    assert sql.create(user, upload, request_hash="b" * 64) == {"outcome": "upload_claimed"}


def test_a_claimed_upload_is_told_after_an_unknown_portal_and_before_a_missing_object(sql: Calls) -> None:
    """404, then 409."""
    user = sql.user()
    upload = sql.upload(user)
    sql.create(user, upload)
    other = {"request_hash": "b" * 64}
    assert sql.create(user, upload, portal="nowhere", **other) == {"outcome": "portal_unknown"}
    assert sql.create(user, upload, object_bytes=None, **other) == {"outcome": "upload_claimed"}
    # Still the same job where the request is equal, whatever became of portal and object.
    assert sql.create(user, upload, portal="nowhere", object_bytes=None)["outcome"] == "replayed"


def test_a_conflict_of_key_and_upload_at_once_is_a_mismatch(sql: Calls) -> None:
    user = sql.user()
    upload = sql.upload(user)
    sql.create(user, upload, idempotency_key="k")
    again = sql.create(user, upload, idempotency_key="k", request_hash="b" * 64)
    assert again["outcome"] == "idempotency_mismatch"


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"portal": "mars-2026"}, "portal_unknown"),
    ({"slot": "tail"}, "portal_unknown"),
    ({"portal_version": "1999"}, "portal_unknown"),
    ({"slot": None}, "slot_required"),
    ({"object_bytes": None}, "object_missing"),
    ({"object_bytes": 1125}, "too_large"),
    ({"max_active_jobs": 1}, "too_many_jobs"),
]


@pytest.mark.parametrize(("changed", "outcome"), REFUSALS)
def test_a_refused_job_leaves_credits_and_upload_alone(sql: Calls, changed: dict[str, Any], outcome: str) -> None:
    user = sql.user(3)
    sql.job(user)
    upload = sql.upload(user)
    assert sql.create(user, upload, **changed) == {"outcome": outcome}
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 2
    assert sql("upload_get", user_id=user, job_id=upload["job_id"])["outcome"] == "found"


def test_the_last_refusal_is_the_credit(sql: Calls) -> None:
    user = sql.user(1)
    sql.job(user)
    assert sql.create(user) == {"outcome": "no_credit"}
    assert sql.create(user, max_active_jobs=1) == {"outcome": "too_many_jobs"}


def test_an_upload_is_unknown_to_others_and_when_it_was_never_signed(sql: Calls) -> None:
    user, other = sql.user(), sql.user()
    upload = sql.upload(other)
    assert sql.create(user, upload)["outcome"] == "upload_unknown"
    never = {"raw_path": f"raw/{user}/{new_id()}/20261125T120000Z_scan.jpg.enc"}
    assert sql.create(user, never)["outcome"] == "upload_unknown"
    renamed = {"raw_path": sql.upload(user)["raw_path"].replace("scan", "scam")}
    assert sql.create(user, renamed)["outcome"] == "upload_unknown"


def test_a_sealed_upload_may_be_124_bytes_larger_and_a_plaintext_one_may_not(sql: Calls) -> None:
    user = sql.user()
    assert sql.create(user, object_bytes=1124)["outcome"] == "created"
    plain = sql.upload(user, kid=None, wrapped_key=None)
    assert sql.create(user, plain, object_bytes=1001)["outcome"] == "too_large"
    answer = sql.create(user, plain, object_bytes=1000)
    assert (answer["outcome"], answer["started"]["kid"], answer["started"]["wrapped_key"]) == ("created", None, None)


def test_a_portal_with_one_slot_needs_none_named(sql: Calls) -> None:
    sql.connection.execute(
        "insert into public.portal_schemas (portal, slot, version, name, schema_definition)"
        " values ('one-slot', 'photo', '1', 'One', '{}')"
    )
    answer = sql.create(sql.user(), portal="one-slot", slot=None)
    assert (answer["outcome"], answer["started"]["slot"]) == ("created", "photo")


def test_a_job_is_pinned_to_the_current_version_or_to_the_one_that_it_names(sql: Calls) -> None:
    sql.connection.execute(
        "insert into public.portal_schemas (portal, slot, version, name, schema_definition, is_current)"
        " values ('neet-2026', 'photo', '2020', 'NEET', '{\"max_kb\": 7}', false)"
    )
    user = sql.user()
    assert sql.create(user)["started"]["portal_version"] == load_portal("neet-2026").version
    old = sql.create(user, portal_version="2020", slot=None)["started"]
    assert (old["portal_version"], old["schema_definition"]) == ("2020", {"max_kb": 7})


CAPTION = {"caption": {"name": "Asha Rao", "date": "2026-11-28"}}
WHITE = {"background": "white"}
NOTE = {"source_url": "https://example.org/notice.pdf", "note": "no edited photos"}


def _slot(sql: Calls, rules: dict[str, Any]) -> dict[str, Any]:
    """A portal of one slot with these rules; what `job_create` is to be asked for."""
    name = f"test-{new_id()[:8]}"
    sql.connection.execute(
        "insert into public.portal_schemas (portal, slot, version, name, schema_definition)"
        " values (%s, 'photo', '1', 'One', %s)",
        [name, Jsonb(rules)],
    )
    return {"portal": name, "slot": "photo"}


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (WHITE, {"background_edit": "allowed"}),
        (WHITE, {"background_edit": "allowed", "kind": "photo"}),
        (CAPTION, {"caption": "allowed", "kind": "auto"}),
        (CAPTION, {"caption": "required"}),
        (CAPTION, {"name_date_strip": True}),
        (WHITE | CAPTION, {"background_edit": "allowed", "caption": "allowed"}),
        ({"rotate": 90, "face": {"x": 0.5, "y": 0.5}}, {}),
        ({"background": None, "caption": None}, {}),
    ],
)
def test_an_option_that_the_slot_allows_is_kept_for_the_worker(
    sql: Calls, options: dict[str, Any], rules: dict[str, Any]
) -> None:
    answer = sql.create(sql.user(), options=options, **_slot(sql, rules))
    assert (answer["outcome"], answer["started"]["options"]) == ("created", options)


@pytest.mark.parametrize(
    ("options", "rules", "refused"),
    [
        (WHITE, {}, [("background", None)]),
        (WHITE, {"background_edit": "forbidden", "sources": {"background_edit": NOTE}}, [("background", NOTE)]),
        (WHITE, {"background_edit": "allowed", "kind": "signature"}, [("background", None)]),
        (CAPTION, {}, [("caption", None)]),
        (CAPTION, {"caption": "none", "sources": {"caption": NOTE}}, [("caption", NOTE)]),
        (CAPTION, {"name_date_strip": False, "sources": {"name_date_strip": NOTE}}, [("caption", NOTE)]),
        (CAPTION, {"caption": "required", "kind": "document"}, [("caption", None)]),
        (WHITE | CAPTION, {}, [("background", None), ("caption", None)]),
        (WHITE | CAPTION, {"caption": "allowed"}, [("background", None)]),
    ],
)
def test_an_option_that_the_slot_does_not_allow_is_refused_with_its_source(
    sql: Calls, options: dict[str, Any], rules: dict[str, Any], refused: list[tuple[str, Any]]
) -> None:
    answer = sql.create(sql.user(), options=options, **_slot(sql, rules))
    assert answer == {
        "outcome": "option_refused",
        "refused": [{"option": option, "source": source} for option, source in refused],
    }


def test_an_option_is_refused_after_the_portal_and_the_slot_and_before_the_upload_and_the_credit(sql: Calls) -> None:
    user = sql.user(0)
    white = {"options": WHITE}
    assert sql.create(user, portal="mars-2026", **white)["outcome"] == "portal_unknown"
    assert sql.create(user, slot=None, **white)["outcome"] == "slot_required"
    never = {"raw_path": f"raw/{user}/{new_id()}/20261125T120000Z_scan.jpg.enc"}
    assert sql.create(user, never, **white)["outcome"] == "option_refused"
    assert sql.create(user, object_bytes=None, **white)["outcome"] == "option_refused"
    assert sql.create(user, max_active_jobs=0, **white)["outcome"] == "option_refused"


def test_an_option_is_refused_by_the_rules_of_the_version_that_the_job_would_have(sql: Calls) -> None:
    slot = _slot(sql, {})
    sql.connection.execute(
        "insert into public.portal_schemas (portal, slot, version, name, schema_definition, is_current)"
        " values (%s, 'photo', '0', 'One', '{\"background_edit\": \"allowed\"}', false)",
        [slot["portal"]],
    )
    user = sql.user()
    assert sql.create(user, options=WHITE, **slot)["outcome"] == "option_refused"
    assert sql.create(user, options=WHITE, portal_version="0", **slot)["outcome"] == "created"


def test_a_refused_option_leaves_upload_and_credit_alone(sql: Calls) -> None:
    user = sql.user(1)
    upload = sql.upload(user)
    assert sql.create(user, upload, options=WHITE)["outcome"] == "option_refused"
    assert sql.create(user, upload)["outcome"] == "created"


def _alias(sql: Calls, alias: str, portal: str) -> None:
    sql.connection.execute(
        "insert into public.portal_aliases values (%s, %s) on conflict (alias) do update set portal = excluded.portal",
        [alias, portal],
    )


def test_another_name_of_a_portal_leads_to_it_and_the_job_has_the_portals_own(sql: Calls) -> None:
    _alias(sql, "any-name", "neet-2026")
    answer = sql.create(sql.user(), portal="any-name")
    assert (answer["outcome"], answer["started"]["portal"]) == ("created", "neet-2026")
    assert sql.row(answer["job_id"])["portal"] == "neet-2026"


def test_another_name_that_leads_nowhere_is_an_unknown_portal(sql: Calls) -> None:
    _alias(sql, "any-name", "mars-2026")
    assert sql.create(sql.user(), portal="any-name") == {"outcome": "portal_unknown"}


def test_an_equal_request_is_the_same_job_also_when_the_name_leads_elsewhere_by_now(sql: Calls) -> None:
    """What is equal is what was asked, in its own words; a year later a lost answer would be another portal's."""
    user = sql.user()
    upload = sql.upload(user)
    _alias(sql, "any-name", "neet-2026")
    first = sql.create(user, upload, portal="any-name", idempotency_key="k")
    _alias(sql, "any-name", "upsc-2026")
    again = sql.create(user, upload, portal="any-name", idempotency_key="k")
    assert (again["outcome"], again["job_id"]) == ("replayed", first["job_id"])
    assert sql.row(first["job_id"])["portal"] == "neet-2026"


def test_jobs_that_have_ended_do_not_count_as_active(sql: Calls) -> None:
    user = sql.user(9)
    sql.complete(sql.job(user))
    sql.fail(sql.job(user))
    assert sql.create(user, max_active_jobs=1)["outcome"] == "created"
    assert sql.create(user, max_active_jobs=1)["outcome"] == "too_many_jobs"


# --- the hash of a request ------------------------------------------------------------------------------------------


def test_a_request_is_found_again_by_any_of_its_hashes_and_kept_by_the_first(sql: Calls) -> None:
    """After a rotation the current key is another one, and the older one still finds what it hashed."""
    user = sql.user(10)
    older, current, other = ("a" * 64, "b" * 64, "c" * 64)
    first = sql.create(user, idempotency_key="k", request_hash=older)
    assert sql.row(first["job_id"])["request_hash"] == older
    again = sql.create(user, idempotency_key="k", request_hash=f"{current} {older}")
    assert (again["outcome"], again["job_id"]) == ("replayed", first["job_id"])
    second = sql.create(user, idempotency_key="k2", request_hash=f"{current} {older}")
    assert sql.row(second["job_id"])["request_hash"] == current
    mismatch = sql.create(user, idempotency_key="k", request_hash=f"{current} {other}")
    assert mismatch["outcome"] == "idempotency_mismatch"
    assert sql.create(user, idempotency_key="k", request_hash="")["outcome"] == "idempotency_mismatch"
