"""Probes of Supabase: the Data API with both keys, and the keys that users' tokens are verified by.

The one call that a stranger should be refused is a reading one, so that nothing happens where it is not refused.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import httpx

from rythmiq.settings.api import AuthSettings, DatabaseSettings
from rythmiq_cli.doctor.finding import Finding, Reporter
from rythmiq_cli.doctor.ticks import tick_finding
from rythmiq_cli.operator import migrations

_REPORT = Reporter("database")
_JWKS = "/auth/v1/.well-known/jwks.json"
_ALGORITHMS = frozenset({"ES256", "RS256"})


def data_api_findings(settings: DatabaseSettings, client: httpx.Client) -> Iterator[Finding]:
    """Look at the Data API with the service key, and as a stranger with the anon key."""
    url = settings.supabase_url
    anon, service = settings.supabase_anon_key, settings.supabase_service_role_key
    if url is None or anon is None or service is None:
        raise AssertionError("settings with neither database are refused")
    try:
        health = _call(client, url, "database_health", service.get_secret_value(), {})
        stranger = _call(
            client,
            url,
            "account_open",
            anon.get_secret_value(),
            {"p_user_id": str(uuid.uuid4()), "p_initial_credits": None},
        )
        rows = client.get(f"{url}/rest/v1/jobs?select=id&limit=1", headers={"apikey": anon.get_secret_value()})
    except httpx.HTTPError as error:
        said = f"the Data API does not answer: {type(error).__name__}"
        yield _REPORT.unreachable("reach", said, "check SUPABASE_URL; a paused project is started in its dashboard")
        return
    yield from _healthy(health)
    if stranger.is_success or (rows.is_success and rows.text.strip() != "[]"):
        said = "whoever has the publishable key may call or read what is the service's"
        yield _REPORT.broken("stranger", said, "run `rythmiq migrate` and `rythmiq doctor` with DATABASE_URL")
    else:
        yield _REPORT.ok("stranger", "the publishable key alone calls and reads nothing")


def jwks_findings(settings: AuthSettings, client: httpx.Client) -> Iterator[Finding]:
    """Look at what tokens are verified by, where that is asked for over the network."""
    if settings.verifies_by == "secret":
        yield _REPORT.ok("tokens", "users' tokens are verified by SUPABASE_JWT_SECRET")
        return
    try:
        answer = client.get(f"{settings.supabase_url}{_JWKS}")
        keys = answer.json()["keys"] if answer.is_success else []
        usable = [key for key in keys if key.get("alg", "ES256") in _ALGORITHMS]
    except httpx.HTTPError as error:
        yield _REPORT.unreachable("tokens", f"{_JWKS} does not answer: {type(error).__name__}", "check SUPABASE_URL")
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        usable = []
    if usable:
        yield _REPORT.ok("tokens", f"users' tokens are verified by {len(usable)} published key(s)")
    else:
        fix = "rotate the project to asymmetric JWT signing keys, or set AUTH_MODE=secret and SUPABASE_JWT_SECRET"
        yield _REPORT.broken("tokens", "the project publishes no ES256 or RS256 key, and AUTH_MODE is jwks", fix)


def _call(client: httpx.Client, url: str, function: str, key: str, arguments: Mapping[str, object]) -> httpx.Response:
    bearer = {} if key.startswith("sb_") else {"Authorization": f"Bearer {key}"}
    return client.post(f"{url}/rest/v1/rpc/{function}", headers={"apikey": key, **bearer}, json=arguments)


def _healthy(health: httpx.Response) -> Iterator[Finding]:
    if health.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        fix = "SUPABASE_SERVICE_ROLE_KEY is the project's secret (service_role) key"
        yield _REPORT.broken("reach", "the Data API refuses the service key", fix)
        return
    if health.status_code == HTTPStatus.NOT_FOUND:
        said = "the Data API answers, and knows none of our functions"
        yield _REPORT.broken("migrations", said, "run `rythmiq migrate` with the project's DATABASE_URL")
        return
    if not health.is_success:
        said = f"the Data API answers {health.status_code}"
        yield _REPORT.unreachable("reach", said, "see the project's dashboard, and run it again")
        return
    found = health.json()
    yield _REPORT.ok("reach", "the Data API answers to the service key")
    here = len(migrations.read_migrations())
    if found["schema_version"] != here:
        said = f"migration {found['schema_version']} is in, and this release has {here}"
        yield _REPORT.broken("migrations", said, "run `rythmiq migrate` with the project's DATABASE_URL")
    else:
        yield _REPORT.ok("migrations", f"all {here} are applied")
    yield tick_finding(_REPORT, found.get("last_tick_at"), dt.datetime.now(tz=dt.UTC))
