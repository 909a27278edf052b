"""People: where a face is, how it is turned, where its head ends and what stands behind it.

Pixels in (H x W x 3, uint8, RGB), facts out. Nothing here knows portals, slots, receipts or stages. Three small
networks run in OpenCV's own runtime; each is loaded when it is first asked for, once a process.

A measure of a person passes up to one bound and fails from another; between them it is an estimate, and advice.
"""

from typing import Literal, NamedTuple

Grade = Literal["pass", "advice", "fail"]


class Bounds(NamedTuple):
    """Two limits of one measure. Where `fails` is the smaller of the two, small values are the bad ones.

    Attributes:
        passes: the last value that passes.
        fails: the first value that fails.
    """

    passes: float
    fails: float

    def grade(self, value: float) -> Grade:
        """Grade one value."""
        sign = 1 if self.fails > self.passes else -1
        if sign * value <= sign * self.passes:
            return "pass"
        return "fail" if sign * value >= sign * self.fails else "advice"


def worst(*grades: Grade) -> Grade:
    """The worst of some grades; pass where there are none."""
    return "fail" if "fail" in grades else "advice" if "advice" in grades else "pass"
