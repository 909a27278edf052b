"""Joins the page's modules and styles, compresses them, and writes what is deployed: `assets.py SOURCE TARGET`.

Each document of `page/` gets its style sheets inside, and each script that a document, a worker or the service worker
begins with gets every module that it imports, one function a module, evaluated once in the order of imports; what is
imported by `import("./x.js")` is evaluated when it is asked for. Addresses and behaviour are those of the sources, by
the rules of `page/README.md`, which are checked here.

Needs nothing but Python's standard library: the deployer's builds run it.
"""
# ruff: noqa: INP001  a script that stands alone

import argparse
import gzip
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

_IMPORT = re.compile(
    r'^import\s+(?:(?P<what>[^;"]+?)\s+from\s+)?"(?P<path>\.[^"]+)"(?:\s+with\s+\{[^}]*\})?;[ \t]*$', re.MULTILINE
)
_EXPORT_FROM = re.compile(r'^export\s+\{(?P<names>[^}]*)\}\s+from\s+"(?P<path>\.[^"]+)";[ \t]*$', re.MULTILINE)
_EXPORT_LIST = re.compile(r"^export\s+\{(?P<names>[^}]*)\};[ \t]*$", re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?P<kind>(?:async\s+)?function\*?|class|const)\s+(?P<name>[\w$]+)", re.MULTILINE)
_LATER = re.compile(r'\bimport\("(\.[^"]+)"\)')
_REST = re.compile(r"^(?:import\b(?!\s*[.(])|export\b).*$", re.MULTILINE)
_AS = re.compile(r"^([\w$]+)\s+as\s+([\w$]+)$")
_COMMENT_LINE = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
# Behind code, unless a quote follows: then it may be a part of a text.
_COMMENT_BEHIND = re.compile(r"(?<=[;,{}()\]])[ \t]+// [^\"'`\n]*$", re.MULTILINE)
_COMMENT_BLOCK = re.compile(r"^[ \t]*/\*\*?(?:(?!\*/).)*\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_COMMENT_INLINE = re.compile(r"/\*\* .*? \*/")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STYLESHEET = re.compile(r'[ \t]*<link\s+rel="stylesheet"\s+href="\./([^"]+)"\s*/?>\n?')
_STYLESHEETS = re.compile(r'(?:[ \t]*<link\s+rel="stylesheet"[^>]*>\n?)+')
_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="\./([^"]+)"')
_WORKER = re.compile(r'new URL\("(\.[^"]+\.js)",\s*import\.meta\.url\)')
# Of the sources, what is needed to check and to pack them alone.
NOT_SENT = frozenset({"package.json", "package-lock.json", "tsconfig.json", "tsconfig.client.json", "eslint.config.js"})
COPIED = frozenset({".json", ".webmanifest", ".svg", ".png", ".txt"})
_COMPRESSED = frozenset({".js", ".json"})


class PageError(ValueError):
    """The sources cannot be joined without changing what they do; the message names the line."""


class Joiner:
    """Joins modules below one directory.

    Args:
        source: the directory.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self.seen: set[str] = set()
        """Every file that went into a joined one."""

    def script(self, entry: str) -> str:
        """An entry with every module that it needs, as one module."""
        order, later = self._order(entry)
        parts = [self._wrapped(name, order) for name in order[:-1] if name not in later]
        parts += [self._deferred(name, order, later) for name in later]
        own, exports = self._body(entry, order)
        tail = f"\nexport {{ {', '.join(f'{inner} as {outer}' for outer, inner in exports)} }};\n" if exports else ""
        return "".join(parts) + own + tail

    def _order(self, entry: str) -> tuple[list[str], list[str]]:
        """Modules, each after those that it imports, the entry last; and those that are only imported later."""
        order: list[str] = []
        self._visit(entry, (), order)
        now = list(order)
        waiting = [target for name in order for target in self._targets(name, _LATER)]
        while waiting:
            name = waiting.pop(0)
            if name in order:
                continue
            before = len(order)
            self._visit(name, (), order)
            waiting += [target for found in order[before:] for target in self._targets(found, _LATER)]
        later = [name for name in order if name not in now]
        now.remove(entry)
        return [*now, *later, entry], later

    def _visit(self, name: str, above: tuple[str, ...], order: list[str]) -> None:
        if name in above:
            raise PageError(f"{name} imports itself by {' > '.join(above[above.index(name) :])}")
        if name in order:
            return
        for found in (_IMPORT, _EXPORT_FROM):
            for target in self._targets(name, found):
                self._visit(target, (*above, name), order)
        order.append(name)

    def _targets(self, name: str, pattern: re.Pattern[str]) -> Iterator[str]:
        if name.endswith(".js"):
            for match in pattern.finditer(self._text(name)):
                yield self._beside(name, match["path"] if "path" in pattern.groupindex else match[1])

    def _text(self, name: str) -> str:
        self.seen.add(name)
        path = self._source / name
        if not path.is_file():
            raise PageError(f"{name} is not there")
        text = path.read_text(encoding="utf-8")
        if name.endswith(".json"):
            return text
        for comment in (_COMMENT_LINE, _COMMENT_BEHIND, _COMMENT_BLOCK, _COMMENT_INLINE):
            text = comment.sub("", text)
        return text

    @staticmethod
    def _beside(name: str, path: str) -> str:
        parts = name.split("/")[:-1]
        for part in path.split("/"):
            if part == "..":
                if not parts:
                    raise PageError(f"{name} imports {path}, from outside of the page")
                parts.pop()
            elif part != ".":
                parts.append(part)
        return "/".join(parts)

    def _wrapped(self, name: str, order: list[str]) -> str:
        return f"const $m{order.index(name)} = ({self._factory(name, order)})();\n"

    def _deferred(self, name: str, order: list[str], later: list[str]) -> str:
        at = order.index(name)
        body = self._factory(name, order, later)
        return f"let $k{at};\nconst $l{at} = () => ($k{at} ??= ({body})());\n"

    def _factory(self, name: str, order: list[str], later: list[str] | None = None) -> str:
        if name.endswith(".json"):
            value = json.dumps(json.loads(self._text(name)), ensure_ascii=False, separators=(",", ":"))
            return f"() => ({{ default: {value} }})"
        body, exports = self._body(name, order, later)
        returned = ", ".join(outer if outer == inner else f"{outer}: {inner}" for outer, inner in exports)
        return f"() => {{\n{body}\nreturn {{ {returned} }};\n}}"

    def _body(self, name: str, order: list[str], later: list[str] | None = None) -> tuple[str, list[tuple[str, str]]]:
        """A module without its imports and exports, and what it exports: outer and inner names."""
        text = self._text(name)
        exports: list[tuple[str, str]] = []
        lead: list[str] = []

        def exported_from(match: re.Match[str]) -> str:
            for inner, outer in _pairs(match["names"]):
                given = f"$e{len(exports)}_{order.index(name)}"
                lead.append(f"const {given} = {self._of(self._beside(name, match['path']), order, later)}.{inner};")
                exports.append((outer, given))
            return ""

        def listed(match: re.Match[str]) -> str:
            exports.extend((outer, inner) for inner, outer in _pairs(match["names"]))
            return ""

        def declared(match: re.Match[str]) -> str:
            exports.append((match["name"], match["name"]))
            return f"{match['kind']} {match['name']}"

        def imported(match: re.Match[str]) -> str:
            module = self._of(self._beside(name, match["path"]), order, later)
            lead.extend(_bindings(name, match["what"], module))
            return ""

        text = _IMPORT.sub(imported, text)
        text = _EXPORT_FROM.sub(exported_from, text)
        text = _EXPORT_LIST.sub(listed, text)
        text = _EXPORT.sub(declared, text)
        if rest := _REST.search(text):
            raise PageError(f"{name}: {rest[0].strip()!r} is no form that can be joined (page/README.md)")
        text = _LATER.sub(lambda match: self._when_asked(self._beside(name, match[1]), order), text)
        for line in text.splitlines():
            if line.count("`") % 2:
                raise PageError(f"{name}: {line.strip()!r} begins a text of several lines (page/README.md)")
        text = _INDENT.sub("", text)
        if "/" in name:
            text = text.replace("import.meta.url", f'new URL("./{name}", import.meta.url).href')
        return "\n".join([*lead, text.strip(), ""]), exports

    def _of(self, name: str, order: list[str], later: list[str] | None) -> str:
        at = order.index(name)
        return f"$l{at}()" if later is not None and name in later else f"$m{at}"

    def _when_asked(self, name: str, order: list[str]) -> str:
        now, later = self._order(order[-1])
        at = now.index(name)
        return f"Promise.resolve().then(() => {f'$l{at}()' if name in later else f'$m{at}'})"


def _pairs(names: str) -> Iterator[tuple[str, str]]:
    """`a, b as c` as inner and outer names."""
    for name in (part.strip() for part in names.split(",")):
        if name:
            match = _AS.match(name)
            yield (match[1], match[2]) if match else (name, name)


def _bindings(name: str, what: str | None, module: str) -> Iterator[str]:
    """What an import's names become.

    Raises:
        PageError: a default import of a module that is not JSON.
    """
    if what is None:
        yield f"{module};"
    elif what.startswith("{"):
        pairs = (inner if inner == outer else f"{inner}: {outer}" for inner, outer in _pairs(what.strip("{} \n")))
        yield f"const {{ {', '.join(pairs)} }} = {module};"
    elif what.startswith("* as "):
        yield f"const {what.removeprefix('* as ').strip()} = {module};"
    elif re.fullmatch(r"[\w$]+", what):
        yield f"const {what} = {module}.default;"
    else:
        raise PageError(f"{name}: import {what} is no form that can be joined")


def build(source: Path, target: Path) -> None:
    """Write the page that is deployed.

    Args:
        source: the sources.
        target: made anew; a directory that holds nothing else.

    Raises:
        PageError: a source cannot be joined.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    joiner = Joiner(source)
    entries = {"sw.js"} if (source / "sw.js").is_file() else set()
    for path in sorted(source.glob("*.html")):
        html = path.read_text(encoding="utf-8")
        entries |= set(_SCRIPT.findall(html))
        (target / path.name).write_text(_with_styles(source, html), "utf-8")
    waiting = sorted(entries)
    made = set()
    while waiting:
        entry = waiting.pop()
        if entry in made:
            continue
        made.add(entry)
        text = joiner.script(entry)
        _write(target / entry, text)
        waiting += [Joiner._beside("", path) for path in _WORKER.findall(text)]  # noqa: SLF001  this module's own
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        is_hidden = any(part[0] in "._" or part == "node_modules" for part in name.split("/"))
        if path.is_file() and path.suffix in COPIED and not is_hidden and name not in NOT_SENT | joiner.seen:
            _write(target / name, path.read_bytes())


def _with_styles(source: Path, html: str) -> str:
    """A document with its style sheets inside; those in a row are one element, which the policy allows by one hash."""

    def inside(match: re.Match[str]) -> str:
        sheets = (source / name for name in _STYLESHEET.findall(match[0]))
        css = _CSS_COMMENT.sub("", "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets))
        lines = (line.strip() for line in css.splitlines())
        return "<style>" + "\n".join(line for line in lines if line) + "</style>\n"

    return _STYLESHEETS.sub(inside, html)


def _write(path: Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if path.suffix in _COMPRESSED:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data, mtime=0))


def main() -> int:
    """Build once; 1 when the sources cannot be joined."""
    parser = argparse.ArgumentParser(description="Join the page's files.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    try:
        build(arguments.source, arguments.target)
    except PageError as error:
        print(f"assets.py: {error}", file=sys.stderr)  # noqa: T201  what a person has to mend
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
