"""As much of JSON Schema 2020-12 as our own OpenAPI document uses; a keyword that is not known here is an error.

The reference validator is a dependency that nothing else needs, and would pass over keywords that it does not know.
"""

import datetime as dt
import operator
import re
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SAY_NOTHING = frozenset({"title", "description", "default", "examples", "discriminator"})


class SchemaMismatchError(AssertionError):
    """A value is not what its schema says."""


def check(value: Any, schema: dict[str, Any], root: dict[str, Any], place: str = "") -> None:
    """Hold a value against a schema of `root`.

    Raises:
        SchemaMismatchError: it is not what the schema says.
        NotImplementedError: the schema says something that is not known here.
    """
    for keyword, rule in schema.items():
        if keyword in _SAY_NOTHING:
            continue
        checks = _KEYWORDS.get(keyword)
        if checks is None:
            raise NotImplementedError(f"{keyword} at {place}")
        checks(value, rule, schema, root, place)


def _fail(place: str, why: str) -> None:
    raise SchemaMismatchError(f"{place or '/'}: {why}")


def _reference(value: Any, rule: str, _schema: Any, root: dict[str, Any], place: str) -> None:
    found: Any = root
    for part in rule.removeprefix("#/").split("/"):
        found = found[part]
    check(value, found, root, place)


def _type(value: Any, rule: str, _schema: Any, _root: Any, place: str) -> None:
    if not isinstance(value, _TYPES[rule]) or (isinstance(value, bool) and rule in {"integer", "number"}):
        _fail(place, f"is no {rule}")


def _enum(value: Any, rule: list[Any], _schema: Any, _root: Any, place: str) -> None:
    if value not in rule:
        _fail(place, f"is none of {rule}")


def _const(value: Any, rule: Any, _schema: Any, _root: Any, place: str) -> None:
    if value != rule:
        _fail(place, f"is not {rule}")


def _any_of(value: Any, rule: list[dict[str, Any]], _schema: Any, root: dict[str, Any], place: str) -> None:
    failures = []
    for option in rule:
        try:
            check(value, option, root, place)
        except SchemaMismatchError as failure:
            failures.append(str(failure))
        else:
            return
    _fail(place, f"is none of its kinds: {failures}")


def _all_of(value: Any, rule: list[dict[str, Any]], _schema: Any, root: dict[str, Any], place: str) -> None:
    for part in rule:
        check(value, part, root, place)


def _properties(value: Any, rule: dict[str, Any], _schema: Any, root: dict[str, Any], place: str) -> None:
    for name, part in rule.items():
        if isinstance(value, dict) and name in value:
            check(value[name], part, root, f"{place}/{name}")


def _required(value: Any, rule: list[str], _schema: Any, _root: Any, place: str) -> None:
    if isinstance(value, dict) and (missing := set(rule) - set(value)):
        _fail(place, f"lacks {sorted(missing)}")


def _additional(value: Any, rule: Any, schema: dict[str, Any], root: dict[str, Any], place: str) -> None:
    for name in set(value if isinstance(value, dict) else ()) - set(schema.get("properties", ())):
        if rule is False:
            _fail(place, f"has {name}")
        if isinstance(rule, dict):
            check(value[name], rule, root, f"{place}/{name}")


def _items(value: Any, rule: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], place: str) -> None:
    first = len(schema.get("prefixItems", ()))
    for number, item in enumerate(value if isinstance(value, list) else ()):
        if number >= first:
            check(item, rule, root, f"{place}/{number}")


def _prefix_items(value: Any, rule: list[dict[str, Any]], _schema: Any, root: dict[str, Any], place: str) -> None:
    for number, (item, part) in enumerate(zip(value if isinstance(value, list) else (), rule, strict=False)):
        check(item, part, root, f"{place}/{number}")


def _pattern(value: Any, rule: str, _schema: Any, _root: Any, place: str) -> None:
    if isinstance(value, str) and not re.search(rule, value):
        _fail(place, f"does not match {rule}")


def _format(value: Any, rule: str, _schema: Any, _root: Any, place: str) -> None:
    read = {"date-time": dt.datetime.fromisoformat, "date": dt.date.fromisoformat}
    try:
        read[rule](value)
    except (TypeError, ValueError):
        _fail(place, f"is no {rule}")


def _number(holds: Any) -> Any:
    def compare(value: Any, rule: float, _schema: Any, _root: Any, place: str) -> None:
        if isinstance(value, int | float) and not holds(value, rule):
            _fail(place, f"is out of bounds ({rule})")

    return compare


def _length(holds: Any) -> Any:
    def compare(value: Any, rule: int, _schema: Any, _root: Any, place: str) -> None:
        if isinstance(value, str | list | dict) and not holds(len(value), rule):
            _fail(place, f"is too short or too long ({rule})")

    return compare


_KEYWORDS: dict[str, Any] = {
    "$ref": _reference,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "anyOf": _any_of,
    "oneOf": _any_of,
    "allOf": _all_of,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "prefixItems": _prefix_items,
    "pattern": _pattern,
    "format": _format,
    "minimum": _number(operator.ge),
    "maximum": _number(operator.le),
    "exclusiveMinimum": _number(operator.gt),
    "exclusiveMaximum": _number(operator.lt),
    "minLength": _length(operator.ge),
    "maxLength": _length(operator.le),
    "minItems": _length(operator.ge),
    "maxItems": _length(operator.le),
    "maxProperties": _length(operator.le),
}
