"""The Postgres of this machine: who may reach it, what it survives, and that nothing of it is left behind."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from rythmiq_cli.local import free_port, postgres
from rythmiq_cli.local.postgres import (
    LocalPostgres,
    PostgresError,
    apply_migrations,
    local_postgres,
)
from rythmiq_cli.local.postgres import binaries as postgres_binaries
from rythmiq_cli.local.postgres.binaries import find_binaries
from tests.support.postgres_fixture import PostgresForTests

SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
AVAILABLE = [None, *(place for place in SYSTEM if int(place.parent.name) >= 15)]

# What a program does that uses a Postgres and may be interrupted; it prints the address when it is ready.
PROGRAM = """
import signal, sys
from pathlib import Path
from rythmiq_cli.local.postgres import local_postgres
with local_postgres(Path(sys.argv[1]) if sys.argv[1] else None) as server:
    print(server.url, server.pid, flush=True)
    signal.pause()
"""


def wait_until(condition: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended; whose child it was may not have waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processes_in(data_dir: Path) -> set[int]:
    """Processes that work in a data directory."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").samefile(data_dir / "pgdata"):
                found.add(int(entry.name))
    return found


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def ask(url: str, query: str) -> tuple[object, ...] | None:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchone()


@pytest.fixture(scope="module", params=AVAILABLE, ids=lambda place: place.parent.name if place else "chosen")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    directory = tmp_path_factory.mktemp("postgres")
    with LocalPostgres(directory, binaries=find_binaries(request.param), throwaway=True) as found:
        found.provision()
        yield found


# --- who may reach it ------------------------------------------------------------------------------------------------


def test_the_role_owns_the_tables_and_is_no_superuser(server: LocalPostgres) -> None:
    assert ask(
        server.url,
        "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = current_user",
    ) == (False, False, False, True)
    assert ask(server.url, "select tableowner = current_user from pg_tables where tablename = 'jobs'") == (True,)


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_the_role_may_become_each_role_of_the_api(server: LocalPostgres, role: str) -> None:
    assert ask(server.url, f"select set_config('role', '{role}', false)") == (role,)


def test_nobody_gets_in_without_the_password(server: LocalPostgres) -> None:
    wrong = server.url.replace(server.url.split(":")[2].partition("@")[0], "guess")
    assert not answers(wrong)
    assert not answers(f"postgresql://postgres@127.0.0.1:{server.port}/postgres")
    assert answers(server.url)


def test_it_listens_on_loopback_alone(server: LocalPostgres) -> None:
    assert ask(
        server.superuser_url, "select current_setting('listen_addresses'), current_setting('unix_socket_directories')"
    ) == ("127.0.0.1", "")


