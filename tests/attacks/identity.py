"""Who calls, and what is whose: every endpoint with every token that is none, and with what is another user's."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.attacks.arena import Arena, Attack, b64url, rows_of
from tests.attacks.tokens import MACHINES, TOKENS, Present, signed
from tests.support.gateway_doors import as_user
from tests.support.service_rig import User


@dataclass(frozen=True)
class Endpoint:
    """One endpoint as it has to be defended.

    Attributes:
        access: whom it lets in.
        document: a body that is good, made for the arena.
        owns: which of the victim's things its path names; None when it names nobody's.
    """

    access: str
    document: Callable[[Arena], Any] | None = None
    owns: str | None = None


def _upload(_: Arena) -> Any:
    return {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 10}


def _job(arena: Arena) -> Any:
    return {"portal": "neet-2026", "slot": "photo", "raw_path": arena.waiting.raw_path}


def _end(arena: Arena) -> Any:
    return json.loads(arena.rig.failure(arena.running).model_dump_json())


def _progress(arena: Arena) -> Any:
    return {"job_id": arena.running, "attempt": 1, "stage": "ocr"}


ENDPOINTS: dict[str, Endpoint] = {
    "POST /api/uploads": Endpoint("user", _upload),
    "DELETE /api/uploads/{job_id}": Endpoint("user", owns="upload"),
    "POST /api/jobs": Endpoint("user", _job),
    "GET /api/jobs": Endpoint("user"),
    "GET /api/jobs/{job_id}": Endpoint("user", owns="job"),
    "DELETE /api/jobs/{job_id}": Endpoint("user", owns="job"),
    "GET /api/account": Endpoint("user"),
    "DELETE /api/account": Endpoint("user"),
    "GET /api/portals": Endpoint("public"),
    "GET /api/portals/{portal}": Endpoint("public"),
    "GET /api/health": Endpoint("public"),
    "GET /api/app": Endpoint("public"),
    "GET /api/app/openapi.json": Endpoint("public"),
    "GET /api/app/config.json": Endpoint("public"),
    "POST /internal/webhooks/camber": Endpoint("webhook", _end),
    "POST /internal/webhooks/progress": Endpoint("webhook", _progress),
    "POST /internal/reconcile": Endpoint("reconcile"),
    "GET /internal/metrics": Endpoint("metrics"),
}
"""Every endpoint of the OpenAPI document; one that is not here fails test_matrix.py."""


def filled(endpoint: str, arena: Arena) -> tuple[str, str]:
    """The method and the path of an endpoint, about the victim's things."""
    method, path = endpoint.split(" ")
    owned = {"upload": arena.waiting.job_id, "job": arena.running}
    return method, path.replace("{job_id}", owned.get(ENDPOINTS[endpoint].owns or "", arena.running)).replace(
        "{portal}", "neet-2026"
    )


def _unauthenticated(endpoint: str, headers: Callable[[Arena], dict[str, str]]) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        method, path = filled(endpoint, arena)
        document = ENDPOINTS[endpoint].document
        body = {} if document is None else {"document": document(arena)}
        seen = arena.assert_silent(arena.doors(method, path, headers=headers(arena), **body))
        assert seen.status == 401, (seen.status, seen.body)

    return run


def _bearer(present: Present) -> Callable[[Arena], dict[str, str]]:
    def headers(arena: Arena) -> dict[str, str]:
        text = present(arena)
        return {} if text is None else {"Authorization": text}

    return headers


def _others(endpoint: str, *, done: bool) -> Callable[[Arena], None]:
    """What is another's is not there: 404, never 403."""

    def run(arena: Arena) -> None:
        method, path = filled(endpoint, arena)
        path = path.replace(arena.running, arena.done) if done else path
        assert arena.as_attacker(method, path).status == 404

    return run


def _erased(endpoint: str) -> Callable[[Arena], None]:
    """The token of an account that was erased is good until it expires, and gets nothing."""

    def run(arena: Arena) -> None:
        user = User()
        arena.rig.create(user)
        assert arena.doors("DELETE", "/api/account", headers=as_user(user)).status == 202
        method, path = filled(endpoint, arena)
        document = ENDPOINTS[endpoint].document
        body = {} if document is None else {"document": document(arena)}
        seen = arena.assert_silent(arena.doors(method, path, headers=as_user(user), **body))
        assert (seen.status, seen.code) in {(403, "ACCOUNT_ERASED"), (404, "NOT_FOUND")}, (seen.status, seen.body)

    return run


