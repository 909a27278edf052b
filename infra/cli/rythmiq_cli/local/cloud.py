"""The whole cloud on this machine: Postgres, the guarded store, the functions behind their gateway, the executor.

`running_cloud` starts it, yields its addresses when every part has answered once, and stops everything it started, also
when this process is killed (`tether`). Parts that end are started again on their old ports (`supervisor`). A directory
keeps data, secrets and ports over restarts; only one cloud runs in it at a time.

Source: docs/specification/commands.md.
"""

import contextlib
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.markup import escape

from rythmiq.adapters.spaces import StoreConfig
from rythmiq_cli.local import CloudError, CloudLog, CloudUsageError, environment
from rythmiq_cli.local.auth import PREFIX, LocalAuth
from rythmiq_cli.local.executor import Journal, launchers
from rythmiq_cli.local.functions import FunctionError
from rythmiq_cli.local.functions.gateway import GatewayServer
from rythmiq_cli.local.functions.pool import SOURCES, FunctionPool, first_answers, functions_of, unpacked_bundles
from rythmiq_cli.local.postgres import LocalPostgres, PostgresError, apply_migrations
from rythmiq_cli.local.store.s3_server import make_bucket
from rythmiq_cli.local.supervisor import Part, Supervisor, program
from rythmiq_cli.local.tether import Tether
from rythmiq_cli.operator import bucket_settings as spaces_rules
from rythmiq_cli.operator import page_origins
from rythmiq_cli.service import FILE_NAME, CloudFile, S3Access

RECONCILE_EVERY_S = 60.0
_EXECUTOR_GRACE_S = 3


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """The options of `rythmiq up`.

    Attributes:
        data_dir: keeps data, secrets and ports.
        port: of the gateway; 0 picks a free one.
        bundles: whether the functions run from bundles that are built now, and not from their sources.
        reconcile_every_s: how often the reconciler is triggered, as by the platform's schedule; 0 never.
        executor_faults: a fault plan for the executor, for tests.
    """

    data_dir: Path
    port: int = 0
    bundles: bool = False
    reconcile_every_s: float = RECONCILE_EVERY_S
    executor_faults: Path | None = None


@contextlib.contextmanager
def running_cloud(options: CloudOptions, environ: Mapping[str, str], log: CloudLog) -> Iterator[CloudFile]:
    """Run the cloud while the context lasts.

    Raises:
        RythmiqError: a part does not start; CloudUsageError: a port or the directory is taken, or a variable cannot be
            used.
    """
    with contextlib.ExitStack() as stack:
        cloud = _Cloud(options, environ, log, stack)
        file = cloud.start()
        stack.callback((options.data_dir / FILE_NAME).unlink, missing_ok=True)
        file.write(options.data_dir)
        yield file


