"""The port of whatever accounts sign in at."""

from typing import Protocol


class SignIns(Protocol):
    """Who may sign in."""

    def delete(self, user_id: str) -> None:
        """Delete an account's sign-in; one that is not there is no error.

        Raises:
            UnavailableError: it does not answer, or refuses the key.
        """
