"""Runs one function once, as a cold start on the platform does, and says what that took. Standard library only.

`python -I -S one_call.py DIRECTORY EVENT_FILE [--closure]`: activates the bundle's `virtualenv`, imports `__main__.py`
as `main__`, calls it with the event of the file, and prints one JSON line: the answer, CPU seconds of the whole process
so far, the peak resident set in MB, and with --closure every module that was imported, with its bytecode file.
"""

import json
import os
import resource
import sys
import types

directory, event_file, *options = sys.argv[1:]
with open(event_file, encoding="utf-8") as file:  # noqa: PTH123  pathlib is not the function's
    event = json.load(file)
os.chdir(directory)
sys.path[:0] = [os.getcwd()]  # noqa: PTH109  ditto
activate = os.path.abspath("virtualenv/bin/activate_this.py")  # noqa: PTH100  ditto
with open(activate, "rb") as file:  # noqa: PTH123  ditto
    exec(compile(file.read(), activate, "exec"), {"__file__": activate})  # noqa: S102  as the platform's launcher does
module = types.ModuleType("main__")
with open("__main__.py", "rb") as file:  # noqa: PTH123  ditto
    exec(compile(file.read(), "main__.py", "exec"), vars(module))  # noqa: S102  ditto
answer = module.main(event)
used = resource.getrusage(resource.RUSAGE_SELF)
told = {"answer": answer, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
if "--closure" in options:
    loaded = {name: getattr(found, "__spec__", None) for name, found in sys.modules.items()}
    told["modules"] = {
        name: [spec.origin, spec.cached] for name, spec in loaded.items() if spec is not None and spec.has_location
    }
print(json.dumps(told))  # noqa: T201  whoever started it reads this
