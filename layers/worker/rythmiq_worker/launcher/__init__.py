"""`rythmiq-launch {user_id} {job_id} {attempt}`: all that an executor starts.

Fetches and opens the sealed dispatch object, runs the worker beside itself with a deadline,
stores the sealed result object, posts the webhook, and prints a framed copy of code, stage and ids on STDOUT. Logs are
JSON lines on STDERR. Nothing is written to disk.

Exit codes:

==  ===============================================================================================================
0   the result was stored or delivered
2   the command line is not valid
65  the dispatch object is refused: forged, damaged, sealed under an unknown key, or about another attempt
66  there is no dispatch object: the attempt was abandoned
75  the result was not delivered (or the dispatch object not fetched): the attempt may be repeated
78  the environment cannot be used
==  ===============================================================================================================

Source: docs/specification/launcher.md.
"""

import os

# Before pydantic is imported: it would look through every installed package for plugins, which takes 30 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

import contextlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from rythmiq.contracts.attempt import Dispatch, WebhookBody
from rythmiq.contracts.errors import ObjectMissingError, SettingsError, StoreError
from rythmiq.contracts.keys import InvalidKeyError, dispatch_key, launch_arguments, result_key
from rythmiq.contracts.result import Failure, Success
from rythmiq.crypto import OVERHEAD_BYTES, parse_header
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.settings.worker import LauncherSettings, WorkerSettings
from rythmiq_worker.job import open_store
from rythmiq_worker.launcher.delivery import Delivered, LaunchLog, Limits, Progress, ResultSender, WorkerStderr
from rythmiq_worker.launcher.dispatch import (
    MAX_DISPATCH_BYTES,
    DispatchRefusedError,
    Launch,
    judged,
    opened,
    payload_of,
)
from rythmiq_worker.launcher.process import WORKER, TerminatedError, Termination, harden, run_worker

USAGE = 2
OK, REFUSED, ABANDONED = os.EX_OK, os.EX_DATAERR, os.EX_NOINPUT
NOBODY_KNOWS, MISCONFIGURED = os.EX_TEMPFAIL, os.EX_CONFIG
FRAME_BEGIN, FRAME_END = "RYTHMIQ_RESULT_BEGIN", "RYTHMIQ_RESULT_END"
_ATTEMPT = re.compile(r"[1-9][0-9]{0,3}")
_NEEDED = ("SPACES_ENDPOINT", "SPACES_REGION", "SPACES_BUCKET", "SPACES_KEY", "SPACES_SECRET")
_OUR_SETTINGS = (*_NEEDED, "SERVICE_ENV", "ALLOW_PLAINTEXT")


def main() -> NoReturn:
    """Run one attempt, then leave without the interpreter's teardown and whatever a thread still waits for."""
    code = launch(sys.argv[1:], os.environ)
    sys.stdout.flush()
    os._exit(code)


def launch(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    worker: Sequence[str] = WORKER,
    limits: Limits | None = None,
) -> int:
    """Run one attempt and return its exit code.

    Args:
        arguments: user, job, attempt.
        environ: ours.
        worker: another program is for tests.
        limits: others are for tests.
    """
    termination = Termination()
    termination.install()
    harden()
    what = _parsed(arguments)
    log = LaunchLog(what)
    if what is None:
        log.event("usage", wanted="rythmiq-launch {user_id} {job_id} {attempt}")
        return USAGE
    log.event("launch")
    try:
        run = _Attempt(what, environ, log, termination, limits or Limits())
    except SettingsError as error:
        log.event("misconfigured", problems=str(error))
        code = MISCONFIGURED
    else:
        code = run.through(worker)
    log.event("exit", exit_code=code)
    return code


