"""Every function over the use cases of `service_rig`: HTTP in front, a real Postgres behind.

A test plays clients with tokens, launchers with secrets and operators with theirs.
"""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt

from rythmiq import __version__
from rythmiq.gateway import OperatorGuard
from rythmiq.gateway.openapi import FUNCTIONS, document
from rythmiq.gateway.routes import account, app, health, internal, jobs, metrics, portals, uploads
from rythmiq.gateway.routes.app import PageConfig, PageFiles
from rythmiq.gateway.routes.internal import ReportGuard, SecretGuard
from rythmiq.gateway.tokens import SecretKey, TokenVerifier
from rythmiq.portals import list_portals, show_portal
from tests.support.json_schema import check
from tests.support.service_rig import BASE_URL, SECRET, Rig, User
from tests.support.web_calls import Function, Seen, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

ISSUER = "https://project.supabase.test/auth/v1"
JWT_SECRET = "a secret of at least thirty-two bytes"
METRICS_TOKEN = "a token of operators"
PAGE = "https://page.example"
VERSION = __version__
OPENAPI = document()


def page_origins() -> tuple[str, ...]:
    """One page may read the answers."""
    return (PAGE,)


def token_of(user: User, **changes: Any) -> str:
    """A JWT as Supabase would sign it."""
    claims = {
        "iss": ISSUER,
        "sub": user.user_id,
        "aud": "authenticated",
        "role": "authenticated",
        "exp": int(time.time()) + 3_600,
        **changes,
    }
    return jwt.encode(claims, JWT_SECRET, "HS256")


def as_user(user: User, **headers: str) -> dict[str, str]:
    """The headers of a user's call."""
    return {"Authorization": f"Bearer {token_of(user)}", **headers}


RECONCILE_SECRET = "a secret of schedulers"
AS_LAUNCHER = {"X-Webhook-Secret": SECRET}
AS_SCHEDULER = {"X-Reconcile-Secret": RECONCILE_SECRET}
PAGE_FILES = PageFiles(Path(__file__).parents[2] / "page")
AS_OPERATOR = {"Authorization": f"Bearer {METRICS_TOKEN}"}


class Doors:
    """The functions, by path; they see what `rig` is at each call."""

    def __init__(self, rig: Rig) -> None:
        origins = page_origins
        keys = SecretKey(JWT_SECRET)
        verifier = TokenVerifier(issuer=ISSUER, keys=keys, guests=rig.guest_credits > 0)
        anybody = TokenVerifier(issuer=ISSUER, keys=keys, guests=True)
        reporter, operator = ReportGuard(SECRET, None, rig.clock), OperatorGuard(METRICS_TOKEN)
        ticker = SecretGuard(RECONCILE_SECRET, None)
        self.functions: Mapping[str, Function] = {
            "api/uploads": uploads.application(lambda: uploads.Dependencies(verifier, rig.uploads), origins),
            "api/jobs": jobs.application(
                lambda: jobs.Dependencies(verifier, rig.jobs, f"{BASE_URL}/api", wait_max_s=10.0), origins
            ),
            "api/account": account.application(lambda: account.Dependencies(anybody, rig.accounts), origins),
            "api/portals": portals.application(lambda: portals.Dependencies(list_portals, show_portal), origins),
            "api/app": app.application(lambda: app.Dependencies(document, PAGE_FILES, PageConfig()), origins),
            "api/health": health.application(
                lambda: health.Dependencies(lambda: health.Deep(operator, rig.database)), origins
            ),
            "internal/webhooks": internal.webhooks(
                lambda: internal.WebhooksDependencies(reporter, rig.webhooks), origins
            ),
            "internal/reconcile": internal.reconcile(lambda: internal.ReconcileDependencies(ticker, rig.loop), origins),
            "internal/metrics": metrics.application(lambda: metrics.Dependencies(operator, rig.database), origins),
        }
        assert set(self.functions) == set(FUNCTIONS)

    def __call__(self, method: str, path: str, **call: Any) -> Seen:
        """Call `/{package}/{function}[/...]`; the answer has to be what OpenAPI says."""
        package, function, *rest = path.strip("/").split("/")
        below = "".join(f"/{part}" for part in rest)
        seen = ask(self.functions[f"{package}/{function}"], method, below, **call)
        check_against_openapi(method, f"/{package}/{function}", below, seen)
        return seen


def check_against_openapi(method: str, function: str, below: str, seen: Seen) -> None:
    """Hold an answer against the document: its status, type, headers and body."""
    paths = OPENAPI["paths"]
    template = next((path for path in (function + below, *_templates(function)) if path in paths), None)
    operation = paths[template].get(method.lower()) if template is not None else None
    if operation is None or (below and template == function):
        assert seen.status in {204, 404, 405}  # a preflight, or what is not there
        return
    answer = operation["responses"][str(seen.status)]
    if "$ref" in answer:
        answer = OPENAPI["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    for name in answer.get("headers", {}):
        assert name == "Retry-After" or name.lower() in seen.headers
    if "content" not in answer:
        assert seen.body == ""
        return
    media_type = seen.headers["content-type"].partition(";")[0]
    check(json.loads(json.dumps(seen.body)), answer["content"][media_type]["schema"], OPENAPI)


def _templates(function: str) -> list[str]:
    return [path for path in OPENAPI["paths"] if path.startswith(f"{function}/{{")]
