"""The text engine's process: what it is given, how it ends, and what each disaster in it becomes."""

import hashlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from rythmiq.contracts.errors import ErrorCode
from rythmiq_worker.engines import TextLine, child
from rythmiq_worker.engines.child import FrameFile, OcrEngineError, OcrTimeoutError, read_page, write_frame
from rythmiq_worker.walls.sibling import ENVIRONMENT, Program

ROOT = Path(__file__).parents[2]
PROGRAM = Program(child.PROGRAM.module, (str(ROOT),))
AMPLE_S = 60.0
LIMIT_S = 0.5
LATE_S = 3.0  # of a machine with other work; what hangs stays for good

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the worker's image is Linux")


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def frame() -> "FrameFile":
    """A small picture, written for a child; its memory goes back with the process."""
    return write_frame(Image.new("RGB", (40, 30), (250, 120, 10)))


def read_with(fault: str, frame: FrameFile, timeout_s: float = AMPLE_S) -> list[TextLine]:
    """Read with an engine of tests/faults."""
    engines = {"fault": f"tests.faults.{fault}"}
    return read_page(frame, timeout_s=timeout_s, engine="fault", engines=engines, program=PROGRAM).lines


def failure_of(fault: str, frame: FrameFile) -> OcrEngineError:
    """What becomes of a disaster."""
    with pytest.raises(OcrEngineError) as caught:
        read_with(fault, frame)
    assert caught.value.code is ErrorCode.OCR_FAILED
    assert caught.value.stage == "ocr"
    assert not caught.value.retryable
    return caught.value


def open_files() -> set[str]:
    """Names of this process's open files, by number."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def has_ended(pid: int) -> bool:
    """Whether a process is gone within five seconds, waiting for it without polling."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 5.0)[0])
    finally:
        os.close(process)


def test_a_hung_engine_is_killed_at_its_limit(frame: FrameFile) -> None:
    start = time.monotonic()
    with pytest.raises(OcrTimeoutError, match=r"0\.5 s") as caught:
        read_with("ocr_hangs", frame, LIMIT_S)
    elapsed_s = time.monotonic() - start
    assert LIMIT_S <= elapsed_s < LIMIT_S + LATE_S
    assert caught.value.code is ErrorCode.OCR_TIMEOUT
    assert caught.value.retryable
    assert caught.value.detail == {"timeout_s": LIMIT_S}


def test_an_engine_that_says_it_is_done_and_stays_is_killed_at_the_limit(frame: FrameFile) -> None:
    start = time.monotonic()
    with pytest.raises(OcrTimeoutError):
        read_with("ocr_hangs_at_exit", frame, 1.0)
    assert time.monotonic() - start < 1.0 + LATE_S


def test_the_limit_holds_for_the_start_of_the_child_too(frame: FrameFile) -> None:
    start = time.monotonic()
    with pytest.raises(OcrTimeoutError):
        read_with("ocr_echo", frame, 0.001)
    assert time.monotonic() - start < LATE_S


