"""A `database.Transport` over Supabase's Data API, which is PostgREST: `POST {SUPABASE_URL}/rest/v1/rpc/<function>`.

Writes carry the service key, reads the anon key and the user's own JWT, so both end in the role and claims that a
direct connection sets. New keys (`sb_secret_`, `sb_publishable_`) are no JWTs and go as `apikey` alone; the legacy ones
are, and go as `Authorization` too. Supabase refuses a secret key from what calls itself a browser, hence our own
`User-Agent`. One pool a process keeps its connections, of which httpcore drops those that the server has closed.

A request that may have arrived is sent again only when it reads.

Tried against `tests/support/supabase_stub.py`, on the same Postgres. What rests on PostgREST's and Supabase's
documentation alone: the error bodies and statuses, `null` as the answer of a function that gives SQL's null, a STABLE
function's read-only transaction, the gateway's answer to a wrong `apikey`, that new keys work without `Authorization`,
and that the schema cache learns of new functions by `notify pgrst`, which `rythmiq migrate` sends.

`SupabaseSignIns` deletes a user of Supabase Auth by its admin API, which the stub imitates too, from the documentation.

Source: docs.postgrest.org (functions, errors, transactions); supabase.com/docs/guides/api/api-keys,
supabase.com/docs/reference/javascript/auth-admin-deleteuser.
"""

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any, Self

import httpcore

from rythmiq.adapters.database import database_error
from rythmiq.contracts.errors import RythmiqError
from rythmiq.ports import DatabaseNotReadyError, DatabaseUnavailableError, UnavailableError
from rythmiq.ports.database import Caller

_NEW_KEY = "sb_"
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "Content-Profile": "public",
    "User-Agent": "rythmiq",
}
_TROUBLE = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_OK, _NO_CONTENT, _NOT_FOUND = 200, 204, 404
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY, _CLASS_OF_TROUBLE = 401, 403, 429, 500
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_POSTGREST = {
    "PGRST106": "the Data API does not show schema public",
    "PGRST202": "a function is missing: run `rythmiq migrate`, or reload the Data API's schema cache",
    "PGRST203": "a function is there twice",
    "PGRST300": "the Data API has no JWT secret",
    "PGRST301": "the Data API refuses a JWT: are the keys and tokens of this project?",
    "PGRST302": "the Data API refuses a call without a user",
    "PGRST303": "the Data API refuses the claims of a JWT: are the clocks right?",
}


class SupabaseTransport:
    """Calls functions over the Data API; threads may share it.

    Args:
        url: `SUPABASE_URL`.
        anon_key: the anon or publishable key.
        service_key: the service_role or secret key.
        timeout_s: for each read and write of a call; for a connection half of it.
        authorities: a file of certificate authorities in place of the usual ones.
    """

    def __init__(
        self, url: str, anon_key: str, service_key: str, *, timeout_s: float = 5.0, authorities: str | None = None
    ) -> None:
        self._headers: Mapping[str, str] = {}
        self._anon_key = anon_key
        self._service_key = service_key
        self._place = f"{url.rstrip('/')}/rest/v1/rpc/"
        self._extensions = _extensions(timeout_s)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_context(url, authorities), max_connections=100, keepalive_expiry=60.0
        )

    def presenting(self, headers: Mapping[str, str]) -> Self:
        """Send these headers, by lower-case name, with each call that writes."""
        self._headers = headers
        return self

    def call(self, function: str, arguments: Mapping[str, object], caller: Caller | None = None) -> Any:
        """Call a function; see `database.Transport`."""
        content, headers = json.dumps(arguments).encode(), _HEADERS | self._credentials(caller)
        try:
            response = self._send(function, content, headers)
        except (httpcore.ConnectTimeout, httpcore.ConnectError, httpcore.PoolTimeout):
            raise DatabaseUnavailableError("the Data API takes no connection now") from None
        except _TROUBLE as error:
            if caller is None or isinstance(error, httpcore.TimeoutException):
                raise DatabaseUnavailableError("the Data API did not answer") from None
            response = self._send_again(function, content, headers)
        return _answer(response)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _send(self, function: str, content: bytes, headers: Mapping[str, str]) -> httpcore.Response:
        return self._pool.request(
            "POST", self._place + function, headers=list(headers.items()), content=content, extensions=self._extensions
        )

    def _send_again(self, function: str, content: bytes, headers: Mapping[str, str]) -> httpcore.Response:
        try:
            return self._send(function, content, headers)
        except _TROUBLE:
            raise DatabaseUnavailableError("the Data API did not answer twice") from None

    def _credentials(self, caller: Caller | None) -> dict[str, str]:
        if caller is None:
            return {**_service_credentials(self._service_key), **self._headers}
        return {"apikey": self._anon_key, "Authorization": f"Bearer {caller.token}"}