def _guest(endpoint: str) -> Callable[[Arena], None]:
    """Anonymous sign-ins are endless: where the operator grants guests nothing they get nothing, and no credits."""

    def run(arena: Arena) -> None:
        method, path = filled(endpoint, arena)
        document = ENDPOINTS[endpoint].document
        body = {} if document is None else {"document": document(arena)}
        headers = {"Authorization": signed(arena, sub=str(uuid.uuid4()), is_anonymous=True)}
        seen = arena.assert_silent(arena.doors(method, path, headers=headers, **body))
        if endpoint == "GET /api/account":
            assert (seen.status, seen.body["credits"]) == (200, {"available": 0, "reserved": 0})
        else:
            assert (seen.status, seen.code) == (403, "SIGN_IN_REQUIRED")

    return run


def _no_other_method(endpoint: str) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        _, path = filled(endpoint, arena)
        known = {known.split(" ")[0] for known in ENDPOINTS if known.split(" ")[1] == endpoint.split(" ")[1]}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "x"} - known:
            if method == "GET" and "GET" in known:
                continue
            assert arena.as_attacker(method, path).status in {404, 405}

    return run


def _odd_paths(endpoint: str) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        method, path = filled(endpoint, arena)
        for odd in ("/..", "/%2e%2e", "/.", "\0", "/%00", ";x=1", "/\n", "?x", "\\", "/" + "x" * 5_000):
            beside = odd if "/" in path.removeprefix("/").partition("/")[2] or odd.startswith("/") else f"/{odd}"
            assert arena.as_attacker(method, path + beside).status in {400, 404, 405}, odd

    return run


def rows() -> Iterator[Attack]:
    """Every endpoint against everybody who has no business there."""
    for endpoint, rule in ENDPOINTS.items():
        if rule.access == "user":
            for name, present in TOKENS.items():
                yield Attack("identity", endpoint, name, _unauthenticated(endpoint, _bearer(present)))
            yield Attack("identity", endpoint, "an erased account's token", _erased(endpoint))
            yield Attack("identity", endpoint, "a guest's token", _guest(endpoint))
        elif rule.access != "public":
            for name, headers in MACHINES.items():
                yield Attack("identity", endpoint, name, _unauthenticated(endpoint, headers))
        if rule.owns is not None:
            tried = {"another's, that runs or waits": _others(endpoint, done=False)}
            if rule.owns == "job":
                tried["another's, that is done"] = _others(endpoint, done=True)
            yield from rows_of("identity", endpoint, tried)
        tried = {"another method": _no_other_method(endpoint), "a path beside it": _odd_paths(endpoint)}
        yield from rows_of("identity", endpoint, tried)
    yield from rows_of("identity", "POST /api/jobs", CLAIMS)
    yield from rows_of("identity", "POST /api/uploads", SIGNS)
    yield from rows_of("identity", "GET /api/jobs", LISTS)
    yield Attack("identity", "DELETE /api/account", "another's, by whatever can name it", _erase_another)


def _erase_another(arena: Arena) -> None:
    """Whoever calls erases their own account, whatever else they name; and their token gets nothing more."""
    someone, who = User(), arena.victim.user_id
    headers = as_user(someone, **{"X-User-Id": who, "X-Forwarded-User": who})
    seen = arena.doors("DELETE", "/api/account", headers=headers, query=f"user_id={who}&sub={who}")
    assert (seen.status, seen.body["jobs"]) == (202, 0)
    again = arena.doors("DELETE", "/api/account", headers=headers)
    assert (again.status, again.code) == (403, "ACCOUNT_ERASED")


def _claiming(**request: Callable[[Arena], Any]) -> Callable[[Arena], None]:
    """POST /jobs on what is the victim's: refused, and nothing is charged."""

    def run(arena: Arena) -> None:
        document = {"portal": "neet-2026", "slot": "photo"} | {name: make(arena) for name, make in request.items()}
        before = arena.as_attacker("GET", "/api/account").body["credits"]
        seen = arena.as_attacker("POST", "/api/jobs", document=document)
        assert seen.status in {404, 409, 422}, (seen.status, seen.body)
        assert arena.as_attacker("GET", "/api/account").body["credits"] == before

    return run


