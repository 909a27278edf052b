"""`rythmiq migrate` on a real Postgres: in order, each once, by a role that is no superuser, as on Supabase."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from rythmiq.portals import all_portals
from rythmiq_cli.commands import app
from rythmiq_cli.operator import migrations
from rythmiq_cli.operator.migrations import Migration, MigrationError
from tests.support.postgres_fixture import PostgresForTests

ROOT = Path(__file__).parents[2]


def run(url: str | None, *arguments: str) -> Result:
    """The command, with DATABASE_URL set or not."""
    return CliRunner().invoke(app, ["migrate", *arguments], env={"DATABASE_URL": url})


def process(url: str, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("rythmiq")), "migrate", "--json"],
        env={**os.environ, "DATABASE_URL": url, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def files(*texts: str) -> tuple[Migration, ...]:
    """Migrations of a test's own."""
    return tuple(
        Migration(number, f"step{number}", text, f"sha-{number}") for number, text in enumerate(texts, start=1)
    )


def recorded(url: str) -> list[tuple[int, str, str]]:
    """What the database says was applied."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select version, name, sha256 from rythmiq_ops.rythmiq_migrations order by version"
        ).fetchall()


@pytest.fixture
def plain(postgres: PostgresForTests) -> Iterator[str]:
    """A database without auth.uid(), as `createdb` leaves it; its owner is no superuser."""
    with postgres.database(template="template0") as url:
        yield url


@pytest.fixture
def supabase(postgres: PostgresForTests, plain: str) -> str:
    """A database by Supabase's conventions, with nothing of ours in it."""
    with migrations.open_database(postgres.superuser_url(plain.rpartition("/")[2])) as superuser:
        migrations.bootstrap(superuser)
        superuser.execute("grant usage on schema auth to rythmiq")
    return plain


# --- the command -----------------------------------------------------------------------------------------------------


def test_everything_is_applied_by_a_role_that_is_no_superuser_and_again_nothing(supabase: str) -> None:
    first = run(supabase, "--json")
    assert (first.exit_code, first.stderr) == (0, "")
    listed = migrations.read_migrations()
    assert json.loads(first.stdout) == {
        "ok": True,
        "applied": [{"version": entry.version, "name": entry.name} for entry in listed],
    }
    assert recorded(supabase) == [(entry.version, entry.name, entry.sha256) for entry in listed]
    second = run(supabase)
    assert (second.exit_code, second.stdout) == (0, "nothing is left to apply\n")


def test_the_rule_book_is_in_the_database_afterwards(supabase: str) -> None:
    assert run(supabase).exit_code == 0
    with psycopg.connect(supabase) as connection:
        rows = connection.execute("select portal, slot, version from portal_schemas where is_current").fetchall()
    assert set(rows) == {(book.portal, slot.slot, book.version) for book in all_portals() for slot in book.slots}


def test_check_says_what_is_left_and_changes_nothing(supabase: str) -> None:
    before = run(supabase, "--check")
    assert before.exit_code == 1
    assert "pending 0001_" in before.stdout
    with psycopg.connect(supabase) as connection:
        assert connection.execute("select to_regclass('jobs'), to_regnamespace('rythmiq_ops')").fetchone() == (
            None,
            None,
        )
    assert run(supabase).exit_code == 0
    assert run(supabase, "--check").exit_code == 0


def test_several_at_once_apply_each_file_once(supabase: str) -> None:
    running = [process(supabase) for _ in range(3)]
    answers = [json.loads(each.communicate(timeout=120)[0]) for each in running]
    assert [each.returncode for each in running] == [0, 0, 0]
    applied = [entry["version"] for answer in answers for entry in answer["applied"]]
    assert sorted(applied) == [entry.version for entry in migrations.read_migrations()]


def test_a_file_that_changed_after_it_was_applied_is_refused(database_url: str, fresh_database_url: str) -> None:
    assert run(database_url, "--check").exit_code == 0
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute("update rythmiq_ops.rythmiq_migrations set sha256 = 'other' where version = 2")
    for arguments in ([], ["--check"]):
        answer = run(fresh_database_url, *arguments, "--json")
        assert answer.exit_code == 1
        assert "0002_guards.sql was applied and has changed since" in json.loads(answer.stdout)["error"]