class SupabaseSignIns:
    """Implements `ports.SignIns` over Supabase Auth's admin API.

    Args:
        url: `SUPABASE_URL`.
        service_key: the service_role or secret key.
        timeout_s: for each read and write of a call; for a connection half of it.
    """

    def __init__(self, url: str, service_key: str, *, timeout_s: float = 2.0) -> None:
        self._url = url.rstrip("/")
        self._service_key = service_key
        self._extensions = _extensions(timeout_s)

    def delete(self, user_id: str) -> None:
        """Delete a user; see `ports.SignIns`."""
        headers = {"User-Agent": "rythmiq", **_service_credentials(self._service_key)}
        try:
            with httpcore.ConnectionPool(ssl_context=_context(self._url, None)) as pool:
                place = f"{self._url}/auth/v1/admin/users/{user_id}"
                answer = pool.request("DELETE", place, headers=list(headers.items()), extensions=self._extensions)
        except _TROUBLE:
            raise UnavailableError("Supabase Auth does not answer") from None
        if answer.status not in {_OK, _NO_CONTENT, _NOT_FOUND}:
            raise UnavailableError(f"Supabase Auth answered {answer.status}")


def _extensions(timeout_s: float) -> dict[str, dict[str, float]]:
    return {"timeout": {**dict.fromkeys(("read", "write", "pool"), timeout_s), "connect": timeout_s / 2}}


def _service_credentials(key: str) -> dict[str, str]:
    return {"apikey": key} if key.startswith(_NEW_KEY) else {"apikey": key, "Authorization": f"Bearer {key}"}


def _context(url: str, authorities: str | None) -> ssl.SSLContext | None:
    # Loading the certificate authorities takes 20 ms of CPU; plain http, of this machine, needs none. Asked for another
    # address after all, httpcore makes a context of its own, with them.
    if url.startswith("http://"):
        return None
    if authorities is None:
        import certifi  # noqa: PLC0415  see above

        authorities = certifi.where()
    return ssl.create_default_context(cafile=authorities)


def _answer(response: httpcore.Response) -> Any:
    if response.status == _OK:
        try:
            return json.loads(response.content) if response.content else None
        except ValueError:
            raise DatabaseUnavailableError("SUPABASE_URL does not answer as a Data API") from None
    if response.status == _NO_CONTENT:
        return None
    raise _error(response)


def _error(response: httpcore.Response) -> RythmiqError:
    """Translate an error: PostgREST passes the SQLSTATE on; a gateway before it has codes of its own, or none."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    code, message = str(body.get("code") or ""), str(body.get("message") or "")
    if code in _POSTGREST:
        return DatabaseNotReadyError(f"{_POSTGREST[code]} ({code})")
    if _SQLSTATE.fullmatch(code):
        return database_error(code, message=message)
    status = response.status
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return DatabaseNotReadyError(f"the Data API refuses the key ({status})")
    if status == _TOO_MANY or status >= _CLASS_OF_TROUBLE:
        return DatabaseUnavailableError(f"the Data API answered {status}")
    return DatabaseNotReadyError(f"the Data API answered {status}{f' ({code})' if code else ''}")
