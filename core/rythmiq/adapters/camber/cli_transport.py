"""Camber by its official command line, for machines that can hold a binary; functions cannot.

Arguments are a list and no shell reads them; the key goes by the environment, which other users of the machine do not
see; the question that `job create` asks is answered with `y`.

Source: docs/specification/executors.md, docs/camber.md.
"""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence

from rythmiq.adapters.camber.errors import (
    CamberAmbiguousError,
    CamberAuthError,
    CamberRejectedError,
    CamberUnavailableError,
)
from rythmiq.adapters.camber.wire import JobTerms, Wire

CALL_S = 30.0
"""A call is killed after this."""
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
_CREATED = re.compile(r"Job ID:\s*([0-9]{1,12})\b")
# What STDERR says, and what it means; inferred, but for the first of the refusals.
_NO_ENGINE, _NO_LOGS = "not found or not available", "job status is not completed, failed, or running"
_AUTH = re.compile(r"\b(401|403|unauthori[sz]ed|forbidden|invalid (api key|token)|not logged in)\b", re.IGNORECASE)
_NO_CONNECTION = re.compile(r"(dial tcp|connection refused|no such host|network is unreachable)", re.IGNORECASE)
_REJECTED = re.compile(rf"({_NO_ENGINE}|validation|unmarshal type error|invalid argument|unknown flag)", re.IGNORECASE)
_NOT_FOUND = re.compile(r"(404|not found|does not exist)", re.IGNORECASE)


class CliTransport:
    """Implements `service.Transport`.

    Args:
        binary: the `camber` program.
        key: `CAMBER_API_KEY`.
        terms: what every job is run with; the command line wants its path.
        wire: the names in force.
        timeout_s: for one call.
    """

    def __init__(self, binary: str, key: str, *, terms: JobTerms, wire: Wire, timeout_s: float = CALL_S) -> None:
        self._binary, self._key = binary, key
        self._terms, self._wire = terms, wire
        self._timeout_s = timeout_s

    async def create(self, command: str) -> object:
        """Start a job; its number as it came."""
        terms = self._terms
        words = ["job", "create", "--engine", terms.engine, "--size", terms.size]
        words += ["--path", terms.path] if terms.path is not None else []
        ended = await self._run([*words, "--cmd", command])
        if ended is None:
            raise CamberAmbiguousError("the camber command did not end in time")
        code, stdout, stderr = ended
        created = _CREATED.search(stdout) or _CREATED.search(stderr)
        if created is not None:
            return created[1]
        said = stdout + stderr
        if code != 0:
            _raise_for(said)
            if _REJECTED.search(said):
                raise CamberRejectedError("the camber command says that Camber refuses the job")
        raise CamberAmbiguousError(f"the camber command ended with {code} and no job's number")

    async def get(self, number: str) -> Mapping[str, object] | None:
        """What Camber says of a job; None when it knows none of that number."""
        code, stdout, said = await self._answered(["job", "get", number, "--output", "json"])
        if code != 0 and _NOT_FOUND.search(said):
            return None
        document = _json(code, stdout)
        data = document.get(self._wire.envelope_data, document) if isinstance(document, dict) else None
        if not isinstance(data, dict):
            raise CamberUnavailableError("the camber command answered what we do not understand")
        return data

    async def recent(self) -> Sequence[Mapping[str, object]]:
        """The jobs that Camber lists."""
        words = ["job", "list", "--size", str(self._wire.listed), "--output", "json"]
        code, stdout, _ = await self._answered(words)
        document = _json(code, stdout)
        if isinstance(document, dict):
            data = document.get(self._wire.envelope_data, document)
            names = self._wire.list_fields
            document = next((data[name] for name in names if name in data), data) if isinstance(data, dict) else data
        if not isinstance(document, list) or not all(isinstance(job, dict) for job in document):
            raise CamberUnavailableError("the camber command answered what is no list of jobs")
        return document

    async def logs(self, number: str, *, tail_lines: int) -> str:
        """All lines that a job wrote."""
        del tail_lines
        code, stdout, said = await self._answered(["job", "logs", number])
        if code == 0:
            return stdout
        if _NO_LOGS in said or _NOT_FOUND.search(said):
            return ""
        raise CamberUnavailableError(f"the camber command ended with {code}")

    async def version(self) -> str:
        """What the command says of itself."""
        code, stdout, _ = await self._answered(["version"])
        return stdout.strip() if code == 0 else ""

    async def _answered(self, words: Sequence[str]) -> tuple[int, str, str]:
        """A call that only asks: its exit code, STDOUT, and all that it said; raises for what ails every call."""
        ended = await self._run(words)
        if ended is None:
            raise CamberUnavailableError("the camber command did not end in time")
        code, stdout, stderr = ended
        if code != 0:
            _raise_for(stdout + stderr)
        return code, stdout, stdout + stderr

    async def _run(self, words: Sequence[str]) -> tuple[int, str, str] | None:
        """Exit code, STDOUT and STDERR; None when it had to be killed."""
        environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                self._binary,
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**environ, "CAMBER_API_KEY": self._key},
                start_new_session=True,
            )
        except OSError:
            raise CamberUnavailableError("the camber command cannot be started") from None
        try:
            async with asyncio.timeout(self._timeout_s):
                stdout, stderr = await process.communicate(b"y\n")
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode or 0, stdout.decode(errors="replace"), stderr.decode(errors="replace")


def _raise_for(said: str) -> None:
    """Raise for what a call says when it has not reached Camber, or is not let in; its words are not shown."""
    if _AUTH.search(said):
        raise CamberAuthError("the camber command says that the key is refused")
    if _NO_CONNECTION.search(said):
        raise CamberUnavailableError("the camber command says that there is no connection")


def _json(code: int, stdout: str) -> object:
    if code != 0:
        raise CamberUnavailableError(f"the camber command ended with {code}")
    try:
        return json.loads(stdout)
    except ValueError:
        raise CamberUnavailableError("the camber command answered what is not JSON") from None
