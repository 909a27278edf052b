"""What `rythmiq keys rotate` says in the end: what is left under which key, and what to do next."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rythmiq_cli.commands.keys import Rotation


def left_over(rotation: "Rotation") -> Iterator[str]:
    """What is under another key than the current one, by kid."""
    if rotation.unreadable:
        yield f"{rotation.unreadable} objects cannot be read: whatever they are under is left"
    for kid, (rows, objects) in rotation.left.items():
        if rows or objects:
            yield f"left under kid {kid}: {rows} rows and {objects} objects"
        elif not rotation.unreadable:
            yield f"nothing is left under kid {kid}"


def next_steps(rotation: "Rotation", env_file: Path | None, cloud: Path | None) -> Iterator[str]:
    """What to do after a rotation, one sentence each."""
    place = _place(env_file, cloud)
    kid, ring = rotation.ring.current_kid, rotation.ring
    if not rotation.left:
        yield "next: nothing; `rythmiq keys new` makes the entry that a rotation begins with"
    for old, (rows, objects) in rotation.left.items():
        if old in rotation.in_use:
            yield (
                f"next: the functions last wrapped under kid {old} at {rotation.in_use[old]:%Y-%m-%d %H:%M} UTC and not"
                f" under kid {kid}: deploy them with this ring, then run this again"
            )
        elif not rows and not objects and not rotation.unreadable:
            yield f"next: `rythmiq keys retire {old}{place}` proves that nothing needs it, before you take it out"
        elif old not in ring.kids:
            yield f"next: put kid {old} behind kid {kid} in ENCRYPTION_KEYS, from its escrow, and run this again"
        elif rotation.dry_run:
            yield f"next: `rythmiq keys rotate{place}`"
        else:
            yield f"next: `rythmiq doctor{place}` says what does not open; then run this again, with kid {old}"


def _place(env_file: Path | None, cloud: Path | None) -> str:
    """The options that name this deployment again."""
    named = (("--env", env_file), ("--cloud", cloud))
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in named if path is not None)
