"""`api/uploads`.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.bodies import UploadAnswer, UploadRequest
from rythmiq.contracts.problems import ProblemCode
from rythmiq.gateway import Answer, HasGuard, Operation, Parameter, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response, json_response

if TYPE_CHECKING:
    from rythmiq.gateway.tokens import TokenVerifier
    from rythmiq.services.uploads import Uploads

CREATE = Operation(
    name="createUpload",
    method="POST",
    path="",
    summary="Ask where to upload a file, and under which key to seal it; or ask again for one's own unclaimed upload.",
    access="user",
    body=UploadRequest,
    answers={
        201: Answer(
            "Where to upload, and the key to seal under.", UploadAnswer, headers=("RateLimit", "RateLimit-Policy")
        )
    },
    refusals=frozenset(
        {
            ProblemCode.NOT_FOUND,
            ProblemCode.UPLOAD_TOO_LARGE,
            ProblemCode.UPLOAD_CLAIMED,
            ProblemCode.TOO_MANY_UPLOADS,
            ProblemCode.RATE_LIMITED,
            ProblemCode.DAILY_LIMIT,
        }
    ),
)
DELETE = Operation(
    name="deleteUpload",
    method="DELETE",
    path="/{job_id}",
    summary="Remove one's own upload that has no job.",
    access="user",
    parameters=(
        Parameter("job_id", "path", "Of one of the caller's own uploads.", {"type": "string", "format": "uuid"}),
    ),
    answers={204: Answer("Removed; for two hours a second time too.", media_type=None)},
    refusals=frozenset({ProblemCode.NOT_FOUND, ProblemCode.UPLOAD_CLAIMED}),
    description="""\
An upload whose job is there goes with the job: 409 `UPLOAD_CLAIMED`. A file that is put by a signature that is still
open is removed once the signature has expired.""",
)
OPERATIONS = (CREATE, DELETE)


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """Dependencies of the handlers."""

    guard: "TokenVerifier"
    uploads: "Uploads"


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/uploads`."""
    routes: Sequence[Route[Dependencies]] = (Route(CREATE, _create), Route(DELETE, _delete))
    return Application(
        "api/uploads",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _create(dependencies: Dependencies, call: Call) -> Response:
    answer = dependencies.uploads.create(
        call.user.user_id, call.body, is_guest=call.user.is_guest, on_rate=call.request.tell_rate
    )
    return json_response(answer, status=201)


def _delete(dependencies: Dependencies, call: Call) -> Response:
    dependencies.uploads.delete(call.user.user_id, call.path["job_id"])
    return Response(204)
