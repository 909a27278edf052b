"""Forged reports: what somebody says who holds one attempt's token, or has taken its worker over."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from rythmiq.contracts.attempt import derive_token
from rythmiq.contracts.keys import result_key
from tests.attacks.arena import Arena, Attack, rows_of
from tests.support.service_rig import SECRET

END, PROGRESS = "/internal/webhooks/camber", "/internal/webhooks/progress"
Spoil = Callable[[Arena, dict[str, Any]], object]


def reported(arena: Arena, path: str, job_id: str, attempt: object, document: object, **call: Any) -> tuple[int, Any]:
    """Report with the token of exactly this attempt; status and answer."""
    number = attempt if isinstance(attempt, int) else 1
    token = derive_token(SECRET, job_id, number, int(time.time()) + 3_600)
    headers = {"X-Webhook-Secret": token, "Content-Type": "application/json"}
    body = document if isinstance(document, str) else json.dumps(document)
    seen = arena.assert_silent(arena.doors("POST", path, headers=headers, body=body, **call))
    return seen.status, seen.body


def success_of(arena: Arena, job_id: str) -> dict[str, Any]:
    """A success as the attacker's own attempt would report it; nothing of it is stored."""
    kept = dict(arena.rig.store.objects)
    try:
        body: dict[str, Any] = json.loads(arena.rig.work(job_id).model_dump_json())
    finally:
        arena.rig.store.objects = kept
    return body


def _spoiled(spoil: Spoil, *statuses: int) -> Callable[[Arena], None]:
    """A success of the attacker's own attempt that names or holds what it may not: refused, and the job goes on."""

    def run(arena: Arena) -> None:
        document = success_of(arena, arena.own)
        spoil(arena, document)
        status, _ = reported(arena, END, arena.own, 1, document)
        assert status in (statuses or (422,)), status
        assert arena.rig.row(arena.own)["status"] == "processing"

    return run


def _artifact(name: str, make: Callable[[Arena, str], str]) -> Spoil:
    def spoil(arena: Arena, document: dict[str, Any]) -> None:
        artifacts = document["result"]["artifacts"]
        artifacts[name] = make(arena, artifacts[name])

    return spoil


def _in_receipt(value: Any) -> Spoil:
    return lambda _, document: document["result"]["receipt"]["clauses"][0].update(measured=value)


def _result(**changes: Any) -> Spoil:
    return lambda _, document: document["result"].update(changes)


_VICTIMS: dict[str, Callable[[Arena, str], str]] = {
    "the victim's": lambda a, key: key.replace(a.attacker.user_id, a.victim.user_id),
    "the victim's job": lambda a, key: key.replace(a.own, a.done),
    "nobody's": lambda a, key: key.replace(a.attacker.user_id, a.attacker.user_id.upper()),
    "a climbing key": lambda _, key: key.replace("/", "/../", 1),
    "a key with a control character": lambda _, key: key + "\x1b",
    "no key": lambda _, __: "",
    "an upload": lambda a, _: a.waiting.raw_path,
}
ARTIFACTS = ("document_path", "preview_path", "text_path", "before_path", "master_path")
FORGED: dict[str, Spoil] = {
    **{
        f"{name}: {what}": _artifact(name, make)
        for name in ARTIFACTS
        for what, make in _VICTIMS.items()
        if (name, what) != ("master_path", "the victim's job")  # it names no job
    },
    "an artifact of another name": lambda _, d: d["result"]["artifacts"].update(evil_path="x"),
    "an escape in the receipt": _in_receipt("\x1b]0;pwned\x07"),
    "a turn of direction in the receipt": _in_receipt("\u202egpj.exe"),
    "a NUL in the receipt": _in_receipt("\0"),
    "a text without end in the receipt": _in_receipt("x" * 501),
    "a receipt that lies": lambda _, d: d["result"]["receipt"]["clauses"][0].update(verdict="fail"),
    "a score beyond one": _result(quality_score=1.5),
    "a score that is a yes": _result(quality_score=True),
    "the victim's job": lambda a, d: d["result"].update(job_id=a.running),
    "a warning that is none": _result(warnings=["<script>"]),
    "warnings without end": _result(warnings=["BLURRED: x"] * 51),
    "a status that is not the result's": lambda _, d: d.update(status="failed"),
}


def _raw(make: Callable[[str], str], *statuses: int) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        text = make(json.dumps(success_of(arena, arena.own)))
        status, _ = reported(arena, END, arena.own, 1, text)
        assert status in (statuses or (400, 401, 413, 422)), status
        assert arena.rig.row(arena.own)["status"] == "processing"

    return run


