"""Names of a package that are made when they are first asked for.

A function uses a few of the models that the API, its database and its settings are described by, and making all of them
is a tenth of a cold start. So each stands in the module of its subject, and the package hands it out.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def names_of(package: str, places: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562).

    Args:
        package: its `__name__`.
        places: the names that each of its modules has.
    """
    place_of = {name: place for place, names in places.items() for name in names}

    def find(name: str) -> Any:
        if name not in place_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{package}.{place_of[name]}"), name)
        setattr(sys.modules[package], name, found)
        return found

    return find
