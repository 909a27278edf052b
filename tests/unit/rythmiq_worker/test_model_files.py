"""Where the worker's own networks are looked for."""

from pathlib import Path

import pytest

from rythmiq_worker import installation as model_files
from rythmiq_worker.installation import ModelsMissingError, find_model
from tests.image.dockerfile import ROOT

NAME = "network.tflite"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The worker's own folder, with one network in it."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / NAME).write_bytes(b"ours")
    monkeypatch.setattr(model_files, "built_in", lambda: folder)
    return folder


def test_a_network_is_found_in_the_workers_own_folder(own: Path) -> None:
    assert find_model(NAME, {}) == own / NAME


def test_the_operators_folder_goes_first(own: Path, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"theirs")
    assert own.is_dir()
    assert find_model(NAME, {"OCR_MODELS_DIR": str(tmp_path)}) == tmp_path / NAME


def test_an_operators_folder_that_holds_other_models_hides_nothing(own: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "PP-OCRv6_small_det").mkdir(parents=True)
    assert find_model(NAME, {"OCR_MODELS_DIR": str(theirs)}) == own / NAME


def test_an_operators_folder_that_is_not_there_hides_nothing(own: Path, tmp_path: Path) -> None:
    assert find_model(NAME, {"OCR_MODELS_DIR": str(tmp_path / "none")}) == own / NAME


def test_an_empty_variable_names_no_folder(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NAME).write_bytes(b"whatever stands here")
    monkeypatch.chdir(tmp_path)
    assert find_model(NAME, {"OCR_MODELS_DIR": ""}) == own / NAME


def test_a_folder_of_that_name_is_no_network(own: Path, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    assert find_model(NAME, {"OCR_MODELS_DIR": str(tmp_path)}) == own / NAME


def test_what_is_nowhere_is_named_with_what_to_do(own: Path) -> None:
    with pytest.raises(ModelsMissingError, match=r"other\.tflite.*make setup.*OCR_MODELS_DIR") as caught:
        find_model("other.tflite", {})
    assert str(own) not in str(caught.value)


def test_a_checkout_has_them_beside_its_sources() -> None:
    assert model_files.built_in() == ROOT / "layers" / "worker" / "models"


def test_an_installation_has_them_below_its_prefix(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    assert model_files.built_in(packages) == tmp_path / "models"
