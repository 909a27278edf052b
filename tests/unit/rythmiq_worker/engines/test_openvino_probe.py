"""OpenVINO is taken only where it is installed and the CPU has bfloat16."""

from pathlib import Path

import pytest

from rythmiq_worker.engines import models
from rythmiq_worker.engines.models import Network, PrecisionError, find_models, is_worth_trying, open_network


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())


def cpuinfo(folder: Path, flags: str) -> Path:
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: A CPU\nflags\t\t: {flags}\n", encoding="ascii")
    return path


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("flags", "worth"),
    [("fpu avx2 avx512_bf16", True), ("fpu amx_bf16 amx_tile", True), ("fpu avx2 avx512f", False), ("", False)],
)
def test_the_cpu_must_have_bfloat16(tmp_path: Path, flags: str, worth: bool) -> None:  # noqa: FBT001
    assert is_worth_trying(cpuinfo(tmp_path, flags)) is worth


@pytest.mark.usefixtures("installed")
def test_a_system_that_tells_nothing_of_its_cpu_has_none(tmp_path: Path) -> None:
    assert not is_worth_trying(tmp_path / "none")


def test_without_the_package_nothing_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert not is_worth_trying(cpuinfo(tmp_path, "amx_bf16"))


def test_a_cpu_that_does_not_keep_its_promise_runs_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_model: Path | bytes) -> None:
        raise PrecisionError("the network runs in f32")

    monkeypatch.setattr(models, "is_worth_trying", lambda: True)
    monkeypatch.setattr(models, "OpenVinoNetwork", refuse)
    assert isinstance(open_network(find_models().detection), Network)
