"""What the worker prints on STDOUT: exactly one of these two documents.

It never holds recognised text, captions, file names of the user or pixels beyond the receipt's own file name.
`text_path`, `before_path`, `detail` and a failure's `metrics` are left out where there are none, and read as null, too.

Source: docs/specification/worker.md.
"""

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from rythmiq.contracts.advice import Advice
from rythmiq.contracts.choices import INTEGER, NUMBER
from rythmiq.contracts.errors import ErrorCode, Stage
from rythmiq.contracts.keys import Artifact, InvalidKeyError, MasterKey, OutputKey, parse_key
from rythmiq.contracts.payload import Uuid4
from rythmiq.contracts.receipt import Receipt

MAX_STDOUT_BYTES = 64 * 1024
MAX_TEXT_CHARS = 500
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Milliseconds = Annotated[int, Field(ge=0, le=2**31 - 1), INTEGER]
Count = Annotated[int, Field(ge=0, le=2**53), INTEGER]
WarningText = Annotated[str, Field(pattern=r"^[A-Z][A-Z_]+: .", max_length=500)]


def _is_absent(value: object) -> bool:
    return value is None


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")


class StageTime(_Wire):
    """What one stage took; CPU time counts the stage's child processes too."""

    stage: Stage
    wall_ms: Milliseconds
    cpu_ms: Milliseconds


class Metrics(_Wire):
    """What the job cost. `ocr_confidence` (0..1) is None when no text was looked for or found."""

    ocr_confidence: Annotated[float, Field(ge=0, le=1), NUMBER] | None = None
    processing_ms: Milliseconds
    stages: Annotated[tuple[StageTime, ...], Field(max_length=50)]
    input_bytes: Count | None = None
    document_bytes: Count | None = None
    encodes: Count | None = None


class Artifacts(BaseModel):
    """Storage keys of what the worker wrote; a name that is not listed here is refused."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    master_path: str
    preview_path: str
    document_path: str
    text_path: str | None = Field(default=None, exclude_if=_is_absent)
    before_path: str | None = Field(default=None, exclude_if=_is_absent)

    def owner(self, job_id: str) -> tuple[str, str] | None:
        """Return the user and the document that the keys name; None unless all are the keys of this job's artifacts."""
        outputs: list[tuple[str | None, Artifact]] = [
            (self.document_path, "document"),
            (self.preview_path, "preview"),
            (self.text_path, "text"),
            (self.before_path, "before"),
        ]
        try:
            master = parse_key(self.master_path)
            keys = [(parse_key(path), artifact) for path, artifact in outputs if path is not None]
        except InvalidKeyError:
            return None
        if not isinstance(master, MasterKey):
            return None
        for key, artifact in keys:
            expected = (master.user_id, job_id, artifact)
            if not isinstance(key, OutputKey) or (key.user_id, key.job_id, key.artifact) != expected:
                return None
        return master.user_id, master.document_id


class Success(_Wire):
    """The job's files are stored and every hard clause holds. `advice` says what `warnings` say, in the same order."""

    status: Literal["success"] = "success"
    job_id: Uuid4
    quality_score: Annotated[float, Field(ge=0, le=1), NUMBER]
    warnings: Annotated[tuple[WarningText, ...], Field(max_length=50)] = ()
    advice: Annotated[tuple[Advice, ...], Field(max_length=50)] = ()
    artifacts: Artifacts
    metrics: Metrics
    receipt: Receipt


class ErrorReport(_Wire):
    """Which failure of the catalogue, where, and whether a repeat may help."""

    code: ErrorCode
    stage: Stage
    message: Annotated[str, Field(max_length=500)]
    retryable: bool
    detail: dict[str, JsonValue] | None = Field(default=None, exclude_if=_is_absent)


class Failure(_Wire):
    """The job ended without a document. `job_id` is None when it could not be read."""

    status: Literal["failed"] = "failed"
    job_id: Uuid4 | None
    error: ErrorReport
    metrics: Metrics | None = Field(default=None, exclude_if=_is_absent)


def _short_and_storable(result: Success | Failure) -> Success | Failure:
    """Refuse what a report need not hold and a database cannot: long strings, NUL, lone surrogates, NaN."""
    waiting: list[object] = [result.model_dump()]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str) and (len(part) > MAX_TEXT_CHARS or _UNSTORABLE.search(part)):
            raise ValueError(f"a string has at most {MAX_TEXT_CHARS} characters, all of them of a text")
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError("a number is finite")
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list | tuple):
            waiting += part
    return result


Result = Annotated[Success | Failure, Field(discriminator="status"), AfterValidator(_short_and_storable)]
RESULT: TypeAdapter[Success | Failure] = TypeAdapter(Result, config=ConfigDict(defer_build=True))
"""Built when it is first used, which the worker itself never does."""
