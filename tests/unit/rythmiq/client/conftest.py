"""A stub of the service, and the clients of it: both of Python's, and JavaScript's."""

from collections.abc import Iterator

import pytest

from tests.support.client_both import Both, opened_clients
from tests.support.client_stub import Stub, stub

__all__ = ["stub"]


@pytest.fixture(params=["blocking", "async", pytest.param("node", marks=pytest.mark.node)])
def client(stub: Stub, request: pytest.FixtureRequest) -> Iterator[Both]:
    with opened_clients(stub.url, "token-1", kind=request.param) as client:
        yield client
