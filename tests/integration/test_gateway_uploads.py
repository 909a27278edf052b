"""POST /uploads over HTTP, and what a guest may do, on a real Postgres; each answer is held against OpenAPI."""

import base64
import uuid
from typing import Any

import pytest

from rythmiq.contracts.keys import parse_key
from rythmiq.ports.database import RateLimit
from tests.support.gateway_doors import (
    Doors,
    as_user,
    token_of,
)
from tests.support.gateway_walk import create, doors, upload
from tests.support.service_rig import Rig, User

__all__ = ["doors"]


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
