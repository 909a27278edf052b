"""`make fuzz`: mutate the corpus for as long as you like, and keep what breaks something.

    python -m tests.fuzz [TARGET ...] [--minutes 60] [--runs N] [--seed N]

Each target runs in a process of its own, since a native decoder may take its process along. An input that raises what
it may not, kills the process or takes too long is kept as `tests/fuzz/corpus/TARGET/found-HASH`, where the test suite
runs it from then on; an input with an outcome that no input had before is kept in memory, and mutated further. Exit 1
when something was found.
"""

import argparse
import hashlib
import multiprocessing
import random
import resource
import sys
import time
import traceback
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

from tests.fuzz.mutations import CORPUS, drawn, seeds
from tests.fuzz.targets import MAX_CPU_S, TARGETS

_ROOM_BYTES = 1 << 20
_HEAD_BYTES = 12
_MOST_KEPT = 500
_MEMORY_BYTES = 3 << 30
_FINDING = 3


def write_down(room: SharedMemory, runs: int, data: bytes) -> None:
    """Let the parent know what is tried, before it is."""
    view = memoryview(room.buf or b"")
    view[:_HEAD_BYTES] = runs.to_bytes(8, "big") + len(data).to_bytes(4, "big")
    view[_HEAD_BYTES : _HEAD_BYTES + len(data)] = data


def written_down(room: SharedMemory) -> tuple[int, bytes]:
    """How many runs there were, and the last input."""
    held = bytes(room.buf or b"")
    runs, size = int.from_bytes(held[:8], "big"), int.from_bytes(held[8:_HEAD_BYTES], "big")
    return runs, held[_HEAD_BYTES : _HEAD_BYTES + size]


def run(target: str, name: str, ends_at_s: float, most_runs: int, seed: int) -> None:
    """Try inputs until the time or the runs are over; the process ends with 3 at a finding."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    room, dice, known = SharedMemory(name), random.Random(seed), set[str]()  # noqa: S311  dice
    files = list(seeds(target))
    for runs in range(most_runs):
        if time.monotonic() > ends_at_s:
            break
        data = files[runs] if runs < len(files) else drawn(files, dice)[: _ROOM_BYTES - _HEAD_BYTES]
        write_down(room, runs + 1, data)
        limit_s = int(time.process_time() + MAX_CPU_S) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, resource.RLIM_INFINITY))
        try:
            outcome = TARGETS[target](data)
        except BaseException:  # noqa: BLE001  whatever is raised is a finding
            traceback.print_exc()
            sys.stderr.flush()
            sys.exit(_FINDING)
        if outcome not in known and len(files) < _MOST_KEPT:
            known.add(outcome)
            files.append(data)
    room.close()


def fuzz(target: str, *, minutes: float, runs: int, seed: int) -> tuple[int, Path | None]:
    """Fuzz one target; how many inputs were tried, and where what was found is kept."""
    room = SharedMemory(create=True, size=_ROOM_BYTES)
    try:
        ends_at_s = time.monotonic() + minutes * 60
        context = multiprocessing.get_context("fork")  # nothing is imported anew, and we have no thread
        process = context.Process(target=run, args=(target, room.name, ends_at_s, runs, seed))
        process.start()
        process.join(minutes * 60 + 2 * MAX_CPU_S)
        if process.is_alive():
            process.kill()
            process.join()
        tried, data = written_down(room)
        if process.exitcode == 0:
            return tried, None
        if tried == 0:
            raise RuntimeError(f"{target} did not begin")
        kept = CORPUS / target / f"found-{hashlib.sha256(data).hexdigest()[:16]}"
        kept.write_bytes(data)
        return tried, kept
    finally:
        room.close()
        room.unlink()


def main() -> int:
    """Fuzz the targets in turn."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without one")
    parser.add_argument("--minutes", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--runs", type=int, default=sys.maxsize, help="at most so many inputs a target")
    parser.add_argument("--seed", type=int, default=None, help="the same inputs again")
    told = parser.parse_args()
    targets = told.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    seed = random.SystemRandom().randrange(1 << 32) if told.seed is None else told.seed
    found = False
    for target in targets:
        tried, kept = fuzz(target, minutes=told.minutes / len(targets), runs=told.runs, seed=seed)
        print(  # noqa: T201  this is what it is for
            f"{target:9} {tried} inputs, seed {seed}: {f'FOUND {kept}' if kept else 'nothing'}", flush=True
        )
        found = found or kept is not None
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