class _Cloud:
    def __init__(
        self, options: CloudOptions, environ: Mapping[str, str], log: CloudLog, stack: contextlib.ExitStack
    ) -> None:
        self._options, self._environ, self._log, self._stack = options, environ, log, stack
        self._dir = options.data_dir.resolve()
        self._closing = threading.Event()

    def start(self) -> CloudFile:
        """Start every part, and wait for its first answer."""
        self._claim_directory()
        (self._dir / FILE_NAME).unlink(missing_ok=True)
        self._refuse_unusable()
        self._ports = environment.Ports(self._dir)
        self._tether = self._stack.enter_context(Tether())
        self._supervisor = Supervisor(self._tether, self._log.descriptor, self._log)
        self._stack.callback(self._supervisor.close)
        gateway = self._listen()
        database_url = self._start_database()
        store = self._start_store()
        executor_port = self._ports.pick("executor")
        values = environment.cloud_values(
            self._environ,
            environment.Secrets.of(self._dir),
            store,
            {
                "DATABASE_URL": database_url,
                "PUBLIC_URL": gateway.url,
                "SUPABASE_URL": gateway.url,
                "LOCAL_EXECUTOR_URL": f"http://127.0.0.1:{executor_port}",
            },
        )
        if values["SUPABASE_URL"] == gateway.url and "SUPABASE_JWT_SECRET" in values:
            gateway.beside[PREFIX] = LocalAuth(
                self._dir,
                issuer=f"{gateway.url}{PREFIX}".rstrip("/"),
                secret=values["SUPABASE_JWT_SECRET"],
                api_key=values["SUPABASE_ANON_KEY"],
                log=self._log,
            ).answer
        directory = self._functions()
        self._log.say("starting the functions ...")
        pools = (
            FunctionPool(function, self._tether, logs=self._log.descriptor)
            for function in functions_of(directory, values)
        )
        gateway.serve(pools)
        self._start_executor(executor_port, values)
        is_ours = environment.outside_store(self._environ) is None
        with ThreadPoolExecutor(1) as beside:
            rules_set = beside.submit(_set_rules, store, gateway.port, values, self._log, is_ours=is_ours)
            first_answers(gateway.url, values)
            rules_set.result()
        self._start_schedule(gateway)
        return _described(gateway.url, values, store)

    def _claim_directory(self) -> None:
        self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._stack.enter_context((self._dir / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudUsageError(f"a cloud runs in {self._dir} already; name another with --data-dir") from None

    def _refuse_unusable(self) -> None:
        """Look at the environment before anything is started; what is not known by then is assumed to be usable."""
        here = "http://127.0.0.1:1"
        store = environment.outside_store(self._environ) or StoreConfig(
            here, *environment.place_of_store(self._environ), "key", "secret"
        )
        places = {"DATABASE_URL": here, "PUBLIC_URL": here, "SUPABASE_URL": here, "LOCAL_EXECUTOR_URL": here}
        values = environment.cloud_values(self._environ, environment.Secrets.of(self._dir), store, places)
        if problems := environment.refused(values):
            raise CloudUsageError("; ".join(problems))

    def _listen(self) -> GatewayServer:
        port = self._options.port or self._ports.pick("gateway")
        try:
            gateway = GatewayServer(port, self._log)
        except OSError:
            raise CloudUsageError(f"port {port} is taken; choose another with --port, 0 for any") from None
        self._stack.callback(gateway.close)
        return gateway

    def _start_database(self) -> str:
        self._log.say("starting Postgres ...")
        if environment.given(self._environ, "DATABASE_URL") is not None:
            url = self._environ["DATABASE_URL"]
            apply_migrations(url, bootstrap=True)
            return url
        # Like the store's files: they outlive every process, and not a power cut. A server that was killed would
        # otherwise sync all of its files before it answers, which takes longer than 5 s on a busy disk.
        postgres = LocalPostgres(self._dir / "postgres", port=self._ports.pick("postgres"), throwaway=True)
        postgres.prepare()
        self._supervisor.start(
            Part(
                name="postgres",
                spawn=postgres.spawn,
                ready=lambda: _is_ready(postgres),
                log=self._dir / "postgres" / "postgres.log",
                stop_signal=signal.SIGINT,
            )
        )
        postgres.provision()
        return postgres.url

    def _start_store(self) -> StoreConfig:
        outside = environment.outside_store(self._environ)
        if outside is not None:
            return _prepare_outside(outside)
        self._log.say("starting the store ...")
        data_dir = self._dir / "store"
        data_dir.mkdir(exist_ok=True, mode=0o700)
        port = self._ports.pick("store")
        endpoint = f"http://127.0.0.1:{port}"
        access_key, secret_key = environment.store_keys(self._environ, data_dir)
        region, bucket = environment.place_of_store(self._environ)
        command = (
            *(sys.executable, "-m", "rythmiq_cli.local.store.s3_server"),
            *("--port", str(port), "--bucket", bucket, "--region", region, "--data-dir", str(data_dir)),
        )
        self._supervisor.start(
            Part(
                name="store",
                spawn=program(command, environment.process_environ(self._environ), self._dir),
                ready=lambda: _answers(endpoint),
            )
        )
        return StoreConfig(endpoint, region, bucket, access_key, secret_key)

    def _functions(self) -> Path:
        if not self._options.bundles:
            return SOURCES
        self._log.say("building the bundles ...")
        return unpacked_bundles(self._dir / "bundles")

    def _start_executor(self, port: int, values: Mapping[str, str]) -> None:
        if values["EXECUTOR"] != "local":
            return
        data_dir = self._dir / "executor"
        data_dir.mkdir(exist_ok=True, mode=0o700)
        faults = self._options.executor_faults
        command = (
            *(sys.executable, "-m", "rythmiq_cli.local.executor"),
            *("--port", str(port), "--data-dir", str(data_dir), "--grace-s", str(_EXECUTOR_GRACE_S)),
            *(("--faults", str(faults)) if faults else ()),
        )
        self._supervisor.start(
            Part(
                name="executor",
                spawn=program(command, environment.executor_environ(self._environ, values), self._dir),
                ready=lambda: _answers(f"http://127.0.0.1:{port}/jobs?job_id=none"),
                grace_s=_EXECUTOR_GRACE_S + 3,
            )
        )
        self._stack.callback(self._end_launchers, data_dir)

    def _end_launchers(self, data_dir: Path) -> None:
        """Stop the executor before its callers, and then what it could not end."""
        self._supervisor.stop("executor")
        for entry in Journal(data_dir / "jobs").read():
            if entry.process is not None and launchers.is_running(entry.process):
                launchers.end(entry.process, signal.SIGKILL)

    def _start_schedule(self, gateway: GatewayServer) -> None:
        if not self._options.reconcile_every_s:
            return
        thread = threading.Thread(target=self._reconcile, args=(gateway,), name="schedule", daemon=True)
        self._stack.callback(self._closing.set)
        thread.start()

    def _reconcile(self, gateway: GatewayServer) -> None:
        while not self._closing.wait(self._options.reconcile_every_s):
            try:
                gateway.trigger("internal/reconcile")
            except FunctionError as error:
                self._log({"event": "trigger_failed", "level": "warning", "reason": str(error)})


def _described(base_url: str, values: Mapping[str, str], store: StoreConfig) -> CloudFile:
    return CloudFile(
        base_url=base_url,
        database_url=values["DATABASE_URL"],
        s3=S3Access(
            endpoint=store.endpoint,
            region=store.region,
            bucket=store.bucket,
            access_key=store.access_key,
            secret_key=store.secret_key,
        ),
        webhook_secret=values["WEBHOOK_SECRET"],
        reconcile_secret=values["RECONCILE_SECRET"],
        metrics_token=values["METRICS_TOKEN"],
        encryption_keys=values["ENCRYPTION_KEYS"],
        dispatch_keys=values["DISPATCH_KEYS"],
        pid=os.getpid(),
        supabase_url=values["SUPABASE_URL"],
        jwt_secret=values.get("SUPABASE_JWT_SECRET"),
        auth_mode="jwks" if values["AUTH_MODE"] == "jwks" else "secret",
        page_url=f"{base_url}/app",
        upload_method="post" if values.get("UPLOAD_METHOD") == "post" else "put",
    )


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=5, trust_env=False, verify=False)  # noqa: S501  this machine speaks no TLS
    except httpx.HTTPError:
        return False
    return True


def _is_ready(postgres: LocalPostgres) -> bool:
    try:
        postgres.wait_ready(timeout_s=0)
    except PostgresError:
        return False
    return True


def _prepare_outside(store: StoreConfig) -> StoreConfig:
    """Make the bucket if it is missing.

    Raises:
        CloudError: the store does not answer, or refuses.
    """
    try:
        make_bucket(store)
    except Exception as error:
        raise CloudError(f"the store at {store.endpoint} does not answer: {type(error).__name__}") from error
    return store


def _set_rules(store: StoreConfig, port: int, values: Mapping[str, str], log: CloudLog, *, is_ours: bool) -> None:
    """Give a store that runs elsewhere all of its rules; ours needs to know the page's origins only.

    Raises:
        CloudError: it does not answer. A setting that it refuses is logged and skipped.
    """
    origins = page_origins(values, [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")])
    try:
        changes = spaces_rules.plan(store, origins)
        outcomes = spaces_rules.apply(store, [c for c in changes if c.part == "cors" or not is_ours])
    except spaces_rules.SpacesUnreachableError as error:
        raise CloudError(f"{store.endpoint}: {error}") from None
    except spaces_rules.SpacesError as error:
        log({"event": "store_rules_refused", "level": "warning", "reason": str(error)})
        log.say(f"[yellow]{escape(str(error))}[/]")
        return
    for outcome in outcomes:
        log({"event": "store_rule", "part": outcome.part, "state": outcome.state, "note": outcome.note})
