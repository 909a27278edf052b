"""One arena for all attacks: the service, a store, a victim and an attacker."""

from collections.abc import Iterator

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq_cli.local.store.s3_server import local_store
from tests.attacks.arena import Arena
from tests.rls.conftest import _people
from tests.support.gateway_doors import Doors
from tests.support.postgres_fixture import PostgresForTests
from tests.support.service_rig import Rig


@pytest.fixture(scope="session")
def arena(postgres: PostgresForTests) -> Iterator[Arena]:
    """The arena, prepared."""
    with (
        local_store() as running,
        postgres.database() as url,
        postgres.database() as peoples_url,
    ):
        rig = Rig(url)
        people = _people(peoples_url)
        made = Arena(rig, Doors(rig), SpacesStore(running.config, attempts=1), next(people))
        try:
            yield made.prepare()
        finally:
            next(people, None)
            made.connection.close()
            rig.close()
