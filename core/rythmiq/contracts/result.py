"""What the worker prints on STDOUT, exactly one success or failure, and the receipt that a success holds.

Neither ever holds recognised text, captions, file names of the user or pixels beyond the receipt's own file name.
`text_path`, `before_path`, `detail` and a failure's `metrics` are left out where there are none, and read as null, too.
A receipt states what the portal wants and what the final bytes measure, clause by clause. It holds no clock time, so
that the same input and versions give the same receipt.

Source: docs/specification/worker.md, docs/specification/receipt.md.
"""

import math
import re
from typing import Annotated, Literal, Self

from rythmiq.contracts.advice import Advice
from rythmiq.contracts.choices import INTEGER, NUMBER
from rythmiq.contracts.errors import ErrorCode, Stage
from rythmiq.contracts.keys import CONTROLS, Artifact, InvalidKeyError, MasterKey, OutputKey, parse_key
from rythmiq.contracts.payload import Uuid4
from rythmiq.contracts.portal import Source
from rythmiq.contracts.validation import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    model_validator,
)

Verdict = Literal["pass", "fail", "advice", "not_checked"]
ClauseName = Literal[
    "bytes",
    "pixels",
    "dpi",
    "format",
    "colour",
    "metadata",
    "aspect",
    "compression_ratio",
    "filename",
    "background",
    "face",
    "face_size",
    "faces",
    "centring",
    "roll",
    "pose",
    "eyes",
    "mouth",
    "glasses",
    "headwear",
    "grey",
    "face_light",
    "sharpness",
    "legibility",
    "completeness",
    "ink",
    "signatures",
    "name_date_strip",
]

_Integer = Annotated[int, INTEGER]


class _Exact(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class Clause(_Exact):
    """One rule, measured on the final bytes; where `measured` says "on the upload", on what came in.

    Attributes:
        wanted: the rule in words a person reads, e.g. "630 x 810 px".
        measured: what the file has, in the same words; None when it was not checked.
        hard: whether failing it fails the job.
        source: where the portal's number comes from, when the rule book says.
        page: which one it is about, from 1, of a file of several pages; None: the file.
    """

    clause: ClauseName
    wanted: str
    measured: str | None
    verdict: Verdict
    hard: bool
    source: Source | None = None
    page: Annotated[int, Field(ge=1), INTEGER] | None = None


class DocumentFacts(_Exact):
    """The conformed file as re-read from its own bytes. `dpi` is None when the file states none."""

    filename: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: _Integer
    width_px: _Integer
    height_px: _Integer
    dpi: Annotated[float, NUMBER] | None
    format: Literal["jpeg", "png", "pdf"]
    pages: _Integer = 1


class Operation(_Exact):
    """One thing that was done to the pixels, with its parameters."""

    op: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class Receipt(_Exact):
    """The proof, clause by clause, that a file fits its portal."""

    portal: str
    slot: str | None
    version: str
    conforms: bool
    clauses: tuple[Clause, ...]
    document: DocumentFacts
    operations: tuple[Operation, ...] = ()
    padded_bytes: _Integer = 0
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _conforms_means_no_failed_clause(self) -> Self:
        if self.conforms != all(clause.verdict != "fail" for clause in self.clauses):
            raise ValueError("conforms disagrees with the clauses")
        return self


MAX_STDOUT_BYTES = 64 * 1024
MAX_TEXT_CHARS = 500
_UNSTORABLE = re.compile(rf"[{CONTROLS}\ud800-\udfff]")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
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


class Hashes(_Wire):
    """SHA-256 of artifacts as they were made, before they were sealed; `text` where there is one."""

    preview: Sha256
    document: Sha256
    text: Sha256 | None = Field(default=None, exclude_if=_is_absent)
    master: Sha256


class Success(_Wire):
    """The job's files are stored and every hard clause holds. `advice` says what `warnings` say, in the same order.

    `hashes` are left out by an older worker; whoever opens an artifact holds it against them.
    """

    status: Literal["success"] = "success"
    job_id: Uuid4
    quality_score: Annotated[float, Field(ge=0, le=1), NUMBER]
    warnings: Annotated[tuple[WarningText, ...], Field(max_length=50)] = ()
    advice: Annotated[tuple[Advice, ...], Field(max_length=50)] = ()
    artifacts: Artifacts
    hashes: Hashes | None = Field(default=None, exclude_if=_is_absent)
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
    """Refuse what a report need not hold: long strings, controls of terminals and direction, surrogates, NaN."""
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
