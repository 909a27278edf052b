"""Which URLs this worker fetches: the shared rule (`rythmiq.contracts.origins`) under its own settings."""

from rythmiq.contracts.origins import (
    OriginRefusedError,
    OriginRules,
    Permitted,
    is_reachable,
    store_origin,
)
from rythmiq.contracts.origins import own_key as _own_key
from rythmiq.contracts.origins import permitted as _permitted
from rythmiq.settings.worker import WorkerSettings

__all__ = ["OriginRefusedError", "Permitted", "is_reachable", "own_key", "permitted", "store_origin"]


def permitted(url: str, settings: WorkerSettings) -> Permitted:
    """Check an `artifact_url`.

    Raises:
        OriginRefusedError: it is not to be fetched (FETCH_FAILED).
    """
    return _permitted(url, _rules(settings))


def own_key(url: str, settings: WorkerSettings) -> str | None:
    """What a URL into our own bucket names there, not yet validated; None for any other URL.

    Raises:
        OriginRefusedError: it is not a URL that anybody may have fetched.
    """
    return _own_key(url, _rules(settings))


def _rules(settings: WorkerSettings) -> OriginRules:
    return OriginRules(
        settings.spaces_endpoint,
        settings.spaces_bucket,
        settings.artifact_url_allowed_origins,
        https_only=settings.service_env == "prod",
    )
