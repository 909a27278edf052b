"""`python -m rythmiq_worker.walls`: prints the walls that this machine does not give, one a line; exit 1 for any.

And what Python runs of a walled process: `python -I -S __main__.py PATHS FILES MODULE ARGUMENTS...`; see `sibling.py`.

With `-I -S` the interpreter reads no environment, no file of a site and no module beside the one who starts it: PATHS,
one a line, is where code is found beside Python's own. FILES, with commas, are the descriptors that it is given; what
its parent happened to have open beside them is closed. MODULE has a `main(arguments)` that never returns.
"""

import os
import sys
from importlib import import_module
from itertools import pairwise

_MOST_FILES = 1 << 20


def _start() -> None:
    paths, files, module = sys.argv[1:4]
    kept = [2, *sorted(map(int, files.split(","))), _MOST_FILES]
    for before, fd in pairwise(kept):
        if before + 1 < fd:  # of nothing at all CPython makes everything
            os.closerange(before + 1, fd)
    sys.path += paths.split("\n")
    import_module(module).main(sys.argv[4:])


def _report() -> None:
    from rythmiq_worker.walls.sibling import missing_walls  # noqa: PLC0415  a walled process has no path yet

    found = missing_walls()
    sys.stdout.writelines(f"{name}\n" for name in found)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    _start() if sys.argv[1:] else _report()
