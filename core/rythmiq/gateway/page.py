"""The page's files, the policy under which a browser runs them, and what they need to know about this deployment.

Files lie below `/app/a/{tree}/`, where `tree` is the hash of them all: they never change under one address, and a
browser keeps them. `index.html` and the other documents lie at the function's own paths and name files as `./name`,
which is filled in when they are sent. What is built (`page/assets.py`) and the sources look alike here.

Source: docs/specification/page.md.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


@dataclass(frozen=True, slots=True)
class PageConfig:
    """What the page is told: `/app/config.json`.

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
