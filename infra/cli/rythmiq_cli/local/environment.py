"""The variables of each part of the local cloud: generated values, overridden by the environment.

`-` and the empty string read as unset, as everywhere. Secrets and ports are made once a data directory and kept, so
that a restart opens what was sealed and is found where it was.
"""

import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rythmiq.adapters.spaces import StoreConfig
from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.settings.worker import LauncherSettings, WorkerSettings
from rythmiq_cli.local import CloudUsageError, free_port, made_once, made_store_keys
from rythmiq_cli.local.executor.launchers import ENVIRONMENT as LAUNCHER_ENVIRONMENT
from rythmiq_cli.operator.env_check import FUNCTIONS
from rythmiq_cli.service import write_private

REGION, BUCKET = "sgp1", "rythmiq"
ANON_KEY = "sb_publishable_local"
_OF_A_PROCESS = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


def given(environ: Mapping[str, str], name: str) -> str | None:
    """A variable's value; None when it is unset."""
    value = environ.get(name, "")
    return None if value in {"", "-"} else value


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that are generated once for each data directory."""

    webhook_secret: str = field(repr=False)
    reconcile_secret: str = field(repr=False)
    metrics_token: str = field(repr=False)
    encryption_keys: str = field(repr=False)
    dispatch_keys: str = field(repr=False)
    jwt_secret: str = field(repr=False)

    @classmethod
    def of(cls, data_dir: Path) -> "Secrets":
        """Those of this directory, made the first time; one that an older release did not know is made now."""
        fresh = {
            "webhook_secret": secrets.token_urlsafe(32),
            "reconcile_secret": secrets.token_urlsafe(32),
            "metrics_token": secrets.token_urlsafe(32),
            "encryption_keys": KeyRing.new_entry(1),
            "dispatch_keys": KeyRing.new_entry(1),
            "jwt_secret": secrets.token_urlsafe(48),
        }
        file = data_dir / "secrets.json"
        made = made_once(file, lambda: fresh)
        if made.keys() != fresh.keys():
            made = fresh | {name: value for name, value in made.items() if name in fresh}
            write_private(file, json.dumps(made))
        return cls(**made)


class Ports:
    """Free ports of this machine, the same as last time where they still are free."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "ports.json"
        self._known: dict[str, int] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def pick(self, name: str) -> int:
        """A port for this part."""
        port = next((port for port in (self._known.get(name, 0), 0) if _is_free(port)), 0) or free_port()
        self.remember(name, port)
        return port

    def remember(self, name: str, port: int) -> None:
        """Take this one next time."""
        self._known[name] = port
        write_private(self._file, json.dumps(self._known))


def function_environ(path: str, values: Mapping[str, str]) -> dict[str, str]:
    """The environment of one function: the variables that it reads and no others."""
    return {name: values[name] for name in FUNCTIONS[path].reads.variables().values() if name in values}


def cloud_values(
    environ: Mapping[str, str], generated: Secrets, store: StoreConfig, places: Mapping[str, str]
) -> dict[str, str]:
    """Every variable of the API, the launcher and the worker.

    Args:
        environ: the environment of `rythmiq up`; what it sets wins.
        generated: this directory's secrets.
        store: where objects are.
        places: addresses that are known by now, by variable.
    """
    names = {name for function in FUNCTIONS.values() for name in function.reads.variables().values()}
    names |= set(WorkerSettings.variables().values()) | set(LauncherSettings.variables().values())
    # DO_SPACES_* chose the store, unless an option did: the same values, or ignored.
    names = {name for name in names if not name.startswith("DO_SPACES_")}
    set_outside = {name: value for name in names if (value := given(environ, name)) is not None}
    mode = set_outside.get("AUTH_MODE", "secret")
    values = {
        "SERVICE_ENV": "dev",
        "AUTH_MODE": mode,
        "SUPABASE_ANON_KEY": ANON_KEY,
        "EXECUTOR": "local",
        "WEBHOOK_SECRET": generated.webhook_secret,
        "RECONCILE_SECRET": generated.reconcile_secret,
        "METRICS_TOKEN": generated.metrics_token,
        "ENCRYPTION_KEYS": generated.encryption_keys,
        "DISPATCH_KEYS": generated.dispatch_keys,
        **({"SUPABASE_JWT_SECRET": generated.jwt_secret} if mode == "secret" else {}),
    }
    for prefix, key, secret in (("DO_SPACES", "ACCESS_KEY", "SECRET_KEY"), ("SPACES", "KEY", "SECRET")):
        values |= {
            f"{prefix}_ENDPOINT": store.endpoint,
            f"{prefix}_REGION": store.region,
            f"{prefix}_BUCKET": store.bucket,
            f"{prefix}_{key}": store.access_key,
            f"{prefix}_{secret}": store.secret_key,
        }
    return {**values, **places, **set_outside}


def refused(values: Mapping[str, str]) -> list[str]:
    """The complaints of functions, launcher and worker about these variables: one sentence each, no value."""
    environs = [(function.reads, function_environ(path, values)) for path, function in FUNCTIONS.items()]
    if values["EXECUTOR"] == "local":
        environs += [(LauncherSettings, dict(values)), (WorkerSettings, dict(values))]
    said: dict[str, None] = {}
    for model, environ in environs:
        try:
            model.from_environ(environ)
        except SettingsError as error:
            said |= dict.fromkeys(str(error).split("; "))
    return list(said)


def store_keys(environ: Mapping[str, str], data_dir: Path) -> tuple[str, str]:
    """The keys of the store that is started here: the environment's, or its directory's, made the first time."""
    keys = [given(environ, f"DO_SPACES_{name}") for name in ("ACCESS_KEY", "SECRET_KEY")]
    if None not in keys:
        write_private(data_dir / "keys.json", json.dumps(keys))
    return made_store_keys(data_dir)


def place_of_store(environ: Mapping[str, str]) -> tuple[str, str]:
    """Region and bucket."""
    return given(environ, "DO_SPACES_REGION") or REGION, given(environ, "DO_SPACES_BUCKET") or BUCKET


def outside_store(environ: Mapping[str, str]) -> StoreConfig | None:
    """The store that the environment names; None when it names none.

    Raises:
        CloudUsageError: it names half of one.
    """
    endpoint = given(environ, "DO_SPACES_ENDPOINT")
    if endpoint is None:
        return None
    access_key, secret_key = given(environ, "DO_SPACES_ACCESS_KEY"), given(environ, "DO_SPACES_SECRET_KEY")
    if access_key is None or secret_key is None:
        raise CloudUsageError("DO_SPACES_ENDPOINT needs DO_SPACES_ACCESS_KEY and DO_SPACES_SECRET_KEY")
    return StoreConfig(endpoint, *place_of_store(environ), access_key, secret_key)


def process_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that any process needs, and none of ours."""
    return {name: environ[name] for name in _OF_A_PROCESS if name in environ}


def executor_environ(environ: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The environment of the local executor: the variables that it may pass on to launchers."""
    known = {name: value for name, value in {**environ, **values}.items() if name in LAUNCHER_ENVIRONMENT}
    return {**process_environ(environ), **known}


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
