"""Probes of the database: is it there, is it migrated, and does it keep users apart?

Over DATABASE_URL, what the migrations make is read from the migrations themselves. Nothing is written: the one
statement that would is expected to be refused, and is rolled back. Of Supabase's Data API both keys are tried, and the
keys that users' tokens are verified by; the one call that a stranger should be refused only reads.
"""

import datetime as dt
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import httpx
import psycopg

from rythmiq.contracts.errors import SettingsError
from rythmiq.portals import all_portals
from rythmiq.ports import DatabaseFaultError, UnavailableError
from rythmiq.settings.api import AuthSettings, DatabaseSettings
from rythmiq_cli.doctor import Finding, Reporter, tick_finding
from rythmiq_cli.operator import migrations

_REPORT = Reporter("database")
_LEAST_VERSION = 15_00_00
_MIGRATE = "run `rythmiq migrate`"
_ROLES = ("anon", "authenticated", "service_role")
_SECRET_COLUMNS = (("jobs", "wrapped_key"), ("jobs", "input_wrapped_key"), ("uploads", "wrapped_key"))
_SERVICE_TABLES = (
    *("metrics", "cpu_usage", "counters", "queue", "removals", "rules", "key_fingerprints", "operator_events"),
    *("erased_accounts", "account_key", "erasures"),
)
_WRITES = ("insert", "update", "delete", "truncate")
_OF_USERS = ("job_get", "jobs_list", "queue_state", "instant", "caller_refuse_erased", "caller_is_leaving")

Connection = psycopg.Connection[Any]


def database_findings(
    url: str, *, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(tz=dt.UTC)
) -> Iterator[Finding]:
    """Run all of them."""
    try:
        with migrations.open_database(url) as connection:
            yield from _findings(connection, url, now())
    except SettingsError as error:
        yield _REPORT.broken("reach", str(error), "correct DATABASE_URL: postgresql://USER:PASSWORD@HOST:5432/postgres")
    except UnavailableError as error:
        yield _REPORT.unreachable(
            "reach", str(error), "start the database (a paused project: in its dashboard), or correct DATABASE_URL"
        )
    except DatabaseFaultError as error:
        yield _REPORT.broken("reach", f"the database refuses a query: {error}", "use the role that owns the tables")


def _findings(connection: Connection, url: str, now: dt.datetime) -> Iterator[Finding]:
    yield _reach(connection, url)
    if not migrations.looks_like_supabase(connection):
        said = "the roles anon, authenticated and service_role or auth.uid() are missing"
        yield _REPORT.broken("conventions", said, "for a Postgres of your own: `rythmiq migrate --bootstrap`")
        return
    yield _REPORT.ok("conventions", "Supabase's roles and auth.uid() are there")
    yield _roles(connection)
    state = _migrated(connection)
    yield state
    if _value(connection, "select to_regclass('public.jobs') is null"):
        return
    tables, functions = _declared()
    yield _rls(connection, tables)
    yield _grants(connection, tables)
    yield _functions(connection, functions)
    yield _stranger(connection)
    yield _rule_book(connection)
    if state.state == "ok":
        yield from _sign_ins(connection)
        health = _value(connection, "select public.database_health()")
        yield tick_finding(_REPORT, (health or {}).get("last_tick_at"), now)


def _sign_ins(connection: Connection) -> Iterator[Finding]:
    """A warning where Supabase Auth still has users whose account was erased; nothing where all is well."""
    if _value(
        connection, "select to_regclass('auth.users') is null or not has_table_privilege('auth.users', 'select')"
    ):
        return
    left = _value(connection, "select count(*) from auth.users u where public.account_is_erased(u.id)")
    if left:
        said = f"{left} erased accounts can still sign in, to nothing"
        fix = "in the SQL editor: delete from auth.users u where public.account_is_erased(u.id);"
        yield _REPORT.warning("erased-sign-ins", said, fix)


def _value(connection: Connection, question: str, arguments: Sequence[object] = ()) -> Any:
    row = connection.execute(question.encode(), arguments).fetchone()
    return None if row is None else row[0]


