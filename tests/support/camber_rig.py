"""A Camber without a socket, and the executor over it."""

import pytest

from rythmiq.adapters.camber import (
    HttpTransport,
    Wire,
)
from rythmiq.adapters.camber.executor import CamberExecutor, CamberService
from rythmiq.ports import Order
from tests.support.executor_rigs import TERMS, camber_in_process
from tests.support.fake_camber import BASE, KEY, FakeCamber

TIMEOUT_S = 10.0


@pytest.fixture
def fake() -> FakeCamber:
    """A Camber."""
    return FakeCamber()


@pytest.fixture
def executor(fake: FakeCamber) -> CamberExecutor:
    """Over HTTP, without a socket."""
    return camber_in_process(fake)


def service(fake: FakeCamber, *, key: str = KEY, wire: Wire | None = None) -> CamberService:
    """The service over HTTP, without a socket."""
    wire = wire or Wire()
    transport = HttpTransport(f"https://camber.test{BASE}", key, config=TERMS, wire=wire, http=fake.http)
    return CamberService("", "", config=TERMS, wire=wire, transport=transport)


def payload(order: Order) -> dict[str, object]:
    """The dispatch document as the hand-off's interface is given it, with what must not leave."""
    return {
        "job_id": order.job_id,
        "user_id": order.user_id,
        "attempt": order.attempt,
        "input": {"raw_path": f"raw/{order.user_id}/secret", "original_filename": "Ramesh $(id).jpg"},
        "callback": {"token": "v2.secret"},
    }
