"""The receipt: what the portal wants, what the final bytes measure, clause by clause.

It holds no clock time, so that the same input and versions give the same receipt.

Source: docs/specification/receipt.md.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from rythmiq.contracts.choices import INTEGER, NUMBER
from rythmiq.contracts.portal import Source

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


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class Clause(_Wire):
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


class DocumentFacts(_Wire):
    """The conformed file as re-read from its own bytes. `dpi` is None when the file states none."""

    filename: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: _Integer
    width_px: _Integer
    height_px: _Integer
    dpi: Annotated[float, NUMBER] | None
    format: Literal["jpeg", "png", "pdf"]
    pages: _Integer = 1


class Operation(_Wire):
    """One thing that was done to the pixels, with its parameters."""

    op: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)


class Receipt(_Wire):
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
