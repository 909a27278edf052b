"""Composition root of the API: `application` returns one function of the platform, wired by its builder.

Imports are inside the builders, so that a function imports what its own use case needs. What was made is kept; settings
that cannot be used are read again at the next call, and until then answered by 503 NOT_CONFIGURED. Only `functions/`
imports this package.

Source: docs/specification/configuration.md.
"""

# ruff: noqa: PLC0415  see above

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from rythmiq.cold_start import defer
from rythmiq.wiring import factories

if TYPE_CHECKING:
    from rythmiq.gateway.application import Application
    from rythmiq.gateway.routes import account, app, health, internal, jobs, metrics, portals, uploads
    from rythmiq.services import Backends
    from rythmiq.services.reconcile import WorkLoop
    from rythmiq.settings.execution import ExecutionSettings

# Before pydantic is imported: looking for its plugins costs a cold start, and there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

_DependenciesT = TypeVar("_DependenciesT")
Function = Callable[[object, object], dict[str, Any]]
APPLICATIONS: dict[str, Function] = {}
"""The functions that this process has built, by `{package}/{function}`."""


def application(name: str) -> Function:
    """Return the function `{package}/{function}`, built at the first call.

    A function that cannot be imported still answers: without a response of ours the platform would show a bare 502.
    During the first call no garbage is collected: imports make thousands of objects, and they all stay.
    """
    if name in APPLICATIONS:
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return APPLICATIONS[name]
    gc.disable()
    defer()
    try:
        APPLICATIONS[name] = BUILDERS[name]()  # what the builder imports is what may fail
        gc.freeze()  # an exit looks through what is not frozen: a fifth of a cold start's CPU
    except Exception as error:  # noqa: BLE001  see above
        line = {"level": "error", "event": "not_wired", "function": name, "error": repr(error)}
        print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201  the log itself may be what failed
        return _unwired
    return APPLICATIONS[name]


def _unwired(_event: object, _context: object) -> dict[str, Any]:
    body = {
        "type": "about:blank",
        "title": "Something unexpected went wrong",
        "status": 500,
        "code": "INTERNAL",
        "detail": "The function could not be imported; its log says why.",
        "errors": [],
        "request_id": None,
    }
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return {"statusCode": 500, "headers": headers, "body": body}


@cache
def allowed_origins() -> frozenset[str]:
    """Return the origins whose pages may read responses; none when the setting cannot be read."""
    from rythmiq.contracts.errors import SettingsError

    try:
        return _public_origins()
    except SettingsError:
        return frozenset()


def build_uploads() -> "Application[uploads.Dependencies]":
    """Build `api/uploads`."""
    from rythmiq.gateway.routes import uploads
    from rythmiq.services.uploads import UploadPolicy, Uploads
    from rythmiq.settings.api import UploadsSettings

    @cache
    def dependencies() -> uploads.Dependencies:
        settings = UploadsSettings.from_environ(os.environ)
        use_cases = Uploads(
            factories.backends_of(settings),
            UploadPolicy(
                max_upload_bytes=settings.max_upload_bytes,
                initial_credits=settings.initial_credits,
                plaintext_allowed=settings.plaintext_allowed,
                method=settings.upload_method,
                url_ttl_s=settings.upload_url_ttl_s,
                rate=factories.rate_of(settings),
                max_bytes_a_day=settings.max_upload_bytes_per_day,
                guest_credits=settings.guest_credits,
            ),
        )
        return uploads.Dependencies(factories.verifier_of(settings), use_cases)

    return uploads.application(dependencies, allowed_origins)


def build_jobs() -> "Application[jobs.Dependencies]":
    """Build `api/jobs`; what dispatches and reconciles is imported when there is something to do."""
    from rythmiq.contracts.origins import OriginRules
    from rythmiq.gateway.routes import jobs
    from rythmiq.services.jobs import JobPolicy, Jobs
    from rythmiq.settings.execution import JobsSettings

    @cache
    def dependencies() -> jobs.Dependencies:
        settings = JobsSettings.from_environ(os.environ)
        backends = factories.backends_of(settings)
        use_cases = Jobs(
            backends,
            work=_work_later(settings, backends),
            policy=JobPolicy(
                origins=OriginRules(
                    endpoint=settings.do_spaces_endpoint,
                    bucket=settings.do_spaces_bucket,
                    allowed_origins=settings.artifact_url_allowed_origins,
                    https_only=settings.service_env == "prod",
                ),
                capacity=factories.capacity_of(settings),
                max_upload_bytes=settings.max_upload_bytes,
                max_active_jobs=settings.max_active_jobs,
                max_pages=settings.max_pages,
                initial_credits=settings.initial_credits,
                download_url_ttl_s=settings.download_url_ttl_s,
                output_url_ttl_s=settings.output_url_ttl_s,
                rate=factories.rate_of(settings),
                guest_credits=settings.guest_credits,
            ),
        )
        return jobs.Dependencies(
            factories.verifier_of(settings), use_cases, f"{settings.public_url}/api", settings.wait_max_s
        )

    return jobs.application(dependencies, allowed_origins)


