"""Every way in which an HTTP call can be refused, provoked over HTTP; catalogue, docs, OpenAPI and this are one set."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rythmiq.contracts.errors import SettingsError, StoreUnavailableError
from rythmiq.contracts.problems import PROBLEMS, ProblemCode
from rythmiq.gateway.openapi import FUNCTIONS
from rythmiq.gateway.routes import account
from rythmiq.ports.database import RateLimit
from tests.support.gateway_doors import AS_LAUNCHER, OPENAPI, Doors, as_user, page_origins, token_of
from tests.support.memory import Fault
from tests.support.service_rig import Rig, User
from tests.support.web_calls import JSON, Seen, ask

UNKNOWN = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def doors(rig: Rig) -> Doors:
    """The functions."""
    return Doors(rig)


def job(doors: Doors, someone: User, raw_path: str | None = None, **more: object) -> Seen:
    """POST /jobs on an upload."""
    body = {"portal": "neet-2026", "slot": "photo", "raw_path": raw_path, **more}
    sent = {name: value for name, value in body.items() if value is not None}
    return doors("POST", "/api/jobs", headers=as_user(someone), document=sent)


def _method_not_allowed(doors: Doors, _rig: Rig, _user: User) -> Seen:
    return doors("PUT", "/api/uploads")


def _body_too_large(doors: Doors, _rig: Rig, _user: User) -> Seen:
    return doors("POST", "/api/jobs", headers=JSON, body="x" * 1_048_577)


def _unsupported_media_type(doors: Doors, _rig: Rig, _user: User) -> Seen:
    return doors("POST", "/api/jobs", headers={"content-type": "text/plain"}, body="{}")


def _malformed_json(doors: Doors, _rig: Rig, _user: User) -> Seen:
    return doors("POST", "/api/jobs", headers=JSON, body="{")


def _unauthenticated(doors: Doors, _rig: Rig, _user: User) -> Seen:
    return doors("GET", "/api/account")


def _account_erased(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.accounts.erase(someone.user_id)
    return doors("GET", "/api/jobs", headers=as_user(someone))


def _sign_in_required(doors: Doors, _rig: Rig, someone: User) -> Seen:
    token = token_of(someone, is_anonymous=True)
    return doors("GET", "/api/jobs", headers={"Authorization": f"Bearer {token}"})


def _upload(doors: Doors, someone: User) -> Seen:
    body = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 10}
    return doors("POST", "/api/uploads", headers=as_user(someone), document=body)


def _rate_limited(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.rate = RateLimit(rate_burst=1, rate_per_minute=1)
    rig.build()
    _upload(doors, someone)
    return _upload(doors, someone)


def _daily_limit(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.max_bytes_a_day = 1
    rig.build()
    return _upload(doors, someone)


def _invalid_field(doors: Doors, _rig: Rig, someone: User) -> Seen:
    return doors("GET", "/api/jobs", query="limit=0", headers=as_user(someone))


def _not_found(doors: Doors, _rig: Rig, someone: User) -> Seen:
    return doors("GET", f"/api/jobs/{UNKNOWN}", headers=as_user(someone))


def _idempotency_mismatch(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.create(someone, key="k-1")
    body = {"portal": "neet-2026", "slot": "photo", "raw_path": rig.upload(someone).raw_path}
    return doors("POST", "/api/jobs", headers=as_user(someone, **{"Idempotency-Key": "k-1"}), document=body)


def _upload_too_large(doors: Doors, _rig: Rig, someone: User) -> Seen:
    body = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 1_000_000_000}
    return doors("POST", "/api/uploads", headers=as_user(someone), document=body)


def _portal_unknown(doors: Doors, _rig: Rig, _user: User) -> Seen:
    return doors("GET", "/api/portals/neet-1999")


def _object_missing(doors: Doors, rig: Rig, someone: User) -> Seen:
    return job(doors, someone, rig.sign(someone).raw_path)


def _upload_claimed(doors: Doors, rig: Rig, someone: User) -> Seen:
    signed = rig.upload(someone)
    rig.create(someone, raw_path=signed.raw_path)
    return doors("POST", "/api/uploads", headers=as_user(someone), document={"job_id": signed.job_id})


def _job_processing(doors: Doors, rig: Rig, someone: User) -> Seen:
    return doors("DELETE", f"/api/jobs/{rig.create(someone).job_id}", headers=as_user(someone))


def _report(doors: Doors, body: object) -> Seen:
    return doors("POST", "/internal/webhooks/camber", headers=AS_LAUNCHER, document=body)


def _job_pending(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.initial_credits = 20
    rig.build()
    created = [rig.create(someone) for _ in range(rig.capacity.max_inflight + 1)][-1]
    return _report(doors, rig.failure(created.job_id).model_dump(mode="json"))


def _attempt_unknown(doors: Doors, rig: Rig, someone: User) -> Seen:
    return _report(doors, rig.failure(rig.create(someone).job_id, attempt=2).model_dump(mode="json"))


def _settlement_busy(doors: Doors, rig: Rig, someone: User) -> Seen:
    created = rig.create(someone)
    row = rig.row(created.job_id)
    rig.database.job_claim_settlement(created.job_id, 1, user_id=someone.user_id, document_id=row["document_id"])
    return _report(doors, rig.failure(created.job_id).model_dump(mode="json"))


def _too_many_jobs(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.max_active_jobs = 1
    rig.build()
    rig.create(someone)
    return job(doors, someone, rig.upload(someone).raw_path)


def _too_many_uploads(doors: Doors, rig: Rig, someone: User) -> Seen:
    for _ in range(100):
        rig.upload(someone)
    return _upload(doors, someone)


def _no_credit(doors: Doors, rig: Rig, someone: User) -> Seen:
    rig.initial_credits = 0
    rig.build()
    return job(doors, someone, rig.upload(someone).raw_path)


def _packaging_trouble(doors: Doors, rig: Rig, someone: User) -> Seen:
    done = rig.work(rig.create(someone).job_id)
    rig.store.plan(Fault("upload", StoreUnavailableError("down")))
    return _report(doors, done.model_dump(mode="json"))


def _unavailable(doors: Doors, rig: Rig, someone: User) -> Seen:
    signed = rig.upload(someone)
    rig.store.plan(Fault("exists", StoreUnavailableError("down")))
    return job(doors, someone, signed.raw_path)


def _not_configured(_doors: Doors, _rig: Rig, someone: User) -> Seen:
    def parts() -> account.Dependencies:
        raise SettingsError("SUPABASE_URL is not set")

    return ask(account.application(parts, page_origins), headers=as_user(someone))


def _internal(_doors: Doors, _rig: Rig, someone: User) -> Seen:
    def parts() -> account.Dependencies:
        raise ZeroDivisionError

    return ask(account.application(parts, page_origins), headers=as_user(someone))


PROVOKED: Mapping[ProblemCode, Callable[[Doors, Rig, User], Seen]] = {
    ProblemCode.METHOD_NOT_ALLOWED: _method_not_allowed,
    ProblemCode.BODY_TOO_LARGE: _body_too_large,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: _unsupported_media_type,
    ProblemCode.MALFORMED_JSON: _malformed_json,
    ProblemCode.UNAUTHENTICATED: _unauthenticated,
    ProblemCode.SIGN_IN_REQUIRED: _sign_in_required,
    ProblemCode.ACCOUNT_ERASED: _account_erased,
    ProblemCode.INVALID_FIELD: _invalid_field,
    ProblemCode.NOT_FOUND: _not_found,
    ProblemCode.IDEMPOTENCY_MISMATCH: _idempotency_mismatch,
    ProblemCode.UPLOAD_TOO_LARGE: _upload_too_large,
    ProblemCode.PORTAL_UNKNOWN: _portal_unknown,
    ProblemCode.OBJECT_MISSING: _object_missing,
    ProblemCode.UPLOAD_CLAIMED: _upload_claimed,
    ProblemCode.JOB_PROCESSING: _job_processing,
    ProblemCode.JOB_PENDING: _job_pending,
    ProblemCode.ATTEMPT_UNKNOWN: _attempt_unknown,
    ProblemCode.SETTLEMENT_BUSY: _settlement_busy,
    ProblemCode.RATE_LIMITED: _rate_limited,
    ProblemCode.DAILY_LIMIT: _daily_limit,
    ProblemCode.TOO_MANY_JOBS: _too_many_jobs,
    ProblemCode.TOO_MANY_UPLOADS: _too_many_uploads,
    ProblemCode.NO_CREDIT: _no_credit,
    ProblemCode.PACKAGING_TROUBLE: _packaging_trouble,
    ProblemCode.UNAVAILABLE: _unavailable,
    ProblemCode.NOT_CONFIGURED: _not_configured,
    ProblemCode.INTERNAL: _internal,
}
COMES_BACK = {
    ProblemCode.RATE_LIMITED,
    ProblemCode.DAILY_LIMIT,
    ProblemCode.TOO_MANY_UPLOADS,
    ProblemCode.JOB_PROCESSING,
    ProblemCode.JOB_PENDING,
    ProblemCode.SETTLEMENT_BUSY,
    ProblemCode.TOO_MANY_JOBS,
    ProblemCode.PACKAGING_TROUBLE,
    ProblemCode.UNAVAILABLE,
}


@pytest.mark.parametrize("code", ProblemCode)
def test_a_problem_is_refused_as_the_catalogue_says(doors: Doors, rig: Rig, user: User, code: ProblemCode) -> None:
    seen = PROVOKED[code](doors, rig, user)
    entry = PROBLEMS[code]
    assert (seen.status, seen.code, seen.problem.title) == (entry.status, code, entry.title)
    assert ("retry-after" in seen.headers) is (code in COMES_BACK)
    assert seen.headers["vary"].startswith("Origin")


def test_catalogue_openapi_docs_and_this_are_the_same_set() -> None:
    catalogue = {code.value for code in PROBLEMS}
    told = {code.value for operations in FUNCTIONS.values() for operation in operations for code in operation.problems}
    page = (DOCS / "errors.md").read_text(encoding="utf-8").partition("## Refused calls")[2].partition("\n## ")[0]
    assert {code.value for code in PROVOKED} == catalogue
    assert told == catalogue
    assert set(OPENAPI["components"]["responses"]) == catalogue
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)) == catalogue
