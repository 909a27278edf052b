"""Supabase's Data API as far as we call it: `POST /rest/v1/rpc/<function>` onto a real Postgres, in the token's role.

The gateway in front checks `apikey`; PostgREST behind it checks the JWT, looks the function up by the names of its
arguments, and answers with its own error bodies and statuses. `Faults` makes the next request go wrong.

Source: docs.postgrest.org/en/v14 (functions, errors, transactions, auth); supabase.com/docs/guides/api/api-keys.
"""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import jwt
import psycopg
from psycopg import sql

_PATH = re.compile(r"/rest/v1/rpc/([a-z_]+)")
_STATUS = {  # by the longest prefix of the SQLSTATE
    **dict.fromkeys(("08", "53"), 503),
    **dict.fromkeys(("0L", "0P", "28"), 403),
    **dict.fromkeys(("09", "25", "2D", "38", "39", "3B", "40", "53400", "54", "55", "57", "58", "F0", "HV", "P0"), 500),
    **dict.fromkeys(("XX", "42P17"), 500),
    **dict.fromkeys(("23503", "23505"), 409),
    **dict.fromkeys(("42883", "42P01"), 404),
    "25006": 405,
    "P0001": 400,
}


@dataclass(frozen=True)
class Key:
    """An API key and the role it stands for; a legacy one is a JWT itself."""

    value: str
    role: str


@dataclass
class Faults:
    """What happens to the next request instead of an answer."""

    answer: tuple[int, bytes] | None = None
    hang_up_before: bool = False
    hang_up_after: bool = False
    seen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SupabaseStub:
    """A running stub."""

    url: str
    faults: Faults
    connections: set[tuple[str, int]]
    headers: list[dict[str, str]]


class _RefusedError(Exception):
    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@contextlib.contextmanager
