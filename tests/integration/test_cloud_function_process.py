"""One function in a process of its own, by the platform's launcher protocol."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rythmiq_cli.local.functions import (
    FunctionCrashedError,
    FunctionNotInitializedError,
    FunctionProcess,
    FunctionTimeoutError,
)
from tests.support.cloud_functions import ECHO, returning, write_function

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a function; its directory."""
    return lambda source: write_function(tmp_path / "echo", source)


def test_a_process_keeps_its_globals_between_calls_and_is_called_main(write: Write) -> None:
    directory = write(ECHO)
    with FunctionProcess(directory, "api", "echo", {}) as function:
        function.invoke({}, 5)
        body = function.invoke({}, 5)["body"]
    assert (body["calls"], body["module"], body["argv"], body["cwd"]) == (2, "main__", ["exec__.py"], str(directory))


def test_a_process_sees_its_own_variables_and_the_platform_s_and_no_others(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "not-for-this-function")
    with FunctionProcess(write(ECHO), "api", "echo", {"GREETING": "hello"}) as function:
        environ = function.invoke({}, 5)["body"]["environ"]
    own = {name for name in environ if not name.startswith("__OW_")}
    assert own == {"PATH", "HOME", "LANG", "GREETING"}
    assert {name for name in environ if name.startswith("__OW_")} == {
        "__OW_API_HOST", "__OW_NAMESPACE", "__OW_ACTIVATION_ID", "__OW_ACTION_NAME", "__OW_ACTION_VERSION",
        "__OW_DEADLINE", "__OW_TRANSACTION_ID", "__OW_API_KEY",
    }  # fmt: skip


def test_the_context_tells_who_is_called_and_how_long_it_may_take(write: Write) -> None:
    with FunctionProcess(write(ECHO), "api", "echo", {}) as function:
        body = function.invoke({"http": {"headers": {"x-request-id": "r-1"}}}, 5)["body"]
    name, request_id, deadline = body["context"]
    assert name.endswith("/api/echo")
    assert request_id == "r-1"
    assert 0 < body["left_ms"] <= 5_000
    assert deadline == int(body["environ"]["__OW_DEADLINE"])


@pytest.mark.parametrize("signature", ["", "event", "event, context", "event, context=None"])
def test_main_may_take_no_argument_the_event_or_the_context_too(write: Write, signature: str) -> None:
    with FunctionProcess(write(f"def main({signature}):\n    return {{'body': 1}}\n"), "api", "echo", {}) as function:
        assert function.invoke({}, 5) == {"body": 1}


def test_the_command_line_tells_which_function_it_is(write: Write) -> None:
    with FunctionProcess(write(ECHO), "api", "echo", {}) as function:
        command = Path(f"/proc/{function.pid}/cmdline")
        if not command.exists():
            pytest.skip("no /proc here")
        assert b"\0api/echo\0" in command.read_bytes()


def test_an_exception_becomes_an_error_and_the_process_goes_on(write: Write) -> None:
    source = "def main(event):\n    return {'body': 1 // event['by']}\n"
    with FunctionProcess(write(source), "api", "echo", {}, logs=subprocess.DEVNULL) as function:
        assert function.invoke({"by": 0}, 5) == {"error": "integer division or modulo by zero"}
        assert function.invoke({"by": 1}, 5) == {"body": 1}


def test_an_event_of_a_megabyte_goes_in_and_comes_out(write: Write) -> None:
    with FunctionProcess(write("def main(event):\n    return event\n"), "api", "echo", {}) as function:
        assert function.invoke({"text": "é" * 1_000_000}, 20) == {"text": "é" * 1_000_000}


@pytest.mark.parametrize("source", ["import nowhere", "raise SystemExit", "x = 1"], ids=["import", "exit", "no main"])
def test_a_function_that_cannot_be_imported_is_not_initialized(write: Write, source: str) -> None:
    with pytest.raises(FunctionNotInitializedError):
        FunctionProcess(write(source), "api", "echo", {}, logs=subprocess.DEVNULL)


@pytest.mark.parametrize("result", ["{'body': b'bytes'}", "[1]", "__import__('os')._exit(0)"])
def test_what_is_no_json_object_is_a_crash(write: Write, result: str) -> None:
    with (
        FunctionProcess(write(returning(result)), "api", "echo", {}, logs=subprocess.DEVNULL) as function,
        pytest.raises(FunctionCrashedError),
    ):
        function.invoke({}, 5)


def test_a_call_that_takes_too_long_is_killed(write: Write) -> None:
    with FunctionProcess(write("import time\ndef main():\n    time.sleep(60)\n"), "api", "echo", {}) as function:
        with pytest.raises(FunctionTimeoutError):
            function.invoke({}, 0.2)
        assert not function.alive


def test_what_a_function_prints_is_a_log_and_never_a_result(write: Write, tmp_path: Path) -> None:
    source = (
        "import os\ndef main(event):\n    print('to the log')\n    os.write(2, b'too\\n')\n    return {'body': 'x'}\n"
    )
    with (tmp_path / "log").open("wb") as log, FunctionProcess(write(source), "api", "echo", {}, logs=log) as function:
        assert function.invoke({}, 5) == {"body": "x"}
    assert sorted((tmp_path / "log").read_text().split("\n")) == ["", "to the log", "too"]


def test_a_bundle_runs_on_what_it_brings_alone(write: Write) -> None:
    bundle = write(
        """
        import sys
        import brought

        def main(event):
            try:
                import pydantic
            except ImportError:
                return {"body": [brought.WORD, sys.path[0].split("/")[-1]]}
            return {"body": "it saw a package that it did not bring"}
        """
    )
    packages = bundle / "virtualenv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "brought.py").write_text("WORD = 'brought'\n")
    (bundle / "virtualenv" / "bin").mkdir()
    (bundle / "virtualenv" / "bin" / "activate_this.py").write_text(
        "import os, sys\n"
        "sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(__file__)), 'lib', 'site-packages'))\n"
    )
    with FunctionProcess(bundle, "api", "echo", {}) as function:
        assert function.invoke({}, 5) == {"body": ["brought", "site-packages"]}
    assert not list(bundle.rglob("__pycache__"))


def test_a_virtualenv_that_cannot_be_activated_is_not_initialized(write: Write) -> None:
    bundle = write(ECHO)
    (bundle / "virtualenv").mkdir()
    with pytest.raises(FunctionNotInitializedError):
        FunctionProcess(bundle, "api", "echo", {}, logs=subprocess.DEVNULL)
