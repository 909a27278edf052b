"""The face of the Python client on `page/rythmiq.js` in a Node process, so that one suite of tests holds both.

Method for method the same names; what it answers is parsed into the same models, and its errors are raised as the
exceptions of the same names.
"""

import atexit
import base64
import json
import mimetypes
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel

from rythmiq import client as python_client
from rythmiq.client import ClientError, JobFailedError, JobOptions, RefusedError, exchange, jobs
from rythmiq.contracts.bodies import AccountAnswer, AccountErased
from rythmiq.contracts.job_bodies import JobAccepted, JobItem, JobView
from rythmiq.contracts.portal import Portal
from rythmiq.contracts.problems import FieldError
from tests.support.node import node

SCRIPT = Path(__file__).with_suffix(".mjs")
_MS = 1_000
Model = TypeVar("Model", bound=BaseModel)
_File = bytes | str | Path
_idle: list[subprocess.Popen[str]] = []  # a process starts in .13 s of CPU, so it serves one client after another


class NodeClient:
    """A client in a Node process that no other has meanwhile; see `rythmiq.client.Client`."""

    def __init__(self, url: str, token: str | Callable[[], str] | None = None, **terms: float) -> None:
        self._token = token
        self._process = _idle.pop() if _idle else _node_process()
        self._is_answered = True
        options: dict[str, Any] = {
            "backoffMs": [exchange.FIRST_BACKOFF_S * _MS, exchange.MOST_BACKOFF_S * _MS],
            "maxFileBytes": jobs.MAX_FILE_BYTES,
            **{
                {"timeout_s": "timeoutMs", "retry_for_s": "retryForMs"}[name]: value * _MS
                for name, value in terms.items()
            },
        }
        if isinstance(token, str):
            options["token"] = token
        self._say({"url": url, "options": options, "asksForTokens": callable(token)})
        try:
            list(self._heard(None))
        except ClientError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the process to the next client, or end it where an answer is still to come."""
        if self._is_answered:
            _idle.append(self._process)
        else:
            _end(self._process)

    # --- the client's methods ---

    def submit(  # noqa: PLR0913  as the client's
        self,
        file: _File | Sequence[_File],
        portal: str,
        slot: str | None = None,
        *,
        options: JobOptions | None = None,
        filename: str | None = None,
        encrypted: bool = True,
        job_id: str | None = None,
        on_sent: Callable[[int], object] | None = None,
    ) -> JobAccepted:
        """Seal, upload and create."""
        files = [file] if isinstance(file, bytes | str | Path) else list(file)
        first = files[0] if files else b""
        name = filename or (None if isinstance(first, bytes) else Path(first).name)
        order = {
            "portal": portal,
            "slot": slot,
            "options": None if options is None else options.model_dump(mode="json", exclude_none=True),
            "filename": name,
            "mimeType": None if name is None else mimetypes.guess_type(name)[0],
            "encrypted": encrypted,
            "jobId": job_id,
            "tellsProgress": on_sent is not None,
        }
        contents = [item if isinstance(item, bytes) else Path(item).read_bytes() for item in files]
        return self._one(JobAccepted, "submit", [_packed(data) for data in contents], _given(order), on_sent=on_sent)

    def create_job(self, portal: str, slot: str | None = None, *, raw_path: str | None = None) -> JobAccepted:
        """Create a job from what is stored."""
        return self._one(JobAccepted, "createJob", _given({"portal": portal, "slot": slot, "rawPath": raw_path}))

    def job(self, job_id: str) -> JobView:
        """One job."""
        return self._one(JobView, "job", job_id)

    def watch(self, job_id: str, *, timeout_s: float | None = None) -> list[JobView]:
        """Every change until the end."""
        return [_parsed(JobView, item) for item in self._call("watch", job_id, _limit(timeout_s))]

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobView:
        """The job once it is completed."""
        return self._one(JobView, "wait", job_id, _limit(timeout_s))

    def jobs(self, *, status: str | None = None, page_size: int = 100) -> list[JobItem]:
        """Every job."""
        found = self._call("jobs", _given({"status": status, "pageSize": page_size}))
        return [_parsed(JobItem, item) for item in found]

    def download(self, job_id: str, what: str = "document") -> bytes:
        """One file."""
        (told,) = self._call("download", job_id, what)
        return base64.b64decode(told["bytes"])

    def cancel(self, job_id: str) -> bool:
        """Cancel a pending job."""
        (told,) = self._call("cancel", job_id)
        return bool(told)

    def delete(self, job_id: str) -> None:
        """Remove a job."""
        list(self._call("delete", job_id))

    def delete_upload(self, job_id: str) -> None:
        """Remove an upload."""
        list(self._call("deleteUpload", job_id))

    def account(self) -> AccountAnswer:
        """The account."""
        return self._one(AccountAnswer, "account")

    def erase_account(self) -> AccountErased:
        """Erase the account."""
        return self._one(AccountErased, "eraseAccount")

    def portals(self) -> tuple[Portal, ...]:
        """The rule book."""
        (told,) = self._call("portals")
        return tuple(_parsed(Portal, item) for item in told)

    def portal(self, slug: str) -> Portal:
        """One portal."""
        return self._one(Portal, "portal", slug)

    # --- the wire ---

    def _one(self, model: type[Model], method: str, *args: Any, on_sent: Any = None) -> Model:
        (told,) = self._call(method, *args, on_sent=on_sent)
        return _parsed(model, told)

    def _call(self, method: str, *args: Any, on_sent: Callable[[int], object] | None = None) -> list[Any]:
        self._say({"method": method, "args": args})
        return list(self._heard(on_sent))

    def _say(self, told: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()

    def _heard(self, on_sent: Callable[[int], object] | None) -> Iterator[Any]:
        """What a call yields, or at last its result."""
        has_items = self._is_answered = False
        while True:
            assert self._process.stdout is not None
            told = json.loads(self._process.stdout.readline())
            if "ask" in told:
                self._say({"token": self._token() if callable(self._token) else None})
            elif "sent" in told:
                if on_sent is not None:
                    on_sent(told["sent"])
            elif "item" in told:
                has_items = True
                yield told["item"]
            elif "failed" in told:
                self._is_answered = True
                raise _error(told["failed"])
            else:
                self._is_answered = True
                if not has_items and told["result"] is not None:
                    yield told["result"]
                return


def _node_process() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [node(), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()


def _error(told: Mapping[str, Any]) -> Exception:
    kind = getattr(python_client, told["kind"], None)
    if kind is None:
        return ValueError(told["detail"])
    if kind is JobFailedError:
        return JobFailedError(_parsed(JobView, told["view"]))
    about = {"request_id": told.get("requestId"), "job_id": told.get("jobId"), "code": told.get("code")}
    if issubclass(kind, RefusedError):
        errors = [FieldError(error["pointer"], error["code"], error["detail"]) for error in told["errors"]]
        about |= {"status": told["status"], "errors": errors, "retry_after_s": told.get("retryAfterS")}
    made: Exception = kind(told["detail"], **about)
    return made


def _parsed(model: type[Model], told: Any) -> Model:
    return model.model_validate_json(json.dumps(told), extra="ignore")


def _packed(data: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(data).decode()}


def _given(order: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if value is not None}


def _limit(timeout_s: float | None) -> dict[str, float]:
    return {} if timeout_s is None else {"timeoutMs": timeout_s * _MS}
