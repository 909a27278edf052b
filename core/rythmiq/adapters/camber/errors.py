"""What goes wrong with Camber.

::

    CamberError
    ├── CamberRejectedError      it understood, and refuses (a 4xx, or code 1 or 2 in its envelope)
    ├── CamberAuthError          it refuses the key (401, 403): nothing was taken, and an operator has to act
    ├── CamberUnavailableError   it does not answer now (no connection, 429, 5xx); before a submit is repeated after a
    │                            5xx it is looked up all the same: a gateway may have given up before Camber did
    └── CamberAmbiguousError     it may have taken what was sent, and the answer was lost

Source: docs/camber.md.
"""

from rythmiq.contracts.errors import RythmiqError


class CamberError(RythmiqError):
    """Something went wrong with Camber; the message holds no key, and of Camber's own words what names a field."""


class CamberRejectedError(CamberError):
    """Camber refuses for good."""


class CamberAuthError(CamberError):
    """Camber refuses the key."""


class CamberUnavailableError(CamberError):
    """Camber does not answer now, or answers what we do not understand."""


class CamberAmbiguousError(CamberError):
    """Nobody knows whether Camber took the job; look it up before submitting again."""
