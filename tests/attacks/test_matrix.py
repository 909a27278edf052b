"""Attacks that are refused, one row each; and that nothing of the service is without a row.

A new endpoint, table, function of the database, kind of object or message fails here until somebody has written down
how it is attacked.
"""

import inspect
import re
from types import ModuleType

import pytest
from pydantic import BaseModel

from rythmiq.contracts import advice, attempt, bodies, choices, job_bodies, keys, payload, result
from tests.attacks import database, identity, messages, privacy, rendering, ssrf, storage, webhook
from tests.attacks.arena import Arena, Attack
from tests.rls.access_table import FUNCTIONS, RELATIONS
from tests.support.gateway_doors import OPENAPI

AREAS: tuple[ModuleType, ...] = (identity, storage, ssrf, database, webhook, rendering, privacy, messages)
ROWS: list[Attack] = [row for area in AREAS for row in area.rows()]


@pytest.mark.parametrize("attack", ROWS, ids=[row.row for row in ROWS])
def test_an_attack_is_refused_and_leaves_the_victim_untouched(arena: Arena, attack: Attack) -> None:
    attack.run(arena)
    arena.assert_untouched()


def test_a_row_is_one_attack() -> None:
    assert len({row.row for row in ROWS}) == len(ROWS)
    assert {row.area for row in ROWS} == {
        "identity",
        "storage",
        "ssrf",
        "database",
        "webhook",
        "rendering",
        "privacy",
        "messages",
    }


def test_every_endpoint_has_its_rows() -> None:
    found = {
        f"{method.upper()} {path}": next((name for of in operation["security"] for name in of), "public")
        for path, operations in OPENAPI["paths"].items()
        for method, operation in operations.items()
    }
    assert found == {endpoint: rule.access for endpoint, rule in identity.ENDPOINTS.items()}


def test_every_table_and_function_has_its_rows(arena: Arena) -> None:
    calls = arena.people.calls
    tables = {
        name
        for (name,) in calls.rows(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind in ('r', 'p', 'v', 'm')"
        )
    }
    functions = {
        name for (name,) in calls.rows("select proname from pg_proc where pronamespace = 'public'::regnamespace")
    }
    targets = {row.target for row in ROWS if row.area == "database"}
    assert tables == set(RELATIONS)
    assert functions == set(FUNCTIONS)
    assert tables <= targets
    assert {name for name in functions if FUNCTIONS[name] <= {"service_role"}} <= targets


def test_every_message_that_a_stranger_writes_has_its_rows() -> None:
    found = {
        name
        for module in (advice, attempt, bodies, choices, job_bodies, payload, result)
        for name, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == module.__name__ and not name.startswith("_")
    }
    ours = {
        name
        for name in found
        if name.endswith("Answer")
        or (issubclass(getattr(bodies, name, object), bodies.AnswerBody))
        or (issubclass(getattr(job_bodies, name, object), bodies.AnswerBody))
        or name == "RequestBody"
    }
    assert found - ours == set(messages.MESSAGES)
    assert set(messages.MESSAGES.values()) == set(messages.EXAMPLES)


def test_every_kind_of_object_has_its_rows() -> None:
    """By the grammar of storage keys."""
    user = "5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d"
    parsed = [keys.parse_key(key) for key in storage.keys_of(user).values()]
    outputs = {key.artifact for key in parsed if isinstance(key, keys.OutputKey)}
    assert outputs == set(re.findall(r"'(\w+)'", str(keys.Artifact)))
    raw = {key.is_dispatch for key in parsed if isinstance(key, keys.RawKey)}
    assert raw == {True, False}
    assert {key.kind for key in parsed} == {"raw", "master", "output"}
