"""`api/account`.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.bodies import AccountAnswer, AccountErased
from rythmiq.gateway import Answer, HasGuard, Operation, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response, json_response

if TYPE_CHECKING:
    from rythmiq.gateway.tokens import TokenVerifier
    from rythmiq.services.account import Accounts

SHOW = Operation(
    name="showAccount",
    method="GET",
    path="",
    summary="Show one's own credits, the ledger's latest entries, and limits.",
    access="user",
    answers={
        200: Answer(
            "The account; the first call grants the initial credits. A guest's is empty where guests may do nothing.",
            AccountAnswer,
        )
    },
    for_guests=True,
)
ERASE = Operation(
    name="eraseAccount",
    method="DELETE",
    path="",
    summary="Erase one's own account: every file, job and upload of it, and its sign-in. It cannot be taken back.",
    access="user",
    answers={202: Answer("The receipt; files are being removed.", AccountErased)},
    description="""\
Jobs that wait are cancelled, jobs that run are given up, files are removed by the next ticks. What was charged stays
in the books, under an id that leads to nobody. From then on every call of the account's tokens is 403
`ACCOUNT_ERASED`, this one too: keep the receipt.""",
)
OPERATIONS = (SHOW, ERASE)


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """Dependencies of the handlers."""

    guard: "TokenVerifier"
    accounts: "Accounts"


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/account`."""
    routes: Sequence[Route[Dependencies]] = (Route(SHOW, _show), Route(ERASE, _erase))
    return Application(
        "api/account",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _show(dependencies: Dependencies, call: Call) -> Response:
    return json_response(dependencies.accounts.view(call.user.user_id, is_guest=call.user.is_guest))


def _erase(dependencies: Dependencies, call: Call) -> Response:
    return json_response(dependencies.accounts.erase(call.user.user_id, is_guest=call.user.is_guest), status=202)
