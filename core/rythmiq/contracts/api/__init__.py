"""The bodies of the HTTP API: what clients send and what they are answered.

Requests refuse unknown fields; answers are what OpenAPI says they are.

Source: docs/specification/http-api.md.
"""

from typing import TYPE_CHECKING

from rythmiq.on_demand import names_of

if TYPE_CHECKING:
    from rythmiq.contracts.api.account import AccountAnswer, AccountLimits, Credits, HealthAnswer, LedgerEntry
    from rythmiq.contracts.api.jobs import (
        JobAccepted,
        JobItem,
        JobKey,
        JobLinks,
        JobOptions,
        JobPage,
        JobRequest,
        JobView,
    )
    from rythmiq.contracts.api.problem import Problem, ProblemField
    from rythmiq.contracts.api.uploads import SignedUpload, UploadAnswer, UploadKey, UploadRequest
    from rythmiq.contracts.api.words import IDEMPOTENCY_KEY, MEDIA_TYPE, SLUG, JobStatus, LedgerKind, Text

__all__ = [
    "IDEMPOTENCY_KEY",
    "MEDIA_TYPE",
    "SLUG",
    "AccountAnswer",
    "AccountLimits",
    "Credits",
    "HealthAnswer",
    "JobAccepted",
    "JobItem",
    "JobKey",
    "JobLinks",
    "JobOptions",
    "JobPage",
    "JobRequest",
    "JobStatus",
    "JobView",
    "LedgerEntry",
    "LedgerKind",
    "Problem",
    "ProblemField",
    "SignedUpload",
    "Text",
    "UploadAnswer",
    "UploadKey",
    "UploadRequest",
]

__getattr__ = names_of(
    __name__,
    {
        "account": (*("AccountAnswer", "AccountLimits", "Credits", "HealthAnswer", "LedgerEntry"),),
        "jobs": (
            *("JobAccepted", "JobItem", "JobKey", "JobLinks", "JobOptions", "JobPage", "JobRequest"),
            *("JobView",),
        ),
        "problem": (*("Problem", "ProblemField"),),
        "uploads": (*("SignedUpload", "UploadAnswer", "UploadKey", "UploadRequest"),),
        "words": (*("IDEMPOTENCY_KEY", "JobStatus", "LedgerKind", "MEDIA_TYPE", "SLUG", "Text"),),
    },
)
