"""Jobs as their owner sees them: create, view, list, delete.

Source: SPEC 2, 3, 4, 6, 16.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.api import JobAccepted, JobPage, JobRequest, JobStatus, JobView
from rythmiq.contracts.origins import OriginRules
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import Caller, Capacity, Clock, Database, SigningStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from rythmiq.services.reconcile import Reconciler


@dataclass(frozen=True, slots=True)
class JobTerms:
    """What the operator allows.

    Attributes:
        origins: where an `artifact_url` may point.
        capacity: how much an executor is given.
        max_upload_bytes: of the plaintext.
        max_active_jobs: of one user.
        initial_credits: what a user has at the first call.
        download_url_ttl_s: how long links to preview and document hold.
        output_url_ttl_s: how long the link to the ZIP holds.
    """

    origins: OriginRules
    capacity: Capacity
    max_upload_bytes: int
    max_active_jobs: int
    initial_credits: int
    download_url_ttl_s: int = 3_600
    output_url_ttl_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Viewed:
    """What GET /jobs/{id} answers: `view` is None when nothing changed since `if_none_match` (304)."""

    etag: str
    view: JobView | None
    retry_after_s: int | None


class Jobs:
    """The use cases.

    Args:
        database: of jobs.
        store: where objects are.
        ring: what wraps data keys; None where the service has no keys.
        clock: for links that never go stale, and waiting.
        reconciler: makes what dispatches and heals; asked only when there is something to do.
        terms: what the operator allows.

    `base_url` of the methods is what `/jobs/{id}` is appended to, without a slash at its end.
    """

    def __init__(  # noqa: PLR0913  a job touches this many parts
        self,
        *,
        database: Database,
        store: SigningStore,
        ring: KeyRing | None,
        clock: Clock,
        reconciler: "Callable[[], Reconciler]",
        terms: JobTerms,
    ) -> None:
        self._database = database
        self._store = store
        self._ring = ring
        self._clock = clock
        self._reconciler = reconciler
        self._terms = terms

    def create(
        self, user_id: str, request: JobRequest, *, base_url: str, idempotency_key: str | None = None
    ) -> JobAccepted:
        """Create a job, or find the one that the same request made before; 202 also when its dispatch fails.

        Raises:
            ProblemError: INVALID_FIELD, IDEMPOTENCY_MISMATCH, NOT_FOUND, PORTAL_UNKNOWN, OBJECT_MISSING,
                UPLOAD_CLAIMED, UPLOAD_TOO_LARGE, TOO_MANY_JOBS, NO_CREDIT, UNAVAILABLE.
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError

    def view(
        self, caller: Caller, job_id: str, *, base_url: str, wait_s: float = 0.0, if_none_match: str | None = None
    ) -> Viewed:
        """Show one's own job; with `wait_s` wait that long for a change. The gateway bounds `wait_s`.

        Raises:
            ProblemError: NOT_FOUND, NOT_CONFIGURED.
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError

    def page(
        self, caller: Caller, *, base_url: str, status: JobStatus | None, limit: int = 20, cursor: str | None = None
    ) -> JobPage:
        """List one's own jobs, newest first.

        Raises:
            ProblemError: INVALID_FIELD (limit or cursor).
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError

    def delete(self, user_id: str, job_id: str) -> None:
        """Cancel a pending job, or remove objects and personal data of a terminal one; a second time is no error.

        Raises:
            ProblemError: NOT_FOUND, JOB_PROCESSING, UNAVAILABLE.
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError
