"""The rule book in the table, and what a newer one leaves there."""

from collections.abc import Sequence

import pytest

from rythmiq.contracts.portal import Portal, SchemaDefinition
from rythmiq.portals import all_portals, load_portal
from rythmiq_cli.operator.migrations import database_dir
from rythmiq_cli.operator.rule_book_seed import seed_sql, seeds_in
from tests.support.database_calls import Calls

SEEDS = [file.read_text(encoding="utf-8") for file in seeds_in(database_dir() / "migrations")]
BOOK = {(portal.portal, slot.slot, portal.version): slot for portal in all_portals() for slot in portal.slots}


def test_the_table_holds_the_rule_book(sql: Calls) -> None:
    rows = sql.rows("select portal, slot, version, schema_definition from public.portal_schemas where is_current")
    found = {(portal, slot, version): SchemaDefinition.model_validate(rules) for portal, slot, version, rules in rows}
    assert found == {key: slot.schema_definition for key, slot in BOOK.items()}


def test_the_table_holds_the_names_without_a_year(sql: Calls) -> None:
    found = dict(sql.rows("select alias, portal from public.portal_aliases"))
    assert found == {alias: portal.portal for portal in all_portals() for alias in portal.aliases}


def test_seeding_again_changes_nothing(sql: Calls) -> None:
    before = _book_of(sql)
    sql.connection.execute(sql_of(all_portals(), []))
    assert _book_of(sql) == before


def test_a_name_goes_to_the_portal_that_has_it_now(sql: Calls) -> None:
    next_year = load_portal("neet").model_copy(update={"portal": "neet-2027"})
    sql.connection.execute(sql_of([next_year], SEEDS))
    found = dict(sql.rows("select alias, portal from public.portal_aliases"))
    assert found == dict.fromkeys(next_year.aliases, "neet-2027")


def test_a_book_without_other_names_leaves_none(sql: Calls) -> None:
    sql.connection.execute(sql_of([load_portal("ssc")], SEEDS))
    assert sql.rows("select alias, portal from public.portal_aliases") == []
    assert sql.rows("select distinct portal from public.portal_schemas where is_current") == [("ssc",)]


def test_a_newer_rule_book_keeps_the_versions_that_jobs_are_pinned_to(sql: Calls) -> None:
    job = sql.job()
    newer = [portal.model_copy(update={"version": "2099.1"}) for portal in all_portals()]
    sql.connection.execute(sql_of(newer, SEEDS))
    current = sql.rows("select distinct version from public.portal_schemas where is_current")
    assert current == [("2099.1",)]
    assert sql.job()["portal_version"] == "2099.1"
    sql("job_fail_attempt", **_retry(job))
    sql.advance(60)
    work = sql("jobs_tick", **sql.capacity)
    assert work["dispatch"]["portal_version"] == job["portal_version"]


@pytest.mark.parametrize(
    "portal", ["neet-2026", "jee-main-2026", "aadhaar-update", "passport-india", "college-generic"]
)
def test_the_portals_of_the_specification_are_there(sql: Calls, portal: str) -> None:
    assert sql.value("select count(*) from public.portal_schemas where is_current and portal = %s", portal) >= 1


def sql_of(portals: Sequence[Portal], earlier: Sequence[str]) -> bytes:
    """A seed that differs from the earlier ones."""
    text = seed_sql(portals, earlier)
    assert text is not None
    return text.encode()


def _book_of(sql: Calls) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    rules = sql.rows("select * from public.portal_schemas order by portal, slot, version")
    return rules, sql.rows("select * from public.portal_aliases order by alias")


def _retry(job: dict[str, object]) -> dict[str, object]:
    error = {"code": "UPLOAD_FAILED", "stage": "upload", "message": "no", "retryable": True, "detail": None}
    return {
        "job_id": job["id"],
        "attempt": 1,
        "error": error,
        "metrics": None,
        "retry": True,
        "max_inflight": 4,
        "lease_s": 300,
        "max_attempts": 3,
    }