def _reach(connection: Connection, url: str) -> Finding:
    version = connection.info.server_version
    version_text = f"Postgres {version // 10_000}.{version % 10_000} answers, {_way(connection, url)}"
    if version < _LEAST_VERSION:
        return _REPORT.broken("reach", version_text, "Postgres 15 or newer is needed")
    if _value(connection, "select rolsuper from pg_roles where rolname = current_user"):
        return _REPORT.warning(
            "reach", f"{version_text}, as a superuser", "give the functions a role that only owns the tables"
        )
    return _REPORT.ok("reach", version_text)


def _way(connection: Connection, url: str) -> str:
    """Whether the connection is direct or through a pooler, as far as can be seen from here."""
    server_port = _value(connection, "select inet_server_port()")
    if re.search(r"[@.]pooler\.|:6543/", url) or server_port not in {None, connection.info.port}:
        return "through a pooler"
    return "directly"


def _roles(connection: Connection) -> Finding:
    refused = []
    for role in _ROLES:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(f"set local role {role}".encode())
        except psycopg.errors.InsufficientPrivilege:
            refused.append(role)
    if refused:
        own = connection.execute("select quote_ident(current_user)").fetchone()
        grants = " ".join(f"grant {role} to {own[0] if own else 'its role'};" for role in refused)
        fix = f"name the role that owns the tables in DATABASE_URL, or run as the server's administrator: {grants}"
        return _REPORT.broken("roles", f"DATABASE_URL's role may not act as {', '.join(refused)}", fix)
    return _REPORT.ok("roles", "DATABASE_URL's role may act as anon, authenticated and service_role")


def _migrated(connection: Connection) -> Finding:
    files = migrations.read_migrations()
    try:
        left = migrations.pending_migrations(files, migrations.applied_migrations(connection))
    except migrations.MigrationError as error:
        return _REPORT.broken("migrations", str(error), "deploy the release that the database has, or a newer one")
    if left:
        listed = ", ".join(f"{entry.version:04d}_{entry.name}" for entry in left[:3])
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""  # noqa: PLR2004  as many as were listed
        return _REPORT.broken("migrations", f"not applied: {listed}{more}", _MIGRATE)
    return _REPORT.ok("migrations", f"all {len(files)} are applied, unchanged")


