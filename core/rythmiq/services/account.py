"""GET and DELETE /account: credits, the ledger's latest entries, limits; and the erasure of the account.

Source: docs/specification/http-api.md, docs/specification/credits.md.
"""

from typing import TYPE_CHECKING

from rythmiq.contracts.bodies import AccountAnswer, AccountErased, AccountLimits, Credits, LedgerEntry
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.log import log
from rythmiq.ports import AccountErasedError, UnavailableError
from rythmiq.ports.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from rythmiq.ports import SignIns


class Accounts:
    """The use cases.

    Args:
        database: of the ledger.
        initial_credits: what a user has at the first call.
        limits: shown to the client.
        guest_credits: what a guest has at the first call; with 0 nothing is kept of guests.
        sign_ins: makes what deletes an account's sign-in, at an erasure only; None where the operator deletes it.
    """

    def __init__(
        self,
        *,
        database: Database,
        initial_credits: int,
        limits: AccountLimits,
        guest_credits: int = 0,
        sign_ins: "Callable[[], SignIns] | None" = None,
    ) -> None:
        self._database = database
        self._sign_ins = sign_ins
        self._initial_credits, self._guest_credits = initial_credits, guest_credits
        self._limits = limits

    def view(self, user_id: str, *, is_guest: bool = False) -> AccountAnswer:
        """Show one's own account; where guests may do nothing, a guest's is empty.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        if is_guest and self._guest_credits == 0:
            return AccountAnswer(credits=Credits(available=0, reserved=0), entries=(), limits=self._limits)
        initial_credits = self._guest_credits if is_guest else self._initial_credits
        account = self._database.account(user_id, initial_credits=initial_credits, is_guest=is_guest)
        return AccountAnswer(
            credits=Credits(available=account.balance, reserved=account.reserved),
            entries=tuple(LedgerEntry(**dict(entry)) for entry in account.entries),
            limits=self._limits,
        )

    def erase(self, user_id: str, *, is_guest: bool = False) -> AccountErased:
        """Erase one's own account with everything of it; objects go by ticks, and the sign-in is deleted.

        A sign-in that is left is the operator's to delete: its tokens are refused all the same. Where guests may do
        nothing there is nothing of one, and nothing is written of one either: anonymous sign-ins are endless.

        Raises:
            ProblemError: SIGN_IN_REQUIRED.
            AccountErasedError: it was erased before.
            DatabaseUnavailableError: the database does not answer.
        """
        if is_guest and self._guest_credits == 0:
            raise ProblemError(ProblemCode.SIGN_IN_REQUIRED)
        erasure = self._database.account_erase(user_id)
        if erasure.receipt_id is None:
            raise AccountErasedError("the account has been erased")
        log("account_erased", receipt_id=erasure.receipt_id, sign_in=self._deleted_sign_in(user_id))
        return AccountErased(
            receipt_id=erasure.receipt_id, jobs=erasure.jobs, uploads=erasure.uploads, objects=erasure.objects
        )

    def _deleted_sign_in(self, user_id: str) -> str:
        if self._sign_ins is None:
            return "left"
        try:
            self._sign_ins().delete(user_id)
        except UnavailableError as error:
            log("sign_in_left", level="warning", reason=str(error))
            return "left"
        return "deleted"
