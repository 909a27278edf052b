"""PaddleOCR behind the port: its own loader and pipeline, on models from a folder of this machine.

OCR_MODELS_DIR holds one folder a model, under PaddleOCR's name for it, as PaddleOCR exports and publishes them:
`inference.yml` with `inference.onnx`, or with `inference.json` and `inference.pdiparams`. ONNX goes first where both
are there, because it costs half of the CPU (docs/decisions.md). Nothing is fetched: every model has its folder, and the
pipeline's other models (page turns, unwarping) are off, because earlier stages see to that.

The looks are those of the default engine: one at 1280 pixels, and one at 1920, in strips, where text is small or hardly
found.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from rythmiq.contracts.errors import RythmiqError
from rythmiq_worker.engines import BUNDLED, ModelChoice, OcrEngine, TextLine
from rythmiq_worker.engines.detection import (
    BOX_THRESHOLD,
    PIXEL_THRESHOLD,
    UNCLIP_RATIO,
    clockwise,
    detector_scale,
    on_stride,
    tiles,
)
from rythmiq_worker.engines.models import THREADS
from rythmiq_worker.engines.rapidocr import FEW_LINES, FULL_LOOK_PX, SMALL_TEXT_LOOK_PX, has_small_text, lines_of
from rythmiq_worker.engines.recognition import Reading, box_size
from rythmiq_worker.installation import ModelsMissingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rythmiq.contracts.portal import OcrLanguage

DETECTION: Final = "PP-OCRv6_small_det"
RECOGNITION: Mapping["OcrLanguage", str] = MappingProxyType(
    {"en": "PP-OCRv6_small_rec", "hi": "devanagari_PP-OCRv5_mobile_rec"}
)
"""Recognisers by the language of the text, as PaddleOCR 3.7 names them. PP-OCRv6 knows no Devanagari."""

SETTINGS = "inference.yml"
FORMATS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "onnxruntime": (("inference.onnx",),),
        "paddle_static": (
            ("inference.json", "inference.pdiparams"),
            ("inference.pdmodel", "inference.pdiparams"),
        ),
    }
)
"""PaddleOCR's inference engines and the files that each opens, in the order in which they are preferred."""

ENGINE_OPTIONS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "onnxruntime": {"intra_op_num_threads": THREADS, "inter_op_num_threads": 1, "log_severity_level": 3},
        # oneDNN is faster, and takes more address space than the walls leave (docs/decisions.md)
        "paddle_static": {"run_mode": "paddle", "cpu_threads": 1},
    }
)
LINES_AT_ONCE = 6
INSTALL = "install layers/worker/requirements-paddle.txt"


class EngineMissingError(RythmiqError):
    """A package that the engine needs is not installed; the message says what to install."""


def prepare(choice: ModelChoice = BUNDLED) -> None:
    """Import PaddleOCR, and Paddle for models in its format: they make folders and run programs, which walls forbid."""
    packages = ["paddleocr"]
    if choice.folder is not None:
        models = (choice.folder / name for name in (DETECTION, RECOGNITION[choice.language]))
        packages += ["paddle"] if "paddle_static" in map(inference_engine, models) else []
    _imported(tuple(packages))


@lru_cache(maxsize=1)
def _imported(packages: tuple[str, ...]) -> None:
    with _passing_home(), one_opencv():
        for package in packages:
            with contextlib.suppress(ImportError):  # `load` says what is missing
                importlib.import_module(package)


def load(choice: ModelChoice = BUNDLED) -> OcrEngine:
    """Make the engine.

    Raises:
        ModelsMissingError: a model is not in the folder.
        EngineMissingError: PaddleOCR, or Paddle for a model in its format, is not installed.
    """
    return PaddleOcr(choice)


