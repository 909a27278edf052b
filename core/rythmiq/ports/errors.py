"""Errors that implementations of the ports raise.

::

    UnavailableError             something outside does not answer now: 503 with Retry-After
    ├── DatabaseUnavailableError
    │   └── DatabaseNotReadyError  it answers, and an operator has to act: password, migrations, grants
    └── ExecutorUnclearError     whether the submit was accepted is unknown: reconciled later
    DatabaseFaultError           the database refused what it should have taken: a defect of ours
    AccountErasedError           whoever calls, or is asked about, has erased the account: 403 ACCOUNT_ERASED
    ExecutorRejectedError        the executor refuses the job for good: EXECUTOR_REJECTED

An object store's errors are drawn in `contracts.errors`.
"""

from rythmiq.contracts.errors import RythmiqError


class UnavailableError(RythmiqError):
    """A part outside does not answer now; the same call may succeed soon. The message holds no address or secret."""


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer."""


class DatabaseNotReadyError(DatabaseUnavailableError):
    """The database answers, and refuses for a reason that an operator has to fix, which the message names."""


class DatabaseFaultError(RythmiqError):
    """The database refused what it should have taken; the message has the SQLSTATE and no value."""


class AccountErasedError(RythmiqError):
    """The account has been erased: nothing is created for it any more, and nothing of it is found."""


class ExecutorUnclearError(UnavailableError):
    """Whether the executor accepted the job is unknown; look it up before submitting again."""


class ExecutorRejectedError(RythmiqError):
    """The executor refuses the job for good."""
