"""The one-file release: what is around the packages, tried with a launcher that says what it was given.

The real tree goes through the worker's whole suite in `make test-image` (test_whole.py).
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.image.dockerfile import ROOT
from tests.support.launch_run import until

WORDS = ("4fa85f64-5717-4562-b3fc-2c963f66afa6", "5fa85f64-5717-4562-b3fc-2c963f66afa6", "1")
LAUNCHER = """
import json, os, signal, sys, time
from pathlib import Path

def main():
    told = {"arguments": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd(), "prefix": sys.prefix}
    stash = Path(os.environ.get("STASH", "."))
    told |= {"beside": sorted(path.name for path in stash.iterdir())}
    told |= {"path": sys.path, "pid": os.getpid(), "home": sys.base_prefix}
    print(json.dumps(told), flush=True)
    if "WAIT" in os.environ:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        Path(os.environ["WAIT"]).touch()
        time.sleep(60)
    if "DIE" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return int(os.environ.get("CODE", "0"))
"""

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11) or not sys.platform.startswith("linux"), reason="the release is for 3.11 on Linux"
)


@dataclass(frozen=True, slots=True)
class Release:
    """A release with a small tree, where an executor has put it; nothing else is in its folder."""

    file: Path
    room: Path

    def start(self, *words: str, **environ: str) -> "subprocess.Popen[str]":
        """Run it from its own folder with no environment but TMPDIR and what is given."""
        return subprocess.Popen(
            ["/bin/sh", self.file.name, *(words or WORDS)],
            cwd=self.file.parent,
            env={
                "TMPDIR": str(self.room),
                "RYTHMIQ_PYTHON": sys.executable,
                "STASH": str(self.file.parent),
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **environ: str) -> tuple[int, str, str]:
        """Exit code, STDOUT and STDERR."""
        with self.start(*words, **environ) as process:
            stdout, stderr = process.communicate(timeout=60)
        return process.returncode, stdout, stderr

    def told(self, *words: str, **environ: str) -> dict[str, object]:
        """What the launcher was given."""
        code, stdout, stderr = self.run(*words, **environ)
        assert (code, stderr) == (0, "")
        found = json.loads(stdout)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def made(tmp_path: Path, scripts: None) -> Release:
    del scripts
    return make(tmp_path)


def archive_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The archive's `__main__`, as a module."""
    spec = importlib.util.spec_from_file_location(
        "archive_main", ROOT / "layers" / "worker" / "archive" / "__main__.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "archive_main", module)
    spec.loader.exec_module(module)
    return module


def make(folder: Path) -> Release:
    """Write a release of a small tree."""
    import bind  # noqa: PLC0415  a script of layers/worker
    import release  # noqa: PLC0415  ditto

    package = folder / "made" / bind.PACKAGES / "rythmiq_worker"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "launcher.py").write_text(LAUNCHER)
    for name in ("stash", "tmp"):
        (folder / name).mkdir()
    file = folder / "stash" / "rythmiq-worker.run"
    release.write_archive(folder / "made", file)
    return Release(file, folder / "tmp")


def test_the_launcher_gets_its_three_words_and_runs_on_what_was_unpacked(made: Release) -> None:
    told = made.told()
    assert told["arguments"] == list(WORDS)
    assert str(told["prefix"]).startswith(f"{made.room}/rythmiq-worker-")
    assert told["cwd"] == told["prefix"]
    assert told["home"] == sys.base_prefix


def test_nothing_is_left_in_the_working_directory_or_anywhere(made: Release) -> None:
    before = made.file.stat().st_mtime_ns
    made.told()
    assert [path.name for path in made.file.parent.iterdir()] == [made.file.name]
    assert made.file.stat().st_mtime_ns == before
    assert list(made.room.iterdir()) == []


@pytest.mark.parametrize("code", ["2", "65", "75"])
def test_the_exit_code_is_the_launchers(made: Release, code: str) -> None:
    assert made.run(CODE=code)[0] == int(code)
    assert list(made.room.iterdir()) == []


def test_a_launcher_that_is_killed_leaves_nothing_and_nobody_knows_the_result(made: Release) -> None:
    assert made.run(DIE="yes")[0] == 75
    assert list(made.room.iterdir()) == []


