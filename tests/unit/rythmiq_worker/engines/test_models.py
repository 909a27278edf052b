"""The models are found without importing the package that carries them, and their absence is told."""

from pathlib import Path

import pytest

from rythmiq_worker.engines.models import DETECTION, RECOGNITION, find_models, models_in
from rythmiq_worker.installation import ModelsMissingError


def test_the_installed_package_carries_both_models() -> None:
    found = find_models()
    assert found.detection.stat().st_size > 1_000_000
    assert found.recognition.stat().st_size > 1_000_000


def test_a_missing_package_is_told_with_what_to_install() -> None:
    with pytest.raises(ModelsMissingError, match=r"rythmiq_no_such_package.*rapidocr 3\.10"):
        find_models(package="rythmiq_no_such_package")


def test_a_plain_module_is_no_package() -> None:
    with pytest.raises(ModelsMissingError, match="csv"):
        find_models(package="csv")


def test_a_missing_model_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / DETECTION).write_bytes(b"onnx")
    with pytest.raises(ModelsMissingError, match=RECOGNITION) as caught:
        models_in(tmp_path)
    assert DETECTION not in str(caught.value)
