"""`python -m rythmiq_worker`: one JSON document on STDIN, one on STDOUT, exit 0.

Source: SPEC 5.
"""

import os

# Before numpy is imported: a pool of BLAS threads costs 100 ms and is never used.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys  # noqa: E402  the lines above come first

from rythmiq_worker.stdio import GuardedStdout, read_document  # noqa: E402  ditto


def main() -> None:
    """Run one job, then leave without the interpreter's teardown: that takes 110 ms to free what the kernel frees."""
    stdout = GuardedStdout()
    from rythmiq_worker.pipeline import run  # noqa: PLC0415  whatever an import prints goes to STDERR

    result = run(read_document(sys.stdin.buffer), os.environ)
    stdout.write(result.model_dump_json(exclude_none=False).encode() + b"\n")
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