def _master(arena: Arena) -> str:
    artifacts = arena.rig.view(arena.victim, arena.done).artifacts
    assert artifacts is not None
    return artifacts["master_path"]


def _outputs(arena: Arena) -> str:
    artifacts = arena.rig.view(arena.victim, arena.done).artifacts
    assert artifacts is not None
    return artifacts["document_path"]


def _in_own_name(make: Callable[[Arena], str]) -> Callable[[Arena], str]:
    """The victim's key with the attacker's id at the user's place."""
    return lambda arena: make(arena).replace(arena.victim.user_id, arena.attacker.user_id)


_waiting: Callable[[Arena], str] = lambda arena: arena.waiting.raw_path  # noqa: E731  one of a row of makers
CLAIMS = {
    "another's upload": _claiming(raw_path=_waiting),
    "another's upload in one's own name": _claiming(raw_path=_in_own_name(_waiting)),
    "another's upload among several": _claiming(raw_paths=lambda a: [a.waiting.raw_path, a.waiting.raw_path]),
    "another's master": _claiming(raw_path=_master),
    "another's master in one's own name": _claiming(raw_path=_in_own_name(_master)),
    "another's document": _claiming(raw_path=_outputs),
    "another's document's number": _claiming(document_id=lambda a: a.document_id, raw_path=_waiting),
    "another's upload by its address": _claiming(
        artifact_url=lambda a: f"https://store.test/rythmiq/{a.waiting.raw_path}"
    ),
    "another's master by its address": _claiming(artifact_url=lambda a: f"https://store.test/rythmiq/{_master(a)}"),
    "another's upload by its host": _claiming(
        artifact_url=lambda a: f"https://rythmiq.store.test/{a.waiting.raw_path}?X-Amz-Signature=0"
    ),
    "an order of one's own": _claiming(raw_path=lambda a: f"raw/{a.attacker.user_id}/{a.own}/dispatch-a1.json.enc"),
    "a key that climbs": _claiming(raw_path=lambda a: f"raw/{a.attacker.user_id}/../{a.victim.user_id}/x"),
    "a user's id in the body": _claiming(raw_path=_waiting, user_id=lambda a: a.victim.user_id),
}


def _signing(document: Callable[[Arena], Any], *statuses: int) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        assert arena.as_attacker("POST", "/api/uploads", document=document(arena)).status in statuses

    return run


SIGNS = {
    "another's upload again": _signing(lambda a: {"job_id": a.waiting.job_id}, 404),
    "another's job's upload again": _signing(lambda a: {"job_id": a.running}, 404),
    "one's own claimed upload": _signing(lambda a: {"job_id": a.own}, 409),
    "another's id beside a file": _signing(lambda a: {**_upload(a), "user_id": a.victim.user_id}, 422),
    "a place of one's own choice": _signing(lambda a: {**_upload(a), "raw_path": a.waiting.raw_path}, 422),
    "no size": _signing(lambda a: {**_upload(a), "size_bytes": 0}, 422),
    "more than a file has": _signing(lambda a: {**_upload(a), "size_bytes": 2**53}, 413, 422),
}


def _listing(query: Callable[[Arena], str]) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        seen = arena.as_attacker("GET", "/api/jobs", query=query(arena))
        assert seen.status in {200, 422}
        assert {job["job_id"] for job in seen.body.get("jobs", [])} <= {arena.own}

    return run


LISTS = {
    "another's by name": _listing(lambda a: f"user_id={a.victim.user_id}"),
    "a cursor of another's": _listing(
        lambda a: "cursor=" + b64url(json.dumps({"before": "2999-01-01T00:00:00Z", "id": a.done}).encode())
    ),
    "a cursor that is SQL": _listing(lambda _: "cursor=%27%20or%201%3D1--"),
    "all of them": _listing(lambda _: "limit=1000000"),
    "a status that is SQL": _listing(lambda _: "status=completed%27%20or%20true--"),
}
