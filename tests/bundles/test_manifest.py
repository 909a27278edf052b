"""project.yml by the deployer's rules: its keys, strings, and variables; every function in it, and none that is not.

Source: digitalocean/functions-deployer v5.0.19, `util.ts` validate*, as in docs/digitalocean-functions.md.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rythmiq_cli.operator.env_check import FUNCTIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "project.yml").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = yaml.safe_load(TEXT)
LISTED: dict[str, dict[str, Any]] = {
    f"{package['name']}/{function['name']}": function
    for package in PROJECT["packages"]
    for function in package["functions"]
}
PROJECT_KEYS = {"packages", "parameters", "environment", "targetNamespace"}
PACKAGE_KEYS = {"name", "functions", "parameters", "environment", "annotations", "shared", "web", "binding"}
FUNCTION_KEYS = {
    *("name", "runtime", "main", "web", "webSecure", "parameters", "environment", "annotations", "limits", "triggers"),
    *("binary", "remoteBuild", "localBuild"),
}
NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def template() -> list[str]:
    """The names of infra/env/touch.env."""
    text = (ROOT / "infra" / "env" / "touch.env").read_text(encoding="utf-8")
    return re.findall(r"^([A-Z0-9_]+)=", text, re.MULTILINE)


def test_only_keys_that_the_deployer_knows() -> None:
    assert set(PROJECT) <= PROJECT_KEYS
    for package in PROJECT["packages"]:
        assert set(package) <= PACKAGE_KEYS
        for function in package["functions"]:
            assert set(function) <= FUNCTION_KEYS
            assert set(function["limits"]) <= {"timeout", "memory", "logs"}


def test_no_tabs_and_no_template_in_a_comment() -> None:
    """The deployer refuses the one, and substitutes in the other too."""
    assert "\t" not in TEXT
    assert not [line for line in TEXT.splitlines() if "$" in line.partition("#")[2]]


def test_every_function_s_folder_is_listed_and_every_listed_one_is_there() -> None:
    folders = {f"{main.parts[-3]}/{main.parts[-2]}" for main in (ROOT / "functions").glob("*/*/__main__.py")}
    assert set(LISTED) == folders == set(FUNCTIONS)


def test_no_name_that_the_platform_reads_otherwise() -> None:
    """`default` takes no environment; a suffix such as .json picks another way to answer."""
    assert "default" not in {package["name"] for package in PROJECT["packages"]}
    assert all(re.fullmatch(r"[a-z]+/[a-z]+", name) for name in LISTED)


@pytest.mark.parametrize("name", LISTED)
def test_a_function_is_raw_and_answers_cors_itself(name: str) -> None:
    function = LISTED[name]
    assert function["runtime"] == "python:3.11"
    assert function["web"] == "raw"
    assert function["annotations"] == {"web-custom-options": True}


@pytest.mark.parametrize("name", LISTED)
def test_a_function_s_limits_are_explicit_and_the_platform_s(name: str) -> None:
    limits = LISTED[name]["limits"]
    wanted_s = {"api/jobs": 60, "internal/webhooks": 60}.get(name, 10)
    assert limits["timeout"] == wanted_s * 1000 == FUNCTIONS[name].timeout_s * 1000
    assert limits["memory"] in {128, 256, 512, 1024}


@pytest.mark.parametrize("name", LISTED)
def test_a_function_is_given_exactly_what_its_settings_read(name: str) -> None:
    environment = LISTED[name]["environment"]
    assert environment == {variable: f"${{{variable}}}" for variable in FUNCTIONS[name].reads.variables().values()}


def test_values_are_strings_in_double_quotes() -> None:
    """The deployer refuses numbers, and a line break in a value is safe in double quotes only."""
    assert all(isinstance(value, str) for function in LISTED.values() for value in function["environment"].values())
    assert all(re.search(r': "\$\{[A-Z0-9_]+\}"$', line) for line in TEXT.splitlines() if "${" in line)


def test_every_variable_stands_in_the_template() -> None:
    assert set(NAME.findall(TEXT)) <= set(template())


def test_only_the_templates_own_syntax_is_used() -> None:
    """`$(A B)` and `${<file}` would expand too."""
    assert "$(" not in TEXT
    assert "${<" not in TEXT
