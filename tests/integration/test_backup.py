"""The back-up of docs/deploy.md, by the page's own lines: the rows of one database, into a fresh project.

The project is one of the older kind, where everything new is granted to everybody.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from rythmiq_cli.doctor.database import database_findings
from rythmiq_cli.local.postgres import OWNER
from rythmiq_cli.local.postgres.binaries import find_binaries
from rythmiq_cli.operator import migrations
from tests.support.database_calls import Calls
from tests.support.postgres_fixture import PostgresForTests

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8").partition("## Back-up")[2].partition("\n## ")[0]
KEEP, RESTORE = re.findall(r"(?:^ {4}.*\n)+", SECTION, re.MULTILINE)
CAPACITY = {"max_inflight": 1, "lease_s": 300, "max_attempts": 3}


@pytest.fixture
def project(postgres: PostgresForTests) -> Iterator[str]:
    """A project with nothing of ours in it."""
    owner = sql.Identifier(OWNER)
    right = sql.SQL("{} set on parameter session_replication_role {} {}")  # as Supabase's `postgres` has it
    with (
        postgres.database(template="template0") as url,
        psycopg.connect(postgres.superuser_url(url.rpartition("/")[2]), autocommit=True) as server,
    ):
        migrations.bootstrap(server)
        server.execute(sql.SQL("grant usage on schema auth to {}").format(owner))
        server.execute(right.format(sql.SQL("grant"), sql.SQL("to"), owner))
        for what in ("tables", "functions", "sequences"):
            grant = "alter default privileges for role {} in schema public grant all on {} to anon, authenticated"
            server.execute(sql.SQL(grant).format(owner, sql.SQL(what)))
        yield url
        server.execute(right.format(sql.SQL("revoke"), sql.SQL("from"), owner))


def shell(lines: str, folder: Path, *, typed: str = "", **environ: str) -> None:
    """Run lines of the page where our command and Postgres' own are at hand."""
    named = os.environ.get("RYTHMIQ_TEST_POSTGRES_BIN")
    binaries = find_binaries(Path(named) if named else None).directory
    path = os.pathsep.join([str(Path(sys.executable).parent), str(binaries), os.environ["PATH"]])
    command = [shutil.which("bash") or "bash", "-euc", lines]
    subprocess.run(command, cwd=folder, env={"PATH": path, **environ}, input=typed, text=True, check=True)


def rows(url: str) -> dict[str, list[Any]]:
    """Every row of every table but the rule book, which the migrations bring."""
    listed = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(listed)]
        return {
            name: connection.execute(
                sql.SQL("select t::text from public.{} t order by 1").format(sql.Identifier(name))
            ).fetchall()
            for name in names
            if name not in {"portal_schemas", "portal_aliases"}
        }


def test_the_rows_of_a_database_go_on_in_another_with_nothing_open(
    fresh_database_url: str, project: str, tmp_path: Path
) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        calls = Calls(connection, capacity=CAPACITY)
        user = calls.user(10)
        calls.complete(calls.job(user))
        calls.fail(calls.job(user))
        waiting = [calls.job(user) for _ in range(2)][-1]
    shell(KEEP, tmp_path, OWNER_URL=fresh_database_url)

    *lines, doctor = RESTORE.strip().split("\n")
    assert "rythmiq doctor" in doctor  # by the functions below: the page's has a whole deployment before it
    shell("\n".join(lines), tmp_path, typed=f"{project}\n")

    assert rows(project) == rows(fresh_database_url)
    assert {finding.state for finding in database_findings(project)} <= {"ok", "warning"}
    with psycopg.connect(project) as connection:
        calls = Calls(connection, capacity={**CAPACITY, "max_inflight": 2})
        assert calls("jobs_tick", **calls.capacity)["dispatch"]["job_id"] == waiting["id"]
        assert calls.job(user)["status"] == "pending"


def pretending(folder: Path, name: str, version: str) -> str:
    """A Postgres program of that version, which writes down what a list of processes would show; its folder."""
    program = folder / name
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{name} (PostgreSQL) {version}"; exit; fi\n'
        f'printf "%s\\n" "$0" "$@" >{folder}/seen\nprintf %s "$PGPASSWORD" >{folder}/password\n'
    )
    program.chmod(0o700)
    return str(folder)


def backup(*arguments: str, url: str, path: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("rythmiq")), "backup", *arguments]
    environ = {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "DATABASE_URL": url}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_no_list_of_processes_shows_the_password_and_nobody_else_reads_the_file(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "rows.sql"
    password = urlsplit(database_url).password
    assert password
    done = backup("keep", str(file), "--json", url=database_url, path=pretending(tmp_path, "pg_dump", "99.1"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ok": True, "file": str(file), "size_bytes": 0}
    seen = (tmp_path / "seen").read_text()
    assert "--data-only" in seen
    assert password not in seen
    assert (tmp_path / "password").read_text() == password
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("name", "arguments"), [("pg_dump", ["keep"]), ("psql", ["restore"])])
def test_a_program_that_is_older_than_the_server_is_refused_with_what_to_install(
    database_url: str, tmp_path: Path, name: str, arguments: list[str]
) -> None:
    file = tmp_path / "rows.sql"
    file.touch()
    done = backup(*arguments, str(file), url=database_url, path=pretending(tmp_path, name, "14.9"))
    assert (done.returncode, "postgresql-client-" in done.stderr) == (2, True)
    assert not (tmp_path / "seen").exists()


def test_a_back_up_that_breaks_off_leaves_the_one_before(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.sql"
    file.write_text("before")
    path = pretending(tmp_path, "pg_dump", "99.1")
    (tmp_path / "pg_dump").write_text((tmp_path / "pg_dump").read_text() + "exit 1\n")
    assert backup("keep", str(file), url=database_url, path=path).returncode == 1
    assert (file.read_text(), list(tmp_path.glob("*.part"))) == ("before", [])


def test_what_no_variable_of_libpq_says_is_refused(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.sql"
    done = backup("keep", str(file), url=f"{database_url}?keepalives=0", path=str(tmp_path))
    assert (done.returncode, "keepalives" in done.stderr) == (2, True)
