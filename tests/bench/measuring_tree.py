"""How much memory a tree of processes holds together: the peak of its proportional set sizes, summed.

A page that several processes share counts once, in shares (`Pss` of /proc/PID/smaps_rollup). The kernel keeps no peak
of it, so it is read as often as it can be while the processes run; a shorter peak is missed.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def peak_pss_mb(command: Sequence[str], *, stdin: bytes, environ: Mapping[str, str]) -> float:
    """Run one process to its end; the peak of what it and its children hold, MB.

    It takes root: the worker and its children hide their memory from their own user.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ
    )
    if process.stdin is None:
        raise AssertionError("it is a pipe")
    process.stdin.write(stdin)
    process.stdin.close()
    peak_kb = 0
    while process.poll() is None:
        peak_kb = max(peak_kb, sum(map(_pss_kb, (process.pid, *_children(process.pid)))))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return peak_kb / 1024


def _children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    except OSError:
        return []


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0  # it has ended
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
