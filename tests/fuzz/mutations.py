"""Bytes that are nearly right: a file of the corpus, and a few things done to it.

What is done is data, so that hypothesis can draw and shrink it, and `make fuzz` can draw it by a seed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hypothesis import strategies as st

CORPUS: Final = Path(__file__).parent / "corpus"
Kind = Literal["flip", "set", "cut", "drop", "double", "insert", "number", "splice"]
KINDS: Final[tuple[Kind, ...]] = ("flip", "set", "cut", "drop", "double", "insert", "number", "splice")
NUMBERS: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
_MOST_CHANGES: Final = 6
_MOST_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done.

    Attributes:
        kind: what.
        at: where, as a share of the length.
        number: how many bytes, which bit, or which number.
        content: what is put there.
    """

    kind: Kind
    at: float
    number: int
    content: bytes


def changed(data: bytes, changes: Sequence[Change], other: bytes = b"") -> bytes:
    """The bytes with these things done to them; `other` is what is spliced in."""
    for change in changes:
        at = int(change.at * len(data))
        span = change.number % _MOST_BYTES + 1
        match change.kind:
            case "flip" if data:
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ (1 << change.number % 8)]) + data[at + 1 :]
            case "set":
                data = data[:at] + change.content + data[at + len(change.content) :]
            case "cut":
                data = data[:at]
            case "drop":
                data = data[:at] + data[at + span :]
            case "double":
                data = data[:at] + data[at : at + span] * 2 + data[at + span :]
            case "insert":
                data = data[:at] + change.content + data[at:]
            case "number":
                size, order = (1, 2, 4)[change.number % 3], ("big", "little")[change.number % 2]
                value = NUMBERS[change.number % len(NUMBERS)] & ((1 << 8 * size) - 1)
                data = data[:at] + value.to_bytes(size, order) + data[at + size :]  # type: ignore[arg-type]  # one of two
            case "splice":
                data = data[:at] + other[int(change.at * len(other)) :]
            case _:
                pass
    return data


def seeds(target: str) -> tuple[bytes, ...]:
    """The files of a target's corpus, by their names."""
    return tuple(path.read_bytes() for path in sorted((CORPUS / target).iterdir()))


def mutated(target: str) -> st.SearchStrategy[bytes]:
    """Draw a file of the corpus with some changes."""
    files = st.sampled_from(seeds(target))
    change = st.builds(
        Change,
        kind=st.sampled_from(KINDS),
        at=st.floats(0, 1),
        number=st.integers(0, 255),
        content=st.binary(max_size=8),
    )
    return st.builds(changed, files, st.lists(change, max_size=_MOST_CHANGES), files)


def drawn(files: Sequence[bytes], dice: random.Random) -> bytes:
    """Draw the same without hypothesis, for hours."""
    changes = [
        Change(dice.choice(KINDS), dice.random(), dice.randrange(256), dice.randbytes(dice.randrange(9)))
        for _ in range(dice.randrange(1, _MOST_CHANGES + 1))
    ]
    return changed(dice.choice(files), changes, dice.choice(files))
