"""What the image's and the release's tests share: the scripts of layers/worker, which stand alone, as modules."""

import sys
from collections.abc import Iterator

import pytest

from tests.image.dockerfile import ROOT


@pytest.fixture(scope="session", autouse=True)
def scripts() -> Iterator[None]:
    """Let `bind`, `install`, `bill` and `release` be imported as they import each other."""
    sys.path.insert(0, str(ROOT / "layers" / "worker"))
    yield
    sys.path.remove(str(ROOT / "layers" / "worker"))
