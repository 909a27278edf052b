"""The release before (`previous` names its commit): its bundles, on a database and a bucket of this release."""

import base64
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from rythmiq.adapters.local_executor import HoldExecutor
from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.attempt import SECRET_HEADER, Dispatch, WebhookBody
from rythmiq.contracts.errors import ObjectMissingError
from rythmiq.crypto import seal
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.bundles import build_bundles, unpack
from rythmiq_cli.local.functions import FunctionProcess
from rythmiq_cli.local.postgres import OWNER
from rythmiq_cli.local.store.s3_server import LocalStore, local_store
from rythmiq_cli.operator.migrations import bootstrap, migrate, open_database, read_migrations
from tests.bundles.conftest import LINKS
from tests.bundles.events import MACHINE_SECRET, SECRET, USER, environment, token, web_event
from tests.support.service_rig import Rig
from tests.support.supabase_stub import Key, supabase_stub

ROOT = Path(__file__).parents[2]
COMMIT = Path(__file__).with_name("previous").read_text(encoding="ascii").strip()
PARTS = ("functions", "layers/functions", "core/rythmiq", "infra/database/migrations")
KEYS = (Key("sb_secret_x", "service_role"), Key("sb_publishable_x", "anon"))


class CommitMissingError(Exception):
    """The repository's history does not reach back to the release before."""


def tree_of(commit: str, target: Path, repository: Path = ROOT) -> Path:
    """Write the parts of a commit that are deployed, with the deployer's links.

    Raises:
        CommitMissingError: this clone does not have the commit; the message says how to fetch it.
    """
    git = ["git", "-C", str(repository)]
    if subprocess.run([*git, "cat-file", "-e", f"{commit}^{{commit}}"], check=False, capture_output=True).returncode:
        raise CommitMissingError(
            f"commit {commit} of tests/compat/previous is not in this clone: run `git fetch --unshallow`, or "
            f"`git fetch origin {commit}`"
        )
    packed = subprocess.run([*git, "archive", commit, *PARTS], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="tar")
    for link, place in LINKS.items():
        (target / link).symlink_to(place)
    return target


@pytest.fixture(scope="session")
def previous_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release before; that it is missing is a failure."""
    return tree_of(COMMIT, tmp_path_factory.mktemp("previous"))


@pytest.fixture(scope="session")
def previous_functions(previous_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Its bundles, where they run."""
    if sys.version_info[:2] != (3, 11) and not os.environ.get("CI"):
        pytest.skip("bundles are for Python 3.11, the platform's; this is another")
    place = tmp_path_factory.mktemp("run")
    return {
        bundle.name: unpack(bundle, place) for bundle in build_bundles(previous_tree, tmp_path_factory.mktemp("zips"))
    }


