"""What the tests of the PaddleOCR engine share: model folders in both formats, and one engine in this process."""

import importlib.util
import warnings
from pathlib import Path

import pytest

from rythmiq_worker.engines import ModelChoice, OcrEngine, paddle
from tests.paddle import models

if importlib.util.find_spec("paddleocr") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def onnx_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PaddleOCR's models in ONNX format."""
    return models.onnx_models(tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="session")
def paddle_models(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Path:
    """PaddleOCR's models in Paddle's own format."""
    return models.paddle_models(tmp_path_factory.mktemp("paddle"), onnx_models)


@pytest.fixture(scope="session")
def engine(onnx_models: Path) -> OcrEngine:
    """PaddleOCR on ONNX Runtime, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its libraries' own
        return paddle.load(ModelChoice("en", onnx_models))
