"""One job over HTTP: what each call answers, on a real Postgres; each answer is held against OpenAPI."""

import base64
import datetime as dt
import json
import re
import uuid
from typing import Any

import pytest

from rythmiq.contracts.attempt import derive_token
from rythmiq.contracts.keys import parse_key
from rythmiq.ports.database import RateLimit
from tests.support.gateway_doors import (
    AS_LAUNCHER,
    AS_OPERATOR,
    AS_SCHEDULER,
    PAGE,
    VERSION,
    Doors,
    as_user,
    token_of,
)
from tests.support.service_rig import BASE_URL, SECRET, Rig, User, rig, service_database, user
from tests.support.web_calls import Seen

__all__ = ["rig", "service_database", "user"]


@pytest.fixture
def doors(rig: Rig) -> Doors:
    """The functions."""
    return Doors(rig)


def upload(doors: Doors, someone: User, **body: Any) -> Seen:
    """POST /uploads."""
    whole = body or {"filename": "मेरी photo.jpg", "mime_type": "image/jpeg", "size_bytes": 1_000}
    return doors("POST", "/api/uploads", headers=as_user(someone), document=whole)


def create(doors: Doors, rig: Rig, someone: User, *, key: str | None = None, **body: Any) -> Seen:
    """POST /jobs, on a fresh upload when nothing else is said."""
    whole = {"portal": "neet-2026", "slot": "photo", **body}
    if not {"raw_path", "artifact_url"} & set(whole):
        whole["raw_path"] = rig.upload(someone).raw_path
    headers = as_user(someone, **({"Idempotency-Key": key} if key else {}))
    return doors("POST", "/api/jobs", headers=headers, document=whole)


def show(doors: Doors, someone: User, job_id: str, query: str = "", **headers: str) -> Seen:
    """GET /jobs/{id}."""
    return doors("GET", f"/api/jobs/{job_id}", query=query, headers=as_user(someone, **headers))


def report(doors: Doors, body: Any, secret: str = SECRET) -> Seen:
    """POST /internal/webhooks/camber."""
    document = body.model_dump(mode="json") if hasattr(body, "model_dump") else body
    return doors("POST", "/internal/webhooks/camber", headers={"X-Webhook-Secret": secret}, document=document)


# --- uploads --------------------------------------------------------------------------------------------------------


def test_an_upload_is_signed_with_its_key(doors: Doors, user: User) -> None:
    seen = upload(doors, user)
    assert seen.status == 201
    assert seen.headers["cache-control"] == "no-store"
    key = parse_key(seen.body["raw_path"])
    assert (key.kind, key.user_id, key.job_id) == ("raw", user.user_id, seen.body["job_id"])  # type: ignore[union-attr]
    sealing = seen.body["encryption"]
    assert (sealing["format"], sealing["kid"]) == ("RQE1", 1)
    assert len(base64.b64decode(sealing["data_key"], validate=True)) == 32
    assert len(base64.b64decode(sealing["wrapped_key"], validate=True)) == 40
    assert seen.body["upload"]["headers"]["Content-Length"] == "1124"


def test_answers_of_post_say_what_is_left_and_the_next_one_too_many_is_told_when(
    doors: Doors, rig: Rig, user: User
) -> None:
    rig.rate = RateLimit(rate_burst=2, rate_per_minute=30)
    rig.build()
    seen = [upload(doors, user) for _ in range(3)]
    assert [one.status for one in seen] == [201, 201, 429]
    assert {one.headers["ratelimit-policy"] for one in seen} == {'"post";q=2;w=4'}
    assert [one.headers["ratelimit"].partition(";t=")[0] for one in seen] == ['"post";r=1', '"post";r=0', '"post";r=0']
    assert (seen[2].body["code"], 1 <= int(seen[2].headers["retry-after"]) <= 2) == ("RATE_LIMITED", True)
    key = {"key": "once", "raw_path": seen[0].body["raw_path"]}
    assert create(doors, rig, user, **key).body["code"] == "RATE_LIMITED"
    rig.advance(2)
    later = create(doors, rig, user, **key)
    assert (later.body["code"], later.headers["ratelimit-policy"]) == ("OBJECT_MISSING", '"post";q=2;w=4')
    rig.advance(2)
    again = upload(doors, user, job_id=seen[0].body["job_id"])
    assert (again.status, again.headers["ratelimit"].partition(";t=")[0]) == (201, '"post";r=0')


