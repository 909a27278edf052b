"""One job over HTTP: what each call answers, on a real Postgres; each answer is held against OpenAPI."""

import base64
import json
from typing import Any

import pytest

from tests.support.gateway_doors import (
    AS_LAUNCHER,
    PAGE,
    Doors,
    as_user,
    token_of,
)
from tests.support.gateway_walk import create, doors, report, show
from tests.support.service_rig import BASE_URL, Rig, User

__all__ = ["doors"]


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
