"""The example of the documentation runs, and says what it promises."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "spaces.py"


def test_the_example_runs_as_it_stands() -> None:
    """With warnings as errors, and every line of its output known."""
    run = subprocess.run([sys.executable, "-W", "error", EXAMPLE], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert lines[0].startswith("PUT raw/")
    assert lines[1:] == [
        "first upload: 200",
        "second upload: 412",
        "form upload: 204",
        "size: 24",
        "same bytes: True",
        "download: 200 attachment; filename=\"NEET photo.zip\"; filename*=UTF-8''NEET%20photo.zip",
        "after delete: None",
    ]
