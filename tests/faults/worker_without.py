"""A broken installation: `worker_without.py PACKAGE` cannot import that package."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from rythmiq_worker.__main__ import main


class Missing(MetaPathFinder):
    """Finds nothing where one package should be."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Say that it is not there."""
        if fullname.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(fullname)
        return None


sys.meta_path.insert(0, Missing())
main()
