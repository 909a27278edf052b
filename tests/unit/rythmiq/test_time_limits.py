"""What a call may wait for outside fits in the time of the function that makes it (project.yml), which then says so."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from rythmiq.adapters.postgres import PATIENCE_S, PostgresTransport
from rythmiq.adapters.supabase import SupabaseTransport
from rythmiq.gateway import tokens
from rythmiq.gateway.routes.internal import WITHIN_S
from rythmiq.services import reconcile, settle
from rythmiq.services.dispatch import SUBMIT_S

PROJECT = yaml.safe_load((Path(__file__).parents[3] / "project.yml").read_text(encoding="utf-8"))
LIMITS_S = {
    f"{package['name']}/{function['name']}": function["limits"]["timeout"] / 1000
    for package in PROJECT["packages"]
    for function in package["functions"]
}


def default(made: type, name: str) -> Any:
    """The default of an argument of its constructor."""
    return inspect.signature(made).parameters[name].default


SUPABASE_S = 1.5 * default(SupabaseTransport, "timeout_s")  # half of it for the connection
POSTGRES_S = (
    default(PostgresTransport, "connect_timeout_s") + default(PostgresTransport, "statement_timeout_s") + PATIENCE_S
)


@pytest.mark.parametrize("database_s", [SUPABASE_S, POSTGRES_S], ids=["supabase", "postgres"])
@pytest.mark.parametrize("function", LIMITS_S)
def test_a_silent_database_is_given_up_in_time(function: str, database_s: float) -> None:
    """With keys that could not be had before."""
    assert tokens.TIMEOUT_S + database_s < LIMITS_S[function]


def test_a_tick_that_works_to_its_end_is_written_down_in_time() -> None:
    written_s = default(SupabaseTransport, "timeout_s")
    assert WITHIN_S + written_s <= LIMITS_S["internal/reconcile"]
    assert reconcile.TICK_S < WITHIN_S


def test_a_webhook_packs_and_starts_the_next_job_in_time() -> None:
    assert LIMITS_S["internal/webhooks"] > settle.SETTLE_S + SUBMIT_S + 2 * SUPABASE_S
