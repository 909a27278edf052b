"""Node.js, where the machine has it."""

import os
import shutil
import subprocess
from functools import cache

import pytest


@cache
def node() -> str:
    """Find Node.js with WebCrypto; skip without one, but fail in continuous integration, which has to have it."""
    found = shutil.which("node", path=os.environ.get("PATH", ""))
    probe = "process.exit(globalThis.crypto?.subtle ? 0 : 3)"
    if found is not None and subprocess.run([found, "-e", probe], check=False, timeout=60).returncode == 0:
        return found
    if os.environ.get("CI"):
        pytest.fail("continuous integration must have Node.js with WebCrypto")
    pytest.skip("there is no Node.js with a global WebCrypto (20 has one)")
