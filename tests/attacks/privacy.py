"""What is told to nobody: names, keys, texts and addresses, in logs, answers, metrics and command lines."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from typing import Any

from rythmiq.contracts.keys import launch_arguments
from rythmiq.log import log
from tests.attacks.arena import CANARY, Arena, Attack, rows_of
from tests.support.gateway_doors import AS_LAUNCHER, AS_OPERATOR, AS_SCHEDULER, JWT_SECRET, as_user, token_of
from tests.support.service_rig import SECRET, User

NAME = "Priya-Patel-marksheet"
CAPTION = "Priya Patel"


def logged(do: Callable[[], object]) -> str:
    """What the service wrote to its log meanwhile."""
    out = StringIO()
    with redirect_stderr(out):
        do()
    return out.getvalue()


def whole_life(arena: Arena) -> tuple[User, list[str], list[str]]:
    """A job from upload to erasure over HTTP; its owner, every secret of it, and every answer to others."""
    rig, doors = arena.rig, arena.doors
    user = User()
    headers = as_user(user)
    file = {"filename": f"{NAME}.jpg", "mime_type": "image/jpeg", "size_bytes": 16}
    signed = doors("POST", "/api/uploads", headers=headers, document=file).body
    rig.store.objects[signed["raw_path"]] = b"x" * 16
    job = {"portal": "neet-2026", "slot": "photo", "raw_path": signed["raw_path"], "original_filename": f"{NAME}.jpg"}
    created = doors("POST", "/api/jobs", headers=headers, document=job)
    assert created.status == 202, created.body
    job_id = created.body["job_id"]
    report = json.loads(rig.work(job_id).model_dump_json())
    doors("POST", "/internal/webhooks/progress", headers=AS_LAUNCHER, document={**PROGRESS, "job_id": job_id})
    assert doors("POST", "/internal/webhooks/camber", headers=AS_LAUNCHER, document=report).status == 200
    doors("POST", "/internal/reconcile", headers=AS_SCHEDULER)
    view = doors("GET", f"/api/jobs/{job_id}", headers=headers).body
    others = [
        json.dumps(doors("GET", "/internal/metrics", headers=AS_OPERATOR).body),
        json.dumps(arena.as_attacker("GET", f"/api/jobs/{job_id}").body),
        json.dumps(arena.as_attacker("GET", "/api/jobs").body),
        json.dumps(doors("GET", "/api/health", headers=AS_OPERATOR).body),
    ]
    assert doors("DELETE", f"/api/jobs/{job_id}", headers=headers).status == 204
    key = signed["encryption"]
    links = [view["links"][name] for name in ("document", "output")]
    secrets = [
        NAME,
        key["data_key"],
        key["wrapped_key"],
        signed["raw_path"],
        signed["upload"]["url"],
        *links,
        view["artifacts"]["document_path"],
        token_of(user),
        SECRET,
        JWT_SECRET,
    ]
    return user, secrets, others


PROGRESS = {"attempt": 1, "stage": "ocr"}


def _in_no_log(which: slice) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        kept: list[Any] = []
        text = logged(lambda: kept.append(whole_life(arena)))
        (_, secrets, others), *_ = kept
        assert len(text.splitlines()) > 5
        for secret in secrets[which]:
            assert secret not in text
            assert all(secret not in other for other in others)

    return run


LOGS = {
    "a file's name": _in_no_log(slice(0, 1)),
    "a data key": _in_no_log(slice(1, 3)),
    "a storage key": _in_no_log(slice(3, 4)),
    "a signed address": _in_no_log(slice(4, 7)),
    "an artifact's key": _in_no_log(slice(7, 8)),
    "a token or a secret": _in_no_log(slice(8, None)),
}


def _blacked_out(make: Callable[[Arena], str], before: str = "") -> Callable[[Arena], None]:
    """Even a caller that passes it to the log writes it nowhere."""

    def run(arena: Arena) -> None:
        secret = make(arena)
        text = logged(lambda: log("x", reason=f"it was {before}{secret} there"))
        assert secret not in text
        assert "***" in text

    return run


PASSED = {
    "a storage key": _blacked_out(lambda a: a.waiting.raw_path),
    "a JWT": _blacked_out(lambda a: token_of(a.victim)),
    "a signed address": _blacked_out(lambda _: "X-Amz-Signature=0123&X-Amz-Expires=900", "https://store.test/x?"),
}


def _gone(arena: Arena) -> None:
    """After DELETE nothing of a job is left but what bookkeeping needs."""
    rig, user = arena.rig, User()
    job_id = rig.create(user, original_filename=f"{NAME}.jpg", options={"rotate": 90}).job_id
    assert rig.webhooks.receive(rig.work(job_id)) == "completed"
    key = rig.view(user, job_id).encryption
    assert arena.doors("DELETE", f"/api/jobs/{job_id}", headers=as_user(user)).status == 204
    row = json.dumps(rig.row(job_id))
    assert NAME not in row
    assert key is not None
    assert base64.b64decode(key.data_key).hex() not in row
    empty = {name: rig.row(job_id)[name] for name in ("wrapped_key", "receipt", "artifacts", "original_filename")}
    assert set(empty.values()) <= {None}
    assert not [at for at in rig.store.objects if job_id in at and at.startswith(("output/", "raw/"))]


def _command_line(arena: Arena) -> None:
    """What everybody on a machine can read of a launcher is ids."""
    words = launch_arguments(arena.victim.user_id, arena.running, 1)
    assert set(words) == {arena.victim.user_id, arena.running, "1"}


def _no_cookie(arena: Arena) -> None:
    """No answer sets a cookie or lets a cache keep it, and no foreign page may read one."""
    for path in ("/api/jobs", "/api/account", f"/api/jobs/{arena.own}"):
        seen = arena.as_attacker("GET", path, headers={"Origin": "https://evil.example"})
        assert "set-cookie" not in seen.headers
        assert seen.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in seen.headers
        assert seen.headers["x-content-type-options"] == "nosniff"


def _told_apart(arena: Arena) -> None:
    """An id that is another's and one that is nobody's are answered alike."""
    nobody = "00000000-0000-4000-8000-000000000000"
    bodies = []
    for job_id in (arena.done, arena.running, nobody):
        seen = arena.as_attacker("GET", f"/api/jobs/{job_id}", headers={"X-Request-Id": "same"})
        bodies.append((seen.status, seen.body))
    assert bodies[0] == bodies[1] == bodies[2]


def _request_id(arena: Arena) -> None:
    """What a caller calls its request is no line of a log and no header of its own."""
    for evil in ('x"} {"event":"forged', "x\r\nSet-Cookie: a=b", "x" * 1_000, "\x1b[2J", CANARY + "\u202e"):
        text = logged(partial(arena.as_attacker, "GET", "/api/account", headers={"X-Request-Id": evil}))
        assert evil not in text
        assert all(json.loads(line)["event"] != "forged" for line in text.splitlines())


def rows() -> Iterator[Attack]:
    """Every secret at every place that is not its owner's."""
    yield from rows_of("privacy", "the log", LOGS)
    yield from rows_of("privacy", "the log, told it by mistake", PASSED)
    tried = {
        "an erased job": _gone,
        "a launcher's command line": _command_line,
        "cookies and caches": _no_cookie,
        "another's id and nobody's": _told_apart,
        "a request's id": _request_id,
    }
    yield from rows_of("privacy", "answers", tried)
