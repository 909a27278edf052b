"""The doctor's probes of a database: all well after the migrations, and each finds what it is for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from rythmiq_cli.commands import app
from rythmiq_cli.doctor import Finding, database
from rythmiq_cli.doctor.database import database_findings
from rythmiq_cli.local.postgres import OWNER
from rythmiq_cli.operator import migrations
from tests.rls.access_table import FUNCTIONS, RELATIONS
from tests.support.database_calls import Calls
from tests.support.postgres_fixture import PostgresForTests


def found(url: str) -> dict[str, Finding]:
    """What is found, by probe."""
    return {finding.probe: finding for finding in database_findings(url)}


def changed(url: str, *statements: str) -> dict[str, Finding]:
    """What is found after somebody changed it by hand."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    return found(url)


@pytest.fixture
def plain(postgres: PostgresForTests) -> Iterator[str]:
    """A database as `createdb` leaves it."""
    with postgres.database(template="template0") as url:
        yield url


@pytest.fixture
def unmigrated(postgres: PostgresForTests, plain: str) -> str:
    """A database by Supabase's conventions, with nothing of ours in it."""
    with migrations.open_database(postgres.superuser_url(plain.rpartition("/")[2])) as superuser:
        migrations.bootstrap(superuser)
        superuser.execute("grant usage on schema auth to rythmiq")
    return plain


def test_a_migrated_database_is_well(fresh_database_url: str) -> None:
    findings = found(fresh_database_url)
    states = {name: finding.state for name, finding in findings.items()}
    assert states.pop("last-tick") == "warning"
    assert set(states.values()) == {"ok"}, findings
    assert list(states) == [
        "reach",
        "conventions",
        "roles",
        "migrations",
        "rls",
        "grants",
        "functions",
        "stranger",
        "rule-book",
    ]
    assert "directly" in findings["reach"].said


def test_a_database_without_supabases_roles_is_broken(plain: str) -> None:
    findings = found(plain)
    assert (findings["conventions"].state, list(findings)) == ("broken", ["reach", "conventions"])
    assert "--bootstrap" in findings["conventions"].fix


def test_a_database_without_migrations_is_broken(unmigrated: str) -> None:
    findings = found(unmigrated)
    assert findings["migrations"].state == "broken"
    assert "0001_tables" in findings["migrations"].said
    assert "rythmiq migrate" in findings["migrations"].fix
    assert "rls" not in findings


def test_a_database_that_lacks_the_last_migration_is_broken(fresh_database_url: str) -> None:
    last = migrations.read_migrations()[-1]
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute("delete from rythmiq_ops.rythmiq_migrations where version = %s", [last.version])
    findings = found(fresh_database_url)
    assert findings["migrations"].state == "broken"
    assert last.name in findings["migrations"].said
    assert findings["rls"].state == "ok"


def test_a_release_that_is_older_than_the_database_is_told(fresh_database_url: str) -> None:
    new = "insert into rythmiq_ops.rythmiq_migrations (version, name, sha256) values (9999, 'later', 'x')"
    assert "older than the database" in changed(fresh_database_url, new)["migrations"].said


@pytest.mark.parametrize("how", ["disable row level security", "no force row level security"])
def test_row_level_security_that_is_off_is_broken(fresh_database_url: str, how: str) -> None:
    findings = changed(fresh_database_url, f"alter table public.documents {how}")
    assert (findings["rls"].state, "documents" in findings["rls"].said) == ("broken", True)
    assert findings["grants"].state == "ok"


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("grant select on public.jobs to anon", "anon may select jobs"),
        ("grant update on public.user_credits to authenticated", "authenticated may update user_credits"),
        ("grant select on public.metrics to authenticated", "authenticated may select metrics"),
        ("grant select on public.removals to authenticated", "authenticated may select removals"),
        ("grant select (wrapped_key) on public.jobs to authenticated", "authenticated may read jobs.wrapped_key"),
    ],
)
def test_a_grant_that_is_too_much_is_broken(fresh_database_url: str, grant: str, said: str) -> None:
    grants = changed(fresh_database_url, grant)["grants"]
    assert (grants.state, said in grants.said) == ("broken", True)


