"""`make demo`: results in a folder, and nothing else left."""

import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.e2e.cloud_process import descendants, processes, within

COMMAND = [sys.executable, "-m", "tests.demo"]


def test_it_leaves_document_zip_and_receipt_and_shows_ledger_and_metrics(tmp_path: Path) -> None:
    output, temporary = tmp_path / "output", tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [*COMMAND, "--output", str(output), "--only", "1"],
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = output / "neet-2026-class-10-certificate"
    receipt = json.loads((folder / "receipt.json").read_bytes())
    document = (folder / receipt["document"]["filename"]).read_bytes()
    assert document.startswith(b"%PDF-")
    with zipfile.ZipFile(folder / "output.zip") as packed:
        assert packed.read(receipt["document"]["filename"]) == document
    assert "BOARD OF SPECIMEN EDUCATION" in (folder / "text.txt").read_text(encoding="utf-8")
    assert "output.zip" in (output / "index.html").read_text(encoding="utf-8")
    for words in ("1 of 1", "all of them ciphertext", "reserve -1", "settle", "ocr, CPU ms", "ocr_confidence"):
        assert words in done.stdout
    assert not list(temporary.iterdir())
    assert not processes(str(temporary))


def test_it_does_not_remove_a_folder_that_is_not_a_demo_s(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = subprocess.run(
        [*COMMAND, "--output", str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "holds other things" in done.stderr
    assert (tmp_path / "mine").read_text() == "precious"


def test_ctrl_c_ends_it_with_130_and_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary)}
    command = [*COMMAND, "--output", str(tmp_path / "output")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environ, start_new_session=True) as running:
        within(300, lambda: processes("function_launcher", "api/uploads").keys() & {*descendants(running.pid)})
        pids = {running.pid, *descendants(running.pid)}
        running.send_signal(signal.SIGINT)
        assert running.wait(120) == 130
    within(30, lambda: not pids & processes().keys(), "the end of every process")
    assert not list(temporary.iterdir())
