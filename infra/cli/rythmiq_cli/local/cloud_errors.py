"""Why a local cloud does not start."""

from rythmiq.contracts.errors import RythmiqError


class CloudError(RythmiqError):
    """The cloud does not start; the message says why."""


class CloudUsageError(CloudError):
    """It was asked for in a way that cannot be."""
