"""How the benchmarks measure: CPU time of calls and of whole processes, as ratios within one run."""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took, its children included: CPU in seconds, and the largest resident set in MB."""

    cpu_s: float
    peak_mb: float


def least_cpu_s(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The smallest CPU time of each call over interleaved rounds, seconds."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.process_time()
            call()
            least[name] = min(least[name], time.process_time() - began)
    return least


def run_process(command: Sequence[str], *, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Spent:
    """Run one process to its end.

    Raises:
        subprocess.CalledProcessError: it did not exit with 0.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
    )
    if process.stdin is None:
        raise AssertionError("a pipe was asked for")
    process.stdin.write(stdin)
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def children_cpu_s() -> float:
    """User and system time of this process's ended children, seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
