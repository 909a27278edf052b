"""What every test shares: a deterministic hypothesis profile, and an ONNX Runtime that tells its maker nothing."""

import importlib.util
import os

from hypothesis import HealthCheck, settings

settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# The environment of `make test-paddle` has no database driver.
pytest_plugins = ["tests.postgres_fixture"] if importlib.util.find_spec("psycopg") else []
