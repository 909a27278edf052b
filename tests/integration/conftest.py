"""What these tests share: one guarded store, one database of the use cases, and a few uploads, for the session."""

from collections.abc import Iterator

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq_cli.local.store.s3_server import local_store
from tests.support import worker_uploads
from tests.support.database_fixtures import sql, untouched_database, untouched_database_url
from tests.support.hostile_store import HostileStore, hostile_store
from tests.support.service_rig import rig, service_database, user
from tests.support.webhook_receiver import Receiver, webhook_receiver
from tests.support.worker_run import Job

__all__ = ["rig", "service_database", "sql", "untouched_database", "untouched_database_url", "user"]


@pytest.fixture(scope="session")
def store() -> Iterator[SpacesStore]:
    """The local store, which checks every signature."""
    with local_store() as running:
        yield SpacesStore(running.config, attempts=1)


@pytest.fixture
def hostile() -> Iterator[HostileStore]:
    """A store that misbehaves."""
    with hostile_store() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The webhook's other end."""
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def sealed_job(store: SpacesStore) -> Job:
    """A job whose objects are sealed."""
    return Job(store)


@pytest.fixture
def plain_job(store: SpacesStore) -> Job:
    """The hand-off's job: no encryption."""
    return Job(store, sealed=False)


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """A person's portrait, as a phone sends it."""
    return worker_uploads.portrait()


@pytest.fixture(scope="session")
def card() -> bytes:
    """A card with the four lines of `worker_uploads.TEXT`."""
    return worker_uploads.card()
