"""Probes of the bucket's settings: may our pages use it from a browser, and is it told what infra/spaces says?

They write nothing: a preflight is answered before anybody looks for an object.
"""

from collections.abc import Collection, Iterator
from http import HTTPStatus

import httpx

from rythmiq.adapters.spaces import StoreConfig
from rythmiq_cli.doctor.finding import Finding, Reporter
from rythmiq_cli.operator import bucket_settings as spaces_rules

_REPORT = Reporter("store")
_APPLY = "run `rythmiq spaces apply`"
_STRANGER = "https://stranger.invalid"


def bucket_findings(config: StoreConfig, client: httpx.Client, origins: Collection[str]) -> Iterator[Finding]:
    """Run all of them.

    Args:
        config: the bucket, and a key that may read its settings.
        client: sends preflights.
        origins: of our pages, see `page_origins`.
    """
    if not origins:
        said = "no page's origin is known here (ALLOWED_ORIGINS, PUBLIC_URL)"
        yield _REPORT.warning("cors", said, "give --origin to both `rythmiq doctor` and `rythmiq spaces apply`")
    try:
        yield from (_cors(config, client, origin) for origin in sorted(origins) if origin != "*")
        if "*" not in origins:
            yield _strangers(config, client)
    except httpx.HTTPError as error:
        yield _REPORT.unreachable("cors", f"no answer: {type(error).__name__}", "run it again; check the network")
    yield from _settings(config, origins)


def _preflight(config: StoreConfig, client: httpx.Client, origin: str) -> bool:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,x-amz-acl,if-none-match",
    }
    answer = client.options(f"{config.endpoint.rstrip('/')}/{config.bucket}/raw/preflight", headers=asked)
    allowed = answer.headers.get("access-control-allow-origin") in {origin, "*"}
    return answer.status_code in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} and allowed


def _cors(config: StoreConfig, client: httpx.Client, origin: str) -> Finding:
    if _preflight(config, client, origin):
        return _REPORT.ok("cors", f"the page at {origin} may upload from a browser")
    return _REPORT.broken("cors", f"the page at {origin} may not upload from a browser", _APPLY)


def _strangers(config: StoreConfig, client: httpx.Client) -> Finding:
    if _preflight(config, client, _STRANGER):
        return _REPORT.warning("cors-strangers", "any page may use the bucket from a browser", _APPLY)
    return _REPORT.ok("cors-strangers", "a page elsewhere may not use the bucket from a browser")


def _settings(config: StoreConfig, origins: Collection[str]) -> Iterator[Finding]:
    try:
        changes = {change.part: change for change in spaces_rules.plan(config, origins)}
    except spaces_rules.SpacesError as error:
        fix = "run it once with a key that has full access to the bucket"
        yield _REPORT.warning("settings", f"the bucket's settings cannot be read: {error}", fix)
        return
    if changes["lifecycle"].is_needed:
        yield _REPORT.warning("lifecycle", "nothing is deleted when its time is over", _APPLY)
    else:
        yield _REPORT.ok("lifecycle", "raw objects go after 2 days, outputs after 7, masters after 90")
    if changes["policy"].is_needed:
        fix = f"{_APPLY}; where the store takes no such policy: not needed while `copy-source` is ok"
        yield _REPORT.warning("policy", "the policy of infra/spaces is not installed", fix)
    else:
        yield _REPORT.ok("policy", "copies and public objects are refused by policy")
