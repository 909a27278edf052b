"""models.lock, and the check that holds an installation to it."""

import hashlib
import importlib.metadata
import sysconfig
from pathlib import Path

import pytest

from rythmiq_worker import installation
from rythmiq_worker.engines import models, paddle
from tests.image.dockerfile import ROOT

LOCK = ROOT / "layers" / "worker" / "models.lock"
PACKAGES = Path(sysconfig.get_path("purelib"))
MODELS = ROOT / "layers" / "worker" / "models"
FETCHED = {"face_detection_back.tflite", "face_landmark.tflite", "selfie_segmentation.tflite", "uvdoc.onnx"}


def test_the_lock_names_each_model_that_the_engines_ask_for() -> None:
    listed = {Path(entry.file).name: entry for entry in installation.read_lock(LOCK)}
    needed = {models.DETECTION, models.RECOGNITION, *FETCHED}
    optional = {paddle.DETECTION, *paddle.RECOGNITION.values()}
    assert needed == {name for name, entry in listed.items() if entry.required}
    assert optional < {name for name, entry in listed.items() if not entry.required}


def test_what_is_required_has_a_hash_a_size_a_source_and_a_licence() -> None:
    for entry in installation.read_lock(LOCK):
        assert entry.source
        assert entry.licence
        assert not entry.required or (entry.sha256 and entry.bytes)


def test_sizes_are_those_of_the_files() -> None:
    for entry in installation.read_lock(LOCK):
        if entry.required:
            root = PACKAGES if entry.place == "packages" else MODELS
            assert (root / entry.file).stat().st_size == entry.bytes


def test_the_models_of_this_environment_are_the_locked_ones() -> None:
    listed = installation.read_lock(LOCK)
    found = list(installation.model_findings(listed, PACKAGES, MODELS))
    # What the image leaves out of onnxruntime stands here.
    assert [line for line in found if not line.startswith(("onnxruntime/datasets/", "skimage/"))] == []


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A site-packages with one model, and the lock of it."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "one.onnx").write_bytes(b"weights")
    write_lock(tmp_path, hashlib.sha256(b"weights").hexdigest())
    return tmp_path


def write_lock(room: Path, sha256: str) -> None:
    (room / "models.lock").write_text(
        '[[model]]\nfile = "one.onnx"\nplace = "packages"\nrequired = true\npurpose = "p"\nsource = "the wheel"\n'
        f'licence = "MIT"\nsha256 = "{sha256}"\n',
        encoding="utf-8",
    )


def found_in(room: Path) -> list[str]:
    listed = installation.read_lock(room / "models.lock")
    return list(installation.model_findings(listed, room / "packages", room / "models"))


def test_models_as_locked_leave_nothing_to_say(room: Path) -> None:
    assert found_in(room) == []


def test_a_model_that_is_missing_is_named_with_where_it_comes_from(room: Path) -> None:
    (room / "packages" / "one.onnx").unlink()
    assert found_in(room) == ["one.onnx is missing: the wheel"]


def test_a_model_that_was_changed_is_found_out(room: Path) -> None:
    (room / "packages" / "one.onnx").write_bytes(b"Weights")
    assert found_in(room) == ["one.onnx is another file than the one of models.lock (the wheel)"]


def test_a_model_that_nobody_listed_is_found_out(room: Path) -> None:
    (room / "models").mkdir()
    (room / "models" / "two.onnx").write_bytes(b"")
    assert found_in(room) == ["two.onnx is not in models.lock"]


def test_a_hash_that_is_none_is_refused(room: Path) -> None:
    write_lock(room, "abc")
    with pytest.raises(ValueError, match="no SHA-256"):
        installation.read_lock(room / "models.lock")


def test_exactly_one_opencv_is_installed_here_and_it_has_no_windows() -> None:
    here = {installation.OPENCV: importlib.metadata.distribution(installation.OPENCV)}
    assert list(installation.opencv_findings(here)) == []


@pytest.mark.parametrize("owners", [[], ["opencv-contrib-python"], ["opencv-contrib-python", "opencv-python-headless"]])
def test_none_another_or_two_opencvs_are_found_out(owners: list[str]) -> None:
    any_distribution = importlib.metadata.distribution(installation.OPENCV)
    (line,) = installation.opencv_findings(dict.fromkeys(owners, any_distribution))
    assert "must be opencv-python-headless's alone" in line


def test_what_only_the_api_needs_is_found_out(tmp_path: Path) -> None:
    for name in ("boto3", "psycopg_binary", "PyJWT"):
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\n")
    (tmp_path / "rythmiq" / "gateway").mkdir(parents=True)
    lines = " ".join(installation.findings(LOCK, tmp_path, None))
    for name in ("boto3", "psycopg-binary", "pyjwt", "rythmiq.gateway"):
        assert f"{name} is installed" in lines


def test_no_lock_of_the_worker_holds_a_second_opencv_or_anything_of_the_api() -> None:
    for name in ("requirements.txt", "requirements-paddle.txt"):
        text = (ROOT / "layers" / "worker" / name).read_text(encoding="utf-8")
        pins = {line.partition("==")[0] for line in text.splitlines() if "==" in line and not line.startswith(" ")}
        assert {pin for pin in pins if pin.startswith("opencv")} == {installation.OPENCV}
        assert not pins & installation.FORBIDDEN
