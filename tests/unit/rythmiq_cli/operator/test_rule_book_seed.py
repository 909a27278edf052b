"""The rule book as migrations: rules of a version never change, and a seed has what differs alone."""

from pathlib import Path

import pytest

from rythmiq.contracts.portal import Portal
from rythmiq.portals import all_portals, load_portal
from rythmiq_cli.operator.migrations import database_dir
from rythmiq_cli.operator.rule_book_seed import RulesChangedError, main, seed_sql, seeds_in, write_seed

BOOK = all_portals()
FIRST = seed_sql(BOOK) or ""


def changed(portal: Portal, **update: object) -> list[Portal]:
    """The book with one portal changed."""
    return [entry.model_copy(update=update) if entry.portal == portal.portal else entry for entry in BOOK]


def other_slots(portal: Portal) -> tuple[object, ...]:
    """A portal's slots, the first of them with another rule."""
    first, *others = portal.slots
    return (first.model_copy(update={"max_kb": 12_345.0}), *others)


def test_the_seeds_together_are_the_rule_book() -> None:
    """When this fails: `make seed`, and commit the migration that it writes."""
    seeds = [file.read_text(encoding="utf-8") for file in seeds_in(database_dir() / "migrations")]
    assert seed_sql(BOOK, seeds) is None


def test_a_rule_book_that_has_not_changed_makes_no_migration(tmp_path: Path) -> None:
    (tmp_path / "0001_tables.sql").touch()
    assert write_seed(tmp_path) == tmp_path / "0002_portal_schemas.sql"
    assert write_seed(tmp_path) is None


def test_a_changed_rule_book_makes_a_new_migration_and_leaves_the_old_one(tmp_path: Path) -> None:
    old = tmp_path / "0001_portal_schemas.sql"
    old.write_text("-- another book")
    assert write_seed(tmp_path) == tmp_path / "0002_portal_schemas.sql"
    assert old.read_text() == "-- another book"


@pytest.mark.parametrize("portal", [load_portal("neet"), load_portal("ssc")], ids=lambda portal: portal.portal)
def test_a_new_version_is_written_and_no_other_portal(portal: Portal) -> None:
    written = seed_sql(changed(portal, version="2099.1", slots=other_slots(portal)), [FIRST])
    assert written is not None
    assert written.count("'2099.1'") == len(portal.slots)
    assert not [other.portal for other in BOOK if other != portal and f"'{other.portal}'" in written]
    assert seed_sql(changed(portal, version="2099.1", slots=other_slots(portal)), [FIRST, written]) is None


@pytest.mark.parametrize(
    "update",
    [
        {"slots": other_slots(load_portal("neet"))},
        {"slots": load_portal("neet").slots[1:]},
        {"name": "Another name, which stands in receipts"},
    ],
    ids=["a rule", "a slot", "the name"],
)
def test_what_changes_under_an_old_version_is_refused(update: dict[str, object]) -> None:
    with pytest.raises(RulesChangedError, match=rf"neet-2026 {load_portal('neet').version} .*raise `version`"):
        seed_sql(changed(load_portal("neet"), **update), [FIRST])


def test_a_version_that_comes_back_must_be_as_it_was() -> None:
    portal = load_portal("neet")
    second = seed_sql(changed(portal, version="2099.1"), [FIRST]) or ""
    back = seed_sql(BOOK, [FIRST, second])
    assert back is not None
    with pytest.raises(RulesChangedError):
        seed_sql(changed(portal, slots=other_slots(portal)), [FIRST, second])
    assert seed_sql(BOOK, [FIRST, second, back]) is None


def test_the_command_refuses_with_exit_code_1_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_portal_schemas.sql").write_text(FIRST)
    monkeypatch.setattr("rythmiq_cli.operator.rule_book_seed.database_dir", lambda: tmp_path)
    assert main() == 0
    book = changed(load_portal("neet"), slots=other_slots(load_portal("neet")))
    monkeypatch.setattr("rythmiq_cli.operator.rule_book_seed.all_portals", lambda: book)
    assert main() == 1
    assert "raise `version`" in capsys.readouterr().err
    assert [file.name for file in migrations.iterdir()] == ["0001_portal_schemas.sql"]


def test_an_alias_that_goes_is_written_alone() -> None:
    written = seed_sql(changed(load_portal("neet"), aliases=("neet-ug",)), [FIRST])
    assert written is not None
    assert "delete from public.portal_aliases where alias = 'neet';" in written
    assert "insert" not in written


def test_a_quote_in_a_name_stays_inside_its_literal_and_is_read_back() -> None:
    portal = BOOK[0].model_copy(update={"name": "O'Neill'); drop table jobs; --"})
    written = seed_sql([portal])
    assert written is not None
    assert "'O''Neill''); drop table jobs; --'" in written
    assert seed_sql([portal], [written]) is None
