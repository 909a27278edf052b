"""The `rythmiq` command as a shell runs it: real processes, real files."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageFont

from rythmiq.contracts.result import Receipt
from rythmiq_cli.output import ExitCode
from tests.data.portraits import portrait

COMMAND = [str(Path(sys.executable).with_name("rythmiq"))]
HEAVY = {"cv2", "numpy", "PIL", "onnxruntime", "httpx", "botocore", "rythmiq_worker"}


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], cwd=cwd, check=False, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "my photo.jpg"
    path.write_bytes(portrait("white-wall").data)
    return path


def neet(photo: Path, output: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return run("conform", photo, "--portal", "neet-2026", "--slot", "photo", "-o", output, *more)


def test_conform_writes_the_document_its_receipt_and_the_page(photo: Path, tmp_path: Path) -> None:
    done = neet(photo, tmp_path / "out")
    assert done.returncode == ExitCode.OK, done.stderr
    receipt = Receipt.model_validate_json((tmp_path / "out" / "receipt.json").read_bytes())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        receipt.document.filename,
        "receipt.json",
        "receipt.html",
    }
    with Image.open(tmp_path / "out" / receipt.document.filename) as image:
        assert image.size == (413, 531)
    assert "conforms" in done.stdout


def test_conform_says_everything_in_one_json_document(photo: Path, tmp_path: Path) -> None:
    done = neet(photo, tmp_path / "out", "--json")
    document = json.loads(done.stdout)
    assert Receipt.model_validate(document["receipt"]).conforms
    assert sorted(document["files"]) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert document["warnings"] == []


def test_a_pdf_can_be_searched_where_the_rules_allow_it(tmp_path: Path) -> None:
    page = Image.new("RGB", (700, 300), "white")
    ImageDraw.Draw(page).text((60, 100), "Roll number 2231", font=ImageFont.load_default(40), fill="black")
    page.save(tmp_path / "page.png")
    rules = {"kind": "document", "formats": ["pdf"], "text_layer": "allowed", "filename_pattern": "page"}
    (tmp_path / "rules.json").write_text(json.dumps(rules), encoding="utf-8")
    output = tmp_path / "out"
    done = run("conform", tmp_path / "page.png", "--schema", tmp_path / "rules.json", "-o", output, "--text-layer")
    assert done.returncode == ExitCode.OK, done.stderr
    with pypdfium2.PdfDocument(output / "page.pdf") as document:
        assert document[0].get_textpage().get_text_range() == "Roll number 2231"


def test_several_files_are_the_pages_of_one_pdf(tmp_path: Path) -> None:
    names = []
    for index, size in enumerate([(400, 300), (300, 400)]):
        names.append(tmp_path / f"{index}.jpg")
        Image.new("RGB", size, "white").save(names[-1])
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"kind": "document", "formats": ["jpeg", "pdf"], "max_kb": 300, "ocr": "off"}))
    done = run("conform", *names, "--schema", rules, "-o", tmp_path / "out", "--json")
    assert done.returncode == ExitCode.OK, done.stderr
    document = json.loads(done.stdout)["receipt"]["document"]
    assert (document["format"], document["pages"]) == ("pdf", 2)
    assert (tmp_path / "out" / document["filename"]).read_bytes().startswith(b"%PDF-")


def test_several_files_for_a_slot_without_pdf_are_a_misuse(photo: Path, tmp_path: Path) -> None:
    done = run("conform", photo, photo, "--portal", "neet-2026", "--slot", "photo", "-o", tmp_path / "out")
    assert (done.returncode, "PDF" in done.stderr) == (ExitCode.USAGE, True)
    assert not (tmp_path / "out").exists()


def test_the_same_file_gives_the_same_files(photo: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        neet(photo, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_what_was_made_passes_the_check(photo: Path, tmp_path: Path) -> None:
    files = json.loads(neet(photo, tmp_path / "out", "--json").stdout)["files"]
    document = next(name for name in files if not name.startswith("receipt"))
    done = run("check", tmp_path / "out" / document, "--portal", "neet-2026", "--slot", "photo")
    assert done.returncode == ExitCode.OK


def test_a_soft_rule_that_fails_leaves_the_file_and_ends_with_1(tmp_path: Path) -> None:
    photo = tmp_path / "blue.jpg"
    photo.write_bytes(portrait("blue-wall").data)
    done = neet(photo, tmp_path / "out", "--json")
    assert done.returncode == ExitCode.DOES_NOT_CONFORM
    assert json.loads(done.stdout)["receipt"]["conforms"] is False
    assert (tmp_path / "out" / "receipt.html").is_file()


def test_a_job_that_fails_ends_with_3_and_advice_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8 no picture")
    done = neet(path, tmp_path / "out")
    assert done.returncode == ExitCode.JOB_FAILED
    assert "DECODE_FAILED" in done.stderr
    assert done.stdout == ""
    assert not list((tmp_path / "out").iterdir())


def test_a_job_that_fails_says_so_in_json(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8 no picture")
    report = json.loads(neet(path, tmp_path / "out", "--json").stdout)
    assert report["status"] == "failed"
    assert report["error"]["code"] == "DECODE_FAILED"
    assert report["error"]["advice"]


def test_the_input_is_never_overwritten(photo: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"max_kb": 100, "filename_pattern": "my photo.jpg", "ocr": "off"}), encoding="utf-8")
    clash = tmp_path / "my_photo.jpg"
    photo.rename(clash)
    before = clash.read_bytes()
    done = run("conform", clash, "--schema", rules, "-o", tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "is the input itself" in done.stderr
    assert clash.read_bytes() == before


def test_nothing_is_drawn_where_nobody_looks(photo: Path, tmp_path: Path) -> None:
    done = neet(photo, tmp_path / "out")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_ctrl_c_ends_it_with_130_and_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "slow.jpg"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [*COMMAND, "conform", str(pipe), "--portal", "neet-2026", "--slot", "photo", "-o", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        text=True,
    )
    with pipe.open("wb"):  # returns when the command has opened it too, so it is waiting for the file now
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("at", ["rythmiq_cli.commands", "typer", "rich.console", "rythmiq_cli.output"])
def test_ctrl_c_while_it_is_imported_ends_it_with_130_and_not_a_word(at: str) -> None:
    script = (
        "import os, signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {at!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from rythmiq_cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "portals"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", "")


def test_ctrl_c_that_is_ignored_outside_is_ignored() -> None:
    """As below `nohup`."""
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from rythmiq_cli import main\n"
        "import rythmiq_cli.commands\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "portals"], check=False, capture_output=True, text=True)
    assert done.returncode == ExitCode.OK


@pytest.mark.parametrize("arguments", [["--help"], ["conform", "--help"], ["portals"], ["keys", "new"]], ids=" ".join)
def test_what_touches_no_picture_imports_nothing_for_one(arguments: list[str]) -> None:
    script = (
        "import sys; from rythmiq_cli.commands import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not {name.partition(".")[0] for name in done.stderr.split()} & HEAVY


def test_the_console_script_is_installed() -> None:
    script = Path(sys.executable).with_name("rythmiq")
    done = subprocess.run([script, "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.strip()
