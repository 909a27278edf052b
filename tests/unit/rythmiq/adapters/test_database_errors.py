"""Which error an SQLSTATE is, and what a URL becomes before libpq sees it."""

import subprocess
import sys

import pytest
from psycopg.conninfo import conninfo_to_dict

from rythmiq.adapters.database import database_error, storable
from rythmiq.adapters.postgres import PostgresTransport, connection_string
from rythmiq.contracts.errors import SettingsError
from rythmiq.ports import AccountErasedError, DatabaseFaultError, DatabaseNotReadyError, DatabaseUnavailableError


@pytest.mark.parametrize(
    "sqlstate", ["08006", "53300", "57P01", "57014", "58030", "25006", "40001", "40003", "40P01", "55P03"]
)
def test_what_may_pass_is_unavailable(sqlstate: str) -> None:
    assert type(database_error(sqlstate)) is DatabaseUnavailableError


@pytest.mark.parametrize("sqlstate", ["28P01", "3D000", "3F000", "42883", "42P01", "42501", "0P000", "22023"])
def test_what_an_operator_has_to_mend_is_not_ready(sqlstate: str) -> None:
    assert type(database_error(sqlstate)) is DatabaseNotReadyError


def test_an_erased_account_is_neither_trouble_nor_fault() -> None:
    assert type(database_error("RY403", message="the account has been erased")) is AccountErasedError


@pytest.mark.parametrize("sqlstate", ["22P02", "23505", "P0001", "XX000", "25P02"])
def test_everything_else_is_our_fault(sqlstate: str) -> None:
    assert type(database_error(sqlstate)) is DatabaseFaultError


def test_only_messages_without_values_are_repeated() -> None:
    assert "permission denied" in str(database_error("42501", message="permission denied for function job_finish"))
    assert "secret" not in str(database_error("23505", message="Key (id)=(secret) exists", constraint="jobs_pkey"))
    assert "jobs_pkey" in str(database_error("23505", constraint="jobs_pkey"))


def test_an_unavailable_database_may_be_asked_again_whether_or_not_it_is_ready() -> None:
    assert issubclass(DatabaseNotReadyError, DatabaseUnavailableError)
    assert not issubclass(DatabaseFaultError, DatabaseUnavailableError)


@pytest.mark.parametrize(
    ("url", "sslmode"),
    [
        ("postgresql://u:p@127.0.0.1:1/d", "prefer"),
        ("postgresql://u:p@localhost/d", "prefer"),
        ("postgresql://u:p@[::1]/d", "prefer"),
        ("postgresql:///d?host=/run/postgresql", "prefer"),
        ("postgresql://u:p@db.example.org/d", "require"),
        ("postgresql://u:p@127.0.0.1,db.example.org/d", "require"),
        ("postgresql://u:p@db.example.org/d?sslmode=verify-full", "verify-full"),
        ("postgresql://u:p@db.example.org/d?sslmode=disable", "disable"),
    ],
)
def test_a_password_goes_to_another_machine_under_tls_only_unless_the_url_says_otherwise(
    url: str, sslmode: str
) -> None:
    assert conninfo_to_dict(connection_string(url))["sslmode"] == sslmode


def test_what_the_url_says_wins_over_our_defaults() -> None:
    options = conninfo_to_dict(connection_string("postgresql://u:p@h/d?application_name=mine&connect_timeout=2"))
    assert (options["application_name"], options["connect_timeout"]) == ("mine", "2")


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter2%@h/d", "nonsense hunter2", "postgresql://u:hunter2@h/d?no=such"]
)
def test_a_url_that_cannot_be_used_is_not_told(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PostgresTransport(url)
    assert str(caught.value) == "DATABASE_URL cannot be used"
    assert caught.value.__cause__ is None


def test_arguments_are_written_as_json_would_and_as_postgres_can_store() -> None:
    assert storable({"a": ("x\0y", {"k\ud800": None}, 1, 0.5, True)}) == {
        "a": ["x\ufffdy", {"k\ufffd": None}, 1, 0.5, True]
    }


@pytest.mark.parametrize(("way", "other"), [("supabase", "psycopg"), ("postgres", "httpx")])
def test_one_way_to_the_database_does_not_import_the_other(way: str, other: str) -> None:
    program = (
        f"import sys, rythmiq.adapters.{way}; print(sorted(m for m in sys.modules if m.split('.')[0] == '{other}'))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout == "[]\n"
