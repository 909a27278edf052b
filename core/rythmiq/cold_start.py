"""Defers what libraries make when they are imported and a short-lived process does not use.

A deferred module is found and put into `sys.modules` when it is imported, but its code runs at the first use of one of
its names. Its submodules can be imported before that, which `importlib.util.LazyLoader` does not allow: the import of a
submodule reads the parent's `__path__`, and that runs it (figures: docs/decisions).

A dataclass compiles its methods, which are text first, at their first call; and the typed dicts of `pydantic_core`,
which nobody reads at run time, are mere dicts.
"""

import dataclasses
import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

DEFERRED = frozenset(
    {
        "rythmiq.ports.jobs",  # fourteen models that a function builds only when it reads a job
        "urllib3",  # botocore.auth needs urllib3.exceptions; we send by httpcore
        "botocore.awsrequest",  # botocore.utils names it; our requests are adapters.spaces's own
        "botocore.httpsession",  # ditto
        "dateutil.parser",  # ditto
        "dateutil.tz",  # ditto
        "gzip",  # ditto
        "shlex",  # ditto
        "tempfile",  # ditto
        "urllib.request",  # ditto
        "cryptography.x509",  # jwt.algorithms names it; nobody here has a certificate for a key
        "idna",  # httpx names it, by which Camber is called, for hosts that are not ASCII
        "anyio",  # httpcore names it, for callers that are asynchronous
        "importlib.metadata",  # pydantic takes `entry_points` from it, and is told to look for no plugins
        "zipfile",  # importlib.metadata names it
        "csv",  # ditto
    }
)
CALLED_LATER = {
    "dateutil.tz": frozenset({"tzlocal", "tzutc"}),
    "importlib.metadata": frozenset({"entry_points"}),
    "urllib.request": frozenset({"getproxies", "proxy_bypass"}),
    "urllib.parse": frozenset({"quote_from_bytes"}),  # pathlib; deferred where pictures are read
}
"""Functions that somebody imports by name and does not call: their module runs at the first call."""


_SHAPES: Final = "pydantic_core.core_schema"
"""A hundred typed dicts, for annotations alone: making them is a sixth of pydantic's import."""


@cache
def defer(*more: str) -> None:
    """Defer these modules from now on, and more of them by name."""
    sys.meta_path.insert(0, _Finder(DEFERRED.union(more)))
    _compile_methods_late()


def _compile_methods_late() -> None:
    """Have dataclasses compile each method when it is called: it takes .3 ms a class, and few are ever called."""
    compiled = vars(dataclasses).get("_create_fn")
    if compiled is None:  # from Python 3.13 on, which compiles all methods of a class in one
        return

    def create(name: str, *text: Any, **around: Any) -> Callable[..., Any]:
        method: Callable[..., Any] | None = None

        def late(*given: Any, **named: Any) -> Any:
            nonlocal method
            if method is None:
                method = compiled(name, *text, **around)
                method.__qualname__ = late.__qualname__  # errors name it
                for each in type(given[0]).__mro__ if given else ():  # later calls go there at once
                    if vars(each).get(name) is late:
                        setattr(each, name, method)
            return method(*given, **named)

        late.__name__ = name
        return late

    vars(dataclasses)["_create_fn"] = create


class _Finder:
    """Finds deferred modules at their place, with a loader that waits."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._names and name != _SHAPES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", (_Plain if name == _SHAPES else _Waiting)(spec.loader))
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


class _Plain(_Waiting):
    """Runs a module's code at once, while typed dicts are mere dicts."""

    def exec_module(self, module: ModuleType) -> None:
        words = [vars(importlib.import_module(name)) for name in ("typing", "typing_extensions")]
        kept = [names["TypedDict"] for names in words]
        for names in words:
            names["TypedDict"] = _Dict
        try:
            self._loader.exec_module(module)
        finally:
            for names, own in zip(words, kept, strict=True):
                names["TypedDict"] = own


class _Dict(dict[str, object]):
    """Takes the one argument of a typed dict's class."""

    def __init_subclass__(cls, *, total: bool = True) -> None:
        del total