class PaddleOcr:
    """Reads text with PaddleOCR's pipeline."""

    def __init__(self, choice: ModelChoice) -> None:
        prepare(choice)
        detection = model_folder(DETECTION, choice.folder)
        recognition = model_folder(RECOGNITION[choice.language], choice.folder)
        cv2.setNumThreads(1)  # as in the default engine
        self._pipeline = _pipeline(detection, recognition)

    def read(self, image: "NDArray[np.uint8]") -> list[TextLine]:
        """Read the lines of an upright page in reading order.

        Args:
            image: H x W x 3, uint8, RGB.
        """
        pixels = np.ascontiguousarray(image[:, :, ::-1])  # PaddleOCR takes an array for BGR
        height_px, width_px = pixels.shape[:2]
        scale = detector_scale(width_px, height_px, FULL_LOOK_PX)
        quads, readings = self._look(pixels, scale)
        if scale < 1 and (len(quads) <= FEW_LINES or has_small_text(core_heights(quads) * np.float32(scale))):
            quads, readings = self._closer_look(pixels, quads if len(quads) > FEW_LINES else None)
        return lines_of(quads, readings)

    def _look(self, pixels: "NDArray[np.uint8]", scale: float) -> tuple["NDArray[np.float32]", list[Reading]]:
        """Find and read lines.

        Args:
            pixels: H x W x 3, uint8, BGR.
            scale: pixels of the detector's input per pixel of the picture.

        Returns:
            N x 4 x 2 corners in pixels of the picture, and N readings.
        """
        (found,) = self._pipeline.predict(
            pixels,
            text_det_limit_type="resize_long",
            text_det_limit_side_len=max(1, round(max(pixels.shape[:2]) * scale)),
        )
        quads = [clockwise(np.asarray(quad, np.float32)) for quad in found["rec_polys"]]
        readings = [
            Reading(text, min(max(float(confidence), 0.0), 1.0))
            for text, confidence in zip(found["rec_texts"], found["rec_scores"], strict=True)
        ]
        return np.array(quads, np.float32).reshape(-1, 4, 2), readings

    def _closer_look(
        self, pixels: "NDArray[np.uint8]", near: "NDArray[np.float32] | None"
    ) -> tuple["NDArray[np.float32]", list[Reading]]:
        """Look again at SMALL_TEXT_LOOK_PX, in strips: on more at once, the detector overlooks what is small.

        Args:
            pixels: H x W x 3, uint8, BGR.
            near: N x 4 x 2: boxes of an earlier look; strips without any are not looked at again. None: look at all.
        """
        height_px, width_px = pixels.shape[:2]
        scale = detector_scale(width_px, height_px, SMALL_TEXT_LOOK_PX)
        quads: list[NDArray[np.float32]] = []
        readings: list[Reading] = []
        seen_px = on_stride(height_px * scale)
        for rows in tiles(on_stride(width_px * scale), seen_px):
            top, bottom, core_top, core_bottom = (round(row * height_px / seen_px) for row in rows)
            if near is not None and not _reaches(near, top, bottom):
                continue
            for quad, reading in zip(*self._look(pixels[top:bottom], scale), strict=True):
                quad[:, 1] += top
                if core_top <= quad[:, 1].mean() < core_bottom:
                    quads.append(quad)
                    readings.append(reading)
        return np.array(quads, np.float32).reshape(-1, 4, 2), readings


def model_folder(name: str, folder: Path | None) -> Path:
    """The folder of one model.

    Raises:
        ModelsMissingError: it, or a file in it, is not there; the model's name is in the message.
    """
    if folder is None:
        raise ModelsMissingError(f"The PaddleOCR model {name} is missing: OCR_MODELS_DIR is not set.")
    if not (folder / name).is_dir():
        raise ModelsMissingError(f"The PaddleOCR model {name} is missing: OCR_MODELS_DIR has no folder of that name.")
    if not (folder / name / SETTINGS).is_file() or inference_engine(folder / name) is None:
        raise ModelsMissingError(
            f"The PaddleOCR model {name} is incomplete: its folder in OCR_MODELS_DIR must hold {SETTINGS} and either "
            "inference.onnx or inference.json with inference.pdiparams."
        )
    return folder / name


