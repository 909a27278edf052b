"""The local executor: takes orders over HTTP on loopback and starts `rythmiq-launch` for each, as Camber does.

A process of its own. Submit answers at once with a number; there is no promise about repeated orders, by default no
cancel, and no webhook but the launcher's own.

    POST /jobs {"user_id","job_id","attempt"}      201 {"id": "25001"}
    GET /jobs/{id}                                 {"id","job_id","attempt","status",...} | 404
    GET /jobs?job_id=&attempt=                     {"jobs": [...]}, oldest first
    GET /jobs/{id}/logs?tail=100                   text
    DELETE /jobs/{id}                              202 | 405 unless started with --cancel

`python -m rythmiq_cli.local.executor --port 0 --data-dir DIR` prints one JSON line `{"url": ...}` when it is ready. A
launcher gets the worker's variables, DISPATCH_KEYS and JOB_TIMEOUT_S, and nothing else of the environment.

Source: docs/specification/executors.md, docs/specification/commands.md.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from http import HTTPStatus
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from rythmiq.contracts.attempt import Attempt
from rythmiq.contracts.payload import Uuid4
from rythmiq.ports import Order
from rythmiq_cli.local import serving
from rythmiq_cli.local.executor import FaultPlan
from rythmiq_cli.local.executor.engine import Engine, ExecutorConfig
from rythmiq_cli.local.executor.launchers import PROGRAM
from rythmiq_worker.walls.lockdown import hide

MAX_BODY_BYTES = 4 * 1024
_ROUTES = Map(
    [
        Rule("/jobs", methods=["GET", "POST"], endpoint="_orders"),
        Rule("/jobs/<number>", methods=["GET", "DELETE"], endpoint="_order"),
        Rule("/jobs/<number>/logs", methods=["GET"], endpoint="_logs"),
    ],
    strict_slashes=True,
    merge_slashes=False,
)


class OrderBody(BaseModel):
    """The body of POST /jobs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    user_id: Uuid4
    job_id: Uuid4
    attempt: Attempt


class ExecutorApp:
    """The WSGI application in front of an engine.

    Args:
        engine: takes the orders.
        cancel: whether DELETE stops an order.
    """

    def __init__(self, engine: Engine, *, cancel: bool) -> None:
        self._engine = engine
        self._cancel = cancel
        self.wsgi = _Request.application(self._answer)

    def _answer(self, request: Request) -> Response:
        try:
            endpoint, arguments = _ROUTES.bind_to_environ(request.environ).match()
            return getattr(self, endpoint)(request, **arguments)  # type: ignore[no-any-return]  # one of the three
        except HTTPException as error:
            return _json(HTTPStatus(error.code or 500))

    def _orders(self, request: Request) -> Response:
        if request.method == "POST":
            return self._take(request)
        attempt = request.args.get("attempt", type=int)
        entries = self._engine.listed(request.args.get("job_id"), attempt)
        return _json(HTTPStatus.OK, {"jobs": [entry.public() for entry in entries]})

    def _take(self, request: Request) -> Response:
        if request.content_length is None:
            return _json(HTTPStatus.LENGTH_REQUIRED)
        try:
            body = OrderBody.model_validate_json(request.get_data())
        except ValidationError:
            return _json(HTTPStatus.BAD_REQUEST, {"message": "not an order"})
        except RequestEntityTooLarge:
            raise NotFound from None
        order = Order(body.user_id, body.job_id, body.attempt)
        fault = self._engine.fault_of(order)
        if fault.reject:
            return _json(HTTPStatus.UNPROCESSABLE_ENTITY, {"message": "rejected by plan"})
        if fault.drop_order:
            raise ConnectionAbortedError("by plan")
        entry = self._engine.submit(order)
        if fault.late_reply:
            self._engine.wait_for_end(entry.id)
        if fault.drop_reply:
            raise ConnectionAbortedError("by plan")
        return _json(HTTPStatus.CREATED, {"id": entry.id})

    def _order(self, request: Request, number: str) -> Response:
        if request.method == "DELETE" and not self._cancel:
            raise MethodNotAllowed
        entry = self._engine.get(number)
        if entry is None:
            raise NotFound
        if request.method == "DELETE":
            return _json(HTTPStatus.ACCEPTED if self._engine.cancel(number) else HTTPStatus.CONFLICT)
        return _json(HTTPStatus.OK, entry.public())

    def _logs(self, request: Request, number: str) -> Response:
        if self._engine.get(number) is None:
            raise NotFound
        return Response(self._engine.log_of(number, request.args.get("tail", 100, type=int)))


class _Request(Request):
    max_content_length = MAX_BODY_BYTES


def _json(status: HTTPStatus, content: object = None) -> Response:
    body = json.dumps({"message": status.phrase} if content is None else content)
    return Response(body, status, content_type="application/json")


def main() -> int:
    """Serve until SIGTERM or SIGINT, then end everything that was started."""
    hide()  # the workers run as the same user, and our environment holds the launchers'
    parser = argparse.ArgumentParser(prog="rythmiq-executor", description="Starts launchers on this machine.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--data-dir", type=Path, required=True, help="orders and logs are kept there over restarts")
    parser.add_argument("--slots", type=int, default=4, help="launchers at once; 0 starts none")
    parser.add_argument("--pending-s", type=float, default=0.0, help="how long an order waits at least")
    parser.add_argument("--provisioning-s", type=float, default=0.0, help="how long a start takes at least")
    parser.add_argument("--grace-s", type=float, default=10.0, help="what a launcher is given to report at the end")
    parser.add_argument("--cancel", action="store_true", help="let DELETE stop an order")
    parser.add_argument("--faults", type=Path, help="a fault plan, for tests")
    parser.add_argument("--program", nargs="+", default=PROGRAM, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    config = ExecutorConfig(
        arguments.slots, arguments.pending_s, arguments.provisioning_s, arguments.grace_s, arguments.program
    )
    engine = Engine(arguments.data_dir, os.environ, config, FaultPlan(arguments.faults))
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGINT, lambda *_: engine.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    with serving(arguments.port, ExecutorApp(engine, cancel=arguments.cancel).wsgi) as server:
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"url": server.url}), flush=True)
        engine.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