class _Attempt:
    """A running attempt.

    Raises:
        SettingsError: the environment cannot be used.
    """

    def __init__(
        self, what: Launch, environ: Mapping[str, str], log: LaunchLog, termination: Termination, limits: Limits
    ) -> None:
        self.what, self.environ, self.log, self.termination, self.limits = what, environ, log, termination, limits
        self.settings = LauncherSettings.from_environ(environ)
        # What is wrong with the worker's other variables it reports itself, by way of a result.
        self.store_settings = WorkerSettings.from_environ({n: environ[n] for n in _OUR_SETTINGS if n in environ})
        self.ring = _ring(self.settings)
        if self.ring is None and not self.store_settings.plaintext_allowed:
            raise SettingsError("DISPATCH_KEYS is not set, and plaintext is not allowed here (ALLOW_PLAINTEXT)")
        self.kid: int | None = None
        self.sender = ResultSender(limits, termination, log)
        self.store = open_store(self.store_settings, timeout_s=limits.store_try_s)

    def through(self, worker: Sequence[str]) -> int:
        """Fetch the dispatch object, run the worker and deliver its result; return the exit code."""
        try:
            dispatch = self._dispatch()
        except ObjectMissingError:
            self.log.event("abandoned")
            return ABANDONED
        except DispatchRefusedError as error:
            self.log.event("refused", reason=error.reason)
            return REFUSED
        except (StoreError, TerminatedError) as error:
            self.log.event("no_dispatch", type=type(error).__name__)
            return NOBODY_KNOWS
        return self._deliver(dispatch, self._result(dispatch, worker))

    def _dispatch(self) -> Dispatch:
        key = dispatch_key(self.what.user_id, self.what.job_id, self.what.attempt)
        with self.termination.abandons():
            data = self.sender.on_store(
                "dispatch", lambda: self.store.fetch_object(key, max_bytes=MAX_DISPATCH_BYTES + OVERHEAD_BYTES)
            )
        dispatch = opened(data, storage_key=key, launch=self.what, ring=self.ring)
        # The result goes back under the key that the order came under: a rotation is then the API's alone to time.
        self.kid = None if self.ring is None else parse_header(data).kid
        return dispatch

    def _result(self, dispatch: Dispatch, worker: Sequence[str]) -> Success | Failure:
        payload = json.dumps(payload_of(dispatch)).encode()
        progress = Progress(dispatch, every_s=self.limits.progress_every_s, try_s=self.limits.progress_try_s)
        stderr = WorkerStderr(self.log, progress.offer, shows_noise=self.store_settings.service_env == "dev")
        timeout_s = self.settings.job_timeout_s
        ended = run_worker(
            payload,
            environ=self.environ,
            timeout_s=timeout_s,
            grace_s=self.limits.kill_grace_s,
            termination=self.termination,
            on_stderr=stderr.feed,
            command=worker,
        )
        progress.end()
        stderr.end()
        self.log.event("worker_ended", by=ended.by, exit_code=ended.exit_code, stdout_bytes=len(ended.stdout))
        return judged(ended, dispatch, stage=stderr.stage, timeout_s=timeout_s)

    def _deliver(self, dispatch: Dispatch, result: Success | Failure) -> int:
        body = WebhookBody(
            job_id=dispatch.job_id, attempt=dispatch.attempt, status=result.status, result=result
        ).model_dump_json()
        stored = self._store(dispatch, body.encode())
        delivered = self.sender.post_webhook(dispatch.callback, body.encode(), stored=stored)
        self._log_result(dispatch, result, stored=stored, delivered=delivered)
        return OK if stored or delivered == "delivered" else NOBODY_KNOWS

    def _store(self, dispatch: Dispatch, body: bytes) -> bool:
        """Store the result object; return whether it is stored."""
        key = result_key(dispatch.user_id, dispatch.job_id, dispatch.attempt)
        data = body if self.ring is None else self.ring.seal_service(body, storage_key=key, kid=self.kid)
        try:
            self.sender.on_store("result", lambda: self.store.upload_object(key, data))
        except StoreError:
            return False
        return True

    def _log_result(self, dispatch: Dispatch, result: Success | Failure, *, stored: bool, delivered: Delivered) -> None:
        error = result.error if isinstance(result, Failure) else None
        reason = (error.detail or {}).get("reason") if error is not None else None
        facts = {
            "status": result.status,
            "code": error.code if error is not None else None,
            "stage": error.stage if error is not None else None,
            "reason": reason,
            "stored": stored,
            "webhook": delivered,
        }
        self.log.event("delivery", **facts)
        ids = {"user_id": dispatch.user_id, "job_id": dispatch.job_id, "attempt": dispatch.attempt}
        with contextlib.suppress(OSError):
            os.write(1, f"{FRAME_BEGIN}\n{json.dumps({**ids, **facts})}\n{FRAME_END}\n".encode())


def _parsed(arguments: Sequence[str]) -> Launch | None:
    """Parse the command line; None if it does not name an attempt."""
    if len(arguments) != len(("user_id", "job_id", "attempt")) or not _ATTEMPT.fullmatch(arguments[2]):
        return None
    user_id, job_id, attempt = arguments
    try:
        launch_arguments(user_id, job_id, int(attempt))
    except InvalidKeyError:
        return None
    return Launch(user_id, job_id, int(attempt))


def _ring(settings: LauncherSettings) -> KeyRing | None:
    return None if settings.dispatch_keys is None else KeyRing.parse(settings.dispatch_keys.get_secret_value())
