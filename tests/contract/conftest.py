"""Stores and clients for the store suite; the real Ceph RGW takes part when its rig is up (`make test-rgw`)."""

import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import rythmiq.adapters.spaces
from rythmiq.adapters.spaces import StoreConfig
from rythmiq.contracts.keys import raw_key
from rythmiq_cli.local.store.s3_server import local_store, make_bucket
from tests.support.store_clients import AdapterClient, Boto3Client, Client, Server, http_client

RIG = ("S3_ENDPOINT", "S3_TLS_ENDPOINT", "S3_CA", "S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY")


def _rgw(name: str) -> Iterator[Server]:
    if not all(os.environ.get(variable) for variable in RIG):
        pytest.skip("the RGW rig is not up: make test-rgw")
    is_tls = name == "rgw-tls"
    config = StoreConfig(
        endpoint=os.environ["S3_TLS_ENDPOINT" if is_tls else "S3_ENDPOINT"],
        region=os.environ["S3_REGION"],
        bucket=f"suite-{uuid.uuid4()}",
        access_key=os.environ["S3_ACCESS_KEY"],
        secret_key=os.environ["S3_SECRET_KEY"],
        authorities=os.environ["S3_CA"] if is_tls else None,
    )
    make_bucket(config)
    with http_client(config.authorities) as http:
        yield Server(name, config, http)


@pytest.fixture(scope="session")
def guard_server() -> Iterator[Server]:
    """The local store: moto behind our guard."""
    with local_store() as store, http_client(None) as http:
        yield Server("guard", store.config, http)


@pytest.fixture(scope="session")
def rgw_server() -> Iterator[Server]:
    """A real Ceph RGW over plain HTTP."""
    yield from _rgw("rgw-http")


@pytest.fixture(scope="session")
def rgw_tls_server() -> Iterator[Server]:
    """A real Ceph RGW over TLS."""
    yield from _rgw("rgw-tls")


@pytest.fixture(
    scope="session",
    params=[
        "guard_server",
        pytest.param("rgw_server", marks=pytest.mark.rgw),
        pytest.param("rgw_tls_server", marks=pytest.mark.rgw),
    ],
)
def server(request: pytest.FixtureRequest) -> Server:
    """Each store in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


MakeClient = Callable[..., Client]


@pytest.fixture(scope="session", params=["adapter", "boto3"])
def make_client(request: pytest.FixtureRequest) -> MakeClient:
    """Each client in turn, to be made with another secret or access key."""
    made: dict[StoreConfig, Client] = {}

    def make(server: Server, **changed: str) -> Client:
        config = replace(server.config, **changed)  # type: ignore[arg-type]  # the fields named here are strings
        if config not in made:
            made[config] = AdapterClient(config) if request.param == "adapter" else Boto3Client(config)
        return made[config]

    return make


@pytest.fixture
def client(make_client: MakeClient, server: Server) -> Client:
    """Each client in turn, with the right keys."""
    return make_client(server)


@pytest.fixture
def key() -> str:
    """A raw key that no other test uses."""
    return raw_key(str(uuid.uuid4()), str(uuid.uuid4()), dt.datetime(2026, 11, 23, tzinfo=dt.UTC), "photo.jpg")


@pytest.fixture
def signing_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.timedelta], None]:
    """Shift the clock that both clients sign with, and nobody else's."""

    def shift(by: dt.timedelta) -> None:
        def aware() -> dt.datetime:
            return dt.datetime.now(tz=dt.UTC) + by

        def naive() -> dt.datetime:
            return aware().replace(tzinfo=None)

        monkeypatch.setattr("botocore.auth.get_current_datetime", naive)
        monkeypatch.setattr("botocore.signers.get_current_datetime", naive)
        monkeypatch.setattr(rythmiq.adapters.spaces, "_now", aware)

    return shift
