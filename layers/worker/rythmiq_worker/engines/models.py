"""The PP-OCR models that the `rapidocr` package carries: where they lie, and how ONNX Runtime opens them.

The package's code is never imported: that costs 1.4 s of CPU and brings shapely and pyclipper (docs/decisions.md).
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rythmiq.contracts.errors import RythmiqError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "rapidocr"
INSTALL = "install the worker's locked requirements (layers/worker/requirements.txt), which hold rapidocr 3.10"
DETECTION = "PP-OCRv6_det_small.onnx"
RECOGNITION = "PP-OCRv6_rec_small.onnx"
THREADS = 2


class ModelsMissingError(RythmiqError):
    """The text models are not installed; the message says what to install and holds nothing of the job."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The two networks: one finds lines, the other reads them."""

    detection: Path
    recognition: Path


def find_models(package: str = PACKAGE) -> ModelFiles:
    """Find the model files of an installed package without importing it.

    Raises:
        ModelsMissingError: the package, or a model in it, is not there.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelsMissingError(f"The package {package} is not installed: {INSTALL}.")
    return models_in(Path(spec.submodule_search_locations[0]) / "models")


def models_in(folder: Path) -> ModelFiles:
    """The model files of a folder.

    Raises:
        ModelsMissingError: one of them is not there; its name is in the message.
    """
    missing = [name for name in (DETECTION, RECOGNITION) if not (folder / name).is_file()]
    if missing:
        raise ModelsMissingError(f"The text models lack {' and '.join(missing)}: {INSTALL}.")
    return ModelFiles(folder / DETECTION, folder / RECOGNITION)


class Network:
    """One ONNX model, ready to run on the CPU.

    Spinning is off: idle threads of the pool would burn a quarter of the CPU of a sparse page (measured). The arena
    stays on: without it the CPU rises, and memory is bounded by the size of what is fed in.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort  # noqa: PLC0415  a quarter of a second that only the child pays

        options = ort.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """The network's one output for a batch of N x 3 x H x W, float32."""
        return cast("NDArray[np.float32]", self._session.run(None, {self._input: batch})[0])

    def metadata(self, key: str) -> str:
        """A text that the model carries; empty when it has none by that name."""
        return cast("str", self._session.get_modelmeta().custom_metadata_map.get(key, ""))
