"""Runs the probes of everything that an environment names."""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import httpx

from rythmiq.contracts.errors import SettingsError
from rythmiq.settings.api import AuthSettings, CorsSettings, DatabaseSettings, MetricsSettings
from rythmiq_cli.doctor import Area, Finding, Reporter
from rythmiq_cli.doctor.database import data_api_findings, database_findings, jwks_findings
from rythmiq_cli.doctor.functions import FunctionProbes, sign_in_findings
from rythmiq_cli.doctor.keys import key_findings, object_findings
from rythmiq_cli.doctor.recording import REQUESTS, Recording
from rythmiq_cli.doctor.store import StoreProbes, bucket_findings
from rythmiq_cli.doctor.worker import wall_findings, worker_findings
from rythmiq_cli.operator import is_set, page_origins, store_config
from rythmiq_cli.service import write_private

AREAS: tuple[Area, ...] = get_args(Area)
_TIMEOUT_S = 30.0
_CHECK = "`rythmiq env check` lists every fault"


def run_probes(
    environ: Mapping[str, str],
    areas: Collection[Area] = AREAS,
    origins: Collection[str] = (),
    *,
    owner_url: str | None = None,
) -> Iterator[Finding]:
    """Run the probes of these areas; what cannot be probed is a finding too.

    Args:
        environ: the deployment's variables.
        areas: which of them.
        origins: of pages, beside those that the environment names.
        owner_url: of the database as its owner sees it, when the environment names only the Data API.
    """
    parts: dict[Area, Callable[[Mapping[str, str]], Iterator[Finding]]] = {
        "store": partial(_store, origins=origins),
        "database": partial(_database, owner_url=owner_url),
        "functions": _functions,
    }
    for area in AREAS:
        if area in areas:
            try:
                yield from parts[area](environ)
            except SettingsError as error:
                yield Reporter(area).broken("settings", str(error), _CHECK)


def record_events(environ: Mapping[str, str], file: Path) -> Iterator[Finding]:
    """Record the platform's events into a file, which is written only when all of them arrived."""
    report = Reporter("functions")
    if missing := [name for name in ("PUBLIC_URL", "METRICS_TOKEN") if not is_set(environ, name)]:
        yield report.broken("settings", f"{' and '.join(missing)} not set; the recorder is called with them", _CHECK)
        return
    with _client() as client:
        recording = Recording(environ["PUBLIC_URL"], client, environ["METRICS_TOKEN"])
        yield from recording.run()
    if not recording.whole:
        return
    try:
        write_private(file, recording.text())
    except OSError as error:
        yield report.broken("recording", f"{file}: {error.strerror}", "name a file that can be written")
        return
    fix = "take the recorder down: `doctl serverless undeploy doctor/event`"
    yield report.warning("recording", f"{file} holds what the platform made of {len(REQUESTS)} requests", fix)


def _client(authorities: str | None = None) -> httpx.Client:
    verify = ssl.create_default_context(cafile=authorities) if authorities else True
    return httpx.Client(timeout=_TIMEOUT_S, verify=verify)


def _store(environ: Mapping[str, str], *, origins: Collection[str]) -> Iterator[Finding]:
    config = store_config(environ)
    yield from wall_findings(environ)
    pages = page_origins(environ, tuple(origins))
    with _client(config.authorities) as client:
        method: Literal["put", "post"] = "post" if environ.get("UPLOAD_METHOD") == "post" else "put"
        reached = True
        for finding in StoreProbes(config, client, method=method).run():
            reached = reached and (finding.probe != "access" or finding.state == "ok")
            yield finding
        if reached:
            yield from worker_findings(config, environ)
            yield from object_findings(environ, config)
            yield from bucket_findings(config, client, pages)


def _database(environ: Mapping[str, str], *, owner_url: str | None) -> Iterator[Finding]:
    settings = DatabaseSettings.from_environ(environ)
    if settings.database_url is not None:
        owner_url = settings.database_url.get_secret_value()
    if owner_url is not None:
        yield from database_findings(owner_url)
    yield from key_findings(environ, owner_url)
    with _client() as client:
        if settings.database_url is None:
            yield from data_api_findings(settings, client)
        yield from jwks_findings(AuthSettings.from_environ(environ), client)


def _functions(environ: Mapping[str, str]) -> Iterator[Finding]:
    url = environ["PUBLIC_URL"] if is_set(environ, "PUBLIC_URL") else _url_by_doctl()
    if url is None:
        said = "not looked at: PUBLIC_URL is not set, and doctl does not say where they are"
        fix = "give --url: `doctl serverless functions get api/health --url` prints it, without /api/health"
        yield Reporter("functions").warning("settings", said, fix)
        return
    allowed = CorsSettings.from_environ(environ).allowed_origins
    token = None
    if is_set(environ, "METRICS_TOKEN"):
        try:
            token = MetricsSettings.from_environ(environ).metrics_token.get_secret_value()
        except SettingsError:
            token = environ["METRICS_TOKEN"]  # other faults of the settings are the database's finding
    secret = environ["WEBHOOK_SECRET"] if is_set(environ, "WEBHOOK_SECRET") else None
    with _client() as client:
        yield from FunctionProbes(url, client, allowed, token, secret).run()
        if is_set(environ, "SUPABASE_URL") and is_set(environ, "SUPABASE_ANON_KEY"):
            guests = environ["GUEST_CREDITS"] if is_set(environ, "GUEST_CREDITS") else "0"
            yield from sign_in_findings(
                environ["SUPABASE_URL"],
                environ["SUPABASE_ANON_KEY"],
                guest_credits=int(guests) if guests.isdecimal() else 0,
                client=client,
            )


def _url_by_doctl() -> str | None:
    """The namespace's address as doctl knows it; None without doctl, a connected namespace or a deployment."""
    doctl = shutil.which("doctl")
    if doctl is None:
        return None
    command = [doctl, "serverless", "functions", "get", "api/health", "--url"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603  ours
    except (OSError, subprocess.TimeoutExpired):
        return None
    url = done.stdout.strip().removesuffix("/api/health")
    return url if done.returncode == 0 and url.startswith("https://") else None