@pytest.mark.parametrize(
    ("function", "role"),
    [
        ("credits_grant", "authenticated"),  # writes
        ("job_inspect", "authenticated"),  # reads
        ("key_id", "anon"),  # computes
        ("job_get", "anon"),  # is for those alone who are signed in
    ],
)
def test_a_function_of_the_service_that_is_open_is_broken(fresh_database_url: str, function: str, role: str) -> None:
    functions = changed(fresh_database_url, f"grant execute on function public.{function} to {role}")["functions"]
    said = f"what is the service's alone is open: {role} may call {function}"
    assert (functions.state, functions.said) == ("broken", said)


@pytest.mark.parametrize("function", ["job_get", "queue_state"])
def test_a_function_that_users_need_and_may_not_call_is_broken(fresh_database_url: str, function: str) -> None:
    changed_by_hand = f"revoke execute on function public.{function} from authenticated"
    functions = changed(fresh_database_url, changed_by_hand)["functions"]
    assert (functions.state, functions.said) == ("broken", f"users may not call {function}")


def test_the_doctor_knows_what_is_whose_as_the_table_of_access_has_it() -> None:
    assert set(database._OF_USERS) == {name for name, who in FUNCTIONS.items() if "authenticated" in who}
    assert set(database._SERVICE_TABLES) == {name for name, who in RELATIONS.items() if "authenticated" not in who}
    assert not [name for name, who in FUNCTIONS.items() if "anon" in who]


