"""`api/uploads`.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.bodies import UploadAnswer, UploadRequest
from rythmiq.contracts.problems import ProblemCode
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response, json_response
from rythmiq.gateway.operations import Answer, HasGuard, Operation, Route

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
    answers={201: Answer("Where to upload, and the key to seal under.", UploadAnswer)},
    refusals=frozenset(
        {
            ProblemCode.NOT_FOUND,
            ProblemCode.UPLOAD_TOO_LARGE,
            ProblemCode.UPLOAD_CLAIMED,
            ProblemCode.TOO_MANY_UPLOADS,
        }
    ),
)
OPERATIONS = (CREATE,)


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """Dependencies of the handlers."""

    guard: "TokenVerifier"
    uploads: "Uploads"


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/uploads`."""
    routes: Sequence[Route[Dependencies]] = (Route(CREATE, _create),)
    return Application(
        "api/uploads",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _create(dependencies: Dependencies, call: Call) -> Response:
    return json_response(dependencies.uploads.create(call.user.user_id, call.body), status=201)
