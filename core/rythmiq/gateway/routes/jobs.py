"""`api/jobs`.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from rythmiq.contracts.bodies import IDEMPOTENCY_KEY
from rythmiq.contracts.choices import JobStatus
from rythmiq.contracts.job_bodies import JobAccepted, JobPage, JobRequest, JobView
from rythmiq.contracts.problems import ProblemCode
from rythmiq.gateway import Answer, HasGuard, Operation, Parameter, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response, json_response
from rythmiq.gateway.validation import Parameters

if TYPE_CHECKING:
    from rythmiq.gateway.tokens import TokenVerifier
    from rythmiq.services.jobs import Jobs

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_CURSOR_CHARS = 500
MARGIN_S = 2.0
"""A long poll ends this long before the platform would end the call."""
_STATUSES = get_args(JobStatus)
_UNTIL = ("change", "ended")
_JOB_ID = Parameter("job_id", "path", "Of one of the caller's own jobs.", {"type": "string", "format": "uuid"})

CREATE = Operation(
    name="createJob",
    method="POST",
    path="",
    summary="Start a job on an upload, a master or a URL; an equal request again finds the same job.",
    access="user",
    body=JobRequest,
    parameters=(
        Parameter(
            "Idempotency-Key",
            "header",
            "The same key with an equal request is the same job.",
            {"type": "string", "pattern": IDEMPOTENCY_KEY},
        ),
    ),
    answers={
        202: Answer(
            "The job, new or found; its status is the present one.",
            JobAccepted,
            headers=("Location", "RateLimit", "RateLimit-Policy"),
        )
    },
    refusals=frozenset(
        {
            ProblemCode.NOT_FOUND,
            ProblemCode.PORTAL_UNKNOWN,
            ProblemCode.OBJECT_MISSING,
            ProblemCode.UPLOAD_CLAIMED,
            ProblemCode.UPLOAD_TOO_LARGE,
            ProblemCode.IDEMPOTENCY_MISMATCH,
            ProblemCode.TOO_MANY_JOBS,
            ProblemCode.RATE_LIMITED,
            ProblemCode.NO_CREDIT,
        }
    ),
    description="""\
A photo's order is turn, face, level, crop, background, caption; a document's is turn, then the page, by `corners`,
`page` or `crop` or as it is found. An option that is null is as if left out.

What the slot's rules do not allow is refused before anything is charged: 422 `INVALID_FIELD` with one entry of `errors`
for each, its `pointer` `/options/background`, `/options/caption` or `/options/text_layer`, its `code` `NOT_ALLOWED`,
and in its `detail` why, with the portal's own words or the page where the rule book has them. `raw_paths` is
`NOT_ALLOWED` where the slot takes no PDF. Two of `corners`, `page` and `crop` are `CONFLICT`; of lists by page the
first two may take turns.

