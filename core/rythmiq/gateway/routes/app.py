"""`api/app`: the page's documents and files, the policy under which a browser runs them, configuration and OpenAPI.

Files lie below `/app/a/{tree}/`, where `tree` is the hash of them all: they never change under one address, and a
browser keeps them. `index.html` and the other documents lie at the function's own paths and name files as `./name`,
which is filled in when they are sent. What is built (`page/assets.py`) and the sources look alike here.

Source: docs/specification/page.md, docs/specification/http-api.md.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway import Answer, HasGuard, Operation, Parameter, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response

CACHE = "public, max-age=300"
_HTML = {200: Answer("The document.", schema={"type": "string"}, media_type="text/html")}
_NOT_THERE = frozenset({ProblemCode.NOT_FOUND})

PAGE = Operation(
    name="showPage",
    method="GET",
    path="",
    summary="Show the page.",
    access="public",
    answers=_HTML,
    asks_outside=False,
)
OPENAPI = Operation(
    name="showOpenApi",
    method="GET",
    path="/openapi.json",
    summary="Show this document.",
    access="public",
    answers={200: Answer("OpenAPI 3.1.", schema={"type": "object"})},
    asks_outside=False,
)
CONFIG = Operation(
    name="showPageConfig",
    method="GET",
    path="/config.json",
    summary="Show what the page has to know about this deployment.",
    access="public",
    answers={200: Answer("Addresses and public keys.", schema={"type": "object"})},
    asks_outside=False,
)
OPERATIONS = (PAGE, OPENAPI, CONFIG)

# Files of the page, which are no calls of an API and not in OpenAPI.
OPERATOR = Operation("showOperatorPage", "GET", "/operator", "Show the operator's view.", "public", _HTML)
REFERENCE = Operation("showReference", "GET", "/docs", "Show the reference of this API.", "public", _HTML)
WORKER = Operation("showServiceWorker", "GET", "/sw.js", "Send the service worker.", "public", _HTML)
FILE = Operation(
    name="sendFile",
    method="GET",
    path="/a/{tree}/{file}",
    summary="Send a file of the page.",
    access="public",
    parameters=(Parameter("tree", "path", "The hash of all files."), Parameter("file", "path", "Its name.")),
    answers={200: Answer("The file.", schema={"type": "string"}, media_type="text/plain")},
    refusals=_NOT_THERE,
    asks_outside=False,
)

_WITHOUT_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Rythmiq One</title>
<h1>Rythmiq One</h1>
<p>This deployment was built without its page. What the API takes and answers is described in
  <a href="app/openapi.json">openapi.json</a> (OpenAPI 3.1); the portals that it knows are in
  <a href="portals">its rule book</a>.</p>
</html>
"""
MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
"""What is sent; any other file beside the page is not."""
NOT_SENT = frozenset({"package.json", "package-lock.json", "tsconfig.json", "tsconfig.client.json", "eslint.config.js"})
# Types under which the platform lets bytes through, so that a body can be gzip: text and JSON it would read as text.
GZIP_TYPES: Mapping[str, str] = {".js": "application/ecmascript", ".json": "application/octet-stream"}
FOREVER = "public, max-age=31536000, immutable"
DOCUMENTS = {"": "index.html", "/operator": "operator.html", "/docs": "docs.html"}
_BINARY = frozenset({".png"})
_NAMED_FILE = re.compile(r'\b(href|src)="\./')
_CONFIG = '<meta name="rythmiq-config" content=""'
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class Dependencies(HasGuard):
    """Dependencies of the handlers: the page's files and configuration, and the OpenAPI document, built once a process.

    Args:
        make_openapi: builds the document.
        files: of the page.
        config: of this deployment.
    """

    def __init__(
        self,
        make_openapi: Callable[[], Mapping[str, Any]],
        files: "PageFiles",
        config: "PageConfig",
    ) -> None:
        self._make_openapi = make_openapi
        self._openapi: Mapping[str, Any] | None = None
        self.files = files
        self.config = config

    def openapi(self) -> Mapping[str, Any]:
        """Return the document."""
        if self._openapi is None:
            self._openapi = self._make_openapi()
        return self._openapi


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/app`."""
    routes: Sequence[Route[Dependencies]] = (
        Route(PAGE, _document),
        Route(OPERATOR, _document),
        Route(REFERENCE, _document),
        Route(OPENAPI, _openapi),
        Route(CONFIG, _config),
        Route(WORKER, _worker),
        Route(FILE, _file),
    )
    return Application("api/app", routes, dependencies=make_dependencies, allowed_origins=allowed_origins)


def _document(dependencies: Dependencies, call: Call) -> Response:
    path = call.request.path
    if not path and call.request.has_slash:  # `app/`, from where nothing would be found
        return Response(308, headers={"Location": "../app"})
    html = dependencies.files.document(DOCUMENTS[path], "" if path else "app/", dependencies.config)
    if html is None and path:
        raise ProblemError(ProblemCode.NOT_FOUND)
    html = html or _WITHOUT_PAGE
    headers = {**document_headers(dependencies.config, html), "Cache-Control": "no-cache", "ETag": etag_of(html)}
    if call.request.knows(headers["ETag"]):
        return Response(304, headers=headers)
    return Response(200, html, "text/html; charset=utf-8", headers)


def _file(dependencies: Dependencies, call: Call) -> Response:
    return _sent(dependencies, call, call.path["file"], is_current=call.path["tree"] == dependencies.files.tree)


def _worker(dependencies: Dependencies, call: Call) -> Response:
    answer = _sent(dependencies, call, "sw.js", is_current=False)
    # Resolved against the worker's own address, so that its scope is the page's wherever that is.
    return Response(200, answer.body, answer.media_type, {**answer.headers, "Service-Worker-Allowed": "../app"})


def _sent(dependencies: Dependencies, call: Call, name: str, *, is_current: bool) -> Response:
    accepts_gzip = "gzip" in (call.request.header("accept-encoding") or "")
    found = dependencies.files.file(name, gzipped=accepts_gzip)
    if found is None:
        raise ProblemError(ProblemCode.NOT_FOUND)
    content, media_type, is_gzip = found
    headers = {"Cache-Control": FOREVER if is_current else "no-cache"}
    if is_gzip:
        headers |= {"Content-Encoding": "gzip", "Vary": "Origin, Accept-Encoding"}
    return Response(200, content, media_type, headers)


def _config(dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, dependencies.config.document())


def _openapi(dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, dependencies.openapi(), headers={"Cache-Control": CACHE})


@dataclass(frozen=True, slots=True)
class PageConfig:
    """The page's configuration: `/app/config.json`.

    Attributes:
        api_url: the base of `/jobs`; None where it is the page's own address without `/app`.
        supabase_url: where people sign in; None leaves preflight only, as does a missing key.
        supabase_anon_key: the key that every browser may know.
        store_origin: where files go.
        guest_credits: of an anonymous user; 0 where guests are refused.
        origins: where the page may keep anything and sign people in; `*` is everywhere.
    """

    api_url: str | None = None
    supabase_url: str | None = None
    supabase_anon_key: str | None = None
    store_origin: str | None = None
    guest_credits: int = 0
    origins: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """`config.json`."""
        return {
            "api_url": self.api_url,
            "supabase_url": self.supabase_url,
            "supabase_anon_key": self.supabase_anon_key,
            "store_origin": self.store_origin,
            "guest_credits": self.guest_credits,
            "origins": list(self.origins),
        }


def policy(config: PageConfig, html: str, *, in_markup: bool = False) -> str:
    """The Content Security Policy of a document.

    Args:
        config: which names the origins that it may call.
        html: its text; inline styles are allowed by their hashes, inline scripts never.
        in_markup: for a `meta` element, where `frame-ancestors` may not stand.
    """
    urls = (config.api_url, config.supabase_url, config.store_origin)
    origins = " ".join(dict.fromkeys(["'self'", *(_origin(url) for url in urls if url)]))
    digests = (hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(html))
    styles = " ".join(["'self'", *(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)])
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "style-src": styles,
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob:",
        "connect-src": origins,
        "manifest-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "rythmiq",
    }
    if in_markup:
        del rules["frame-ancestors"]
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def document_headers(config: PageConfig, html: str) -> dict[str, str]:
    """The headers of a document of the page."""
    return {
        "Content-Security-Policy": policy(config, html),
        "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }


class PageFiles:
    """The files in one directory.

    Args:
        directory: of `page/` or of what was built from it.
        is_live: whether files may change while the process runs: they are read anew for each document.
    """

    def __init__(self, directory: Path, *, is_live: bool = False) -> None:
        self._directory = directory
        self._is_live = is_live
        self._files: dict[str, Path] = {}
        self._tree = ""

    @property
    def tree(self) -> str:
        """The hash of all files."""
        if self._is_live or not self._files:
            self._files = page_files(self._directory)
            self._tree = tree_of({name: path.read_bytes() for name, path in self._files.items()})
        return self._tree

    def document(self, name: str, prefix: str, config: PageConfig) -> str | None:
        """An HTML document that names its files below `prefix` and the tree; None when there is none."""
        tree = self.tree
        path = self._files.get(name)
        return None if path is None else filled(path.read_text(encoding="utf-8"), f"{prefix}a/{tree}/", config)

    def file(self, name: str, *, gzipped: bool = False) -> tuple[str | bytes, str, bool] | None:
        """A file: content, media type, whether it is compressed; None when there is none of that name."""
        if self._is_live or not self._files:
            _ = self.tree
        path = self._files.get(name)
        if path is None or path.suffix == ".html":
            return None
        packed = path.with_name(f"{path.name}.gz")
        if gzipped and path.suffix in GZIP_TYPES and packed.is_file():
            return packed.read_bytes(), GZIP_TYPES[path.suffix], True
        if path.suffix in _BINARY:
            return path.read_bytes(), MEDIA_TYPES[path.suffix], False
        return path.read_text(encoding="utf-8"), MEDIA_TYPES[path.suffix], False


def page_files(directory: Path) -> dict[str, Path]:
    """Every file of a directory that is part of the page, by its name below it."""
    found = {}
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if path.suffix in MEDIA_TYPES and path.name not in NOT_SENT and not any(part[0] in "._" for part in parts):
            found["/".join(parts)] = path
    return {name: path for name, path in found.items() if path.is_file() and not name.startswith("node_modules/")}


def tree_of(contents: Mapping[str, bytes]) -> str:
    """The hash of files by name: 16 hexadecimal digits."""
    whole = hashlib.sha256()
    for name, content in sorted(contents.items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def filled(html: str, base: str, config: PageConfig) -> str:
    """A document whose `./name`s are below this base, and that holds the configuration, to save a call."""
    told = escape(json.dumps(config.document()))
    named = _NAMED_FILE.sub(lambda match: f'{match[1]}="{base}', html)
    return named.replace(_CONFIG, f'{_CONFIG.removesuffix(chr(34))}{told}"')


def etag_of(text: str) -> str:
    """The entity tag of a document."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