def inference_engine(folder: Path) -> str | None:
    """Which of PaddleOCR's inference engines opens the files of a model's folder; None when none can."""
    return next(
        (
            engine
            for engine, formats in FORMATS.items()
            if any(all((folder / name).is_file() for name in names) for names in formats)
        ),
        None,
    )


def core_heights(quads: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Heights of the boxes before they were grown: the detector grows both sides by w h UNCLIP_RATIO / (w + h).

    Args:
        quads: N x 4 x 2.
    """
    sizes = np.array([box_size(quad) for quad in quads], np.float32).reshape(-1, 2)
    half = (1 + UNCLIP_RATIO) * sizes.sum(axis=1) / 2
    root = np.sqrt(half**2 - (2 + UNCLIP_RATIO) * UNCLIP_RATIO * sizes.prod(axis=1))
    heights: NDArray[np.float32] = sizes.min(axis=1) - (half - root) / (2 + UNCLIP_RATIO)
    return heights


def _reaches(quads: "NDArray[np.float32]", top: int, bottom: int) -> bool:
    """Whether any of the boxes stands in these rows."""
    return bool(((quads[:, :, 1].min(axis=1) < bottom) & (quads[:, :, 1].max(axis=1) > top)).any())


def _pipeline(detection: Path, recognition: Path) -> Any:
    """PaddleOCR's pipeline of two models, each opened by the inference engine that its files ask for.

    Raises:
        EngineMissingError: a package is not installed.
    """
    engines = inference_engine(detection), inference_engine(recognition)
    for package in ("paddleocr", *(["paddle"] if "paddle_static" in engines else [])):
        if importlib.util.find_spec(package) is None:
            raise EngineMissingError(f"The package {package} is not installed: {INSTALL}.")
    config = {
        "pipeline_name": "OCR",
        "text_type": "general",
        "use_doc_preprocessor": False,
        "use_textline_orientation": False,
        "SubModules": {
            "TextDetection": {
                "module_name": "text_detection",
                "engine": engines[0],
                "thresh": PIXEL_THRESHOLD,
                "box_thresh": BOX_THRESHOLD,
                "unclip_ratio": UNCLIP_RATIO,
            },
            "TextRecognition": {"module_name": "text_recognition", "engine": engines[1], "batch_size": LINES_AT_ONCE},
        },
    }
    with one_opencv():
        from paddleocr import PaddleOCR  # noqa: PLC0415  seconds, and only in the child

        return PaddleOCR(
            paddlex_config=config,
            text_detection_model_name=detection.name,
            text_detection_model_dir=str(detection),
            text_recognition_model_name=recognition.name,
            text_recognition_model_dir=str(recognition),
            device="cpu",
            engine_config={engine: dict(options) for engine, options in ENGINE_OPTIONS.items()},
        )


@contextlib.contextmanager
def _passing_home() -> Iterator[None]:
    """A home directory that is gone afterwards: on import, PaddleX and Paddle make folders there, for downloads."""
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory(prefix="rythmiq-paddle-") as home:
        os.environ |= {"HOME": home, "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True"}
        try:
            yield
        finally:
            if before is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = before


@contextlib.contextmanager
def one_opencv() -> Iterator[None]:
    """Have the headless OpenCV stand for opencv-contrib-python, whose *name* PaddleX looks for, not what it imports.

    The two share one folder, so that installing both leaves whichever came last, and contrib's needs libGL.
    PaddleX remembers what it found.
    """
    finder = _HeadlessForContrib()
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _HeadlessForContrib(importlib.metadata.DistributionFinder):
    """Finds the metadata of opencv-python-headless under the name of opencv-contrib-python, and no module."""

    def find_spec(self, *_: object) -> None:
        """No module is found here."""

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context | None = None
    ) -> Iterator[importlib.metadata.Distribution]:
        """The headless OpenCV, when the other is asked for."""
        if context is not None and context.name == "opencv-contrib-python":
            yield from importlib.metadata.distributions(name="opencv-python-headless")
