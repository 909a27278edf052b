"""What is found of one rule: a clause for the receipt, and what is to be said of it."""

from dataclasses import dataclass

from rythmiq.contracts.advice import Notice
from rythmiq.contracts.receipt import Clause


@dataclass(frozen=True, slots=True)
class Finding:
    """A clause, and what its owner should know of it."""

    clause: Clause
    notice: Notice | None = None