def test_passwords_are_for_their_owner_alone(server: LocalPostgres) -> None:
    assert stat.S_IMODE((server.data_dir / "postgres.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((server.data_dir / "pgdata").stat().st_mode) == 0o700
    password = server.url.split(":")[2].partition("@")[0]
    assert password.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


def test_the_log_holds_no_statement(server: LocalPostgres) -> None:
    with psycopg.connect(server.url) as connection, pytest.raises(psycopg.Error):
        connection.execute("select 'wrapped-key-of-somebody'::integer")
    assert "somebody" not in (server.data_dir / "postgres.log").read_text(encoding="utf-8")


# --- what it survives ------------------------------------------------------------------------------------------------


def test_a_killed_server_comes_back_at_the_same_address_with_what_was_committed(server: LocalPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("create table if not exists kept (n integer)")
        connection.execute("delete from kept")
        connection.execute("insert into kept values (7)")
    url, first = server.url, server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    server.restart()
    assert server.url == url
    assert server.pid != first
    assert ask(url, "select n from kept") == (7,)


def test_a_killed_server_whose_backend_is_busy_comes_back(server: LocalPostgres) -> None:
    with contextlib.closing(psycopg.connect(server.url)) as connection:
        connection.pgconn.send_query(b"select count(*) from generate_series(1, 1000000000)")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        assert not is_running(connection.info.backend_pid)
    assert answers(server.url)


def test_a_number_in_the_lock_file_that_went_to_another_process_does_not_stop_it(server: LocalPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    lock = server.data_dir / "pgdata" / "postmaster.pid"
    wait_until(lambda: not is_running(int(lock.read_text().partition("\n")[0])))
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.restart()
    assert answers(server.url)


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(server: LocalPostgres) -> None:
    second = LocalPostgres(server.data_dir, binaries=server._binaries)
    with pytest.raises(PostgresError, match="already exists"):
        second.start()
    assert answers(server.url)


def test_a_stopped_server_leaves_no_process_and_starts_again(server: LocalPostgres) -> None:
    wait_until(lambda: processes_in(server.data_dir))
    server.stop()
    assert server.pid is None
    wait_until(lambda: not {pid for pid in processes_in(server.data_dir) if is_running(pid)})
    assert not answers(server.url)
    server.start()
    assert answers(server.url)


def test_a_supervisor_can_own_the_process(server: LocalPostgres) -> None:
    server.stop()
    for _ in range(2):
        process = server.spawn(subprocess.DEVNULL)
        server.wait_ready()
        server.provision()
        assert b"postgres" in Path(f"/proc/{process.pid}/cmdline").read_bytes().partition(b"\0")[0]
        process.kill()
        process.wait()
    server.start()
    assert answers(server.url)


def test_an_interrupted_start_of_the_data_directory_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "pgdata.partial").mkdir()
    (tmp_path / "pgdata.partial" / "half").touch()
    with LocalPostgres(tmp_path, throwaway=True) as server:
        assert ask(server.superuser_url.rpartition("/")[0] + "/postgres", "select 1") == (1,)


def test_data_of_another_major_version_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "pgdata").mkdir()
    (tmp_path / "pgdata" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="Postgres 9"):
        LocalPostgres(tmp_path).prepare()


# --- ports -----------------------------------------------------------------------------------------------------------


def test_a_free_port_that_was_lost_meanwhile_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(postgres, "free_port", lambda: next(ports, None) or free())
        with LocalPostgres(tmp_path, throwaway=True) as server:
            assert server.port != taken.getsockname()[1]


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = LocalPostgres(tmp_path, port=taken.getsockname()[1], throwaway=True)
        server.prepare()
        with pytest.raises(PostgresError, match="could not bind"):
            server.start()
    assert server.pid is None


# --- nothing is left behind ------------------------------------------------------------------------------------------


def test_a_server_ends_with_the_program_that_was_killed_and_its_data_can_be_used_again(tmp_path: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    _, pid = program.stdout.readline().split()
    program.kill()
    program.communicate()
    wait_until(lambda: not is_running(int(pid)))
    wait_until(lambda: not {each for each in processes_in(tmp_path) if is_running(each)})
    with local_postgres(tmp_path) as server:
        assert answers(server.url)


def test_an_interrupted_program_leaves_neither_process_nor_directory(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, ""],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert program.stdout is not None
    _, pid = program.stdout.readline().split()
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["rythmiq"]
    os.killpg(program.pid, signal.SIGINT)  # as a terminal does
    program.communicate()
    assert not is_running(int(pid))
    assert list(tmp_path.iterdir()) == []


# --- DATABASE_URL ----------------------------------------------------------------------------------------------------


def test_a_database_of_somebody_else_is_made_to_look_like_supabase_and_migrated(postgres: PostgresForTests) -> None:
    with postgres.database(template="template0") as url:
        for _ in range(2):
            apply_migrations(url, bootstrap=True)
        assert ask(url, "select count(*) > 0 from portal_schemas") == (True,)


# --- which binaries --------------------------------------------------------------------------------------------------


def test_without_any_postgres_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "_WHEEL", "no_such_package")
    monkeypatch.setattr(postgres_binaries, "_DEBIAN", Path("/no/such/place"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(postgres_binaries.PostgresMissingError, match=r"rythmiq-one\[local\]"):
        find_binaries()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another account")
def test_a_wheel_that_the_servers_account_cannot_reach_is_copied_where_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = postgres_binaries._wheel()
    assert wheel is not None
    hidden, reachable = tmp_path / "hidden", Path(tempfile.mkdtemp())
    hidden.mkdir(mode=0o700)
    package = wheel.parents[1]
    shutil.copytree(package, hidden / package.name, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), hidden / f"{package.name}.libs")
    monkeypatch.setattr(postgres_binaries, "_wheel", lambda: hidden / wheel.relative_to(package.parent))
    monkeypatch.setattr(postgres_binaries, "_DEBIAN", Path("/no/such/place"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(tempfile, "tempdir", str(reachable))
    reachable.chmod(0o755)
    try:
        copied = find_binaries()
        assert copied.directory.is_relative_to(reachable)
        assert find_binaries() == copied
        with LocalPostgres(tmp_path / "data", binaries=copied, throwaway=True) as server:
            assert server.pid is not None
    finally:
        shutil.rmtree(reachable)
