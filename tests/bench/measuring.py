"""How the benchmarks measure: CPU time of calls and of whole processes, as ratios within one run."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_BROKER = """
import os, sys
silent = os.open(os.devnull, os.O_WRONLY)
streams = [(os.POSIX_SPAWN_DUP2, silent, 1), (os.POSIX_SPAWN_DUP2, silent, 2)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=streams)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


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
    """Run one process to its end, through a small broker: the kernel counts a parent's memory as its child's peak.

    Raises:
        subprocess.CalledProcessError: it did not exit with 0.
    """
    broker = subprocess.run(
        [sys.executable, "-S", "-c", _BROKER, *command], input=stdin, stderr=subprocess.PIPE, env=environ, check=True
    )
    cpu_s, peak_kb = map(float, broker.stderr.splitlines()[-1].split())
    return Spent(cpu_s, peak_kb / 1024)
