"""The models are found without importing the package that carries them, and their absence is told."""

from pathlib import Path

import pytest

from rythmiq_worker.engines.models import DETECTION, RECOGNITION, find_models, models_in
from rythmiq_worker.engines.text import ModelChoice
from rythmiq_worker.model_files import ModelsMissingError


def test_the_installed_package_carries_both_models() -> None:
    found = find_models()
    assert found.detection.stat().st_size > 1_000_000
    assert found.recognition.stat().st_size > 1_000_000


def test_a_missing_package_is_told_with_what_to_install() -> None:
    with pytest.raises(ModelsMissingError, match=r"rythmiq_no_such_package is not installed: install .*rapidocr 3\.10"):
        find_models(package="rythmiq_no_such_package")


def test_a_plain_module_is_no_package() -> None:
    with pytest.raises(ModelsMissingError, match="csv is not installed"):
        find_models(package="csv")


def test_a_missing_model_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / DETECTION).write_bytes(b"onnx")
    with pytest.raises(ModelsMissingError, match=RECOGNITION["en"]) as caught:
        models_in(tmp_path)
    assert DETECTION not in str(caught.value)


def test_the_operators_folder_gives_the_recogniser_that_the_package_lacks(tmp_path: Path) -> None:
    (tmp_path / "devanagari_PP-OCRv5_rec_mobile.onnx").write_bytes(b"onnx")
    found = find_models(ModelChoice("hi", tmp_path))
    assert found.recognition == tmp_path / "devanagari_PP-OCRv5_rec_mobile.onnx"
    assert found.detection == find_models().detection


@pytest.mark.parametrize("folder", [None, Path("no-such-folder")])
def test_a_language_without_its_model_is_told_by_name_and_setting(folder: Path | None) -> None:
    with pytest.raises(
        ModelsMissingError, match=r"ocr_language=hi, devanagari_PP-OCRv5_rec_mobile\.onnx, .* OCR_MODELS_DIR"
    ):
        find_models(ModelChoice("hi", folder))