RAW = {
    "nothing": _raw(lambda _: ""),
    "no JSON": _raw(lambda text: text[:-1]),
    "two documents": _raw(lambda text: text + text),
    "a list": _raw(lambda text: f"[{text}]"),
    "NaN": _raw(lambda text: text.replace("0.87", "NaN")),
    "a number without end": _raw(lambda text: text.replace("0.87", "1e999")),
    "a name twice": _raw(lambda text: text[:-1] + ', "attempt": 2}'),
    "depth without end": _raw(lambda _: '{"job_id":' + "[" * 100_000),
    "more than a body has": _raw(lambda text: text + " " * (1 << 20)),
    "a lone surrogate": _raw(lambda text: text.replace("99 KB", "\\ud800")),
}


def _others_attempt(arena: Arena) -> None:
    """The attacker's own token does not speak for the victim's job."""
    document = json.loads(arena.rig.failure(arena.running).model_dump_json())
    token = derive_token(SECRET, arena.own, 1, int(time.time()) + 3_600)
    seen = arena.doors("POST", END, headers={"X-Webhook-Secret": token}, document=document)
    assert seen.status == 401


def _attempt(number: object) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        document = json.loads(arena.rig.failure(arena.own).model_dump_json()) | {"attempt": number}
        status, _ = reported(arena, END, arena.own, number, document)
        assert status in {401, 404, 409, 422}, status
        assert arena.rig.row(arena.own)["status"] == "processing"

    return run


def _replayed(arena: Arena) -> None:
    """A job that has ended stays as it is, whatever is said of it; nothing is given back twice."""
    job_id = arena.rig.create(arena.attacker).job_id
    failed, success = json.loads(arena.rig.failure(job_id).model_dump_json()), success_of(arena, job_id)
    assert reported(arena, END, job_id, 1, failed)[0] == 200
    ledger, row = arena.rig.ledger(job_id), arena.rig.row(job_id)
    for _ in range(3):
        assert reported(arena, END, job_id, 1, failed)[0] == 200
    assert reported(arena, END, job_id, 1, success)[0] == 200
    assert (arena.rig.ledger(job_id), arena.rig.row(job_id)) == (ledger, row)
    assert arena.rig.balances_are_the_ledgers()


def _plain_result_object(arena: Arena) -> None:
    """A result object that somebody wrote into the store without the service's key is not believed."""
    job_id = arena.rig.create(arena.attacker).job_id
    key = result_key(arena.attacker.user_id, job_id, 1)
    report = success_of(arena, job_id)
    for forged in (json.dumps(report).encode(), b"RQE1" + json.dumps(report).encode()):
        arena.rig.store.objects[key] = forged
        arena.rig.sql("update public.jobs set lease_until = now() - interval '1 hour' where id = %s", job_id)
        arena.rig.loop.tick()
        assert arena.rig.row(job_id)["status"] != "completed"


def _progress(**changes: Any) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        document = {"job_id": arena.own, "attempt": 1, "stage": "ocr", **changes}
        status, _ = reported(arena, PROGRESS, arena.own, 1, document)
        assert status in {401, 422}, status

    return run


STEPS = {
    "a stage that is none": _progress(stage="pwned"),
    "a stage with an escape": _progress(stage="ocr\x1b[2J"),
    "a stage that is a list": _progress(stage=["ocr"]),
    "an attempt that is a yes": _progress(attempt=True),
    "an attempt that is a text": _progress(attempt="1"),
    "no attempt": _progress(attempt=None),
    "a job that is a list": _progress(job_id=["x"]),
}


def rows() -> Iterator[Attack]:
    """Every forged report."""
    endpoint = f"POST {END}"
    for name, spoil in FORGED.items():
        yield Attack("webhook", endpoint, name, _spoiled(spoil))
    yield from rows_of("webhook", endpoint, RAW)
    numbers: tuple[object, ...] = (0, -1, 2, 1_001, 2**63, True, "1", 1.5, None, [1])
    for number in numbers:
        yield Attack("webhook", endpoint, f"attempt {number!r}", _attempt(number))
    yield Attack("webhook", endpoint, "another job by one's own token", _others_attempt)
    yield Attack("webhook", endpoint, "a replay", _replayed)
    yield Attack("webhook", endpoint, "a result object without the service's seal", _plain_result_object)
    yield from rows_of("webhook", f"POST {PROGRESS}", STEPS)
