"""The PP-OCR models of the default engine: where they lie, and how ONNX Runtime opens them.

The `rapidocr` package carries a detector, which finds lines in any script, and the recogniser of Latin script; other
scripts are Tesseract's (tesseract.py). Nothing is ever fetched.

The package's code is never imported: that costs 1.4 s of CPU and brings shapely and pyclipper (docs/decisions.md).
"""

import contextlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np

from rythmiq_worker.engines.onnx_head import Headless, metadata_of, without_head
from rythmiq_worker.installation import ModelsMissingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CPUINFO = Path("/proc/cpuinfo")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
THREADS = 1  # as on ONNX Runtime (docs/decisions.md)

Precision = Literal["bf16", "f32"]


def is_worth_trying(cpuinfo: Path = CPUINFO) -> bool:
    """Whether OpenVINO is installed and this CPU has bfloat16; takes 2 ms and imports nothing."""
    if importlib.util.find_spec("openvino") is None:
        return False
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BF16_FLAGS.isdisjoint(flags.split())


class PrecisionError(Exception):
    """OpenVINO compiled a network in another precision than was asked for."""


class OpenVinoNetwork:
    """One ONNX model, compiled for the CPU.

    Args:
        model: the file or its bytes.
        precision: f32 is for tests: it gains nothing.

    Raises:
        PrecisionError: the CPU does not do that precision after all.
    """

    def __init__(self, model: Path | bytes, precision: Precision = "bf16") -> None:
        import openvino as ov  # noqa: PLC0415  a third of a second that only a child with bfloat16 pays

        self._data = model if isinstance(model, bytes) else model.read_bytes()
        settings = {
            "INFERENCE_NUM_THREADS": THREADS,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core: Any = ov.Core()
        self._compiled = core.compile_model(core.read_model(self._data), "CPU", settings)
        used = self._compiled.get_property("INFERENCE_PRECISION_HINT")
        if used != {"bf16": ov.Type.bf16, "f32": ov.Type.f32}[precision]:
            raise PrecisionError(f"the network runs in {used.to_string()}")

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The network's one output for a batch of N x 3 x H x W, float32; it holds until the next run."""
        return cast("NDArray[np.float32]", self._compiled({0: batch})[0])

    def metadata(self, key: str) -> str:
        """A text that the model carries; empty when it has none by that name."""
        return metadata_of(self._data, key)


PACKAGE = "rapidocr"
INSTALL = "install the worker's locked requirements (layers/worker/requirements.txt), which hold rapidocr 3.10"
DETECTION = "PP-OCRv6_det_small.onnx"
RECOGNITION = "PP-OCRv6_rec_small.onnx"
LINE_HEIGHT_PX = 48  # what recognisers are taught
LINE_HEIGHTS_PX: Mapping[str, int] = MappingProxyType({RECOGNITION: 40})
"""How high a line is made at first; recognisers are taught 48, and that of Latin reads clean print as well at 40."""
DICTIONARY = "character"
KEPT_BELOW = 0x2E80  # where Unicode's East Asian scripts begin; all others, and signs of money and measure, are below


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The two networks: one finds lines, the other reads them."""

    detection: Path
    recognition: Path


def find_models(package: str = PACKAGE) -> ModelFiles:
    """Find the model files in the installed package, without importing it.

    Raises:
        ModelsMissingError: the package, or a model, is not there.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelsMissingError(f"The package {package} is not installed: {INSTALL}.")
    return models_in(Path(spec.submodule_search_locations[0]) / "models")


def models_in(folder: Path) -> ModelFiles:
    """The model files of the package's folder.

    Raises:
        ModelsMissingError: one of them is not there; its name is in the message.
    """
    names = DETECTION, RECOGNITION
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelsMissingError(f"The text models lack {' and '.join(missing)}: {INSTALL}.")
    return ModelFiles(*(folder / name for name in names))


class AnyNetwork(Protocol):
    """A network, whatever runs it."""

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The network's one output for a batch of N x 3 x H x W, float32."""
        ...

    def metadata(self, key: str) -> str:
        """A text that the model carries; empty when it has none by that name."""
        ...


class Network:
    """One ONNX model, ready to run on ONNX Runtime.

    Spinning is off: idle threads of the pool would burn a quarter of the CPU of a sparse page (measured). The arena
    stays on: without it the CPU rises, and memory is bounded by the size of what is fed in.
    """

    def __init__(self, model: Path | bytes) -> None:
        import onnxruntime as ort  # noqa: PLC0415  a quarter of a second that only the child pays

        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        source = model if isinstance(model, bytes) else str(model)
        self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The network's one output for a batch of N x 3 x H x W, float32."""
        return cast("NDArray[np.float32]", self._session.run(None, {self._input: batch})[0])

    def metadata(self, key: str) -> str:
        """A text that the model carries; empty when it has none by that name."""
        return cast("str", self._session.get_modelmeta().custom_metadata_map.get(key, ""))


class LetterNetwork:
    """A recogniser that computes only the characters up to KEPT_BELOW: what is left out is Chinese, Japanese, Korean.

    Probabilities are shares of what is kept.

    Args:
        cut: the last layer.
        body: the network before it.

    Raises:
        ValueError: the dictionary is not that of the last layer.
    """

    def __init__(self, cut: Headless, body: AnyNetwork) -> None:
        characters = body.metadata(DICTIONARY).splitlines()
        if len(characters) + 2 != len(cut.bias):
            raise ValueError(f"{len(characters)} characters, a blank and a space are not {len(cut.bias)} classes")
        letters = [index for index, text in enumerate(characters) if all(ord(letter) < KEPT_BELOW for letter in text)]
        classes = [0, *(index + 1 for index in letters), len(characters) + 1]  # a blank first, a space last
        self._body = body
        self._characters = "\n".join(characters[index] for index in letters)
        self._weights, self._bias = cut.weights[:, classes], cut.bias[classes]

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Probabilities for a batch of N x 3 x H x W, float32: N x T x C, of the characters that `metadata` names."""
        scores = self._body.run(batch) @ self._weights
        scores += self._bias
        scores -= scores.max(axis=2, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=2, keepdims=True)
        return scores

    def metadata(self, key: str) -> str:
        """A text that the model carries; its dictionary without what is left out."""
        return self._characters if key == DICTIONARY else self._body.metadata(key)


def open_network(model: Path | bytes) -> AnyNetwork:
    """Open a network on OpenVINO where that is installed and halves the work, else on ONNX Runtime."""
    if is_worth_trying():
        with contextlib.suppress(PrecisionError):
            return OpenVinoNetwork(model)
    return Network(model)


def open_recogniser(path: Path) -> tuple[AnyNetwork, int]:
    """Open a recogniser without the characters that no document here holds; a model that we cannot cut, whole.

    Returns:
        The network, and how high its lines are to be at first, in pixels.
    """
    cut = without_head(path.read_bytes())
    if cut is None:
        return open_network(path), LINE_HEIGHT_PX
    return LetterNetwork(cut, open_network(cut.model)), LINE_HEIGHTS_PX.get(path.name, LINE_HEIGHT_PX)
