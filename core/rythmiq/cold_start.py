"""Defers modules that libraries import and a short-lived process does not use.

A deferred module is found and put into `sys.modules` when it is imported, but its code runs at the first use of one of
its names. Its submodules can be imported before that, which `importlib.util.LazyLoader` does not allow: the import of a
submodule reads the parent's `__path__`, and that runs it (figures: docs/decisions).
"""

import importlib
import sys
from collections.abc import Sequence
from functools import cache, partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

DEFERRED = frozenset(
    {
        "rythmiq.ports.jobs",  # fourteen models that a function builds only when it reads a job
        "urllib3",  # botocore.auth needs urllib3.exceptions; we send by httpcore
        "botocore.awsrequest",  # botocore.utils names it; our requests are adapters.spaces's own
        "botocore.httpsession",  # ditto
        "dateutil.parser",  # ditto
        "cryptography.x509",  # jwt.algorithms names it; nobody here has a certificate for a key
        "idna",  # httpx names it, by which Camber is called, for hosts that are not ASCII
        "anyio",  # httpcore names it, for callers that are asynchronous
        "importlib.metadata",  # pydantic takes `entry_points` from it, and is told to look for no plugins
        "zipfile",  # importlib.metadata names it
        "csv",  # ditto
    }
)
CALLED_LATER = {"importlib.metadata": frozenset({"entry_points"})}
"""Functions that somebody imports by name and does not call: their module runs at the first call."""


@cache
def defer() -> None:
    """Defer these modules from now on."""
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds deferred modules at their place, with a loader that waits."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in DEFERRED:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", _Waiting(spec.loader))
        return spec


class _Waiting:
    """Runs a module's code at its first use."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        spec, loader = module.__spec__, self._loader
        if spec is None:
            raise AssertionError("the import system gives each module its spec")

        def ask(attribute: str) -> Any:
            if attribute.startswith("__"):
                raise AttributeError(attribute)  # machinery that looks around is no use
            if attribute in CALLED_LATER.get(module.__name__, ()):
                return partial(call, attribute)
            inner = f"{module.__name__}.{attribute}"
            if spec.submodule_search_locations and PathFinder.find_spec(inner, spec.submodule_search_locations):
                return importlib.import_module(inner)
            return getattr(run(), attribute)

        def call(attribute: str, *given: Any, **named: Any) -> Any:
            return getattr(run(), attribute)(*given, **named)

        def run() -> ModuleType:
            if vars(module).pop("__getattr__", None) is not None:
                spec.loader = module.__loader__ = loader
                loader.exec_module(module)
            return module

        vars(module)["__getattr__"] = ask  # PEP 562: asked for what the module does not have
