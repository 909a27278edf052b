"""What both kinds of client share on their way to httpx: terms, headers, bodies, answers, and what a failure means.

httpx is imported at the first request: a program that only prints its help does not pay for it.
"""

import mimetypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import rythmiq
from rythmiq.client.exchange import LOOPBACK_HOSTS, Answer, Broken, Send, Service
from rythmiq.client.operations import FileContent

if TYPE_CHECKING:
    import httpx

File = bytes | str | Path
TOO_LONG = Broken("the answer is longer than any that the service gives", sent=True, transient=False)

_CHUNK_BYTES = 64 * 1024
_CONNECT_S = 10.0
_FALLBACK_TYPE = "application/octet-stream"


def read_files(files: File | Sequence[File], filename: str | None, mime_type: str | None) -> tuple[FileContent, ...]:
    """One file or several, in their order; `filename` and `mime_type` are the first one's.

    Raises:
        OSError: one cannot be read; ValueError: there is none.
    """
    several = [files] if isinstance(files, bytes | str | Path) else list(files)
    if not several:
        raise ValueError("there is no file to submit")
    first, *others = several
    return (_read(first, filename, mime_type), *(_read(file, None, None) for file in others))


def _read(file: File, filename: str | None, mime_type: str | None) -> FileContent:
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    name = filename or ("file" if isinstance(file, bytes) else Path(file).name)
    return FileContent(content, name, mime_type or mimetypes.guess_type(name)[0] or _FALLBACK_TYPE)


def terms(service: Service) -> dict[str, Any]:
    """How both kinds of httpx client are made: no redirects, and no proxy on the way to this machine."""
    return {
        "follow_redirects": False,
        "trust_env": urlsplit(service.api_url).hostname not in LOOPBACK_HOSTS,
        "headers": {"User-Agent": f"rythmiq-client/{rythmiq.__version__}"},
    }


def headers(send: Send, token: str | None) -> dict[str, str]:
    """The request's headers; the token goes to the service only."""
    told = dict(send.headers)
    if send.on_sent is not None and send.fields is None:
        told["Content-Length"] = str(len(send.content or b""))  # a store takes no body of unknown length
    if send.authorised and token is not None:
        told["Authorization"] = f"Bearer {token}"
    return told


def timeout(send: Send) -> "httpx.Timeout":
    """Bounds of each phase."""
    import httpx  # noqa: PLC0415  see the module docstring

    return httpx.Timeout(send.timeout_s, connect=min(_CONNECT_S, send.timeout_s))


def form(send: Send) -> dict[str, Any]:
    """A form whose last part is the file, as S3 wants it."""
    kind = (send.fields or {}).get("Content-Type", _FALLBACK_TYPE)
    return {"data": dict(send.fields or {}), "files": {"file": ("file", send.content or b"", kind)}}


def chunks(send: Send) -> Iterator[bytes]:
    """The body in pieces, telling `on_sent` after each has been taken."""
    body = send.content or b""
    for start in range(0, len(body), _CHUNK_BYTES):
        chunk = body[start : start + _CHUNK_BYTES]
        yield chunk
        if send.on_sent is not None:
            send.on_sent(start + len(chunk))


def answer(response: "httpx.Response", body: bytearray) -> Answer:
    """What came, in our words."""
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(body))


def broken(error: "httpx.RequestError | httpx.InvalidURL") -> Broken:
    """What a failed request means for a repeat."""
    import httpx  # noqa: PLC0415  see the module docstring

    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return Broken("the address is not one of http or https", sent=False, transient=False)
    if isinstance(error, httpx.TimeoutException):
        return Broken("no answer in time", sent=not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout))
    if isinstance(error, httpx.ConnectError):
        return Broken("the host is unknown, refuses the connection or is not trusted", sent=False)
    return Broken("the connection broke", sent=True)
