"""What Python runs of a walled process: `python -I -S start.py PATHS FILES MODULE ARGUMENTS...`; see `sibling.py`.

With `-I -S` the interpreter reads no environment, no file of a site and no module beside the one who starts it: PATHS,
one a line, is where code is found beside Python's own. FILES, with commas, are the descriptors that it is given; what
its parent happened to have open beside them is closed. MODULE has a `main(arguments)` that never returns.
"""

import os
import sys
from importlib import import_module
from itertools import pairwise

_MOST_FILES = 1 << 20

if __name__ == "__main__":
    paths, files, module = sys.argv[1:4]
    kept = [2, *sorted(map(int, files.split(","))), _MOST_FILES]
    for before, fd in pairwise(kept):
        if before + 1 < fd:  # of nothing at all CPython makes everything
            os.closerange(before + 1, fd)
    sys.path += paths.split("\n")
    import_module(module).main(sys.argv[4:])
