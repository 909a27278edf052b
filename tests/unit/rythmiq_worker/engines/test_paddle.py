"""The PaddleOCR engine's own part, without PaddleOCR: model folders, formats, and what is said when one is missing."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from rythmiq_worker.engines import ModelChoice, paddle
from rythmiq_worker.engines.detection import boxes_of
from rythmiq_worker.engines.paddle import EngineMissingError, core_heights, inference_engine, model_folder
from rythmiq_worker.installation import ModelsMissingError

NAME = paddle.DETECTION


def model(folder: Path, *files: str, name: str = NAME) -> Path:
    """A model's folder with empty files; the folder of all models."""
    (folder / name).mkdir()
    for file in files:
        (folder / name / file).touch()
    return folder


def test_without_a_folder_the_setting_is_named() -> None:
    with pytest.raises(ModelsMissingError, match=f"{NAME} is missing: OCR_MODELS_DIR is not set"):
        paddle.load()


def test_a_model_that_is_not_in_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelsMissingError, match=f"{NAME} is missing: OCR_MODELS_DIR has no folder of that name"):
        model_folder(NAME, tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        (),
        ("inference.yml",),
        ("inference.onnx",),
        ("inference.yml", "inference.json"),
        ("inference.yml", "inference.pdiparams"),
    ],
)
def test_a_model_without_all_its_files_is_named_with_what_it_must_hold(files: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ModelsMissingError, match=f"{NAME} is incomplete: .* must hold inference.yml and either"):
        model_folder(NAME, model(tmp_path, *files))


@pytest.mark.parametrize(
    ("files", "engine"),
    [
        (("inference.onnx",), "onnxruntime"),
        (("inference.json", "inference.pdiparams"), "paddle_static"),
        (("inference.pdmodel", "inference.pdiparams"), "paddle_static"),
        (("inference.onnx", "inference.json", "inference.pdiparams"), "onnxruntime"),
        (("inference.pdparams",), None),
    ],
)
def test_the_files_decide_how_a_model_is_opened(files: tuple[str, ...], engine: str | None, tmp_path: Path) -> None:
    assert inference_engine(model(tmp_path, *files) / NAME) == engine


def test_hindi_asks_for_the_devanagari_model(tmp_path: Path) -> None:
    model(tmp_path, "inference.yml", "inference.onnx")
    model(tmp_path, "inference.yml", "inference.onnx", name="PP-OCRv6_small_rec")
    with pytest.raises(ModelsMissingError, match="devanagari_PP-OCRv5_mobile_rec"):
        paddle.load(ModelChoice("hi", tmp_path))


@pytest.mark.skipif(importlib.util.find_spec("paddleocr") is not None, reason="PaddleOCR is installed")
def test_without_paddleocr_the_requirements_are_named(tmp_path: Path) -> None:
    for name in (NAME, "PP-OCRv6_small_rec"):
        model(tmp_path, "inference.yml", "inference.onnx", name=name)
    with pytest.raises(EngineMissingError, match=r"layers/worker/requirements-paddle\.txt"):
        paddle.load(ModelChoice("en", tmp_path))


def test_the_height_of_text_is_what_it_was_before_its_box_was_grown() -> None:
    probability = np.zeros((200, 400), np.float32)
    probability[40:60, 30:330] = 1
    probability[120:129, 30:130] = 1
    quads, heights_px, _ = boxes_of(probability)
    assert core_heights(quads) == pytest.approx(heights_px, abs=1)
    assert core_heights(np.empty((0, 4, 2), np.float32)).shape == (0,)
