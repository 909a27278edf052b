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
    """

    def __init__(self, *, database: Database, initial_credits: int, limits: AccountLimits) -> None:
        self._database = database
        self._initial_credits = initial_credits
        self._limits = limits

    def view(self, user_id: str) -> AccountAnswer:
        """Show one's own account.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        account = self._database.account(user_id, initial_credits=self._initial_credits)
        return AccountAnswer(
            credits=Credits(available=account.balance, reserved=account.reserved),
            entries=tuple(LedgerEntry(**dict(entry)) for entry in account.entries),
            limits=self._limits,
        )