def test_a_policy_that_shows_others_jobs_is_broken(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        book = connection.execute("select portal, slot, version from public.portal_schemas limit 1").fetchone()
        assert book is not None
        connection.execute("set local role service_role")
        connection.execute(
            "insert into public.jobs"
            " (id, user_id, portal, slot, portal_version, document_id, request_hash, artifact_url) values"
            " (gen_random_uuid(), gen_random_uuid(), %s, %s, %s, gen_random_uuid(), 'x', 'https://a.test/b')",
            book,
        )
    assert found(fresh_database_url)["stranger"].state == "ok"
    wide = "create policy everybody on public.jobs for select to authenticated using (true)"
    assert changed(fresh_database_url, wide)["stranger"].state == "broken"


@pytest.mark.parametrize(
    ("change", "probe"),
    [
        ("grant select on public.jobs to anon; grant update on public.user_credits to authenticated", "grants"),
        ("grant select (wrapped_key) on public.jobs to authenticated", "grants"),
        ("grant execute on function public.credits_grant to authenticated, public", "functions"),
        ("alter table public.documents disable row level security, no force row level security", "rls"),
    ],
)
def test_a_remedy_in_sql_mends_it_as_it_is_printed(fresh_database_url: str, change: str, probe: str) -> None:
    broken = changed(fresh_database_url, change)[probe]
    assert broken.state == "broken"
    typed = re.findall(r"(?:alter|revoke|drop|grant) [^;]*;", broken.fix)
    assert typed
    assert changed(fresh_database_url, *typed)[probe].state == "ok"


def test_a_policy_of_somebody_elses_is_dropped_by_the_remedy(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        calls = Calls(connection, capacity={"max_inflight": 1, "lease_s": 300, "max_attempts": 3})
        calls.job(calls.user(10))
    wide = 'create policy "Every body" on public.jobs for select to authenticated using (true)'
    stranger = changed(fresh_database_url, wide)["stranger"]
    assert stranger.state == "broken"
    (drop,) = re.findall(r"drop policy [^;]*;", stranger.fix)
    assert changed(fresh_database_url, drop)["stranger"].state == "ok"


def test_a_role_that_may_not_act_for_users_is_broken(postgres: PostgresForTests, fresh_database_url: str) -> None:
    name = fresh_database_url.rpartition("/")[2]
    grant = sql.SQL("{} service_role {} {}")
    owner = sql.Identifier(OWNER)
    with psycopg.connect(postgres.superuser_url(name), autocommit=True) as server:
        server.execute(grant.format(sql.SQL("revoke"), sql.SQL("from"), owner))
        try:
            roles = found(fresh_database_url)["roles"]
        finally:
            server.execute(grant.format(sql.SQL("grant"), sql.SQL("to"), owner))
    assert (roles.state, "service_role" in roles.said) == ("broken", True)


def test_a_superuser_is_told(postgres: PostgresForTests, fresh_database_url: str) -> None:
    superuser = postgres.superuser_url(fresh_database_url.rpartition("/")[2])
    assert found(superuser)["reach"].state == "warning"


def test_a_pooler_is_told_by_its_address_or_its_port(database_url: str) -> None:
    # what libpq would say of a pooler's port and the server of its own is the same: they differ
    assert "directly" in found(database_url)["reach"].said
    assert "through a pooler" in found(f"{database_url}?application_name=at@.pooler.")["reach"].said


def test_rules_that_the_database_lacks_are_broken(fresh_database_url: str) -> None:
    old = "update public.portal_schemas set is_current = false where portal = 'neet-2026' and slot = 'photo'"
    book = changed(fresh_database_url, old)["rule-book"]
    assert (book.state, "neet-2026" in book.said) == ("broken", True)


@pytest.mark.parametrize(("age", "state"), [("1 minute", "ok"), ("2 hours", "warning")])
def test_the_age_of_the_last_tick_is_told(fresh_database_url: str, age: str, state: str) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(
            "insert into public.counters (name, label, value)"
            " values ('last_tick_ms', '', extract(epoch from now() - %s::interval) * 1000)",
            [age],
        )
    assert found(fresh_database_url)["last-tick"].state == state


def test_the_owner_sees_a_database_that_the_functions_reach_by_the_data_api(database_url: str, tmp_path: Path) -> None:
    """With DATABASE_URL in the environment and not in the file: both are looked at."""
    away = "http://127.0.0.1:9"
    file = tmp_path / "deploy.env"
    keys = "SUPABASE_ANON_KEY=a\nSUPABASE_SERVICE_ROLE_KEY=b\n"
    file.write_text(f"DATABASE_URL=-\nSUPABASE_URL={away}\n{keys}", encoding="utf-8")

    def probes(exported: str) -> list[tuple[str, str]]:
        arguments = ["doctor", "--only", "database", "--json", "--env", str(file)]
        done = CliRunner().invoke(app, arguments, env={"DATABASE_URL": exported})
        return [(row["probe"], row["state"]) for row in json.loads(done.stdout)["findings"]]

    data_api = probes("-")
    assert {state for _, state in data_api} == {"unreachable"}
    assert ("rls", "ok") in probes(database_url)
    assert probes(database_url)[-len(data_api) :] == data_api


def test_a_database_that_is_away_is_unreachable() -> None:
    findings = found("postgresql://nobody:secret-word@127.0.0.1:9/none")
    assert findings["reach"].state == "unreachable"
    assert "secret-word" not in str(findings)


def test_a_wrong_password_is_told_and_not_shown(database_url: str) -> None:
    host = database_url.rpartition("@")[2]
    findings = found(f"postgresql://rythmiq:wrong-word@{host}")
    assert findings["reach"].state in {"unreachable", "broken"}
    assert "refuses the user or password" in findings["reach"].said
    assert "wrong-word" not in str(findings)


def test_an_address_that_cannot_be_read_is_told() -> None:
    assert found("postgresql:// not a url")["reach"].state == "broken"


def test_sign_ins_of_erased_accounts_that_are_left_are_told_with_what_deletes_them(
    postgres: PostgresForTests, fresh_database_url: str
) -> None:
    """As when Supabase Auth did not answer, or no service key is set."""
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        calls = Calls(connection)
        erased, other = calls.user(), calls.user()
        calls("account_erase", user_id=erased, actor=None)
    with psycopg.connect(postgres.superuser_url(fresh_database_url.rpartition("/")[2]), autocommit=True) as server:
        server.execute("insert into auth.users (id) values (%s), (%s)", [erased, other])
        assert "erased-sign-ins" not in found(fresh_database_url)  # who may not look says nothing
        server.execute(sql.SQL("grant usage on schema auth to {}").format(sql.Identifier(OWNER)))
        server.execute(sql.SQL("grant select, delete on auth.users to {}").format(sql.Identifier(OWNER)))
    finding = found(fresh_database_url)["erased-sign-ins"]
    assert (finding.state, finding.said.split(" ")[0]) == ("warning", "1")
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        connection.execute(finding.fix.removeprefix("in the SQL editor: ").encode())
        assert [str(left) for (left,) in connection.execute("select id from auth.users")] == [other]
    assert "erased-sign-ins" not in found(fresh_database_url)
