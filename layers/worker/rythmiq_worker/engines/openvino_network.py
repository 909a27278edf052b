"""The same networks on OpenVINO, where that halves the work: on CPUs that multiply bfloat16.

The extra `openvino` installs it. In float32 it is slower than ONNX Runtime, so it is taken only where the CPU says that
it has AVX512-BF16 or AMX-BF16, and the compiled network says that it uses them (docs/decisions.md).

Source: OpenVINO's CPU device, "Inference precision".
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from rythmiq_worker.engines.onnx_head import metadata_of

if TYPE_CHECKING:
    import numpy as np
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