def test_the_child_dies_when_its_parent_is_killed() -> None:
    program = (
        "from PIL import Image; from rythmiq_worker.engines.child import *;"
        "from rythmiq_worker.walls.sibling import Program;"
        "read_page(write_frame(Image.new('RGB', (9, 9))), timeout_s=60, engine='fault',"
        f" engines={{'fault': 'tests.faults.ocr_hangs'}}, program=Program(PROGRAM.module, ({str(ROOT)!r},)))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    ends_at = time.monotonic() + AMPLE_S
    while not (started := children.read_text(encoding="ascii").split()) and time.monotonic() < ends_at:
        select.select([], [], [], 0.01)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert has_ended(int(started[0]))


@pytest.mark.parametrize(
    ("fault", "name"), [("ocr_segfault", "SIGSEGV"), ("ocr_abort", "SIGABRT"), ("ocr_killed", "SIGKILL")]
)
def test_a_signal_that_ends_the_engine_is_named(fault: str, name: str, frame: FrameFile) -> None:
    failure = failure_of(fault, frame)
    assert failure.detail == {"reason": "signal", "signal": name}
    assert name in failure.message


def test_the_out_of_memory_killer_is_hinted_at(frame: FrameFile) -> None:
    assert "memory" in failure_of("ocr_killed", frame).message


def test_a_memory_error_says_that_memory_ran_out(frame: FrameFile) -> None:
    failure = failure_of("ocr_memory_error", frame)
    assert failure.detail == {"reason": "memory"}


@pytest.mark.parametrize("fault", ["ocr_garbage", "ocr_silent_exit", "ocr_nonsense", "ocr_floods"])
def test_an_answer_that_is_no_text_lines_is_garbage(fault: str, frame: FrameFile) -> None:
    failure = failure_of(fault, frame)
    assert failure.detail == {"reason": "garbage"}
    assert "garbage>>" not in failure.message


def test_an_exit_code_is_told(frame: FrameFile) -> None:
    failure = failure_of("ocr_exit_code", frame)
    assert failure.detail == {"reason": "exit", "exit_code": 3}


def test_prints_of_the_engine_reach_neither_the_answer_nor_our_outputs(
    frame: FrameFile, capfd: pytest.CaptureFixture[str]
) -> None:
    assert [line.text for line in read_with("ocr_chatty", frame)] == ["read all the same"]
    assert capfd.readouterr() == ("", "")


def test_an_error_of_the_engine_is_told_by_type_and_place_without_its_words(
    frame: FrameFile, capfd: pytest.CaptureFixture[str]
) -> None:
    failure = failure_of("ocr_quotes_text", frame)
    assert failure.detail == {"reason": "engine", "type": "RuntimeError"}
    assert "RuntimeError" in failure.message
    assert "ocr_quotes_text.py:9" in failure.message
    assert capfd.readouterr() == ("", "")


def test_missing_models_are_told_with_what_to_install(frame: FrameFile) -> None:
    failure = failure_of("ocr_models_missing", frame)
    assert failure.detail == {"reason": "engine", "type": "ModelsMissingError"}
    assert "rythmiq_no_such_package" in failure.message


def test_a_module_that_does_not_import_is_an_engine_error(frame: FrameFile) -> None:
    failure = failure_of("ocr_no_such_module", frame)
    assert failure.detail == {"reason": "engine", "type": "ModuleNotFoundError"}


def test_an_unknown_engine_is_refused_by_name_before_anything_starts(
    frame: FrameFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_spawn", None)
    with pytest.raises(OcrEngineError, match=r"OCR_ENGINE.*paddleocr.*rapidocr") as caught:
        read_page(frame, timeout_s=AMPLE_S, engine="tesseract")
    assert caught.value.detail == {"reason": "unknown_engine"}


def test_a_child_that_cannot_be_started_is_told(frame: FrameFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert failure_of("ocr_echo", frame).detail == {"reason": "start"}


def test_the_child_sees_every_pixel_and_cannot_write() -> None:
    rows = 2 * child.STRIP_ROWS + 17
    image = Image.effect_noise((31, rows), 90).convert("RGB")
    image.putpixel((3, 300), (1, 2, 3))
    with write_frame(image) as frame:
        seen = read_with("ocr_echo", frame)[0].text
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    assert seen == f"({rows}, 31, 3) uint8 {digest} read-only"


def test_the_child_s_environment_is_constants(frame: FrameFile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACES_SECRET", "SPACES_KEY", "ENCRYPTION_KEYS", "PYTHONPATH", "LD_PRELOAD", "TMPDIR"):
        monkeypatch.setenv(name, "s")
    names = {line.text for line in read_with("ocr_echo", frame)[1:]}
    assert names == {*ENVIRONMENT}


def test_the_engine_s_runtime_keeps_no_identity_and_no_events_for_its_maker(tmp_path: Path) -> None:
    """ONNX Runtime's official builds note a device's identity and send events, unless told not to before they start."""
    program = (
        "import numpy; from rythmiq_worker.engines import rapidocr;"
        "rapidocr.load().read(numpy.zeros((64, 64, 3), numpy.uint8))"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ENVIRONMENT}
    subprocess.run([sys.executable, "-c", program], check=True, env=environ)
    assert list(tmp_path.rglob("*")) == []


def test_a_frame_is_rgb() -> None:
    with pytest.raises(ValueError, match="not L"):
        write_frame(Image.new("L", (4, 4)))


def test_no_room_for_the_frame_is_told_and_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    before = open_files()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OcrEngineError) as caught:
        write_frame(Image.new("RGB", (4, 4)))
    assert caught.value.detail == {"reason": "memory"}
    assert open_files() == before


def test_nothing_stays_open_after_good_and_bad_readings(frame: FrameFile) -> None:
    before = open_files()
    read_with("ocr_chatty", frame)
    failure_of("ocr_segfault", frame)
    with pytest.raises(OcrTimeoutError):
        read_with("ocr_hangs", frame, 0.05)
    assert open_files() == before


def test_the_parent_needs_nothing_heavy() -> None:
    program = (
        "import sys, rythmiq_worker.engines.child;"
        "print(*{'numpy', 'cv2', 'onnxruntime', 'PIL', 'threading'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {"threading"}
