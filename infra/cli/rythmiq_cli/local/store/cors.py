"""A WSGI middleware that lets a page read refusals, too, as real stores do.

moto applies a bucket's CORS rules to its successes alone, and the guard knows of none: a browser would take a 412 or
403 for a network that fails.

Source: Amazon S3, "Using cross-origin resource sharing": the rules hold for every answer to a request with an Origin.
"""

from collections.abc import Iterable

from werkzeug.test import Client, run_wsgi_app

from rythmiq_cli.local import Environ, StartResponse, WsgiApp

_PREFIX = "access-control-"


class ReadableRefusals:
    """Add the headers of the bucket's CORS rules to what `guarded` refuses.

    Args:
        guarded: the store as its clients meet it.
        store: the store itself, which is asked what the rules allow.
    """

    def __init__(self, guarded: WsgiApp, store: WsgiApp) -> None:
        self._app = guarded
        self._store = Client(store)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass one request on."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or environ["REQUEST_METHOD"] == "OPTIONS":
            return self._app(environ, start_response)

        method, bucket, host = environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/")[1], environ["HTTP_HOST"]
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if status[0] in "45" and "Access-Control-Allow-Origin" not in headers:
            asked = {"Origin": origin, "Access-Control-Request-Method": method}
            rules = self._store.options(f"/{bucket}/any", base_url=f"http://{host}", headers=asked).headers
            if rules.get("Access-Control-Allow-Origin") in {origin, "*"}:
                headers.extend((name, value) for name, value in rules if name.lower().startswith(_PREFIX))
        start_response(status, headers.to_wsgi_list())
        return body
