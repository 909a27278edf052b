"""What others read: pages, headers, file names, terminals and metrics, with hostile text at every place."""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser

from rythmiq.adapters.spaces import content_disposition
from rythmiq.contracts.keys import InvalidKeyError, parse_key, raw_key, sanitize_filename
from rythmiq.services.output import document_filename, receipt_page, zip_bytes
from rythmiq_cli.output import json_line, plain
from tests.attacks.arena import Arena, Attack
from tests.support.gateway_doors import AS_OPERATOR
from tests.support.service_rig import receipt

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "an attribute": '" onerror="alert(1)',
    "a comment": "--><img src=x onerror=alert(1)>",
    "a style": "</style><script>alert(1)</script>",
    "a link": "javascript:alert(1)",
    "a template": "{{7*7}}${7*7}{0.__class__}",
    "an escape": "\x1b]0;pwned\x07",
    "a C1 escape": "\x9b2J",
    "a turn of direction": "gpj.\u202eexe",
    "an isolate": "\u2066x",
    "a line's end": "a\r\nSet-Cookie: x=1",
    "a NUL": "a\0.jpg",
    "a path": "../../etc/passwd",
    "a Windows path": "C:\\Windows\\x",
    "a device": "CON.jpg",
    "another device": "aux",
    "a port": "LPT1.tar.gz",
    "a hidden file": ".htaccess",
    "our own receipt": "receipt.html",
    "our own receipt in capitals": "RECEIPT.JSON",
    "a name without end": "x" * 10_000,
    "a formula": "=cmd|'/C calc'!A0",
    "a stream": "a.jpg::$DATA",
    "a lone surrogate": "\ud800",
    "nothing": "",
    "a label": 'x"} 1\nrythmiq_pwned 1',
}
_DEVICES = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\.|$)", re.IGNORECASE)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _page(text: str) -> None:
    """No tag, no attribute and no address of it is markup."""
    storable = text.encode(errors="replace").decode()
    plain_page, evil = receipt(), receipt(filename=storable)
    clause = evil.clauses[0].model_copy(update={"wanted": storable, "measured": storable})
    evil = evil.model_copy(update={"clauses": (clause,), "portal": storable, "versions": {storable: storable}})
    pages = []
    for one, warning in ((plain_page, "x"), (evil, storable)):
        parser = _Tags()
        parser.feed(page := receipt_page(one, before=b"x", after=b"y", warnings=[f"CODE: {warning}"]))
        assert not STEERING.search(page)
        pages.append([(tag, set(attributes)) for tag, attributes in parser.found])
    assert pages[0] == pages[1]


def _zip(text: str) -> None:
    """The name unpacks everywhere, to a file in the folder that was chosen, and is none of ours."""
    name = document_filename(text)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,140}", name)
    assert not _DEVICES.match(name)
    assert name.lower() not in {"receipt.json", "receipt.html", "text.txt"}
    assert name.encode() in zip_bytes({name: b"x"})


def _header(text: str) -> None:
    value = content_disposition(text)
    assert value.isascii()
    assert "\r" not in value
    assert "\n" not in value
    assert value.count('"') == 2
    assert "%E2%80%AE" not in value


def _key(text: str) -> None:
    user, job = "5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d", "1a2b3c4d-5e6f-4a7b-8c9d-0e1f2a3b4c5d"
    key = raw_key(user, job, dt.datetime(2026, 1, 2, tzinfo=dt.UTC), sanitize_filename(text))
    assert str(parse_key(key)) == key
    try:
        assert str(parse_key(text)) == text
    except InvalidKeyError:
        return


def _terminal(text: str) -> None:
    assert not STEERING.search(plain(text) + json_line({text: text}))
    assert json.loads(json_line([text])) == [text]


SINKS: dict[str, Callable[[str], None]] = {
    "receipt.html": _page,
    "the ZIP": _zip,
    "Content-Disposition": _header,
    "a storage key": _key,
    "a terminal": _terminal,
}


def _sunk(sink: Callable[[str], None], text: str) -> Callable[[Arena], None]:
    return lambda _: sink(text)


def _uploaded(text: str) -> Callable[[Arena], None]:
    """A file's name goes through the whole service: the answer is JSON, and the key is legal."""

    def run(arena: Arena) -> None:
        document = {"filename": text[:200] or "x", "mime_type": "image/jpeg", "size_bytes": 10}
        seen = arena.as_attacker("POST", "/api/uploads", document=document)
        assert seen.status in {201, 422}, seen.status
        if seen.status == 201:
            assert str(parse_key(seen.body["raw_path"])) == seen.body["raw_path"]
            arena.as_attacker("DELETE", f"/api/uploads/{seen.body['job_id']}")

    return run


def _measured(arena: Arena) -> None:
    """No text of a user's is a metric's name, label or line."""
    before = _lines(arena)
    for text in HOSTILE.values():
        arena.as_attacker("GET", "/api/jobs", query=f"status={text[:50]}")
    after = _lines(arena)
    assert {line.rpartition(" ")[0] for line in after} == {line.rpartition(" ")[0] for line in before}


def _lines(arena: Arena) -> list[str]:
    body: str = arena.doors("GET", "/internal/metrics", headers=AS_OPERATOR).body
    assert "pwned" not in body
    return [line for line in body.splitlines() if not line.startswith("#")]


def rows() -> Iterator[Attack]:
    """Every hostile text at every place where it is shown."""
    for place, sink in SINKS.items():
        for name, text in HOSTILE.items():
            yield Attack("rendering", place, name, _sunk(sink, text))
    for name, text in HOSTILE.items():
        if name != "a lone surrogate":  # which no JSON text holds
            yield Attack("rendering", "POST /api/uploads", name, _uploaded(text))
    yield Attack("rendering", "GET /internal/metrics", "hostile text", _measured)
