"""`api/uploads`.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.api.uploads import UploadAnswer, UploadRequest
from rythmiq.contracts.problems import ProblemCode
from rythmiq.gateway.application import Application
from rythmiq.gateway.response import Response, answer
from rythmiq.gateway.routing import Answer, Call, Guards, Operation, Route

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
class Parts:
    """What the handlers work with."""

    verifier: "TokenVerifier"
    uploads: "Uploads"


def application(make_parts: Callable[[], Parts], allowed_origins: Callable[[], Collection[str]]) -> Application[Parts]:
    """The function."""
    routes: Sequence[Route[Parts]] = (Route(CREATE, _create),)
    return Application(
        "api/uploads",
        routes,
        parts=make_parts,
        allowed_origins=allowed_origins,
        guards=Guards(user=lambda parts, request: parts.verifier.verify(request.header("authorization"))),
    )


def _create(parts: Parts, call: Call) -> Response:
    return answer(parts.uploads.create(call.user.user_id, call.body), status=201)
