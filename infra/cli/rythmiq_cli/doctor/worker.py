"""Probes for the worker: its own key to the store, and the walls that this machine gives its picture process."""

import contextlib
import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import AccessDeniedError, ObjectMissingError, StoreError
from rythmiq.contracts.keys import raw_key
from rythmiq_cli.doctor import Finding, Reporter
from rythmiq_cli.operator import is_set
from rythmiq_worker.walls.sibling import missing_walls

_REPORT = Reporter("store")
_DATA = b"rythmiq doctor: bytes that are nobody's, deleted at the end"
_WALLS_FIX = (
    "run workers on Linux 5.13 or later on x86_64; `python -m rythmiq_worker.walls` says the same on the machine that "
    "runs them, and SANDBOX=required has them refuse to run without"
)


def wall_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Try the walls here; a missing one is broken where SANDBOX=required, else a warning."""
    try:
        missing = missing_walls()
    except OSError as error:
        yield _REPORT.broken("worker_walls", str(error), "check the worker's installation on this machine")
        return
    if not missing:
        yield _REPORT.ok("worker_walls", "this machine gives a worker every wall")
        return
    finding = _REPORT.broken if environ.get("SANDBOX") == "required" else _REPORT.warning
    yield finding("worker_walls", f"this machine lacks {', '.join(missing)}", _WALLS_FIX)


def worker_findings(config: StoreConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Write, read and delete an object with the worker's own key; nothing where the environment has none.

    Args:
        config: the store as the API sees it.
        environ: the deployment's variables.
    """
    if not is_set(environ, "SPACES_KEY") or not is_set(environ, "SPACES_SECRET"):
        return
    fix = "correct SPACES_KEY and SPACES_SECRET: a key of the worker's own, which may read and write this bucket"
    key = raw_key(str(uuid.uuid4()), str(uuid.uuid4()), dt.datetime.now(tz=dt.UTC), "doctor-worker.bin")
    own = replace(
        config,
        endpoint=environ.get("SPACES_ENDPOINT", config.endpoint),
        region=environ.get("SPACES_REGION", config.region),
        bucket=environ.get("SPACES_BUCKET", config.bucket),
        access_key=environ["SPACES_KEY"],
        secret_key=environ["SPACES_SECRET"],
    )
    store = SpacesStore(own, attempts=2)
    try:
        store.upload_object(key, _DATA)
        read = store.fetch_object(key, max_bytes=1_000)
    except (AccessDeniedError, ObjectMissingError):
        where = f"bucket {own.bucket} at {own.endpoint}"
        yield _REPORT.broken("worker-access", f"{where} refuses the worker's key: every job would fail", fix)
        return
    except StoreError as error:
        yield _REPORT.unreachable("worker-access", f"bucket {own.bucket}: {error}", "correct SPACES_ENDPOINT")
        return
    finally:
        with contextlib.suppress(StoreError):
            SpacesStore(config, attempts=2).delete_object(key)
    if read != _DATA:
        yield _REPORT.broken(
            "worker-access",
            "the worker reads other bytes than were written",
            "this store cannot be used as it is; ask its operator, or take another",
        )
    else:
        yield _REPORT.ok("worker-access", "the worker's own key writes and reads this bucket")
