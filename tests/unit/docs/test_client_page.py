"""docs/client.md: its programs call what there is, and it lists every method and error of the client."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from rythmiq import client
from rythmiq.client import AsyncClient, Client, ClientError
from rythmiq.client import errors as client_errors

PAGE = (Path(__file__).parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
METHODS = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")} - {"close"}


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    for name in METHODS:
        blocking, other = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        assert list(blocking.parameters) == list(other.parameters), name
        assert [each.default for each in blocking.parameters.values()] == [
            each.default for each in other.parameters.values()
        ], name


def test_the_table_names_every_method() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)", row)} == METHODS


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_calls_what_there_is(program: str) -> None:
    tree = ast.parse(program)
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "rythmiq"
    }
    assert called
    assert called <= METHODS
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "rythmiq.client":
            assert all(hasattr(client, alias.name) for alias in node.names)


def test_the_tree_shows_every_error_and_each_can_be_imported_from_the_client() -> None:
    shown = set(re.findall(r"[├└]── (\w+)", PAGE))
    kinds = [kind for _, kind in inspect.getmembers(client_errors, inspect.isclass)]
    raised = {kind.__name__ for kind in kinds if issubclass(kind, ClientError) and kind is not ClientError}
    assert shown == raised
    assert all(hasattr(client, name) for name in raised)
