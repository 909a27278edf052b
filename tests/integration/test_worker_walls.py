"""Processes that read what strangers made: what attacker's code gets in one, what it can answer, and how it may die."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from rythmiq_worker.engines.child import PROGRAM, read_page, write_frame
from rythmiq_worker.walls.sibling import Program
from tests.faults import attacks
from tests.faults.worker_strange_answers import ANSWERS, STRANGER
from tests.support.worker_run import ROOT, Job
from tests.support.worker_uploads import blank

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the worker's image is Linux")
# Refused without walls, too, here (bpf: nonsense that gets as far as its check) or where the kernel is set so.
NEEDS_MORE = {"bpf", "io_uring", "ptrace", "process_vm_readv", "process_vm_writev", "unshare", "clone into a namespace"}
NEEDS_MORE |= {"chroot", "foreign call"}


@pytest.fixture
def job(plain_job: Job) -> Job:
    """A quick job that would succeed."""
    plain_job.rules["ocr"] = "off"
    plain_job.upload(blank(300))
    return plain_job


def test_without_walls_nearly_every_attack_gets_through() -> None:
    """So each of them is one: what is refused behind walls is refused by them."""
    done = subprocess.run(
        [sys.executable, attacks.__file__], env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert set(attacks.names()) - set(json.loads(done.stdout)) <= NEEDS_MORE


def test_a_decoder_that_is_taken_over_gets_nothing(job: Job) -> None:
    """No environment, file, parent, socket, program, process, namespace, signal or memory beyond its own."""
    error = job.run("worker_taken_over.py").error
    assert (error.code, error.detail) == ("DECODE_FAILED", {"tried": len(attacks.names())})
    assert error.message == ""


def test_a_text_engine_that_is_taken_over_gets_nothing() -> None:
    with write_frame(Image.new("RGB", (40, 30))) as frame:
        read = read_page(
            frame,
            timeout_s=60,
            engine="evil",
            engines={"evil": "tests.faults.ocr_taken_over"},
            program=Program(PROGRAM.module, (str(ROOT),)),
            walls_required=True,
        )
    assert [line.text for line in read.lines] == [str(len(attacks.names()))]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_it_may_not_give_ends_the_job_and_says_nothing_of_it(job: Job, answer: str) -> None:
    """Neither in the result nor in the log, and nothing is stored."""
    job.payload["input"]["original_filename"] = answer
    done = job.run("worker_strange_answers.py")
    assert (done.error.code, done.error.detail) == ("INTERNAL_ERROR", {"reason": "garbage"})
    assert STRANGER not in done.stdout + done.stderr
    assert {event["job_id"] for event in done.events} == {job.job_id}


@pytest.mark.parametrize(
    ("how", "code", "reason"),
    [
        ("decode SIGSEGV", "DECODE_FAILED", "too_complex"),
        ("decode SIGKILL", "DECODE_FAILED", "too_complex"),
        ("decode exit", "DECODE_FAILED", "too_complex"),
        ("decode busy-decoder", "DECODE_FAILED", "too_complex"),
        ("decode large-decoder", "DECODE_FAILED", "out_of_memory"),
        ("quality busy-decoder", "DECODE_FAILED", "too_complex"),
        ("quality busy", "INTERNAL_ERROR", "hang"),
        ("quality SIGKILL", "INTERNAL_ERROR", "killed"),
        ("quality SIGSEGV", "INTERNAL_ERROR", "memory"),
        ("quality SIGTERM", "INTERNAL_ERROR", "signal"),
        ("quality exit", "INTERNAL_ERROR", "exit"),
    ],
)
def test_each_death_of_the_image_process_is_a_failure_of_the_catalogue(
    job: Job, how: str, code: str, reason: str
) -> None:
    job.payload["input"]["original_filename"] = how
    error = job.run("worker_dies.py").error
    assert (error.code, (error.detail or {})["reason"]) == (code, reason)


def test_what_is_installed_beside_the_worker_stays_within_its_reach(tmp_path: Path) -> None:
    """As in the image and the release, where our packages and those they import lie in one folder."""
    installed = tmp_path / "lib" / "site-packages"
    for package in (ROOT / "core/rythmiq", ROOT / "layers/worker/rythmiq_worker"):
        shutil.copytree(package, installed / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (installed / "neighbour.py").write_text("HERE = True", encoding="ascii")
    (tmp_path / "elsewhere.py").write_text("HERE = True", encoding="ascii")
    program = (
        "import sys; sys.path.append(sys.argv[1]); import rythmiq\n"
        "from rythmiq_worker.walls.lockdown import Room, lock_down; missing = lock_down(Room(60))\n"
        "import neighbour\n"
        "print('landlock' in missing, neighbour.HERE)\n"
        "open(sys.argv[2] + '/elsewhere.py')"
    )
    command = [sys.executable, "-I", "-S", "-c", program, str(installed), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr.splitlines()[-1][:15]) == (["False", "True"], "PermissionError")


def test_calls_that_a_filter_cannot_read_or_does_not_know_look_like_an_older_kernels() -> None:
    """So libraries take the older way: threads still start, though clone3 is not there."""
    program = (
        "import ctypes, errno, threading; from rythmiq_worker.walls.lockdown import Room, lock_down\n"
        "libc = ctypes.CDLL(None, use_errno=True); missing = lock_down(Room(60))\n"
        "for number in (435, 463): libc.syscall(number, None, 0); print(errno.errorcode[ctypes.get_errno()])\n"
        "thread = threading.Thread(target=print, args=('started',)); thread.start(); thread.join()\n"
        "print('seccomp' in missing)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["ENOSYS", "ENOSYS", "started", "False"]


def test_missing_walls_are_named_in_the_log(job: Job) -> None:
    done = job.run("worker_lacks_walls.py")
    assert done.success.job_id == job.job_id
    assert [event["missing"] for event in done.events if event["event"] == "walls"] == ["landlock"]


def test_walls_that_a_thread_from_before_does_not_have_are_missing(job: Job) -> None:
    """Landlock and the loss of capabilities hold who asks for them, and the threads that it starts."""
    done = job.run("worker_has_a_thread.py")
    assert [event["missing"] for event in done.events if event["event"] == "walls"] == ["capabilities,landlock"]
    error = job.run("worker_has_a_thread.py", environ={"SANDBOX": "required"}).error
    assert (error.code, error.detail) == ("INTERNAL_ERROR", {"reason": "walls"})


def test_one_that_sleeps_is_ended_and_not_tried_again(job: Job) -> None:
    error = job.run("worker_sleeps.py").error
    assert (error.code, error.detail, error.stage) == ("INTERNAL_ERROR", {"reason": "hang"}, "quality")
    assert not error.retryable


def test_no_wall_is_missing_here(job: Job) -> None:
    done = job.run(environ={"SANDBOX": "required"})
    assert done.success.job_id == job.job_id
    assert not [event for event in done.events if event["event"] == "walls"]


def test_a_missing_wall_that_is_required_is_internal_error_before_anything_is_fetched(job: Job) -> None:
    done = job.run("worker_lacks_walls.py", environ={"SANDBOX": "required"})
    assert (done.error.code, done.error.stage, done.error.detail) == ("INTERNAL_ERROR", "init", {"reason": "walls"})
    assert "landlock" in done.error.message
    assert done.stages == []


def test_the_worker_hides_itself_from_processes_of_its_user() -> None:
    """The walled ones are some of them."""
    program = (
        "import ctypes, sys; from rythmiq_worker.walls.lockdown import hide; hide();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "0"


def test_nothing_that_a_walled_process_is_started_with_comes_from_where_the_worker_stands(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module in the working directory, or on PYTHONPATH, is not its code."""
    (tmp_path / "PIL.py").write_text("raise SystemExit", encoding="ascii")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    assert job.run(environ={"PYTHONPATH": "."}).success.job_id == job.job_id
