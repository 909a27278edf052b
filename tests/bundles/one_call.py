"""Runs one function once, as a cold start on the platform does, and says what that took. Standard library only.

`python -I -S one_call.py DIRECTORY EVENT_FILE [--closure] [--warm CALLS]`: activates the bundle's `virtualenv`, imports
`__main__.py` as `main__`, calls it with the event of the file, and prints one JSON line: the answer, CPU seconds of the
whole process so far, and the peak resident set in MB; with --closure every module that was imported, with its bytecode
file; with --warm the least CPU of further calls in milliseconds, as they are and with a database that answers at once,
and how often each asks it. Ends with 1 when the answer is no success.
"""

import json
import os
import resource
import sys
import time
import types
from typing import Any

directory, event_file, *options = sys.argv[1:]
with open(event_file, encoding="utf-8") as file:  # noqa: PTH123  pathlib is not the function's
    event = json.load(file)
os.chdir(directory)
sys.path[:0] = [os.getcwd()]  # noqa: PTH109  ditto
activate = os.path.abspath("virtualenv/bin/activate_this.py")  # noqa: PTH100  ditto
with open(activate, "rb") as script:  # noqa: PTH123  ditto
    exec(compile(script.read(), activate, "exec"), {"__file__": activate})  # noqa: S102  as the platform's launcher does
module = types.ModuleType("main__")
with open("__main__.py", "rb") as script:  # noqa: PTH123  ditto
    exec(compile(script.read(), "main__.py", "exec"), vars(module))  # noqa: S102  ditto
answer = module.main(event)
used = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123  ditto
    # Not ru_maxrss: that counts what the process was before exec, a copy of whoever started it.
    peak_mb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
told: dict[str, Any] = {"answer": answer, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": peak_mb}
if "--closure" in options:
    loaded = {name: getattr(found, "__spec__", None) for name, found in sys.modules.items()}
    told["modules"] = {
        name: [spec.origin, spec.cached] for name, spec in loaded.items() if spec is not None and spec.has_location
    }
if "--warm" in options:
    from rythmiq.adapters.supabase import SupabaseTransport

    calls = int(options[options.index("--warm") + 1])
    really = SupabaseTransport.call
    answers: list[Any] = []

    def kept(*arguments: Any) -> Any:
        """The database's own answer."""
        answers.append(really(*arguments))
        return answers[-1]

    def at_once(*_: Any) -> Any:
        """The last of them, without asking."""
        return answers[-1]

    for way, stand_in in (("warm_ms", kept), ("handler_ms", at_once)):
        SupabaseTransport.call = stand_in  # type: ignore[assignment, method-assign]  # see above
        spent_s = []
        for _ in range(calls):
            began_s = time.process_time()
            module.main(event)
            spent_s.append(time.process_time() - began_s)
        told[way] = min(spent_s) * 1000
    told["trips"] = len(answers) / calls
print(json.dumps(told))  # noqa: T201  whoever started it reads this
