"""One face for all kinds of client, so that each test runs with any: blocking, async, and rythmiq.js in Node."""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from rythmiq.client import AsyncClient, Client
from tests.support.node_client import NodeClient


class Both:
    """A client whose methods block, whichever kind it is; what yields gives a list."""

    def __init__(self, client: Client | AsyncClient | NodeClient, runner: asyncio.Runner | None) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        runner = self._runner
        if runner is None:
            return lambda *args, **named: _listed(method(*args, **named))

        async def run(*args: Any, **named: Any) -> Any:
            found = method(*args, **named)
            return await found if inspect.isawaitable(found) else [item async for item in found]

        return lambda *args, **named: runner.run(run(*args, **named))


def _listed(found: Any) -> Any:
    return list(found) if isinstance(found, Iterator) else found


@contextmanager
def opened_clients(
    url: str, token: Any, *, kind: Literal["blocking", "async", "node"], **terms: float
) -> Iterator[Both]:
    """A client of this kind."""
    if kind == "blocking":
        with Client(url, token, **terms) as client:
            yield Both(client, None)
        return
    if kind == "node":
        with NodeClient(url, token, **terms) as client_in_node:
            yield Both(client_in_node, None)
        return
    with asyncio.Runner() as runner:
        client_of_loop = AsyncClient(url, token, **terms)
        yield Both(client_of_loop, runner)
        runner.run(client_of_loop.aclose())
