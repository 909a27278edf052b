"""The store of the local cloud: which one it is, and that it knows its rules."""

from collections.abc import Mapping

from rich.markup import escape

from rythmiq.adapters.spaces import StoreConfig
from rythmiq_cli.local.cloud_errors import CloudError, CloudUsageError
from rythmiq_cli.local.environment import given
from rythmiq_cli.local.log import CloudLog
from rythmiq_cli.local.store.server import make_bucket
from rythmiq_cli.operator import bucket_settings as spaces_rules
from rythmiq_cli.operator.page_origins import page_origins

REGION, BUCKET = "sgp1", "rythmiq"


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


def prepare_outside(store: StoreConfig) -> StoreConfig:
    """Make the bucket if it is missing.

    Raises:
        CloudError: the store does not answer, or refuses.
    """
    try:
        make_bucket(store)
    except Exception as error:
        raise CloudError(f"the store at {store.endpoint} does not answer: {type(error).__name__}") from error
    return store


def set_rules(store: StoreConfig, port: int, values: Mapping[str, str], log: CloudLog, *, is_ours: bool) -> None:
    """Give a store that runs elsewhere all of its rules; ours needs to know the page's origins only.

    Raises:
        CloudError: it does not answer. What it refuses is told, and left so.
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
