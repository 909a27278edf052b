"""Binds an unpacked worker to an interpreter: what makes `{prefix}/bin/python` and `{prefix}/bin/rythmiq-launch` run.

A prefix is a virtual environment, so its Python knows its own packages by where it stands, needs no variable, and takes
none of the system's packages. The image's build does this once, the one-file release each time it is unpacked. Needs
nothing but Python's standard library.
"""

import sys
from pathlib import Path

VERSION = (3, 11)
PACKAGES = Path("lib", f"python{VERSION[0]}.{VERSION[1]}", "site-packages")
LAUNCHER = """#!{python}
import sys

from rythmiq_worker.launcher import main

sys.exit(main())
"""


def base_interpreter() -> Path:
    """The interpreter that runs this, or the one that its virtual environment was made from."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def bind(prefix: Path, interpreter: Path) -> Path:
    """Write `bin/python`, `bin/rythmiq-launch` and `pyvenv.cfg`; the new Python.

    Args:
        prefix: an absolute path.
        interpreter: a CPython 3.11; its own prefix is found by where it stands.
    """
    programs = prefix / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    python = programs / "python"
    python.unlink(missing_ok=True)
    python.symlink_to(interpreter)
    (prefix / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\nversion = {VERSION[0]}.{VERSION[1]}\n",
        encoding="utf-8",
    )
    launcher = programs / "rythmiq-launch"
    launcher.write_text(LAUNCHER.format(python=python), encoding="utf-8")
    launcher.chmod(0o755)
    return python