def build_account() -> "Application[account.Dependencies]":
    """Build `api/account`."""
    from rythmiq.contracts.bodies import AccountLimits
    from rythmiq.gateway.routes import account
    from rythmiq.services.account import Accounts
    from rythmiq.settings.api import AccountSettings

    @cache
    def dependencies() -> account.Dependencies:
        settings = AccountSettings.from_environ(os.environ)
        use_cases = Accounts(
            database=factories.database_of(settings),
            initial_credits=settings.initial_credits,
            limits=AccountLimits(
                max_active_jobs=settings.max_active_jobs,
                max_upload_bytes=settings.max_upload_bytes,
                max_pages=settings.max_pages,
            ),
            guest_credits=settings.guest_credits,
            sign_ins=factories.sign_ins_of(settings),
        )
        return account.Dependencies(factories.verifier_of(settings, guests=True), use_cases)

    return account.application(dependencies, allowed_origins)


def build_portals() -> "Application[portals.Dependencies]":
    """Build `api/portals`, which needs no configuration."""
    from rythmiq.gateway.routes import portals
    from rythmiq.portals import list_portals, show_portal

    return portals.application(_public(lambda: portals.Dependencies(list_portals, show_portal)), allowed_origins)


def build_app() -> "Application[app.Dependencies]":
    """Build `api/app`: a variable that cannot be used leaves the page without signing in; OpenAPI is imported late."""
    from rythmiq.gateway.routes import app

    def openapi() -> Mapping[str, Any]:
        from rythmiq.gateway.openapi import document

        return document()

    def dependencies() -> app.Dependencies:
        return app.Dependencies(openapi, factories.page_files(), factories.page_config(os.environ))

    return app.application(_public(dependencies), allowed_origins)


def build_health() -> "Application[health.Dependencies]":
    """Build `api/health`; its shallow check needs no configuration."""
    from rythmiq.gateway.routes import health

    @cache
    def deep() -> health.Deep:
        from rythmiq.gateway import OperatorGuard
        from rythmiq.settings.api import HealthSettings

        settings = HealthSettings.from_environ(os.environ)
        return health.Deep(OperatorGuard(settings.metrics_token.get_secret_value()), factories.database_of(settings))

    return health.application(_public(lambda: health.Dependencies(deep)), allowed_origins)


def build_webhooks() -> "Application[internal.WebhooksDependencies]":
    """Build `internal/webhooks`; what starts the next job is imported when there is one."""
    from rythmiq.gateway.routes import internal
    from rythmiq.services.settle import Settlement, Webhooks
    from rythmiq.settings.execution import WebhooksSettings

    @cache
    def dependencies() -> internal.WebhooksDependencies:
        settings = WebhooksSettings.from_environ(os.environ)
        backends = factories.backends_of(settings)
        use_cases = Webhooks(
            database=backends.database,
            settlement=Settlement(
                backends, factories.capacity_of(settings), max_failures_a_day=settings.max_failures_per_day
            ),
            work=_work_later(settings, backends),
        )
        return internal.WebhooksDependencies(factories.report_guard_of(settings), use_cases)

    return internal.webhooks(dependencies, allowed_origins)


def build_reconcile() -> "Application[internal.ReconcileDependencies]":
    """Build `internal/reconcile`."""
    from rythmiq.gateway.routes import internal
    from rythmiq.settings.execution import ReconcileSettings

    @cache
    def dependencies() -> internal.ReconcileDependencies:
        settings = ReconcileSettings.from_environ(os.environ)
        work = factories.work_of(settings, factories.backends_of(settings))
        return internal.ReconcileDependencies(factories.secret_guard_of(settings), work)

    return internal.reconcile(dependencies, allowed_origins)


def build_metrics() -> "Application[metrics.Dependencies]":
    """Build `internal/metrics`."""
    from rythmiq.gateway import OperatorGuard
    from rythmiq.gateway.routes import metrics
    from rythmiq.settings.api import MetricsSettings

    @cache
    def dependencies() -> metrics.Dependencies:
        settings = MetricsSettings.from_environ(os.environ)
        guard = OperatorGuard(settings.metrics_token.get_secret_value())
        return metrics.Dependencies(guard, factories.database_of(settings))

    return metrics.application(dependencies, allowed_origins)


BUILDERS: Mapping[str, Callable[[], "Application[Any]"]] = {
    "api/uploads": build_uploads,
    "api/jobs": build_jobs,
    "api/portals": build_portals,
    "api/account": build_account,
    "api/health": build_health,
    "api/app": build_app,
    "internal/webhooks": build_webhooks,
    "internal/reconcile": build_reconcile,
    "internal/metrics": build_metrics,
}


def _public_origins() -> frozenset[str]:
    from rythmiq.settings.api import CorsSettings

    return frozenset(CorsSettings.from_environ(os.environ).allowed_origins)


def _public(make: Callable[[], _DependenciesT]) -> Callable[[], _DependenciesT]:
    """Make the dependencies of a public function once; an unusable ALLOWED_ORIGINS is refused."""

    @cache
    def dependencies() -> _DependenciesT:
        _public_origins()
        return make()

    return dependencies


def _work_later(settings: "ExecutionSettings", backends: "Backends") -> "Callable[[], WorkLoop]":
    return cache(lambda: factories.work_of(settings, backends))
