"""`rythmiq page`: the page as static files, for a domain or a CDN of one's own.

`app/index.html` and the other documents name their files absolutely, below `/app/a/{tree}/`, and hold their policy in a
`meta` element; `_headers` has what only headers can say, in the form of Cloudflare Pages and Netlify. What the service
knows of its page is imported when it is exported: `rythmiq --help` needs none of it.

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
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.output import EPILOG, usage

if TYPE_CHECKING:
    from rythmiq.gateway.routes.app import PageConfig

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
app = typer.Typer(help="The page as static files (operator).", no_args_is_help=True, epilog=EPILOG)


@app.callback()
def _page() -> None:
    pass


@app.command(epilog=EPILOG)
def export(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made anew: empty, or of an earlier export.")],
    api: Annotated[str, typer.Option("--api", help="The service's address, PUBLIC_URL; what comes before /api.")],
    supabase_url: Annotated[str, typer.Option("--supabase-url", help="SUPABASE_URL: where people sign in.")],
    supabase_anon_key: Annotated[str, typer.Option("--supabase-anon-key", help="SUPABASE_ANON_KEY, which is public.")],
    store_origin: Annotated[str, typer.Option("--store-origin", help="DO_SPACES_ENDPOINT: where files go.")],
    guest_credits: Annotated[int, typer.Option("--guest-credits", min=0, help="GUEST_CREDITS of the service.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the page to DIR, for a domain or a CDN of one's own.

    The domain must be this page's alone, ALLOWED_ORIGINS must name it, and so must the bucket's CORS rule (`rythmiq
    spaces apply`).
    """
    from rythmiq.gateway.routes.app import PageConfig  # noqa: PLC0415  see above
    from rythmiq.settings.api import AppSettings  # noqa: PLC0415  ditto

    given = {
        "PUBLIC_URL": api,
        "SUPABASE_URL": supabase_url,
        "SUPABASE_ANON_KEY": supabase_anon_key,
        "DO_SPACES_ENDPOINT": store_origin,
    }
    try:
        settings = AppSettings.from_environ(given)
        base = (settings.public_url or "").removesuffix("/api")
        config = PageConfig(
            api_url=f"{base}/api",
            supabase_url=settings.supabase_url,
            supabase_anon_key=supabase_anon_key,
            store_origin=settings.do_spaces_endpoint,
            guest_credits=guest_credits,
            origins=("*",),
        )
        made = _export_page(_sources(), directory, config)
    except RythmiqError as error:
        usage(_in_options(str(error)))
    if as_json:
        print(json.dumps({"directory": str(directory), "tree": made.tree, "files": made.files}))
        return
    for name, size_bytes in made.files.items():
        print(f"{size_bytes:9} {name}")


def _sources() -> Path:
    """The page's sources: of this checkout, or carried by the installed distribution."""
    here = Path(__file__).parents[1]
    carried = here / "page"
    return carried if carried.is_dir() else here.parents[2] / "page"


def _in_options(sentence: str) -> str:
    """Put the options' names in place of the variables' in an error of the settings."""
    for name, option in (
        ("PUBLIC_URL", "--api"),
        ("SUPABASE_URL", "--supabase-url"),
        ("SUPABASE_ANON_KEY", "--supabase-anon-key"),
        ("DO_SPACES_ENDPOINT", "--store-origin"),
    ):
        sentence = sentence.replace(name, option)
    return sentence


class PageExportError(RythmiqError):
    """The page cannot be written there, or not be built."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the tree's hash, and every file's bytes by name."""

    tree: str
    files: Mapping[str, int]


def _export_page(source: Path, target: Path, config: "PageConfig") -> Export:
    """Build the page and write it to a directory, which is made anew.

    Args:
        source: the page's sources.
        target: a new or empty directory, or that of an earlier export.
        config: the page's configuration.

    Raises:
        PageExportError: the directory holds something else, or a source cannot be joined.
    """
    from rythmiq.gateway.openapi import document as openapi  # noqa: PLC0415  see above
    from rythmiq.gateway.routes.app import page_files, tree_of  # noqa: PLC0415  ditto

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


def _document(html: str, tree: str, config: "PageConfig") -> str:
    """A document with its policy, before anything that the policy is about."""
    from rythmiq.gateway.routes.app import filled, policy  # noqa: PLC0415  see above

    whole = filled(html, f"/app/a/{tree}/", config)
    held = escape(policy(config, whole, in_markup=True))
    return _HEAD.sub(rf'\1\n    <meta http-equiv="Content-Security-Policy" content="{held}" />', whole, count=1)


def _headers(documents: Mapping[str, str], config: "PageConfig") -> str:
    """The rules of `_headers`; no two that match one path name the same header."""
    from rythmiq.gateway.routes.app import FOREVER, document_headers  # noqa: PLC0415  see above

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