def test_a_release_older_than_the_database_is_refused(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(
            "insert into rythmiq_ops.rythmiq_migrations (version, name, sha256)"
            " select max(version) + 1, 'of_tomorrow', '' from rythmiq_ops.rythmiq_migrations"
        )
    answer = run(fresh_database_url)
    assert answer.exit_code == 1
    assert "_of_tomorrow.sql" in answer.stderr


def test_a_plain_postgres_is_told_apart_and_can_be_made_to_fit(plain: str) -> None:
    refused = run(plain)
    assert refused.exit_code == 2
    assert "--bootstrap" in refused.stderr
    assert run(plain, "--bootstrap").exit_code == 0
    assert run(plain, "--check").exit_code == 0


def test_what_is_supabase_already_is_not_bootstrapped(postgres: PostgresForTests, supabase: str) -> None:
    with psycopg.connect(postgres.superuser_url(supabase.rpartition("/")[2]), autocommit=True) as superuser:
        superuser.execute("create or replace function auth.uid() returns uuid language sql as $$ select null::uuid $$")
    assert run(supabase, "--bootstrap").exit_code == 0
    with psycopg.connect(supabase) as connection:
        assert connection.execute("select prosrc from pg_proc where proname = 'uid'").fetchone() == (
            " select null::uuid ",
        )


def test_a_role_without_rights_is_told_so(postgres: PostgresForTests, supabase: str) -> None:
    visitor = f"postgresql://visitor:guest@{supabase.partition('@')[2]}"
    plain = f"postgresql://visitor:guest@{postgres.superuser_url('postgres').partition('@')[2]}"
    with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as superuser:
        superuser.execute("create role visitor login password 'guest'")
        try:
            answers = [run(visitor), run(plain, "--bootstrap")]
        finally:
            superuser.execute("drop role visitor")
    assert [answer.exit_code for answer in answers] == [1, 1]
    assert "0001_tables.sql" in answers[0].stderr
    assert "bootstrap_supabase.sql" in answers[1].stderr


def test_a_record_that_may_not_be_read_is_told_so(postgres: PostgresForTests, fresh_database_url: str) -> None:
    with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as superuser:
        superuser.execute("create role visitor login password 'guest'")
        try:
            answer = run(f"postgresql://visitor:guest@{fresh_database_url.partition('@')[2]}", "--check")
        finally:
            superuser.execute("drop role visitor")
    assert answer.exit_code == 4
    assert "42501" in answer.stderr


def test_a_wrong_password_is_named_and_not_told(supabase: str) -> None:
    answer = run(None, "--database-url", f"postgresql://rythmiq:hunter2@{supabase.partition('@')[2]}")
    assert answer.exit_code == 4
    assert "password" in answer.stderr
    assert "hunter2" not in answer.stderr


@pytest.mark.parametrize("url", [None, "", "-"])
def test_no_database_at_all_is_a_wrong_use(url: str | None) -> None:
    answer = run(url)
    assert answer.exit_code == 2
    assert "DATABASE_URL" in answer.stderr


def test_a_url_that_is_none_is_a_wrong_use_and_not_told() -> None:
    answer = run("postgresql://u:hunter2%@h/d")
    assert answer.exit_code == 2
    assert "hunter2" not in answer.stderr


def test_checking_and_bootstrapping_exclude_each_other() -> None:
    assert run("postgresql://nobody", "--check", "--bootstrap").exit_code == 2


# --- one transaction a file ------------------------------------------------------------------------------------------


def test_a_file_that_does_not_apply_changes_nothing_and_those_before_it_stay(supabase: str) -> None:
    broken = files("create table first ()", "create table second (); create table first ()", "create table third ()")
    with migrations.open_database(supabase) as connection:
        with pytest.raises(MigrationError, match=r'0002_step2\.sql does not apply: relation "first" already exists'):
            migrations.migrate(connection, broken)
        assert [entry.version for entry in migrations.applied_migrations(connection)] == [1]
        assert connection.execute("select to_regclass('second')").fetchone() == (None,)
        mended = (broken[0], replace(broken[1], sql="create table second ()"), broken[2])
        assert migrations.migrate(connection, mended) == mended[1:]


def test_the_data_api_is_told_of_new_functions(supabase: str) -> None:
    with psycopg.connect(supabase, autocommit=True) as listening, migrations.open_database(supabase) as connection:
        listening.execute("listen pgrst")
        migrations.migrate(connection, files("select 1"))
        told = [(note.channel, note.payload) for note in listening.notifies(timeout=10, stop_after=1)]
    assert told == [("pgrst", "reload schema")]


def test_the_lock_of_a_migration_ends_with_its_transaction(supabase: str) -> None:
    with migrations.open_database(supabase) as connection:
        migrations.migrate(connection, files("select 1"))
        locks = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        held = connection.execute(locks).fetchone()
        left = connection.execute(
            "select current_setting('statement_timeout'), current_setting('lock_timeout')"
        ).fetchone()
    assert (held, left) == ((0,), ("0", "0"))


# --- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0001_a.sql", "2_b.sql"], "is not named"),
        (["0001_a.sql", "0003_b.sql"], "are not 1 to 2"),
        (["0001_a.sql", "0001_b.sql"], "are not 1 to 2"),
    ],
)
def test_files_are_numbered_without_a_gap(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(MigrationError, match=said):
        migrations.read_migrations(tmp_path)


def test_an_installed_distribution_carries_them(tmp_path: Path, supabase: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    place = {"PYTHONPATH": str(tmp_path / "installed")}
    found = subprocess.run(
        [sys.executable, "-c", "from rythmiq_cli.operator import migrations; print(migrations.database_dir())"],
        env={**os.environ, **place},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(found.stdout.strip()) == tmp_path / "installed" / "rythmiq_cli" / "database"
    with process(supabase, **place) as installed_command:
        assert installed_command.wait(timeout=120) == 0
    assert run(supabase, "--check").exit_code == 0