A caption's name and date are kept with the job until its owner deletes it; no receipt, result or log holds them.""",
)
LIST = Operation(
    name="listJobs",
    method="GET",
    path="",
    summary="List one's own jobs, newest first.",
    access="user",
    parameters=(
        Parameter("status", "query", "Only jobs in this state.", {"enum": list(_STATUSES)}),
        Parameter(
            "limit",
            "query",
            "How many at most.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        ),
        Parameter(
            "cursor",
            "query",
            "`next_cursor` of the page before.",
            {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR_CHARS},
        ),
    ),
    answers={200: Answer("One page; `next_cursor` is null on the last.", JobPage)},
    refusals=frozenset({ProblemCode.INVALID_FIELD}),
)
SHOW = Operation(
    name="showJob",
    method="GET",
    path="/{job_id}",
    summary="Show one of one's own jobs; with `wait`, when it changes or ends.",
    access="user",
    parameters=(
        _JOB_ID,
        Parameter(
            "wait",
            "query",
            "Seconds to wait for a change: from what `If-None-Match` names, else from the present state.",
            {"type": "number", "minimum": 0, "maximum": 10, "default": 0},
        ),
        Parameter(
            "until",
            "query",
            "What `wait` waits for: `change`, or `ended` for the end of the job alone.",
            {"enum": list(_UNTIL), "default": "change"},
        ),
        Parameter("If-None-Match", "header", "The `ETag` of an earlier answer."),
    ),
    answers={
        200: Answer("The job.", JobView, headers=("ETag", "Retry-After")),
        304: Answer("Nothing has changed.", media_type=None, headers=("ETag", "Retry-After")),
    },
    refusals=frozenset({ProblemCode.NOT_FOUND, ProblemCode.INVALID_FIELD}),
    description="""\
`advice` is `warnings` once more, in the same order, for pages in another language: each one's `code`, and `parameters`
with the numbers and words that its sentence speaks of. The parameter `reason` chooses among the sentences of a code.

Once the job has completed, `links` leads to its objects: `before`, a small JPEG of the upload as it came (its first
page), `preview`, a small JPEG of the document, `document`, and `output`, the ZIP of everything. They are signed anew
with each answer, and null where there is no object.""",
)
DELETE = Operation(
    name="deleteJob",
    method="DELETE",
    path="/{job_id}",
    summary="Cancel a pending job with a refund and remove its upload, or remove everything of one that has ended.",
    access="user",
    parameters=(_JOB_ID,),
    answers={204: Answer("Cancelled or removed; a second time too.", media_type=None)},
    refusals=frozenset({ProblemCode.NOT_FOUND, ProblemCode.JOB_PROCESSING}),
)
OPERATIONS = (CREATE, LIST, SHOW, DELETE)


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """Dependencies of the handlers; `/jobs/{id}` is appended to `base_url`."""

    guard: "TokenVerifier"
    jobs: "Jobs"
    base_url: str
    wait_max_s: float


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/jobs`."""
    routes: Sequence[Route[Dependencies]] = (
        Route(CREATE, _create),
        Route(LIST, _list),
        Route(SHOW, _show),
        Route(DELETE, _delete),
    )
    return Application(
        "api/jobs",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _create(dependencies: Dependencies, call: Call) -> Response:
    parameters = Parameters(call.request)
    key = parameters.header("Idempotency-Key", IDEMPOTENCY_KEY)
    parameters.done()
    accepted = dependencies.jobs.create(
        call.user.user_id,
        call.body,
        base_url=dependencies.base_url,
        idempotency_key=key,
        is_guest=call.user.is_guest,
        on_rate=call.request.tell_rate,
    )
    return json_response(accepted, status=202, headers={"Location": accepted.links.self})


def _list(dependencies: Dependencies, call: Call) -> Response:
    parameters = Parameters(call.request)
    status = parameters.choice("status", _STATUSES)
    limit = parameters.integer("limit", least=1, most=MAX_LIMIT, default=DEFAULT_LIMIT)
    cursor = parameters.text("cursor", max_chars=MAX_CURSOR_CHARS)
    parameters.done()
    page = dependencies.jobs.page(
        call.user, base_url=dependencies.base_url, status=cast("JobStatus | None", status), limit=limit, cursor=cursor
    )
    return json_response(page)


def _show(dependencies: Dependencies, call: Call) -> Response:
    parameters = Parameters(call.request)
    wait_s = parameters.seconds("wait", most=dependencies.wait_max_s)
    until = parameters.choice("until", _UNTIL)
    parameters.done()
    most_s = max(0.0, call.request.remaining_s(default=dependencies.wait_max_s + MARGIN_S) - MARGIN_S)
    viewed = dependencies.jobs.view(
        call.user,
        call.path["job_id"],
        base_url=dependencies.base_url,
        wait_s=min(wait_s, most_s),
        until_ended=until == "ended",
        is_known=None if call.request.header("if-none-match") is None else call.request.knows,
    )
    headers = {"ETag": viewed.etag}
    if viewed.retry_after_s is not None:
        headers["Retry-After"] = str(viewed.retry_after_s)
    return Response(304, headers=headers) if viewed.view is None else json_response(viewed.view, headers=headers)


def _delete(dependencies: Dependencies, call: Call) -> Response:
    dependencies.jobs.delete(call.user.user_id, call.path["job_id"])
    return Response(204)
