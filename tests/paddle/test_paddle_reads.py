"""PaddleOCR reads what the default engine reads, in both formats, in a child that can be killed, without a network."""

import importlib.metadata
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.engines import ModelChoice, OcrEngine, TextLine, paddle, rapidocr
from rythmiq_worker.engines.child import ENGINES, PROGRAM, OcrEngineError, OcrTimeoutError, read_page, write_frame
from rythmiq_worker.walls.sibling import Program
from tests.bench.ocr import error_rate
from tests.data.pages import PagePhoto, ocr_pages
from tests.integration.test_ocr_reads import CARD, drawn
from tests.paddle.models import in_devanagari
from tests.samples.camera import Shot, photograph
from tests.samples.pages import marksheet

AMPLE_S = 600.0
ROOT = Path(__file__).parents[2]
PAGES = tuple(page for page in ocr_pages(9) if page.name != "dense-12mp")  # that one alone is half a minute


@pytest.fixture(scope="session")
def default() -> OcrEngine:
    """The default engine, in this process."""
    return rapidocr.load()


def texts(lines: list[TextLine]) -> list[str]:
    return [line.text for line in lines]


def read_in_child(
    image: NDArray[np.uint8],
    models: ModelChoice,
    *,
    engine: str = "paddleocr",
    timeout_s: float = AMPLE_S,
    engines: Mapping[str, str] = ENGINES,
) -> list[str]:
    """Read as the worker does."""
    with write_frame(Image.fromarray(image)) as frame:
        return texts(read_page(frame, timeout_s=timeout_s, engine=engine, models=models, engines=engines).lines)


# --- the same text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_page_is_read_as_the_default_engine_reads_it(page: PagePhoto, engine: OcrEngine, default: OcrEngine) -> None:
    """Line by line; on a page of prose a space may differ, because the two shrink pictures and squeeze lines apart."""
    image = np.asarray(page.image)
    ours, usual = texts(engine.read(image)), texts(default.read(image))
    assert len(ours) == len(usual)
    assert error_rate(" ".join(ours), " ".join(usual)) < 0.001


def test_a_card_is_read_line_by_line_with_places_and_confidence(engine: OcrEngine, default: OcrEngine) -> None:
    lines, usual = (one.read(drawn(CARD)) for one in (engine, default))
    assert texts(lines) == list(CARD)
    assert min(line.confidence for line in lines) > 0.9
    for line, other in zip(lines, usual, strict=True):
        assert np.array(line.quad) == pytest.approx(np.array(other.quad), abs=8)


def test_a_page_far_away_is_read_by_the_closer_look(engine: OcrEngine) -> None:
    image = np.full((2700, 3600, 3), 110, np.uint8)
    image[1000:1500, 1400:2200] = drawn(CARD, size=(800, 500), font_px=20, origin=(40, 40))
    assert texts(engine.read(image)) == list(CARD)


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (31, 33), (1200, 900)])
def test_an_empty_picture_of_any_size_has_no_text(size: tuple[int, int], engine: OcrEngine) -> None:
    assert engine.read(np.full((size[1], size[0], 3), 240, np.uint8)) == []


def test_models_in_paddle_s_own_format_read_the_same(paddle_models: Path) -> None:
    assert paddle.inference_engine(paddle_models / paddle.DETECTION) == "paddle_static"
    assert read_in_child(drawn(CARD), ModelChoice("en", paddle_models)) == list(CARD)


def test_a_photo_in_paddle_s_own_format_fits_the_address_space_of_the_walls(
    paddle_models: Path, onnx_models: Path
) -> None:
    photo = np.asarray(photograph(marksheet(922).image, Shot(size_px=(2700, 3600)), seed=2))
    ours, usual = (" ".join(read_in_child(photo, ModelChoice("en", models))) for models in (paddle_models, onnx_models))
    assert error_rate(ours, usual) < 0.001


def test_models_of_both_formats_read_together(onnx_models: Path, paddle_models: Path, tmp_path: Path) -> None:
    """A detector from one place and a recogniser from another is what an operator may well have."""
    (tmp_path / paddle.DETECTION).symlink_to(onnx_models / paddle.DETECTION)
    (tmp_path / paddle.RECOGNITION["en"]).symlink_to(paddle_models / paddle.RECOGNITION["en"])
    assert read_in_child(drawn(CARD), ModelChoice("en", tmp_path)) == list(CARD)


# --- Devanagari: the road is tried, with a stand-in for the model ----------------------------------------------------


def test_hindi_goes_to_the_devanagari_model(onnx_models: Path) -> None:
    read = read_in_child(drawn(CARD), ModelChoice("hi", onnx_models))
    assert read == [in_devanagari(line) for line in CARD]


# --- the child and what it may not do --------------------------------------------------------------------------------


def test_nothing_is_fetched(onnx_models: Path) -> None:
    with write_frame(Image.fromarray(drawn(CARD))) as frame:
        lines = read_page(
            frame,
            timeout_s=AMPLE_S,
            engine="offline",
            models=ModelChoice("en", onnx_models),
            engines={"offline": "tests.paddle.no_network"},
            program=Program(PROGRAM.module, (str(ROOT),)),
        ).lines
    assert texts(lines) == list(CARD)


def test_it_is_killed_at_its_limit(onnx_models: Path) -> None:
    with write_frame(Image.fromarray(drawn(CARD))) as frame, pytest.raises(OcrTimeoutError):
        read_page(frame, timeout_s=0.5, engine="paddleocr", models=ModelChoice("en", onnx_models))


def test_a_missing_model_ends_the_job_with_its_name(onnx_models: Path, tmp_path: Path) -> None:
    shutil.copytree(onnx_models / paddle.DETECTION, tmp_path / paddle.DETECTION)
    with pytest.raises(OcrEngineError, match=r"devanagari_PP-OCRv5_mobile_rec.*OCR_MODELS_DIR") as found:
        read_in_child(drawn(CARD), ModelChoice("hi", tmp_path))
    assert found.value.detail == {"reason": "engine", "type": "ModelsMissingError"}


def test_a_damaged_model_ends_the_job_and_not_the_worker(onnx_models: Path, tmp_path: Path) -> None:
    shutil.copytree(onnx_models, tmp_path, dirs_exist_ok=True)
    (tmp_path / paddle.DETECTION / "inference.onnx").write_bytes(b"no network")
    with pytest.raises(OcrEngineError, match="failed with"):
        read_in_child(drawn(CARD), ModelChoice("en", tmp_path))


def test_one_opencv_is_installed() -> None:
    """Two would share one folder, and the last one written would win."""
    assert importlib.metadata.packages_distributions()["cv2"] == ["opencv-python-headless"]
