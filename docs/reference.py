"""The reference of the API as one static HTML page, `page/docs.html`, made from the OpenAPI document.

It has no script and no inline style: the page's policy allows neither, and what is shown is all in the document.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from rythmiq.gateway.openapi import document

_HEAD = """<!doctype html>
<!-- Generated from the operations of the API by `make docs`; do not edit. -->
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>API · Rythmiq One</title>
    <link rel="icon" type="image/svg+xml" href="./icon.svg" />
    <link rel="stylesheet" href="./style/base.css" />
    <link rel="stylesheet" href="./style/frame.css" />
    <link rel="stylesheet" href="./style/pieces.css" />
    <link rel="stylesheet" href="./style/docs.css" />
    <link rel="stylesheet" href="./style/media.css" />
  </head>
  <body>
    <a class="skip" href="#main">Skip to the content</a>
    <main id="main" class="reference" tabindex="-1">
"""
_FOOT = """    </main>
  </body>
</html>
"""
_ACCESS = {
    "user": "Users: <code>Authorization: Bearer</code> with a JWT of Supabase Auth.",
    "metrics": "Operators: <code>Authorization: Bearer</code> with METRICS_TOKEN.",
}
_CODE = re.compile(r"`([^`]+)`")


def reference_page() -> str:
    """The whole page."""
    api = document()
    schemas, calls = api["components"]["schemas"], list(_calls(api))
    by_tag = defaultdict(list)
    for path, method, call in calls:
        by_tag[call["tags"][0]].append((path, method, call))
    return "".join(
        [
            _HEAD,
            f"<h1>{escape(api['info']['title'])}: the API</h1>\n",
            f'<p class="lead">{escape(api["info"]["summary"])}</p>\n',
            f"<p>Version {escape(api['info']['version'])}. Addresses follow the service's own, what programs read is\n",
            '<a href="openapi.json">openapi.json</a> (OpenAPI 3.1). A body is one JSON object in UTF-8 of at most\n',
            "1 MB. A refused call answers <code>application/problem+json</code>, whose <code>code</code> is listed\n",
            'with each call and explained <a href="#problems">below</a>.</p>\n',
            '<nav aria-label="Calls"><ul class="calls">\n',
            *(
                f'<li><a href="#{escape(call["operationId"])}"><code>{method.upper()} {escape(path)}</code></a> '
                f"{_text(call['summary'])}</li>\n"
                for path, method, call in calls
            ),
            "</ul></nav>\n",
            *(_section(tag, listed, api) for tag, listed in by_tag.items()),
            "<h2>Bodies</h2>\n",
            *(_schema(name, schema) for name, schema in sorted(schemas.items())),
            _problems(api["components"]["responses"]),
            _FOOT,
        ]
    )


def _calls(api: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in api["paths"].items():
        for method, call in methods.items():
            yield path, method, call


def _section(tag: str, calls: list[tuple[str, str, Mapping[str, Any]]], api: Mapping[str, Any]) -> str:
    return f"<h2>{escape(tag)}</h2>\n" + "".join(_call(path, method, call, api) for path, method, call in calls)


def _call(path: str, method: str, call: Mapping[str, Any], api: Mapping[str, Any]) -> str:
    said = [
        f'<section class="card" id="{escape(call["operationId"])}">\n',
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>\n<p>{_text(call['summary'])}</p>\n",
    ]
    if "description" in call:
        said.append(f"<p>{_text(call['description'])}</p>\n")
    kinds = [name for need in call["security"] for name in need]
    who = _ACCESS.get(kinds[0], "Machines: <code>" + escape(_header_of(api, kinds[0])) + "</code>.") if kinds else ""
    said.append(f'<p class="small quiet">{who or "Everybody."}</p>\n')
    if parameters := call.get("parameters"):
        rows = "".join(
            f'<tr><th scope="row"><code>{escape(each["name"])}</code></th><td>{escape(each["in"])}</td>'
            f"<td>{_text(each['description'])}</td></tr>\n"
            for each in parameters
        )
        said.append(_table(("parameter", "where", "what"), rows))
    if "requestBody" in call:
        said.append(f"<p>Body: {_type(call['requestBody']['content']['application/json']['schema'])}.</p>\n")
    rows = "".join(
        f'<tr><th scope="row">{status}</th><td>{_answer(answer)}</td></tr>\n'
        for status, answer in sorted(call["responses"].items())
    )
    return "".join([*said, _table(("status", "answer"), rows), "</section>\n"])


def _header_of(api: Mapping[str, Any], scheme: str) -> str:
    return str(api["components"]["securitySchemes"][scheme].get("name", scheme))


def _answer(answer: Mapping[str, Any]) -> str:
    if "$ref" in answer:
        code = answer["$ref"].rpartition("/")[2]
        return f'<a href="#problem-{code}"><code>{code}</code></a>'
    words = _text(answer["description"])
    for media_type, content in answer.get("content", {}).items():
        if media_type == "application/json" and "$ref" in content["schema"]:
            words += f" {_type(content['schema'])}."
    if headers := answer.get("headers"):
        words += f" Headers: {', '.join(f'<code>{escape(name)}</code>' for name in headers)}."
    return words


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    head = f'<section class="card" id="schema-{escape(name)}">\n<h3><code>{escape(name)}</code></h3>\n'
    head += f"<p>{_text(schema['description'])}</p>\n" if "description" in schema else ""
    if "properties" not in schema:
        return f"{head}<p>{_type(schema)}</p>\n</section>\n"
    needed = schema.get("required", ())
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(field)}</code></th><td>{_type(rule)}</td>'
        f"<td>{'required' if field in needed else ''}</td><td>{_text(rule.get('description', ''))}</td></tr>\n"
        for field, rule in schema["properties"].items()
    )
    return f"{head}{_table(('field', 'type', '', 'what'), rows)}</section>\n"


def _type(rule: Mapping[str, Any]) -> str:  # noqa: PLR0911  one a form of JSON Schema
    if "$ref" in rule:
        name = escape(rule["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}"><code>{name}</code></a>'
    if choices := rule.get("anyOf") or rule.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if "enum" in rule:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in rule["enum"])
    if "const" in rule:
        return f"<code>{escape(json.dumps(rule['const']))}</code>"
    if "prefixItems" in rule:
        return f"[{', '.join(_type(item) for item in rule['prefixItems'])}]"
    if rule.get("type") == "array":
        return f"list of {_type(rule['items'])}" if rule.get("items") else "list"
    if rule.get("type") == "object" and isinstance(rule.get("additionalProperties"), dict):
        return f"object of {_type(rule['additionalProperties'])}"
    bounds = [
        f"{words} {rule[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "over"),
            ("maximum", "at most"),
            ("minLength", "characters at least"),
            ("maxLength", "characters at most"),
        )
        if key in rule
    ]
    said = " ".join(filter(None, [str(rule.get("type", "any")), f"({rule['format']})" if "format" in rule else ""]))
    return escape(", ".join([said, *bounds]))


def _problems(responses: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr id="problem-{code}"><th scope="row"><code>{code}</code></th>'
        f"<td>{entry['content']['application/problem+json']['schema']['properties']['status']['const']}</td>"
        f"<td>{_text(entry['description'])}</td></tr>\n"
        for code, entry in responses.items()
    )
    return f'<h2 id="problems">Refused calls</h2>\n{_table(("code", "status", "what to do"), rows)}'


def _table(names: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in names)
    body = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{body}</div>\n'


def _text(words: str) -> str:
    """Words of the API as HTML: what stands in backquotes is code, and all else is text."""
    return _CODE.sub(r"<code>\1</code>", escape(" ".join(words.split()), quote=False))