class _Bucket(MutableMapping[str, bytes]):
    """The objects of a store, as the rig's own store keeps them."""

    def __init__(self, store: SpacesStore) -> None:
        self._store = store

    def __getitem__(self, key: str) -> bytes:
        try:
            return self._store.fetch_object(key, max_bytes=1 << 24)
        except ObjectMissingError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, data: bytes) -> None:
        self._store.upload_object(key, data)

    def __delitem__(self, key: str) -> None:
        self._store.delete_object(key)

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class World:
    """The release before and this one, on one database and one bucket.

    Attributes:
        rig: the use cases of this release.
        open_jobs: what the release before made before the migration, in flight.
    """

    def __init__(self, call: Callable[..., dict[str, Any]], rig: Rig, issuer: str) -> None:
        self._call, self.rig = call, rig
        self._user = {"authorization": f"Bearer {token(issuer)}"}
        self.open_jobs: list[str] = []

    def user(self, name: str, method: str, path: str = "", **event: Any) -> dict[str, Any]:
        """Call a function of the release before as the user."""
        return self._call(name, web_event(method, path, headers=self._user, **event))

    def settle(self, report: WebhookBody) -> dict[str, Any]:
        """Post the end of an attempt to the release before, with the token of its dispatch object."""
        shown = {SECRET_HEADER.lower(): self.dispatch(report.job_id, report.attempt or 1).callback.token}
        return self.report("/camber", report.model_dump(mode="json"), shown)

    def operator(self, name: str, query: str = "") -> dict[str, Any]:
        """GET a function of the release before with METRICS_TOKEN."""
        return self._call(name, web_event("GET", query=query, headers={"authorization": f"Bearer {MACHINE_SECRET}"}))

    def report(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """Post to a webhook of the release before."""
        return self._call("internal/webhooks", web_event("POST", path, body=body, headers=headers))

    def tick(self) -> dict[str, Any]:
        """Let the release before be started by its schedule."""
        return self._call("internal/reconcile", {})

    def new_job(self) -> dict[str, Any]:
        """Upload and create, by the release before; the answer of POST /jobs."""
        content = b"\xff\xd8 a photo"
        asked = {"filename": "me.jpg", "mime_type": "image/jpeg", "size_bytes": len(content)}
        signed = self.user("api/uploads", "POST", body=asked)["body"]
        key = signed["encryption"]
        assert self.rig.ring is not None
        data_key = self.rig.ring.unwrap(key["kid"], base64.b64decode(key["wrapped_key"]), USER)
        self.rig.store.objects[signed["raw_path"]] = seal(
            content,
            storage_key=signed["raw_path"],
            data_key=data_key,
            kid=key["kid"],
            wrapped_key=base64.b64decode(key["wrapped_key"]),
        )
        return self.user(
            "api/jobs", "POST", body={"portal": "neet-2026", "slot": "photo", "raw_path": signed["raw_path"]}
        )

    def dispatch(self, job_id: str, attempt: int = 1) -> Dispatch:
        """The dispatch object of an attempt, read as this release's launcher reads it."""
        return self.rig.dispatch_of(self.rig.order(job_id, attempt))

    def view(self, job_id: str) -> dict[str, Any]:
        """GET /jobs/{id} of the release before."""
        answer = self.user("api/jobs", "GET", f"/{job_id}")
        assert answer["statusCode"] == 200, answer
        return dict(answer["body"])


@pytest.fixture(scope="module")
def store() -> Iterator[LocalStore]:
    """The bucket of both releases."""
    with local_store() as running:
        yield running


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, previous_tree: Path, previous_functions: dict[str, Path], store: LocalStore
) -> Iterator[World]:
    """A database of the release before with jobs in flight, which has then been migrated to this one."""
    server = request.getfixturevalue("postgres")
    with server.database(template="template0") as url, ExitStack() as stack:
        with psycopg.connect(server.superuser_url(url.rsplit("/", 1)[1])) as connection:
            bootstrap(connection)
            connection.execute(sql.SQL("grant usage on schema auth to {}").format(sql.Identifier(OWNER)))
            connection.execute(
                sql.SQL("grant execute on all functions in schema auth to {}").format(sql.Identifier(OWNER))
            )
        with open_database(url) as connection:
            migrate(connection, read_migrations(previous_tree / "infra" / "database" / "migrations"))
        stub = stack.enter_context(supabase_stub(url, jwt_secret=SECRET, keys=KEYS))
        environ = {
            **environment(stub.url),
            "DO_SPACES_ENDPOINT": store.config.endpoint,
            "DO_SPACES_REGION": store.config.region,
            "DO_SPACES_BUCKET": store.config.bucket,
            "DO_SPACES_ACCESS_KEY": store.config.access_key,
            "DO_SPACES_SECRET_KEY": store.config.secret_key,
            "PUBLIC_URL": "https://api.example.org",
            "INITIAL_CREDITS": "50",
            "MAX_INFLIGHT": "8",
        }
        running: dict[str, FunctionProcess] = {}

        def call(name: str, event: dict[str, Any]) -> dict[str, Any]:
            if name not in running:
                package, function = name.split("/")
                running[name] = stack.enter_context(
                    FunctionProcess(
                        previous_functions[name],
                        package,
                        function,
                        environ,
                        logs=subprocess.DEVNULL,
                        init_timeout_s=120,
                    )
                )
            return running[name].invoke(event, timeout_s=120)

        rig = Rig(url)
        rig.ring = KeyRing.parse(environ["ENCRYPTION_KEYS"])
        rig.dispatch_ring = KeyRing.parse(environ["DISPATCH_KEYS"])
        rig.store.objects = _Bucket(SpacesStore(store.config))  # type: ignore[assignment]  # a mapping is all it needs
        rig.executor = HoldExecutor()  # type: ignore[assignment]  # what the release before submits to
        rig.build()
        made = World(call, rig, stub.url)
        made.open_jobs = [made.new_job()["body"]["job_id"] for _ in range(5)]
        with open_database(url) as connection:
            migrate(connection)  # of the release that has just been cut there is nothing to apply
        yield made
        rig.close()


def is_full_hash(text: str) -> bool:
    """Whether a text names one commit for ever."""
    return re.fullmatch(r"[0-9a-f]{40}", text) is not None
