"""Jobs as their owner sees them: create, view, list, delete.

Source: docs/specification/http-api.md, docs/specification/executors.md.
"""

import re
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rythmiq.clock import Deadline
from rythmiq.contracts.choices import JobStatus
from rythmiq.contracts.errors import StoreError
from rythmiq.contracts.job_bodies import JobAccepted, JobPage, JobRequest, JobView
from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.origins import OriginRules
from rythmiq.contracts.problems import FieldCode, ProblemCode, ProblemError
from rythmiq.crypto import OVERHEAD_BYTES
from rythmiq.log import log
from rythmiq.ports import UnavailableError
from rythmiq.ports.database import Caller, Capacity, NewJob, RateLimit
from rythmiq.ports.jobs import JobRow, TickWork
from rythmiq.services import Backends
from rythmiq.services.job_messages import (
    LinkPolicy,
    Source,
    cursor_of,
    etag_of,
    is_of_its_owner,
    is_terminal,
    item_of,
    read_cursor,
    refusal_of,
    request_hash,
    self_link,
    source_of,
    too_large,
    unknown_rules,
    view_of,
    wrong_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rythmiq.ports.database import RateSink
    from rythmiq.services.reconcile import WorkLoop

MAX_PAGE = 100
STORE_RETRY_S = 5
_HEAD_S = 5.0
_REMOVAL_S = 10.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.15, 2.0
_PAUSE_SHARE = 0.2
"""Of the time waited so far: a long poll learns of a change late by a quarter second, or by this share of its wait."""
_PENDING_RETRY_S, _PROCESSING_RETRY_S = 5, 2
MOST_POLLS = 2
"""How many polls of one user wait at a time."""
_POLL_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """Limits that the operator sets.

    Attributes:
        origins: where an `artifact_url` may point.
        capacity: how much an executor is given.
        max_upload_bytes: of the plaintext.
        max_active_jobs: of one user.
        max_pages: how many uploads a job may have; of their pages, the worker takes as many.
        initial_credits: what a user has at the first call.
        download_url_ttl_s: how long links to preview, before and document hold.
        output_url_ttl_s: how long the link to the ZIP holds.
        rate: of a user's calls.
        guest_credits: what a guest has at the first call.
    """

    origins: OriginRules
    capacity: Capacity
    max_upload_bytes: int
    max_active_jobs: int
    initial_credits: int
    download_url_ttl_s: int = 3_600
    output_url_ttl_s: int = 86_400
    max_pages: int = 10
    rate: RateLimit = field(default_factory=RateLimit)
    guest_credits: int = 0


@dataclass(frozen=True, slots=True)
class Viewed:
    """Answer of GET /jobs/{id}; `view` is None when the client has this state already (304)."""

    etag: str
    view: JobView | None
    retry_after_s: int | None


class Jobs:
    """The use cases.

    Args:
        backends: where jobs and objects are kept, and what wraps data keys.
        policy: what the operator allows.
        work: makes what dispatches and reconciles; called only when there is something to do.

    `base_url` of the methods is what `/jobs/{id}` is appended to, without a slash at its end.
    """

    def __init__(self, backends: Backends, policy: JobPolicy, *, work: "Callable[[], WorkLoop]") -> None:
        self._backends = backends
        self._database, self._store, self._ring = backends.database, backends.store, backends.ring
        self._clock = backends.clock
        self._policy = policy
        self._work = work
        self._links = LinkPolicy(policy.download_url_ttl_s, policy.output_url_ttl_s)

    # --- create -------------------------------------------------------------------------------------------------

    def create(  # noqa: PLR0913  what the gateway knows of a call
        self,
        user_id: str,
        request: JobRequest,
        *,
        base_url: str,
        idempotency_key: str | None = None,
        is_guest: bool = False,
        on_rate: "RateSink | None" = None,
    ) -> JobAccepted:
        """Create a job, or find the one that the same request made before; 202 also when its dispatch fails.

        Raises:
            ProblemError: INVALID_FIELD (also an option that the slot's rules do not allow), IDEMPOTENCY_MISMATCH,
                NOT_FOUND, PORTAL_UNKNOWN, OBJECT_MISSING,
                UPLOAD_CLAIMED, UPLOAD_TOO_LARGE, RATE_LIMITED, TOO_MANY_JOBS, NO_CREDIT, UNAVAILABLE.
            DatabaseUnavailableError: the database does not answer.
        """
        source = source_of(request, user_id, self._policy.origins)
        if len(source.raw_paths or ()) > self._policy.max_pages:
            raise wrong_field(
                "/raw_paths", FieldCode.WRONG_LENGTH, f"A job has at most {self._policy.max_pages} uploads."
            )
        new = self._new_job(user_id, request, source, idempotency_key, is_guest=is_guest)
        created = self._database.job_create(new, self._policy.capacity, rate=self._policy.rate)
        if on_rate is not None:
            on_rate(self._policy.rate, created.rate)
        if created.outcome == "portal_unknown":
            raise unknown_rules(request, self._database.rule_names(request.portal, request.portal_version))
        if created.job_id is None or created.status is None:
            raise refusal_of(created)
        log("job_created", job_id=created.job_id, outcome=created.outcome, portal=request.portal)
        if created.started is not None:
            self._work().follow(TickWork(dispatch=created.started))
        return JobAccepted(job_id=created.job_id, status=created.status, links=self_link(created.job_id, base_url))

    def _new_job(
        self, user_id: str, request: JobRequest, source: Source, idempotency_key: str | None, *, is_guest: bool
    ) -> NewJob:
        # An upload has its key already; a master or a URL is processed under a key of the new job's own.
        fresh = self._ring.mint(user_id) if self._ring is not None else None
        return NewJob(
            user_id=user_id,
            job_id=str(uuid.uuid4()),
            document_id=str(uuid.uuid4()),
            raw_path=source.raw_path,
            raw_paths=source.raw_paths,
            artifact_url=source.artifact_url,
            object_bytes=self._object_bytes(source.raw_path) if source.raw_path is not None else None,
            objects_bytes=self._objects_bytes(source.raw_paths) if source.raw_paths is not None else None,
            portal=request.portal,
            slot=request.slot,
            portal_version=request.portal_version,
            mime_type=request.mime_type,
            original_filename=request.original_filename,
            options=request.options.model_dump(mode="json", exclude_none=True),
            kid=fresh.kid if fresh else None,
            wrapped_key=fresh.wrapped_key_text if fresh else None,
            idempotency_key=idempotency_key,
            request_hash=request_hash(request, source, user_id, self._ring),
            max_active_jobs=self._policy.max_active_jobs,
            initial_credits=self._policy.guest_credits if is_guest else self._policy.initial_credits,
            is_guest=is_guest,
        )

    def _objects_bytes(self, paths: "Sequence[str]") -> tuple[int | None, ...]:
        """Ask for all at once: one after the other would take a call's whole time."""
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  few jobs have several uploads

        with ThreadPoolExecutor(max_workers=len(paths)) as pool:
            sizes = tuple(pool.map(self._object_bytes, paths))
        most_bytes = self._policy.max_upload_bytes + len(paths) * OVERHEAD_BYTES
        if sum(size for size in sizes if size is not None) > most_bytes:
            raise too_large()
        return sizes

    def _object_bytes(self, path: str) -> int | None:
        try:
            size_bytes = self._store.object_exists(path, timeout_s=_HEAD_S)
        except StoreError as error:
            raise _store_trouble("head", error) from None
        if size_bytes is not None and size_bytes > self._policy.max_upload_bytes + OVERHEAD_BYTES:
            raise too_large()
        return size_bytes

    # --- view and list --------------------------------------------------------------------------------------------

    def view(  # noqa: PLR0913  the parameters of a long poll
        self,
        caller: Caller,
        job_id: str,
        *,
        base_url: str,
        wait_s: float = 0.0,
        until_ended: bool = False,
        is_known: "Callable[[str], bool] | None" = None,
    ) -> Viewed:
        """Show one of the caller's jobs, after waiting up to `wait_s` for a change, or for its end with `until_ended`.

        A change is a state whose ETag is not `is_known` to the client; by default one that differs from the present
        state. The gateway bounds `wait_s`. Of a user's polls `MOST_POLLS` wait at a time; one more is answered at once.

        Raises:
            ProblemError: NOT_FOUND, NOT_CONFIGURED.
            DatabaseUnavailableError: the database does not answer.
        """
        row = self._row(caller, job_id)
        if row.overdue:
            row = self._healed(caller, job_id)
        if wait_s > 0:
            is_old = is_known or self._etag(row).__eq__
            row = self._awaited_in_place(caller, row, wait_s, None if until_ended else is_old)
        etag = self._etag(row)
        retry_after_s = None
        if not is_terminal(row):
            retry_after_s = _PENDING_RETRY_S if row.status == "pending" else _PROCESSING_RETRY_S
        if is_known is not None and is_known(etag):
            return Viewed(etag, None, retry_after_s)
        if not is_of_its_owner(row, caller.user_id):
            log("row_refused", level="error", job_id=job_id, reason="artifacts that are not this job's")
            raise ProblemError(ProblemCode.INTERNAL)
        key = None
        if row.sealed:
            wrapped = self._database.job_key(caller.user_id, job_id)
            if wrapped is None:
                raise _no_job()
            key = self._backends.open_key(wrapped.kid, wrapped.wrapped_key, caller.user_id)
        return Viewed(etag, view_of(row, key, self._store, self._links, base_url), retry_after_s)

    def _row(self, caller: Caller, job_id: str) -> JobRow:
        row = self._database.job_get(caller, job_id) if re.fullmatch(UUID4_PATTERN, job_id) else None
        if row is None:
            raise _no_job()
        return row

    def _healed(self, caller: Caller, job_id: str) -> JobRow:
        """A GET past the lease runs one tick, so that the system heals without a scheduler."""
        try:
            self._work().tick(most=1)
        except UnavailableError as error:
            log("tick_trouble", level="warning", job_id=job_id, reason=str(error))
        return self._row(caller, job_id)

    def _awaited_in_place(
        self, caller: Caller, row: JobRow, wait_s: float, is_old: "Callable[[str], bool] | None"
    ) -> JobRow:
        """Wait in one of the user's places for polls; without a free one the answer is the present state, at once."""
        if is_terminal(row) or (is_old is not None and not is_old(self._etag(row))):
            return row
        place = self._database.poll_enter(caller.user_id, seconds=wait_s + _POLL_MARGIN_S, most=MOST_POLLS)
        if place is None:
            return row
        try:
            return self._awaited(caller, row, wait_s, is_old)
        finally:
            with suppress(UnavailableError):  # the place lapses by itself
                self._database.poll_leave(caller.user_id, place)

    def _awaited(self, caller: Caller, row: JobRow, wait_s: float, is_old: "Callable[[str], bool] | None") -> JobRow:
        """Poll the row until the job has ended, or until its ETag is not `is_old`, for at most `wait_s`."""
        began_at = self._clock.monotonic_s()
        while not is_terminal(row) and (is_old is None or is_old(self._etag(row))):
            waited_s = self._clock.monotonic_s() - began_at
            if waited_s >= wait_s:
                break
            pause_s = min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, _PAUSE_SHARE * waited_s))
            self._clock.sleep(min(pause_s, wait_s - waited_s))
            row = self._row(caller, row.job_id)
        return row

    def _etag(self, row: JobRow) -> str:
        return etag_of(row, self._clock.now(), self._links)

    def page(
        self, caller: Caller, *, base_url: str, status: JobStatus | None, limit: int = 20, cursor: str | None = None
    ) -> JobPage:
        """List one's own jobs, newest first.

        Raises:
            ProblemError: INVALID_FIELD (limit or cursor).
            DatabaseUnavailableError: the database does not answer.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise wrong_field("/limit", FieldCode.OUT_OF_RANGE, f"A page has 1 to {MAX_PAGE} jobs.")
        before = None
        if cursor is not None:
            try:
                before = read_cursor(cursor)
            except ValueError:
                raise wrong_field(
                    "/cursor", FieldCode.WRONG_FORMAT, "Send the next_cursor of the page before."
                ) from None
        rows = self._database.jobs_list(caller, status=status, limit=limit + 1, before=before)
        return JobPage(
            jobs=tuple(item_of(row, base_url) for row in rows[:limit]),
            next_cursor=cursor_of(rows[limit - 1]) if len(rows) > limit else None,
        )

    # --- delete -----------------------------------------------------------------------------------------------------

    def delete(self, user_id: str, job_id: str) -> None:
        """Cancel a pending job and remove its upload, or all objects and personal data of a terminal one.

        A second time is no error. An upload that cannot be removed now is swept by a tick.

        Raises:
            ProblemError: NOT_FOUND, JOB_PROCESSING, UNAVAILABLE.
            DatabaseUnavailableError: the database does not answer.
        """
        if not re.fullmatch(UUID4_PATTERN, job_id):
            raise _no_job()
        deletion = self._database.job_delete(user_id, job_id, self._policy.capacity)
        if deletion.outcome == "unknown":
            raise _no_job()
        if deletion.outcome == "processing":
            raise ProblemError(ProblemCode.JOB_PROCESSING, retry_after_s=_PROCESSING_RETRY_S)
        if deletion.outcome == "erasable":
            # Objects first: as long as one is left, a second call finds its key in the row.
            self._remove(deletion.keys)
            self._database.job_erase(user_id, job_id)
        elif deletion.outcome == "cancelled":
            self._sweep(job_id, deletion.keys)
        log("job_deleted", job_id=job_id, outcome=deletion.outcome, objects=len(deletion.keys))
        if not deletion.work.is_nothing:
            self._work().follow(deletion.work)

    def _sweep(self, job_id: str, keys: "Sequence[str]") -> None:
        """Remove what stands in `removals` too: a second DELETE, after a 503, would erase the job it cancelled."""
        try:
            self._remove(keys)
        except ProblemError:
            log("removal_later", level="warning", job_id=job_id)

    def _remove(self, keys: "Sequence[str]") -> None:
        deadline = Deadline.after(_REMOVAL_S, self._clock.monotonic_s)
        try:
            for key in keys:
                self._store.delete_object(key, timeout_s=max(0.0, deadline.left_s))
        except StoreError as error:
            raise _store_trouble("delete", error) from None


def _no_job() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "You have no such job.")


def _store_trouble(call: str, error: StoreError) -> ProblemError:
    log("store_trouble", level="warning", call=call, reason=str(error))
    return ProblemError(ProblemCode.UNAVAILABLE, "The object store does not answer.", retry_after_s=STORE_RETRY_S)
