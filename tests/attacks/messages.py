"""Every message that somebody else can write: wrong at each of its places, it is refused or read, and no more."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from rythmiq.contracts import StrictJsonError, read_object
from rythmiq.contracts.attempt import Dispatch, ProgressBody, WebhookBody
from rythmiq.contracts.bodies import UploadRequest
from rythmiq.contracts.job_bodies import JobRequest
from rythmiq.contracts.keys import dispatch_key
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.result import RESULT
from rythmiq_worker.launcher.dispatch import payload_of
from tests.attacks.arena import Arena, Attack

Example = Callable[[Arena], Any]
Read = Callable[[str], object]


def _dispatch(arena: Arena) -> Any:
    key = dispatch_key(arena.attacker.user_id, arena.own, 1)
    sealed = arena.rig.dispatch_ring.open_service(arena.rig.store.objects[key], storage_key=key)
    return json.loads(sealed)


def _payload(arena: Arena) -> Any:
    return payload_of(Dispatch.model_validate(_dispatch(arena)))


def _report(arena: Arena) -> Any:
    kept = dict(arena.rig.store.objects)
    try:
        return json.loads(arena.rig.work(arena.own).model_dump_json())
    finally:
        arena.rig.store.objects = kept


def _job(arena: Arena) -> Any:
    caption = {"name": "Asha Rao", "date": "2026-11-28"}
    crop = {"x": 0.1, "y": 0.1, "width": 0.5, "height": 0.5}
    options = {"crop": crop, "rotate": 90, "face": {"x": 0.5, "y": 0.5}, "background": "white", "caption": caption}
    upload = f"raw/{arena.attacker.user_id}/{arena.own}/20260102T030405Z_me.jpg.enc"
    return {
        "portal": "neet-2026",
        "slot": "photo",
        "raw_path": upload,
        "original_filename": "a.jpg",
        "options": options,
    }


def _strictly(model: Any) -> Read:
    return lambda text: model.model_validate(read_object(text.encode(), for_strict_models=True), strict=True)


def _leniently(model: Any) -> Read:
    return lambda text: model.model_validate(read_object(text.encode(), for_strict_models=False))


EXAMPLES: dict[str, tuple[Example, Read]] = {
    "UploadRequest": (
        lambda _: {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 10, "encrypted": True},
        _strictly(UploadRequest),
    ),
    "JobRequest": (_job, _strictly(JobRequest)),
    "WebhookBody": (_report, _leniently(WebhookBody)),
    "ProgressBody": (lambda a: {"job_id": a.own, "attempt": 1, "stage": "ocr"}, _leniently(ProgressBody)),
    "Dispatch": (_dispatch, Dispatch.model_validate_json),
    "Payload": (_payload, Payload.model_validate_json),
    "Success": (lambda a: _report(a)["result"], RESULT.validate_json),
    "Failure": (
        lambda a: json.loads(a.rig.failure(a.own).result.model_dump_json()),
        RESULT.validate_json,
    ),
}
MESSAGES: dict[str, str] = {
    "UploadRequest": "UploadRequest",
    "JobRequest": "JobRequest",
    "JobOptions": "JobRequest",
    "Point": "JobRequest",
    "Caption": "JobRequest",
    "Crop": "JobRequest",
    "WebhookBody": "WebhookBody",
    "ProgressBody": "ProgressBody",
    "Dispatch": "Dispatch",
    "Callback": "Dispatch",
    "DataKeys": "Dispatch",
    "Payload": "Payload",
    "PortalSchema": "Payload",
    "InputReference": "Payload",
    "StorageReference": "Payload",
    "PageChoices": "Payload",
    "Options": "Payload",
    "Encryption": "Payload",
    "Success": "Success",
    "Artifacts": "Success",
    "Hashes": "Success",
    "Receipt": "Success",
    "Clause": "Success",
    "DocumentFacts": "Success",
    "Operation": "Success",
    "Metrics": "Success",
    "StageTime": "Success",
    "Advice": "Success",
    "Failure": "Failure",
    "ErrorReport": "Failure",
}
"""Every model that a stranger's words are read into, and the example that holds it; another fails the suite."""

HOSTILE: dict[str, Any] = {
    "a yes": True,
    "a text": "x",
    "a number": 7,
    "a number below": -1,
    "a number without end": 10**400,
    "a fraction": 0.5,
    "nothing": None,
    "a list": [],
    "an object": {},
    "a deep list": [[[[[[[[[[]]]]]]]]]],
    "an escape": "\x1b]0;pwned\x07",
    "a turn of direction": "\u202e",
    "a lone surrogate": "\ud800",
    "a NUL": "\0",
    "a text without end": "x" * 70_000,
    "a path": "../../etc/passwd",
    "markup": "<script>",
}


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document, from the outside in."""
    if at:
        yield at
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in inner:
        yield from places(value, (*at, name))


def spoiled(document: Any, at: tuple[Any, ...], value: Any) -> str:
    """The document with something else at one place."""
    copy = json.loads(json.dumps(document))
    holder = copy
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = value
    return json.dumps(copy)


def _everywhere(message: str, value: Any) -> Callable[[Arena], None]:
    """Refused, or read as what it says; a yes is no number and a number no text."""

    def run(arena: Arena) -> None:
        example, read = EXAMPLES[message]
        document = example(arena)
        read(json.dumps(document))
        for at in places(document):
            try:
                read(spoiled(document, at, value))
            except (ValidationError, StrictJsonError):
                continue
            original = document
            for step in at:
                original = original[step]
            number = isinstance(original, int | float) and not isinstance(original, bool)
            free = "parameters" in at or "detail" in at or "schema_definition" in at or "versions" in at
            assert not (number and isinstance(value, bool | str) and not free), at
            assert not (
                value == "\x1b]0;pwned\x07" and message in {"Success", "Failure", "WebhookBody"} and not _ids(at)
            ), at

    return run


def _ids(at: tuple[Any, ...]) -> bool:
    """A place that is not of a result: what stands there is compared, and shown to nobody."""
    return at[0] != "result" and at[0] in {"job_id", "attempt", "status", "camber_job_id"}


def _whole(message: str, make: Callable[[str], str]) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        example, read = EXAMPLES[message]
        try:
            read(make(json.dumps(example(arena))))
        except (ValidationError, StrictJsonError):
            return
        raise AssertionError("it was read")

    return run


WHOLE: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "no JSON": lambda text: text[:-1],
    "two": lambda text: text + text,
    "a list of it": lambda text: f"[{text}]",
    "depth without end": lambda _: "[" * 100_000,
    "bytes": lambda text: "\x00" + text,
}


def rows() -> Iterator[Attack]:
    """Every message with every hostile value at each of its places."""
    for message in EXAMPLES:
        for name, value in HOSTILE.items():
            yield Attack("messages", message, f"{name} everywhere", _everywhere(message, value))
        for name, make in WHOLE.items():
            yield Attack("messages", message, name, _whole(message, make))