def test_a_signal_goes_to_the_launcher_whose_exit_code_counts(made: Release, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with made.start(WAIT=str(ready)) as process:
        until(ready.exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 7
    assert list(made.room.iterdir()) == []


def test_the_launcher_ends_with_the_program_that_started_it(made: Release, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with made.start(WAIT=str(ready)) as process:
        until(ready.exists)
        assert process.stdout is not None
        launcher = json.loads(process.stdout.readline())["pid"]
        process.kill()
        process.wait()
        until(lambda: not Path(f"/proc/{launcher}").exists())


def test_variables_come_from_worker_env_and_the_environment_goes_before_it(made: Release) -> None:
    env = made.file.with_name("worker.env")
    env.write_text("# the store\nSPACES_BUCKET=a bucket=b\n\nSPACES_REGION=sgp1\n")
    env.chmod(0o600)
    environ = made.told(SPACES_REGION="blr1")["environ"]
    assert isinstance(environ, dict)
    assert (environ["SPACES_BUCKET"], environ["SPACES_REGION"]) == ("a bucket=b", "blr1")


def test_worker_env_is_gone_before_the_launcher_runs(made: Release) -> None:
    """H4: a taken-over worker runs as the same user and would read it."""
    env = made.file.with_name("worker.env")
    env.write_text("SPACES_BUCKET=b\nDISPATCH_KEYS=1:k\n")
    env.chmod(0o600)
    told = made.told()
    assert isinstance(told["environ"], dict)
    assert told["environ"]["DISPATCH_KEYS"] == "1:k"
    assert told["beside"] == [made.file.name]


def test_worker_env_stays_where_the_folder_is_not_copied_for_each_job(made: Release) -> None:
    env = made.file.with_name("worker.env")
    env.write_text("SPACES_BUCKET=b\n")
    env.chmod(0o600)
    for _ in range(2):
        told = made.told("--keep-env", *WORDS)
        assert isinstance(told["environ"], dict)
        assert (told["arguments"], told["environ"]["SPACES_BUCKET"]) == (list(WORDS), "b")


def test_worker_env_may_be_a_pipe(made: Release) -> None:
    """Then nothing of it is ever on a disk."""
    env = made.file.with_name("worker.env")
    os.mkfifo(env, 0o600)
    with made.start() as process:
        with env.open("w") as pipe:
            pipe.write("SPACES_BUCKET=from the pipe\n")
        stdout, _ = process.communicate(timeout=60)
    assert json.loads(stdout)["environ"]["SPACES_BUCKET"] == "from the pipe"
    assert not env.exists()


def test_a_worker_env_that_cannot_be_removed_starts_nothing(
    made: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a folder that nobody may write to; root may always, so the refusal is the file system's by name."""
    archive = archive_module(monkeypatch)
    env = tmp_path / "worker.env"
    env.write_text("SPACES_BUCKET=b\n")
    env.chmod(0o600)

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(archive.RefusedError, match="--keep-env"):
        archive.environment(env, {}, opened=False, kept=False)
    assert archive.environment(env, {}, opened=False, kept=True)["SPACES_BUCKET"] == "b"
    assert made.file.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_worker_env_that_others_may_read_is_refused(made: Release, mode: int) -> None:
    env = made.file.with_name("worker.env")
    env.write_text("SPACES_SECRET=very-secret\n")
    env.chmod(mode)
    code, stdout, stderr = made.run()
    assert (code, stdout) == (78, "")
    assert "chmod 600" in json.loads(stderr)["problems"]
    assert "very-secret" not in stderr


def test_where_no_modes_are_kept_an_open_worker_env_is_taken_when_told_so(made: Release) -> None:
    env = made.file.with_name("worker.env")
    env.write_text("SPACES_BUCKET=b\n")
    env.chmod(0o644)
    told = made.told("--open-env", *WORDS)
    assert told["arguments"] == list(WORDS)
    env.write_text("SPACES_BUCKET=b\n")
    env.chmod(0o666)
    assert made.run("--open-env", *WORDS)[0] == 78


def test_a_line_that_is_no_assignment_is_named_by_its_number_only(made: Release) -> None:
    env = made.file.with_name("worker.env")
    env.write_text("SPACES_BUCKET=b\nexport SPACES_SECRET=very-secret\n")
    env.chmod(0o600)
    code, _, stderr = made.run()
    assert code == 78
    assert json.loads(stderr)["problems"] == "worker.env, line 2: no NAME=VALUE"


def test_pythons_own_variables_do_not_reach_the_worker(made: Release, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    (made.file.parent / "json.py").write_text("raise SystemExit(9)")
    told = made.told(PYTHONPATH=str(tmp_path), PYTHONHOME="/nowhere", PYTHONSTARTUP="/nowhere")
    assert isinstance(told["environ"], dict)
    assert {name for name in told["environ"] if name.startswith("PYTHON")} == {"PYTHONDONTWRITEBYTECODE"}
    assert isinstance(told["path"], list)
    assert not {str(tmp_path), str(made.file.parent), ""} & set(told["path"])


def test_the_operators_models_are_the_ones_in_the_archive_unless_he_says_otherwise(made: Release) -> None:
    told = made.told()
    assert isinstance(told["environ"], dict)
    assert told["environ"]["OCR_MODELS_DIR"] == f"{told['prefix']}/models"
    other = made.told(OCR_MODELS_DIR="/models")["environ"]
    assert isinstance(other, dict)
    assert other["OCR_MODELS_DIR"] == "/models"


def without_311(folder: Path) -> Mapping[str, str]:
    """A PATH on which every name of a Python is another program."""
    for name in ("python3.11", "python3", "python"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    return {"RYTHMIQ_PYTHON": str(folder / "python3.11"), "PATH": str(folder)}


def test_without_a_python_311_it_says_so_and_does_nothing(made: Release, tmp_path: Path) -> None:
    code, stdout, stderr = made.run(**without_311(tmp_path))
    assert (code, stdout) == (78, "")
    assert "no CPython 3.11 was found" in json.loads(stderr)["problems"]
    assert list(made.room.iterdir()) == []


@pytest.mark.parametrize("name", ["python3.11", "python3", "python"])
def test_a_python_311_is_found_on_the_path_under_its_usual_names(made: Release, tmp_path: Path, name: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    without_311(first)
    (second / name).symlink_to(sys.executable)
    told = made.told(RYTHMIQ_PYTHON="", PATH=f"{first}:{second}:/usr/bin:/bin")
    assert told["arguments"] == list(WORDS)


def test_it_unpacks_for_good_where_it_is_told_to(made: Release, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert made.run("--unpack", str(kept)) == (0, "", "")
    done = subprocess.run([kept / "bin" / "rythmiq-launch", "x"], capture_output=True, text=True, check=True, env={})
    assert json.loads(done.stdout)["prefix"] == str(kept)


def test_unpacking_over_what_is_there_is_refused(made: Release, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    made.run("--unpack", str(kept))
    assert made.run("--unpack", str(kept))[0] == 75


def test_a_file_that_was_cut_off_starts_nothing(made: Release) -> None:
    whole = made.file.read_bytes()
    made.file.write_bytes(whole[: len(whole) - 200])
    code, stdout, _ = made.run()
    assert code not in {0, 2, 65, 66}
    assert stdout == ""
    assert list(made.room.iterdir()) == []


def test_a_file_with_a_changed_byte_starts_nothing(made: Release) -> None:
    whole = bytearray(made.file.read_bytes())
    with zipfile.ZipFile(made.file) as archive:
        entry = archive.getinfo("tree/lib/python3.11/site-packages/rythmiq_worker/launcher.py")
    whole[entry.header_offset + 120] ^= 1
    made.file.write_bytes(whole)
    code, stdout, _ = made.run()
    assert (code, stdout) == (75, "")
    assert list(made.room.iterdir()) == []


def test_it_needs_no_environment_at_all(made: Release) -> None:
    bare = made.file.parent
    wanted = f'RYTHMIQ_PYTHON={sys.executable} exec /bin/sh "{made.file}" {" ".join(WORDS)}'
    done = subprocess.run(["/bin/sh", "-c", wanted], env={}, cwd=bare, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["arguments"] == list(WORDS)


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = make(tmp_path / "one"), make(tmp_path / "two")
    assert first.file.read_bytes() == second.file.read_bytes()


def test_the_shell_lines_are_plain_posix() -> None:
    script = ROOT / "layers" / "worker" / "archive" / "start.sh"
    for shell in ("dash", "bash"):
        if shutil.which(shell):
            subprocess.run([shell, "-n", str(script)], check=True, env={"PATH": os.environ["PATH"]})
    assert "\r" not in script.read_text(encoding="utf-8")