def as_guest(someone: User) -> dict[str, str]:
    """The headers of an anonymous user's call."""
    return {"Authorization": f"Bearer {token_of(someone, is_anonymous=True)}"}


@pytest.mark.parametrize("path", ["/api/uploads", "/api/jobs"])
def test_a_guest_is_told_to_sign_in_before_anything_else_is_looked_at(doors: Doors, user: User, path: str) -> None:
    seen = doors("POST", path, headers=as_guest(user), document={"nonsense": True})
    assert (seen.status, seen.body["code"]) == (403, "SIGN_IN_REQUIRED")
    wrong = {"Authorization": as_guest(user)["Authorization"] + "x"}
    assert doors("POST", path, headers=wrong, document={"nonsense": True}).status == 401


def test_a_guest_sees_no_job_of_anybodys(doors: Doors, user: User) -> None:
    job = f"/api/jobs/{uuid.uuid4()}"
    seen = [doors(method, path, headers=as_guest(user)) for method, path in (("GET", "/api/jobs"), ("GET", job))]
    assert [one.body["code"] for one in seen] == ["SIGN_IN_REQUIRED"] * 2


def test_a_guests_account_is_empty_and_nothing_is_kept_of_it(doors: Doors, rig: Rig, user: User) -> None:
    seen = doors("GET", "/api/account", headers=as_guest(user))
    assert seen.status == 200
    assert (seen.body["credits"], seen.body["entries"]) == ({"available": 0, "reserved": 0}, [])
    assert rig.sql("select from public.user_credits where user_id = %s", user.user_id) == []


@pytest.mark.parametrize("claim", [{}, {"is_anonymous": False}, {"is_anonymous": None}])
def test_who_is_not_called_anonymous_is_no_guest(doors: Doors, user: User, claim: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {token_of(user, **claim)}"}
    assert doors("GET", "/api/account", headers=headers).body["credits"]["available"] == 3


def test_where_guests_have_credits_they_may_work_and_who_links_an_address_gets_the_rest(
    doors: Doors, rig: Rig, user: User
) -> None:
    rig.guest_credits = 1
    rig.build()
    doors = Doors(rig)
    body = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 5}
    assert doors("POST", "/api/uploads", headers=as_guest(user), document=body).status == 201
    assert doors("GET", "/api/account", headers=as_guest(user)).body["credits"]["available"] == 1
    job = {"portal": "neet-2026", "slot": "photo", "raw_path": rig.upload(user, is_guest=True).raw_path}
    assert doors("POST", "/api/jobs", headers=as_guest(user), document=job).status == 202
    assert doors("POST", "/api/jobs", headers=as_guest(user), document=job).status == 202  # the same job
    job["raw_path"] = rig.upload(user, is_guest=True).raw_path
    assert doors("POST", "/api/jobs", headers=as_guest(user), document=job).body["code"] == "NO_CREDIT"
    linked = doors("GET", "/api/account", headers=as_user(user)).body
    assert linked["credits"] == {"available": 2, "reserved": 1}
    assert [entry["amount"] for entry in linked["entries"] if entry["kind"] == "grant"] == [2, 1]


def test_a_day_has_so_many_bytes_and_the_refusal_says_when_it_ends(doors: Doors, rig: Rig, user: User) -> None:
    rig.max_bytes_a_day = 1_500
    rig.build()
    assert upload(doors, user).status == 201
    refused = upload(doors, user)
    assert (refused.status, refused.body["code"]) == (429, "DAILY_LIMIT")
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400


def test_an_upload_is_signed_again_with_the_same_key(doors: Doors, user: User) -> None:
    first = upload(doors, user)
    again = upload(doors, user, job_id=first.body["job_id"])
    assert again.status == 201
    assert (again.body["raw_path"], again.body["encryption"]) == (first.body["raw_path"], first.body["encryption"])


def test_another_users_upload_is_not_there(doors: Doors, user: User) -> None:
    first = upload(doors, user)
    assert upload(doors, User(), job_id=first.body["job_id"]).code == "NOT_FOUND"


def test_plaintext_is_refused_where_it_is_not_allowed(doors: Doors, user: User) -> None:
    seen = upload(doors, user, filename="a.jpg", mime_type="image/jpeg", size_bytes=5, encrypted=False)
    assert (seen.status, list(seen.wrong_fields)) == (422, ["/encrypted"])


