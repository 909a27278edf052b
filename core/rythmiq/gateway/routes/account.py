"""`api/account`.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.api.account import AccountAnswer
from rythmiq.gateway.application import Application
from rythmiq.gateway.response import Response, answer
from rythmiq.gateway.routing import Answer, Call, Guards, Operation, Route

if TYPE_CHECKING:
    from rythmiq.gateway.tokens import TokenVerifier
    from rythmiq.services.account import Accounts

SHOW = Operation(
    name="showAccount",
    method="GET",
    path="",
    summary="Show one's own credits, the ledger's latest entries, and limits.",
    access="user",
    answers={200: Answer("The account; the first call grants the initial credits.", AccountAnswer)},
)
OPERATIONS = (SHOW,)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the handlers work with."""

    verifier: "TokenVerifier"
    accounts: "Accounts"


def application(make_parts: Callable[[], Parts], allowed_origins: Callable[[], Collection[str]]) -> Application[Parts]:
    """The function."""
    routes: Sequence[Route[Parts]] = (Route(SHOW, _show),)
    return Application(
        "api/account",
        routes,
        parts=make_parts,
        allowed_origins=allowed_origins,
        guards=Guards(user=lambda parts, request: parts.verifier.verify(request.header("authorization"))),
    )


def _show(parts: Parts, call: Call) -> Response:
    return answer(parts.accounts.view(call.user.user_id))
