"""What a short-lived process leaves out: modules that are imported and not used, and the collection of garbage.

A *deferred* module is found and put into `sys.modules` when it is imported, but its code does not run: its submodules
can be imported as ever, and the first use of anything else in it runs it. So nothing changes but the time. Deferred is
what our libraries import on the way to something else: urllib3's client behind botocore's signer, certificates behind
JWTs.

Figures: docs/decisions.md.
"""

import gc
import importlib
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from importlib.abc import Loader

DEFERRED = frozenset(
    {
        "rythmiq.ports.jobs",  # fourteen models that a function builds only when it reads a job
        "urllib3",  # botocore.auth needs urllib3.exceptions; we send by httpx
        "botocore.awsrequest",  # botocore.utils names it; our requests are adapters.spaces's own
        "botocore.httpsession",  # ditto
        "dateutil.parser",  # ditto
        "cryptography.x509",  # jwt.algorithms names it; nobody here has a certificate for a key
        "anyio",  # httpcore names it, for callers that are asynchronous
        "idna",  # httpx names it, for hosts that are not ASCII
        "zipfile",  # importlib.metadata names it, which pydantic imports to find no plugins
        "csv",  # ditto
    }
)


@cache
def defer() -> None:
    """Defer from now on."""
    sys.meta_path.insert(0, _Finder())


@cache
def begin() -> None:
    """Begin a function's first call: defer, and collect no garbage, since imports make thousands of lasting objects."""
    gc.disable()
    defer()


@cache
def end() -> None:
    """After the first answer: what is there now stays, and is not looked through again."""
    gc.freeze()
    gc.enable()


class _Finder:
    """Finds what is deferred where it always was, and hands it to a loader that waits."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in DEFERRED:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", _Waiting(spec.loader))
        return spec


class _Waiting:
    """A loader that runs a module's code at its first use."""

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
            inner = f"{module.__name__}.{attribute}"
            if spec.submodule_search_locations and PathFinder.find_spec(inner, spec.submodule_search_locations):
                return importlib.import_module(inner)
            vars(module).pop("__getattr__", None)
            spec.loader = module.__loader__ = loader
            loader.exec_module(module)
            return getattr(module, attribute)

        vars(module)["__getattr__"] = ask  # PEP 562: asked for what the module does not have