# --- jobs -----------------------------------------------------------------------------------------------------------


def test_a_job_is_accepted_and_says_where_it_is(doors: Doors, rig: Rig, user: User) -> None:
    seen = create(doors, rig, user)
    assert (seen.status, seen.body["status"]) == (202, "processing")
    assert seen.headers["location"] == seen.body["links"]["self"] == f"{BASE_URL}/api/jobs/{seen.body['job_id']}"


def test_an_equal_request_finds_the_same_job_and_another_one_does_not(doors: Doors, rig: Rig, user: User) -> None:
    raw_path = rig.upload(user).raw_path
    first = create(doors, rig, user, key="k", raw_path=raw_path)
    assert create(doors, rig, user, key="k", raw_path=raw_path).body["job_id"] == first.body["job_id"]
    assert create(doors, rig, user, raw_path=raw_path).body["job_id"] == first.body["job_id"]
    assert create(doors, rig, user, raw_path=raw_path, portal="jee-main-2026").code == "UPLOAD_CLAIMED"
    assert create(doors, rig, user, key="k", raw_path=raw_path, slot="signature").code == "IDEMPOTENCY_MISMATCH"


def test_an_option_that_the_slot_does_not_allow_is_a_wrong_field(doors: Doors, rig: Rig, user: User) -> None:
    caption = {"name": "Asha Rao", "date": "2026-11-28"}
    options = {"background": "white", "caption": caption, "text_layer": True}
    seen = create(doors, rig, user, slot="signature", options=options)
    assert (seen.status, seen.code) == (422, "INVALID_FIELD")
    assert seen.wrong_fields == {f"/options/{name}": "NOT_ALLOWED" for name in options}
    assert "Asha" not in str(seen.body)


def test_a_slot_of_the_rule_book_takes_a_text_layer(doors: Doors, rig: Rig, user: User) -> None:
    options = {"text_layer": True}
    assert create(doors, rig, user, portal="college-generic", slot="document-pdf", options=options).status == 202


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"background": "blue"}, "/options/background"),
        ({"face": {"x": 2, "y": 0}}, "/options/face/x"),
        ({"caption": {"name": "आशा राव", "date": "2026-11-28"}}, "/options/caption/name"),
        ({"caption": {"name": "Asha Rao", "date": "2026-02-30"}}, "/options/caption/date"),
        ({"caption": {"name": "Asha Rao"}}, "/options/caption/date"),
        ({"rotate": 45}, "/options/rotate"),
    ],
)
def test_a_choice_that_there_is_not_is_a_wrong_field_and_is_not_quoted(
    doors: Doors, rig: Rig, user: User, options: dict[str, object], pointer: str
) -> None:
    seen = create(doors, rig, user, options=options)
    assert (seen.status, list(seen.wrong_fields)) == (422, [pointer])
    assert "Asha" not in str(seen.body)
    assert "आशा" not in str(seen.body)


def test_a_job_is_accepted_though_the_executor_does_not_answer(doors: Doors, rig: Rig, user: User) -> None:
    rig.executor.plan("drop_request")
    assert create(doors, rig, user).status == 202


