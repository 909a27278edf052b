"""A `database.Transport` over Supabase's Data API, which is PostgREST: `POST {SUPABASE_URL}/rest/v1/rpc/<function>`.

Writes carry the service key, reads the anon key and the user's own JWT, so both end in the role and claims that a
direct connection sets. New keys (`sb_secret_`, `sb_publishable_`) are no JWTs and go as `apikey` alone; the legacy ones
are, and go as `Authorization` too. Supabase refuses a secret key from what calls itself a browser, hence our own
`User-Agent`. One client a process keeps its connections, of which httpx drops those that the server has closed.

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

import httpx

from rythmiq.adapters.database import database_error
from rythmiq.contracts.errors import RythmiqError
from rythmiq.ports.database import Caller
from rythmiq.ports.errors import DatabaseNotReadyError, DatabaseUnavailableError, UnavailableError

_NEW_KEY = "sb_"
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
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/rest/v1/rpc/",
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "Content-Profile": "public",
                "User-Agent": "rythmiq",
            },
            timeout=httpx.Timeout(timeout_s, connect=timeout_s / 2),
            limits=httpx.Limits(keepalive_expiry=60.0),
            verify=_context(url, authorities),
            trust_env=False,
        )

    def presenting(self, headers: Mapping[str, str]) -> Self:
        """Send these headers, by lower-case name, with each call that writes."""
        self._headers = headers
        return self

    def call(self, function: str, arguments: Mapping[str, object], caller: Caller | None = None) -> Any:
        """Call a function; see `database.Transport`."""
        request = self._client.build_request(
            "POST", function, content=json.dumps(arguments), headers=self._credentials(caller)
        )
        try:
            response = self._client.send(request)
        except (httpx.ConnectTimeout, httpx.ConnectError, httpx.PoolTimeout):
            raise DatabaseUnavailableError("the Data API takes no connection now") from None
        except httpx.TransportError as error:
            if caller is None or isinstance(error, httpx.TimeoutException):
                raise DatabaseUnavailableError("the Data API did not answer") from None
            response = self._send_again(request)
        return _answer(response)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send_again(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._client.send(request)
        except httpx.TransportError:
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
        self._timeout = httpx.Timeout(timeout_s, connect=timeout_s / 2)

    def delete(self, user_id: str) -> None:
        """Delete a user; see `ports.SignIns`."""
        headers = {"User-Agent": "rythmiq", **_service_credentials(self._service_key)}
        try:
            with httpx.Client(timeout=self._timeout, verify=_context(self._url, None), trust_env=False) as client:
                answer = client.delete(f"{self._url}/auth/v1/admin/users/{user_id}", headers=headers)
        except httpx.TransportError:
            raise UnavailableError("Supabase Auth does not answer") from None
        if answer.status_code not in {_OK, _NO_CONTENT, _NOT_FOUND}:
            raise UnavailableError(f"Supabase Auth answered {answer.status_code}")


def _service_credentials(key: str) -> dict[str, str]:
    return {"apikey": key} if key.startswith(_NEW_KEY) else {"apikey": key, "Authorization": f"Bearer {key}"}


def _context(url: str, authorities: str | None) -> ssl.SSLContext | bool:
    # Loading the certificate authorities takes 20 ms of CPU; plain http, of this machine, needs none. Whatever is not
    # surely http gets them: False would mean TLS without verification.
    if url.startswith("http://"):
        return False
    return ssl.create_default_context(cafile=authorities) if authorities else httpx.create_ssl_context()


def _answer(response: httpx.Response) -> Any:
    if response.status_code == _OK:
        try:
            return json.loads(response.content) if response.content else None
        except ValueError:
            raise DatabaseUnavailableError("SUPABASE_URL does not answer as a Data API") from None
    if response.status_code == _NO_CONTENT:
        return None
    raise _error(response)


def _error(response: httpx.Response) -> RythmiqError:
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
    status = response.status_code
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return DatabaseNotReadyError(f"the Data API refuses the key ({status})")
    if status == _TOO_MANY or status >= _CLASS_OF_TROUBLE:
        return DatabaseUnavailableError(f"the Data API answered {status}")
    return DatabaseNotReadyError(f"the Data API answered {status}{f' ({code})' if code else ''}")
