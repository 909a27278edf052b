"""Runs one function in this process, as the platform's Python launcher does.

`python function_launcher.py {package}/{function} RESULT_FD`, in the directory that holds `__main__.py`. Only
`FunctionProcess` starts it. It needs nothing but the standard library, so that a bundle runs on what it brings.

A `virtualenv` directory is activated by its own bin/activate_this.py; `__main__.py` becomes the module `main__`, so
that its `if __name__ == "__main__"` stays quiet. Each line of STDIN is one call: `value` is the event, every other
field becomes `__OW_{FIELD}` in the environment. The result is one line of JSON on fd 3; STDOUT and STDERR are logs.

As on the platform, what `main` raises becomes `{"error": ...}`, and a result that is no JSON ends the process.

Source: apache/openwhisk-runtime-python, launcher.py; the context object: DigitalOcean's Python runtime reference.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

RESULT_FD = 3


class Context:
    """The second argument of `main`, as DigitalOcean passes it.

    Attributes:
        deadline: Unix time in milliseconds at which the platform ends the call.
    """

    def __init__(self, call: dict[str, str]) -> None:
        self.activation_id = call["activation_id"]
        self.api_host = os.environ.get("__OW_API_HOST", "")
        self.api_key = call["api_key"]
        self.deadline = int(call["deadline"])
        self.function_name = call["action_name"]
        self.function_version = call["action_version"]
        self.namespace = call["namespace"]
        self.request_id = call["transaction_id"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform ends the call."""
        return max(0, self.deadline - int(time.time() * 1000))


def _activate() -> None:
    script = os.path.abspath("virtualenv/bin/activate_this.py")  # noqa: PTH100  pathlib would cost a cold start
    if not os.path.isdir("virtualenv"):  # noqa: PTH112  ditto
        return
    with open(script, "rb") as source:  # noqa: PTH123  ditto
        exec(compile(source.read(), script, "exec"), {"__file__": script, "__name__": "activate_this"})  # noqa: S102  the platform's way


def _main_of_the_function() -> Callable[..., Any]:
    module = ModuleType("main__")
    module.__file__ = os.path.abspath("__main__.py")  # noqa: PTH100  see above
    sys.modules["main__"] = module
    with open("__main__.py", "rb") as source:  # noqa: PTH123  ditto
        exec(compile(source.read(), module.__file__, "exec"), vars(module))  # noqa: S102  the platform imports it under this name
    main: Callable[..., Any] = module.main
    return main


def _traceback() -> None:
    import traceback  # noqa: PLC0415  only when something went wrong

    traceback.print_exc(file=sys.stderr)


def serve() -> None:
    """Import the function, say so, and answer calls until STDIN ends."""
    inherited = int(sys.argv[2])
    if inherited != RESULT_FD:
        os.dup2(inherited, RESULT_FD, inheritable=False)
        os.close(inherited)
    if not sys.flags.isolated:
        del sys.path[0]  # this file's directory, which no function sees
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  see above
    sys.argv = ["exec__.py"]
    _activate()
    main = _main_of_the_function()
    takes = main.__code__.co_argcount
    with os.fdopen(RESULT_FD, "wb") as out:
        out.write(b'{"ok":true}\n')
        out.flush()
        for line in sys.stdin.buffer:
            call = json.loads(line)
            event = call.pop("value")
            os.environ.update({f"__OW_{name.upper()}": value for name, value in call.items()})
            try:
                result = main(*(event, Context(call))[:takes])
            except Exception as error:  # noqa: BLE001  what the platform does with any exception
                _traceback()
                result = {"error": str(error)}
            sys.stdout.flush()
            sys.stderr.flush()
            out.write(json.dumps(result, ensure_ascii=False).encode() + b"\n")
            out.flush()


if __name__ == "__main__":
    serve()
