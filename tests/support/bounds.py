"""Both sides of a threshold: figures so near to it that a few per cent more or less would be noticed.

The figures in the tests that use these are written out, not imported: a threshold that moves has to move there too.
"""

from collections.abc import Callable

_NEAR = 0.01


def below(bound: float) -> float:
    """Just under a bound."""
    return bound - _NEAR * abs(bound)


def above(bound: float) -> float:
    """Just over a bound."""
    return bound + _NEAR * abs(bound)


def grades_around(grade: Callable[[float], str | None], passes: float, fails: float) -> list[str | None]:
    """The grades of a measure at its two bounds and just short of them, from the good side to the bad."""
    beyond, short = (above, below) if fails > passes else (below, above)
    return [grade(value) for value in (passes, beyond(passes), short(fails), fails)]


PASS_TO_FAIL = ["pass", "advice", "advice", "fail"]
"""What `grades_around` gives for a measure that has these bounds."""