def _declared() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables and functions that the migrations make."""
    text = "\n".join(file.sql for file in migrations.read_migrations())
    tables = re.findall(r"^create table public\.(\w+)", text, re.MULTILINE)
    functions = re.findall(r"^create (?:or replace )?function public\.(\w+)", text, re.MULTILINE)
    dropped = set(re.findall(r"^drop (?:table|function) (?:if exists )?public\.(\w+)", text, re.MULTILINE))
    return (
        tuple(name for name in dict.fromkeys(tables) if name not in dropped),
        tuple(name for name in dict.fromkeys(functions) if name not in dropped),
    )


def _by_hand(statements: Iterable[str]) -> str:
    """What takes back a change that was made by hand."""
    return f"it was changed by hand; run as the tables' owner: {' '.join(statements)}"


def _rls(connection: Connection, tables: Sequence[str]) -> Finding:
    rows = connection.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relname = any(%s)"
        " and not (relrowsecurity and relforcerowsecurity) order by relname",
        [list(tables)],
    ).fetchall()
    if rows:
        off = ", ".join(name for (name,) in rows)
        fix = " ".join(
            f"alter table public.{name} enable row level security, force row level security;" for (name,) in rows
        )
        return _REPORT.broken("rls", f"row level security is off or not forced on {off}", fix)
    return _REPORT.ok("rls", f"row level security is on and forced on all {len(tables)} tables")


def _grants(connection: Connection, tables: Sequence[str]) -> Finding:
    questions = [("anon", table, verb) for table in tables for verb in ("select", *_WRITES)]
    questions += [("authenticated", table, verb) for table in tables for verb in _WRITES]
    questions += [("authenticated", table, "select") for table in _SERVICE_TABLES]
    too_much = {
        f"{role} may {verb} {table}": f"revoke {verb} on public.{table} from {role};"
        for role, table, verb in questions
        if _value(connection, "select has_table_privilege(%s, %s, %s)", (role, f"public.{table}", verb))
    }
    too_much |= {
        f"authenticated may read {table}.{column}": f"revoke select ({column}) on public.{table} from authenticated;"  # noqa: S608  shown, not run
        for table, column in _SECRET_COLUMNS
        if _value(
            connection, "select has_column_privilege('authenticated', %s, %s, 'select')", (f"public.{table}", column)
        )
    }
    if too_much:
        more = f" and {len(too_much) - 3} more" if len(too_much) > 3 else ""  # noqa: PLR2004  as many as are listed
        return _REPORT.broken("grants", f"{', '.join([*too_much][:3])}{more}", _by_hand(too_much.values()))
    return _REPORT.ok("grants", "users may read what is theirs, without keys, and write nothing")


def _functions(connection: Connection, functions: Sequence[str]) -> Finding:
    rows = connection.execute(
        "select p.proname, r.rolname, p.oid::regprocedure::text from pg_proc p cross join pg_roles r"
        " where p.pronamespace = 'public'::regnamespace and p.proname = any(%s)"
        " and r.rolname in ('anon', 'authenticated') and p.prorettype <> 'trigger'::regtype"
        " and not (r.rolname = 'authenticated' and p.proname = any(%s))"
        " and has_function_privilege(r.rolname, p.oid, 'execute') order by 1, 2",
        [list(functions), list(_OF_USERS)],
    ).fetchall()
    if rows:
        listed = ", ".join(f"{role} may call {name}" for name, role, _ in rows[:3])
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""  # noqa: PLR2004  as many as are listed
        revokes = [f"revoke execute on function {signature} from {role}, public;" for _, role, signature in rows]
        return _REPORT.broken("functions", f"what is the service's alone is open: {listed}{more}", _by_hand(revokes))
    unusable = [
        name
        for name in _OF_USERS
        if not _value(
            connection,
            "select bool_or(has_function_privilege('authenticated', oid, 'execute')) from pg_proc"
            " where pronamespace = 'public'::regnamespace and proname = %s",
            (name,),
        )
    ]
    if unusable:
        return _REPORT.broken("functions", f"users may not call {', '.join(unusable)}", _MIGRATE)
    return _REPORT.ok("functions", "users may call what reads their own, and nothing of the service's")


def _stranger(connection: Connection) -> Finding:
    """Read `jobs` as a user who has none."""
    claims = json.dumps({"sub": str(uuid.uuid4()), "role": "authenticated"})
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("set local role authenticated")
            connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
            seen = _value(connection, "select count(*) from (select id from public.jobs limit 1) j")
    except psycopg.errors.InsufficientPrivilege:
        fix = "run as the tables' owner: grant select (id, user_id) on public.jobs to authenticated;"
        return _REPORT.broken("stranger", "users may not read their own jobs", fix)
    if seen:
        return _REPORT.broken("stranger", "a user can read other users' jobs", _by_hand(_strange_policies(connection)))
    return _REPORT.ok("stranger", "a user without jobs reads none")


def _strange_policies(connection: Connection) -> list[str]:
    """What drops the policies that no migration made."""
    ours = {
        name
        for file in migrations.read_migrations()
        for name in re.findall(r"^create policy (\w+)", file.sql, re.MULTILINE)
    }
    rows = connection.execute(
        "select policyname, format('drop policy %%I on %%I.%%I;', policyname, schemaname, tablename) from pg_policies"
        " where schemaname = 'public' order by 1",
        [],
    ).fetchall()
    return [statement for name, statement in rows if name not in ours]


def _rule_book(connection: Connection) -> Finding:
    rows = connection.execute("select portal, slot, version from public.portal_schemas where is_current").fetchall()
    here = {(book.portal, slot.slot, book.version) for book in all_portals() for slot in book.slots}
    if missing := sorted(here - set(rows)):
        return _REPORT.broken("rule-book", f"the database lacks rules of {missing[0][0]} {missing[0][2]}", _MIGRATE)
    return _REPORT.ok("rule-book", f"the rules of all {len(here)} slots are the ones of this release")


_JWKS = "/auth/v1/.well-known/jwks.json"
_ALGORITHMS = frozenset({"ES256", "RS256"})


def data_api_findings(settings: DatabaseSettings, client: httpx.Client) -> Iterator[Finding]:
    """Probe the Data API with the service key, and with the anon key as a stranger."""
    url = settings.supabase_url
    anon, service = settings.supabase_anon_key, settings.supabase_service_role_key
    if url is None or anon is None or service is None:
        raise AssertionError("settings with neither database are refused")
    try:
        health = _call(client, url, "database_health", service.get_secret_value(), {})
        stranger = _call(
            client,
            url,
            "account_open",
            anon.get_secret_value(),
            {"p_user_id": str(uuid.uuid4()), "p_initial_credits": None},
        )
        rows = client.get(f"{url}/rest/v1/jobs?select=id&limit=1", headers={"apikey": anon.get_secret_value()})
    except httpx.HTTPError as error:
        said = f"the Data API does not answer: {type(error).__name__}"
        yield _REPORT.unreachable("reach", said, "correct SUPABASE_URL; a paused project is started in its dashboard")
        return
    yield from _healthy(health)
    if stranger.is_success or (rows.is_success and rows.text.strip() != "[]"):
        said = "the publishable key alone may call or read what is for the service only"
        yield _REPORT.broken(
            "stranger",
            said,
            "run `rythmiq migrate`, then `rythmiq doctor --only database` with the owner's DATABASE_URL",
        )
    else:
        yield _REPORT.ok("stranger", "the publishable key alone calls and reads nothing")


def jwks_findings(settings: AuthSettings, client: httpx.Client) -> Iterator[Finding]:
    """Check the published keys that tokens are verified with, unless a shared secret is used."""
    if settings.verifies_by == "secret":
        yield _REPORT.ok("tokens", "users' tokens are verified by SUPABASE_JWT_SECRET")
        return
    try:
        answer = client.get(f"{settings.supabase_url}{_JWKS}")
        keys = answer.json()["keys"] if answer.is_success else []
        usable = [key for key in keys if key.get("alg", "ES256") in _ALGORITHMS]
    except httpx.HTTPError as error:
        yield _REPORT.unreachable("tokens", f"{_JWKS} does not answer: {type(error).__name__}", "correct SUPABASE_URL")
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        usable = []
    if usable:
        yield _REPORT.ok("tokens", f"users' tokens are verified by {len(usable)} published key(s)")
    else:
        fix = "rotate the project to asymmetric JWT signing keys, or set AUTH_MODE=secret and SUPABASE_JWT_SECRET"
        yield _REPORT.broken("tokens", "the project publishes no ES256 or RS256 key, and AUTH_MODE is jwks", fix)


def _call(client: httpx.Client, url: str, function: str, key: str, arguments: Mapping[str, object]) -> httpx.Response:
    bearer = {} if key.startswith("sb_") else {"Authorization": f"Bearer {key}"}
    return client.post(f"{url}/rest/v1/rpc/{function}", headers={"apikey": key, **bearer}, json=arguments)


def _healthy(health: httpx.Response) -> Iterator[Finding]:
    if health.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        fix = "set SUPABASE_SERVICE_ROLE_KEY to this project's secret (service_role) key"
        yield _REPORT.broken("reach", "the Data API refuses the service key", fix)
        return
    if health.status_code == HTTPStatus.NOT_FOUND:
        said = "the Data API answers, but has none of our functions"
        yield _REPORT.broken("migrations", said, _MIGRATE)
        return
    if not health.is_success:
        said = f"the Data API answers {health.status_code}"
        yield _REPORT.unreachable("reach", said, "see the project's dashboard, and run it again")
        return
    found = health.json()
    yield _REPORT.ok("reach", "the Data API answers to the service key")
    here = len(migrations.read_migrations())
    if found["schema_version"] != here:
        said = f"migration {found['schema_version']} is in, and this release has {here}"
        yield _REPORT.broken("migrations", said, _MIGRATE)
    else:
        yield _REPORT.ok("migrations", f"all {here} are applied")
    yield tick_finding(_REPORT, found.get("last_tick_at"), dt.datetime.now(tz=dt.UTC))
