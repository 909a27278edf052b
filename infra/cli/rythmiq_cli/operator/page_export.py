"""The page as static files, for a domain or a CDN of one's own.

`app/index.html` and the other documents name their files absolutely, below `/app/a/{tree}/`, and hold their policy in a
`meta` element; `_headers` has what only headers can say, in the form of Cloudflare Pages and Netlify.

Source: docs/specification/page.md.
"""

import json
import re
import runpy
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rythmiq.contracts.errors import RythmiqError
from rythmiq.gateway.openapi import document as openapi
from rythmiq.gateway.routes.app import FOREVER, PageConfig, document_headers, filled, page_files, policy, tree_of

_HEAD = re.compile(r"(<meta charset=\"utf-8\" ?/?>)")
_MARK = ".rythmiq-page"
_PLACES = {"index.html": "index.html", "operator.html": "operator/index.html", "docs.html": "docs/index.html"}
_LEADS_ON = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=/app/">
<link rel="icon" href="data:,">
<title>Rythmiq One</title>
<a href="/app/">Rythmiq One</a>
"""


class PageExportError(RythmiqError):
    """The page cannot be written there, or not be built."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the tree's hash, and every file's bytes by name."""

    tree: str
    files: Mapping[str, int]


def export_page(source: Path, target: Path, config: PageConfig) -> Export:
    """Build the page and write it to a directory, which is made anew.

    Args:
        source: the page's sources.
        target: a new or empty directory, or that of an earlier export.
        config: the page's configuration.

    Raises:
        PageExportError: the directory holds something else, or a source cannot be joined.
    """
    if target.exists() and any(target.iterdir()) and not (target / _MARK).is_file():
        raise PageExportError(f"{target} holds something else; name a new directory")
    with tempfile.TemporaryDirectory() as made:
        built = Path(made) / "page"
        try:
            runpy.run_path(str(source / "assets.py"))["build"](source, built)
        except ValueError as error:
            raise PageExportError(str(error)) from None
        files = page_files(built)
        tree = tree_of({name: path.read_bytes() for name, path in files.items()})
        shutil.rmtree(target, ignore_errors=True)
        documents: dict[str, str] = {}
        for name, path in files.items():
            if path.suffix == ".html":
                documents[_PLACES.get(name, name)] = _document(path.read_text(encoding="utf-8"), tree, config)
                continue
            for sent in (path, path.with_name(f"{path.name}.gz")):
                if sent.is_file():
                    beside = "/".join([*name.split("/")[:-1], sent.name])
                    _write(target / ("app/sw.js" if name == "sw.js" else f"app/a/{tree}/{beside}"), sent.read_bytes())
                if name == "sw.js":
                    break
    for place, html in documents.items():
        _write(target / "app" / place, html.encode())
    _write(target / "app" / "config.json", json.dumps(config.document(), indent=1).encode())
    api = json.dumps({**openapi(), "servers": [{"url": (config.api_url or "").removesuffix("/api")}]})
    for place in ("openapi.json", "docs/openapi.json"):  # the reference names it beside itself
        _write(target / "app" / place, api.encode())
    _write(target / "index.html", _LEADS_ON.encode())
    _write(target / "_headers", _headers(documents, config).encode())
    _write(target / _MARK, b"")
    written = (path for path in sorted(target.rglob("*")) if path.is_file() and path.name != _MARK)
    return Export(tree, {path.relative_to(target).as_posix(): path.stat().st_size for path in written})


def _document(html: str, tree: str, config: PageConfig) -> str:
    """A document with its policy, before anything that the policy is about."""
    whole = filled(html, f"/app/a/{tree}/", config)
    held = escape(policy(config, whole, in_markup=True))
    return _HEAD.sub(rf'\1\n    <meta http-equiv="Content-Security-Policy" content="{held}" />', whole, count=1)


def _headers(documents: Mapping[str, str], config: PageConfig) -> str:
    """The rules of `_headers`; no two that match one path name the same header."""
    rules = {"/*": {"X-Content-Type-Options": "nosniff"}}
    for place, html in documents.items():
        path = f"/app/{place.removesuffix('index.html')}"
        rules[path] = {**document_headers(config, html), "Cache-Control": "no-cache"}
        rules[path.removesuffix("/")] = rules[path]
    rules["/app/a/*"] = {"Cache-Control": FOREVER}
    rules["/app/config.json"] = {"Cache-Control": "no-store"}
    rules["/app/sw.js"] = {"Cache-Control": "no-cache", "Service-Worker-Allowed": "/app"}
    return "".join(
        f"{path}\n" + "".join(f"  {name}: {value}\n" for name, value in headers.items())
        for path, headers in rules.items()
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
