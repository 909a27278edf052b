"""GET /account: credits, the ledger's latest entries, limits.

Source: docs/specification/http-api.md, docs/specification/credits.md.
"""

from rythmiq.contracts.bodies import AccountAnswer, AccountLimits, Credits, LedgerEntry
from rythmiq.ports.database import Database


class Accounts:
    """The use case.

    Args:
        database: of the ledger.
        initial_credits: what a user has at the first call.
        limits: shown to the client.
        guest_credits: what a guest has at the first call; with 0 nothing is kept of guests.
    """

    def __init__(
        self, *, database: Database, initial_credits: int, limits: AccountLimits, guest_credits: int = 0
    ) -> None:
        self._database = database
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