def test_a_job_shows_its_way_to_the_end(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    running = show(doors, user, job_id)
    assert (running.status, running.body["status"], running.body["links"]["output"]) == (200, "processing", None)
    assert int(running.headers["retry-after"]) > 0
    assert (running.headers["cache-control"], running.headers["vary"]) == ("no-store", "Origin")
    assert report(doors, rig.work(job_id)).body == {"outcome": "completed"}
    done = show(doors, user, job_id)
    assert (done.body["status"], done.body["conforms"], done.body["error"]) == ("completed", True, None)
    assert "retry-after" not in done.headers
    names = ("master", "preview", "before", "document", "text", "output")
    assert set(done.body["artifacts"]) == {f"{name}_path" for name in names}
    assert [entry["code"] for entry in done.body["advice"]] == ["BACKGROUND", "MOUTH_OPEN"]
    assert [line.partition(":")[0] for line in done.body["warnings"]] == ["BACKGROUND", "MOUTH_OPEN"]
    assert all(done.body["links"].values())
    assert len(base64.b64decode(done.body["encryption"]["data_key"], validate=True)) == 32
    assert done.headers["etag"] != running.headers["etag"]


def test_what_has_not_changed_is_304(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    etag = show(doors, user, job_id).headers["etag"]
    same = show(doors, user, job_id, **{"If-None-Match": etag})
    assert (same.status, same.body, same.headers["etag"]) == (304, "", etag)
    assert "content-type" not in same.headers
    report(doors, rig.work(job_id))
    assert show(doors, user, job_id, **{"If-None-Match": etag}).status == 200


def test_a_long_poll_ends_with_its_time_and_with_the_job(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    before_s = rig.clock.monotonic_s()
    assert show(doors, user, job_id, "wait=4").body["status"] == "processing"
    assert rig.clock.monotonic_s() - before_s == pytest.approx(4)
    report(doors, rig.work(job_id))
    before_s = rig.clock.monotonic_s()
    assert show(doors, user, job_id, "wait=10").body["status"] == "completed"
    assert rig.clock.monotonic_s() == before_s


def test_a_long_poll_until_the_end_waits_for_nothing_else(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    etag = show(doors, user, job_id).headers["etag"]
    rig.database.job_progress(job_id, 1, "decode")
    before_s = rig.clock.monotonic_s()
    assert show(doors, user, job_id, "wait=4&until=ended", **{"If-None-Match": etag}).body["stage"] == "decode"
    assert rig.clock.monotonic_s() - before_s == pytest.approx(4)


def test_a_wait_until_something_else_is_refused(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    assert list(show(doors, user, job_id, "wait=4&until=done").wrong_fields) == ["/until"]


@pytest.mark.parametrize("query", ["wait=11", "wait=-1", "wait=soon", "wait=", "wait=1&wait=2"])
def test_a_bad_wait_is_refused(doors: Doors, rig: Rig, user: User, query: str) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    assert list(show(doors, user, job_id, query).wrong_fields) == ["/wait"]


def test_a_failed_job_shows_its_error(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    assert report(doors, rig.failure(job_id)).body == {"outcome": "failed"}
    seen = show(doors, user, job_id)
    assert (seen.body["status"], seen.body["error"]["code"]) == ("failed", "DECODE_FAILED")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_users_job_is_not_there(doors: Doors, rig: Rig, user: User, method: str) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    seen = doors(method, f"/api/jobs/{job_id}", headers=as_user(User()))
    assert (seen.status, seen.code) == (404, "NOT_FOUND")


def test_jobs_are_listed_newest_first_page_by_page(doors: Doors, rig: Rig, user: User) -> None:
    made = [create(doors, rig, user).body["job_id"] for _ in range(3)]
    first = doors("GET", "/api/jobs", query="limit=2", headers=as_user(user))
    assert [job["job_id"] for job in first.body["jobs"]] == [made[2], made[1]]
    rest = doors("GET", "/api/jobs", query=f"limit=2&cursor={first.body['next_cursor']}", headers=as_user(user))
    assert ([job["job_id"] for job in rest.body["jobs"]], rest.body["next_cursor"]) == ([made[0]], None)
    assert "data_key" not in json.dumps(first.body)
    report(doors, rig.work(made[1]))
    done = doors("GET", "/api/jobs", query="status=completed", headers=as_user(user))
    assert [job["job_id"] for job in done.body["jobs"]] == [made[1]]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "status=done", "cursor=%00", "cursor=abc"])
def test_a_bad_list_is_refused(doors: Doors, user: User, query: str) -> None:
    seen = doors("GET", "/api/jobs", query=query, headers=as_user(user))
    assert list(seen.wrong_fields) == [f"/{query.partition('=')[0]}"]


def test_a_job_that_has_ended_is_deleted_for_good(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    assert doors("DELETE", f"/api/jobs/{job_id}", headers=as_user(user)).code == "JOB_PROCESSING"
    report(doors, rig.work(job_id))
    deleted = doors("DELETE", f"/api/jobs/{job_id}", headers=as_user(user))
    assert (deleted.status, deleted.body) == (204, "")
    assert not [key for key in rig.store.objects if job_id in key]
    assert show(doors, user, job_id).status == 404
    assert doors("DELETE", f"/api/jobs/{job_id}", headers=as_user(user)).status == 204


def test_an_upload_without_a_job_is_deleted_and_the_deletion_may_be_repeated(
    doors: Doors, rig: Rig, user: User
) -> None:
    signed = rig.upload(user)
    stranger = doors("DELETE", f"/api/uploads/{signed.job_id}", headers=as_user(User()))
    assert (stranger.status, stranger.code) == (404, "NOT_FOUND")
    for _ in range(2):
        deleted = doors("DELETE", f"/api/uploads/{signed.job_id}", headers=as_user(user))
        assert (deleted.status, deleted.body) == (204, "")
    assert rig.store.objects == {}
    job_id = create(doors, rig, user).body["job_id"]
    claimed = doors("DELETE", f"/api/uploads/{job_id}", headers=as_user(user))
    assert (claimed.status, claimed.code) == (409, "UPLOAD_CLAIMED")
    assert doors("DELETE", f"/api/uploads/{signed.job_id}").code == "UNAUTHENTICATED"


def test_the_account_shows_credits_and_entries(doors: Doors, rig: Rig, user: User) -> None:
    assert doors("GET", "/api/account", headers=as_user(user)).body["credits"] == {"available": 3, "reserved": 0}
    create(doors, rig, user)
    seen = doors("GET", "/api/account", headers=as_user(user))
    assert seen.body["credits"] == {"available": 2, "reserved": 1}
    assert [entry["kind"] for entry in seen.body["entries"]] == ["reserve", "grant"]
    assert seen.body["limits"] == {"max_active_jobs": 20, "max_upload_bytes": 1_000_000, "max_pages": 10}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/uploads"), ("POST", "/api/jobs"), ("GET", "/api/jobs"), ("GET", "/api/account")],
)
def test_without_a_good_token_nothing_is_done(doors: Doors, user: User, method: str, path: str) -> None:
    for authorization in ("", "Bearer x", f"Bearer {token_of(user, role='service_role')}"):
        seen = doors(method, path, headers={"Authorization": authorization}, document={})
        assert (seen.status, seen.headers["www-authenticate"]) == (401, "Bearer")


# --- the launcher ---------------------------------------------------------------------------------------------------


def test_a_derived_token_is_good_for_its_job_and_attempt_alone(doors: Doors, rig: Rig, user: User) -> None:
    job_id, other = (create(doors, rig, user).body["job_id"] for _ in range(2))
    expires_at_s = int((rig.clock.now() + dt.timedelta(hours=1)).timestamp())
    token = derive_token(SECRET, job_id, 1, expires_at_s)
    assert report(doors, rig.failure(other), token).code == "UNAUTHENTICATED"
    assert report(doors, rig.failure(job_id, attempt=2), token).code == "UNAUTHENTICATED"
    assert report(doors, rig.failure(job_id, attempt=None), token).code == "UNAUTHENTICATED"
    assert report(doors, {"job_id": job_id}, token).code == "UNAUTHENTICATED"
    late = derive_token(SECRET, job_id, 1, int(rig.clock.now().timestamp()) - 1)
    assert report(doors, rig.failure(job_id), late).code == "UNAUTHENTICATED"
    assert report(doors, rig.failure(job_id), token).body == {"outcome": "failed"}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"job_id": 5}', "\ud800"])
def test_a_wrong_secret_is_refused_before_the_body_is_read(doors: Doors, body: str) -> None:
    for secret in ({}, {"X-Webhook-Secret": ""}, {"X-Webhook-Secret": SECRET + "x"}, {"X-Webhook-Secret": "v1.9.x"}):
        assert doors("POST", "/internal/webhooks/camber", headers=secret, body=body).code == "UNAUTHENTICATED"
        assert doors("POST", "/internal/webhooks/progress", headers=secret, body=body).code == "UNAUTHENTICATED"
    assert doors("POST", "/internal/webhooks/camber", headers=AS_LAUNCHER, body=body).status in {400, 422}


def test_the_log_says_which_attempt_a_report_is_about(
    doors: Doors, rig: Rig, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    capsys.readouterr()
    report(doors, rig.failure(job_id).model_dump(mode="json"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [call] = [line for line in lines if line["event"] == "call"]
    assert (call["job_id"], call["attempt"]) == (job_id, 1)


def test_reports_that_do_not_agree_with_themselves_are_refused(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    good = rig.failure(job_id).model_dump(mode="json")
    assert report(doors, good | {"status": "success"}).code == "INVALID_FIELD"
    other = "7b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
    assert report(doors, good | {"job_id": other}).code == "INVALID_FIELD"
    agreeing = good | {"job_id": other, "result": good["result"] | {"job_id": other}}
    assert report(doors, agreeing).code == "NOT_FOUND"
    assert show(doors, user, job_id).body["status"] == "processing"


def test_foreign_artifact_keys_are_refused(doors: Doors, rig: Rig, user: User) -> None:
    job_id, other = (create(doors, rig, user).body["job_id"] for _ in range(2))
    done = rig.work(job_id).model_dump(mode="json")
    foreign = rig.work(other).model_dump(mode="json")["result"]["artifacts"]["document_path"]
    done["result"]["artifacts"]["document_path"] = foreign
    seen = report(doors, done)
    assert (seen.status, seen.code) == (422, "INVALID_FIELD")
    done["result"]["artifacts"]["secret_path"] = foreign
    assert "/result/artifacts/secret_path" in report(doors, done).wrong_fields


def test_progress_changes_the_stage(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    body = {"job_id": job_id, "attempt": 1, "stage": "ocr"}
    seen = doors("POST", "/internal/webhooks/progress", headers=AS_LAUNCHER, document=body)
    assert (seen.status, seen.body) == (200, {"recorded": True})
    assert show(doors, user, job_id).body["stage"] == "ocr"
    stale = doors("POST", "/internal/webhooks/progress", headers=AS_LAUNCHER, document=body | {"attempt": 2})
    assert stale.body == {"recorded": False}


def test_an_erased_account_is_gone_and_every_call_of_its_tokens_is_refused(doors: Doors, rig: Rig, user: User) -> None:
    done, running = (create(doors, rig, user).body["job_id"] for _ in range(2))
    report(doors, rig.work(done))
    late = rig.work(running).model_dump(mode="json")
    unclaimed = rig.upload(user)
    erased = doors("DELETE", "/api/account", headers=as_user(user))
    assert erased.status == 202
    assert {name: erased.body[name] for name in ("jobs", "uploads")} == {"jobs": 2, "uploads": 3}
    rig.loop.tick()
    assert rig.store.objects == {}
    assert report(doors, late).body == {"outcome": "terminal"}
    stage = {"job_id": running, "attempt": 1, "stage": "ocr"}
    progress = doors("POST", "/internal/webhooks/progress", headers=AS_LAUNCHER, document=stage)
    assert (progress.status, progress.body) == (200, {"recorded": False})
    rig.advance(2 * 3_600)
    for _ in range(3):
        rig.loop.tick()
    assert rig.store.objects == {}
    upload = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 9}
    job = {"portal": "neet-2026", "slot": "photo", "raw_path": unclaimed.raw_path}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/api/account", {}),
        ("DELETE", "/api/account", {}),
        ("POST", "/api/uploads", {"document": upload}),
        ("POST", "/api/uploads", {"document": {"job_id": unclaimed.job_id}}),
        ("DELETE", f"/api/uploads/{unclaimed.job_id}", {}),
        ("POST", "/api/jobs", {"document": job}),
        ("GET", "/api/jobs", {}),
        ("GET", f"/api/jobs/{done}", {}),
        ("DELETE", f"/api/jobs/{done}", {}),
    ]
    for method, path, more in calls:
        seen = doors(method, path, headers=as_user(user), **more)
        assert (method, path, seen.status, seen.code) == (method, path, 403, "ACCOUNT_ERASED")
    assert rig.balances_are_the_ledgers()
    assert doors("GET", "/api/account", headers=as_user(User())).status == 200


# --- operators ------------------------------------------------------------------------------------------------------


def test_a_tick_is_run_by_the_secret_and_by_the_trigger(doors: Doors, rig: Rig, user: User) -> None:
    rig.executor.plan("drop_request")
    create(doors, rig, user)
    rig.advance(1_000)
    assert doors("POST", "/internal/reconcile").code == "UNAUTHENTICATED"
    token = derive_token(SECRET, "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a", 1, 9_999_999_999)
    assert doors("POST", "/internal/reconcile", headers={"X-Webhook-Secret": token}).code == "UNAUTHENTICATED"
    assert doors("POST", "/internal/reconcile", headers=AS_LAUNCHER).code == "UNAUTHENTICATED"
    seen = doors("POST", "/internal/reconcile", headers=AS_SCHEDULER, body="not json")
    assert (seen.status, set(seen.body)) == (200, {"reconciled", "dispatched", "purged"})
    assert seen.body["reconciled"] == 1
    assert Seen.of(doors.functions["internal/reconcile"]({})).body["reconciled"] == 0


def test_prometheus_reads_counts(doors: Doors, rig: Rig, user: User) -> None:
    done, failed = (create(doors, rig, user).body["job_id"] for _ in range(2))
    report(doors, rig.work(done))
    report(doors, rig.failure(failed))
    rig.loop.tick()
    assert doors("GET", "/internal/metrics").code == "UNAUTHENTICATED"
    seen = doors("GET", "/internal/metrics", headers=AS_OPERATOR)
    assert seen.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = dict(line.rsplit(" ", 1) for line in seen.body.splitlines() if not line.startswith("#"))
    assert samples['rythmiq_jobs{state="completed"}'] == "1"
    assert samples['rythmiq_jobs{state="failed"}'] == "1"
    assert samples['rythmiq_job_failures_total{code="DECODE_FAILED"}'] == "1"
    assert samples['rythmiq_webhook_results_total{result="completed"}'] == "1"
    assert samples['rythmiq_credits_total{kind="granted"}'] == "3"
    assert samples['rythmiq_stage_wall_seconds_bucket{stage="schema",le="0.5"}'] == "2"
    assert samples['rythmiq_stage_cpu_seconds_count{stage="schema"}'] == "2"
    assert float(samples["rythmiq_ticks_total"]) >= 1
    assert not [
        line for line in seen.body.splitlines() if not re.fullmatch(r"#.*|[a-z_]+(\{[^}]*\})? [0-9.e+-]+", line)
    ]


def test_health_is_shallow_for_everybody_and_deep_for_operators(doors: Doors, rig: Rig) -> None:
    shallow = doors("GET", "/api/health")
    assert (shallow.status, shallow.body["version"], shallow.body["database"]) == (200, VERSION, None)
    assert shallow.headers["cache-control"] == "public, max-age=10"
    rig.loop.tick()
    deep = doors("GET", "/api/health", headers=AS_OPERATOR)
    assert (deep.body["database"], deep.headers["cache-control"]) == ("ok", "no-store")
    assert deep.body["last_tick_at"] is not None
    assert deep.body["schema_version"] > 0
    assert doors("GET", "/api/health", headers={"Authorization": "Bearer x"}).code == "UNAUTHENTICATED"


# --- everybody ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/portals", "/api/portals/neet-2026"])
def test_the_rule_book_is_for_everybody_and_may_be_kept(doors: Doors, path: str) -> None:
    seen = doors("GET", path)
    assert (seen.status, seen.headers["cache-control"]) == (200, "public, max-age=300")
    same = doors("GET", path, headers={"If-None-Match": seen.headers["etag"]})
    assert (same.status, same.body, same.headers["etag"]) == (304, "", seen.headers["etag"])
    head = doors.functions["api/portals"]({"http": {"method": "HEAD", "path": path.removeprefix("/api/portals")}})
    assert (head["statusCode"], head["body"], head["headers"]["ETag"]) == (200, "", seen.headers["etag"])


def test_a_portal_is_what_the_list_says_of_it(doors: Doors) -> None:
    listed = doors("GET", "/api/portals").body["portals"]
    for portal in listed:
        assert doors("GET", f"/api/portals/{portal['portal']}").body == portal
    assert "neet-2026" in doors("GET", "/api/portals/neet-2025").problem.detail


def test_a_portal_goes_by_a_name_without_its_year(doors: Doors) -> None:
    assert doors("GET", "/api/portals/neet").body == doors("GET", "/api/portals/neet-2026").body


def test_the_page_names_the_service_and_its_description_is_beside_it(doors: Doors) -> None:
    page = doors("GET", "/api/app")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Rythmiq One" in page.body
    described = doors("GET", "/api/app/openapi.json")
    assert described.body["openapi"] == "3.1.0"


def test_a_page_elsewhere_may_read_what_it_needs(doors: Doors, user: User) -> None:
    seen = doors("GET", "/api/account", headers=as_user(user, Origin=PAGE))
    assert seen.headers["access-control-allow-origin"] == PAGE
    refused = doors("GET", "/api/account", headers={"Origin": PAGE})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, PAGE)
