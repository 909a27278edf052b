"""The guard of fd 0, 1 and 2, each test in a process of its own: they are the process's."""

import json
import subprocess
import sys
import textwrap

import pytest

from rythmiq.contracts.errors import ErrorCode
from rythmiq.contracts.result import RESULT, Failure
from rythmiq_worker.stdio import LAST_RESORT, MAX_PAYLOAD_BYTES


def ran(code: str, stdin: bytes = b"", *, shell_suffix: str = "") -> "subprocess.CompletedProcess[bytes]":
    """Run a few lines of Python; the shell closes descriptors."""
    command = ["sh", "-c", f'exec "$@" {shell_suffix}', "sh", sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=30, check=False)


def test_whatever_a_library_prints_goes_to_stderr_and_the_answer_alone_to_stdout() -> None:
    """Python's print, a C library's printf, and a child process."""
    done = ran(
        """
        import ctypes, os, subprocess
        from rythmiq_worker.stdio import GuardedStdout
        stdout = GuardedStdout()
        print("from python", flush=True)
        libc = ctypes.CDLL(None)
        libc.printf(b"from c\\n")
        libc.fflush(None)
        os.write(1, b"from a descriptor\\n")
        subprocess.run(["echo", "from a child"], check=True)
        stdout.write(b"answer")
        """
    )
    assert done.stdout == b"answer"
    for source in (b"python", b"c", b"a descriptor", b"a child"):
        assert b"from " + source in done.stderr
    assert done.returncode == 0


def test_a_large_answer_is_written_whole() -> None:
    """A pipe takes 64 KiB at a time."""
    done = ran("from rythmiq_worker.stdio import GuardedStdout; GuardedStdout().write(b'x' * 1_000_000)")
    assert len(done.stdout) == 1_000_000


def test_a_child_process_does_not_hold_the_answers_pipe_open() -> None:
    """Else its reader would wait for a child that outlives the worker."""
    done = ran(
        """
        import subprocess
        from rythmiq_worker.stdio import GuardedStdout
        stdout = GuardedStdout()
        subprocess.Popen(["sh", "-c", "exec 2>&-; exec 1>&-; exec sleep 5"])
        stdout.write(b"answer")
        """
    )
    assert done.stdout == b"answer"


def test_stdin_is_read_to_its_end_and_not_far_beyond_the_bound() -> None:
    """One byte above it tells that there was more."""
    code = "import sys; from rythmiq_worker.stdio import read_document; sys.stdout.write(str(len(read_document())))"
    assert ran(code, b"x" * 200_000).stdout == b"200000"
    assert ran(code, b"x" * (MAX_PAYLOAD_BYTES + 500_000)).stdout == str(MAX_PAYLOAD_BYTES + 1).encode()


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"], ids=["stdin", "stderr", "both"])
def test_a_worker_whose_descriptors_are_closed_still_answers(closed: str) -> None:
    """With nothing to read the answer is PAYLOAD_MISSING, and it is not written into some other file."""
    done = ran("from rythmiq_worker.__main__ import main; main()", shell_suffix=closed)
    assert done.returncode == 0
    assert json.loads(done.stdout)["error"]["code"] == "PAYLOAD_MISSING"


@pytest.mark.parametrize("package", ["rythmiq.contracts", "pydantic", "json"])
def test_a_worker_whose_imports_fail_answers_with_the_last_resort(package: str) -> None:
    done = ran(
        f"""
        import sys
        sys.modules["{package}"] = None
        from rythmiq_worker.__main__ import main
        main()
        """,
        b"{}",
    )
    assert (done.returncode, done.stdout) == (0, LAST_RESORT + b"\n")


def test_a_worker_that_nobody_listens_to_ends_quietly() -> None:
    """STDOUT closed, or its reader gone."""
    code = "from rythmiq_worker.__main__ import main; main()"
    assert ran(code, shell_suffix=">&-").returncode == 0
    gone = ran(code, shell_suffix="| true; true")
    assert b"Traceback" not in gone.stderr


def test_the_last_resort_is_a_valid_failure() -> None:
    """It is written when nothing can be computed any more."""
    read = RESULT.validate_json(LAST_RESORT)
    assert isinstance(read, Failure)
    assert read.error.code is ErrorCode.INTERNAL_ERROR
    assert read.error.retryable
    assert read.model_dump_json().encode() == LAST_RESORT
