"""The rule book as a migration."""

from pathlib import Path

from rythmiq.portals import all_portals
from rythmiq_cli.operator.migrations import database_dir
from rythmiq_cli.operator.rule_book_seed import latest_seed, seed_sql, write_seed


def test_the_newest_seed_is_the_rule_book() -> None:
    """When this fails: `make seed`, and commit the migration that it writes."""
    latest = latest_seed(database_dir() / "migrations")
    assert latest is not None
    assert latest.read_text(encoding="utf-8") == seed_sql(all_portals())


def test_a_rule_book_that_has_not_changed_makes_no_migration(tmp_path: Path) -> None:
    (tmp_path / "0001_tables.sql").touch()
    first = write_seed(tmp_path)
    assert first == tmp_path / "0002_portal_schemas.sql"
    assert write_seed(tmp_path) is None


def test_a_changed_rule_book_makes_a_new_migration_and_leaves_the_old_one(tmp_path: Path) -> None:
    old = tmp_path / "0001_portal_schemas.sql"
    old.write_text("-- another book")
    assert write_seed(tmp_path) == tmp_path / "0002_portal_schemas.sql"
    assert old.read_text() == "-- another book"


def test_a_quote_in_a_name_stays_inside_its_literal() -> None:
    portal = all_portals()[0].model_copy(update={"name": "O'Neill'); drop table jobs; --"})
    assert "'O''Neill''); drop table jobs; --'" in seed_sql([portal])