def supabase_stub(database_url: str, *, jwt_secret: str, keys: tuple[Key, ...]) -> Iterator[SupabaseStub]:
    """Serve on loopback while the context lasts.

    Args:
        database_url: a role that may become the API's roles, as Supabase's `authenticator` may.
        jwt_secret: of users' tokens and of legacy keys (HS256).
        keys: which `apikey` the gateway lets through.
    """

    class Handler(_Handler):
        url, secret, roles = database_url, jwt_secret, {key.value: key.role for key in keys}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.stub = SupabaseStub(f"http://127.0.0.1:{server.server_port}", Faults(), set(), [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Handler.stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    url: ClassVar[str]
    secret: ClassVar[str]
    roles: ClassVar[dict[str, str]]
    stub: ClassVar[SupabaseStub]

    database: psycopg.Connection[Any] | None = None

    def finish(self) -> None:
        """Let the connection to the database go with the caller's."""
        super().finish()
        if self.database is not None:
            self.database.close()

    def _connected(self) -> psycopg.Connection[Any]:
        """The connection, as PostgREST's pool has them: a new one where the server has closed it."""
        if self.database is not None:
            with contextlib.suppress(psycopg.OperationalError):
                self.database.execute("")
                return self.database
            self.database.close()
        self.database = psycopg.connect(self.url)
        return self.database

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's own name
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer one call."""
        self.stub.connections.add(self.client_address)
        self.stub.headers.append({name.lower(): value for name, value in self.headers.items()})
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        faults, taken = self.stub.faults, Faults(seen=self.stub.faults.seen)
        taken.answer, taken.hang_up_before, taken.hang_up_after = (
            faults.answer,
            faults.hang_up_before,
            faults.hang_up_after,
        )
        faults.answer, faults.hang_up_before, faults.hang_up_after = None, False, False
        faults.seen.append(self.path.rpartition("/")[2])
        if taken.hang_up_before:
            self.close_connection = True
            return
        status, answer = taken.answer or self._outcome(body)
        if taken.hang_up_after:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _outcome(self, body: bytes) -> tuple[int, bytes]:
        claims: dict[str, Any] = {}
        try:
            function = self._gateway()
            claims = self._claims()
            return 200, self._call(function, body, claims)
        except _RefusedError as refused:
            said = {"code": refused.code, "details": None, "hint": None, "message": refused.message}
            if refused.code is None:  # the gateway's words
                said = {
                    "message": refused.message,
                    "hint": "Double check your Supabase `anon` or `service_role` API key.",
                }
            return refused.status, json.dumps(said).encode()
        except psycopg.Error as error:
            return _database_error(error, is_anonymous=claims.get("role") == "anon")

    def _gateway(self) -> str:
        path = _PATH.fullmatch(self.path)
        if path is None:
            raise _RefusedError(404, None, "no Route matched with those values")
        if self.headers.get("apikey") not in self.roles:
            raise _RefusedError(401, None, "Invalid API key")
        if "Mozilla" in self.headers.get("User-Agent", ""):
            raise _RefusedError(401, None, "Forbidden use of secret API key in browser")
        return path[1]

    def _claims(self) -> dict[str, Any]:
        """The claims of the JWT; the gateway makes one of a new key when there is none."""
        key, authorization = self.headers["apikey"], self.headers.get("Authorization")
        if authorization is None:
            return {"role": self.roles[key] if key.startswith("sb_") else "anon"}
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or token.count(".") != 2:
            raise _RefusedError(401, "PGRST301", "Expected 3 parts in JWT; got 1")
        try:
            claims: dict[str, Any] = jwt.decode(token, self.secret, ["HS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            raise _RefusedError(401, "PGRST303", "JWT expired") from None
        except jwt.InvalidTokenError:
            raise _RefusedError(401, "PGRST301", "No suitable key or wrong key type") from None
        return {"role": "anon", **claims}

    def _call(self, function: str, body: bytes, claims: dict[str, Any]) -> bytes:
        try:
            arguments = json.loads(body)
        except ValueError:
            raise _RefusedError(400, "PGRST102", "Empty or invalid json") from None
        if self.headers.get("Content-Profile", "public") != "public":
            raise _RefusedError(406, "PGRST106", "Invalid schema")
        connection = self._connected()
        try:
            parameters, is_volatile = _signature(connection, function, arguments)
            connection.rollback()
            connection.read_only = not is_volatile
            connection.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
                " set_config('request.headers', %s, true)",
                [claims["role"], json.dumps(claims), json.dumps(self.stub.headers[-1])],
            )
            query, given = _query(function, parameters), [body.decode()] if parameters else []
            row = connection.execute(query, given).fetchone()
            connection.commit()
        finally:
            if not connection.closed:
                connection.rollback()
        return (str(row[0]) if row is not None and row[0] is not None else "null").encode()


def _signature(
    connection: psycopg.Connection[Any], function: str, arguments: dict[str, Any]
) -> tuple[list[tuple[str, str]], bool]:
    """Names and types of the arguments that are given, and whether the function may write."""
    rows = connection.execute(
        "select coalesce(p.proargnames, '{}'), array(select format_type(t, null) from unnest(p.proargtypes) t)::text[],"
        " p.pronargdefaults, p.provolatile = 'v'"
        " from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname = %s",
        [function],
    ).fetchall()
    for names, types, defaults, is_volatile in rows:
        by_name = dict(zip(names[: len(types)], types, strict=True))
        if set(arguments) <= set(by_name) and len(types) - len(arguments) <= defaults:
            return [(name, by_name[name]) for name in arguments], is_volatile
    raise _RefusedError(
        404, "PGRST202", f"Could not find the function public.{function}({', '.join(arguments)}) in the schema cache"
    )


def _query(function: str, parameters: list[tuple[str, str]]) -> sql.Composed:
    if not parameters:
        return sql.SQL("select (json_agg(public.{}()) -> 0)::text").format(sql.Identifier(function))
    bound = sql.SQL(", ").join(sql.SQL("{0} := a.{0}").format(sql.Identifier(name)) for name, _ in parameters)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in parameters
    )
    return sql.SQL("select (json_agg(public.{}({})) -> 0)::text from json_to_record(%s) as a({})").format(
        sql.Identifier(function), bound, columns
    )


def _database_error(error: psycopg.Error, *, is_anonymous: bool) -> tuple[int, bytes]:
    code = error.sqlstate
    if code is None:
        said = {"code": "PGRST000", "details": None, "hint": None, "message": "Database connection error"}
        return 503, json.dumps(said).encode()
    diagnostics = error.diag
    said = {
        "code": code,
        "details": diagnostics.message_detail,
        "hint": diagnostics.message_hint,
        "message": diagnostics.message_primary,
    }
    status = next((_STATUS[code[:size]] for size in (5, 2) if code[:size] in _STATUS), 400)
    if code == "42501":
        status = 401 if is_anonymous else 403
    return status, json.dumps(said).encode()
