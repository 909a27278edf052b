"""Every function's bundle, built once a session from a copy of the tree with its links, and unpacked."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rythmiq_cli.bundles import Bundle, build_bundles, unpack
from tests.bundles.data_api import running_data_api

ROOT = Path(__file__).parents[2]
LINKS = {"packages": "functions", "lib": "layers/functions"}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Built from the linked tree, as `doctl serverless deploy .` finds it."""
    if sys.version_info[:2] != (3, 11) and not os.environ.get("CI"):
        pytest.skip("bundles are for Python 3.11, the platform's; this is another")
    tree = tmp_path_factory.mktemp("tree")
    for part in ("functions", "layers/functions", "core/rythmiq"):
        shutil.copytree(ROOT / part, tree / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    for link, target in LINKS.items():
        (tree / link).symlink_to(target)
    return {bundle.name: bundle for bundle in build_bundles(tree, tmp_path_factory.mktemp("zips"))}


@pytest.fixture(scope="session")
def unpacked(bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each bundle where it runs."""
    place = tmp_path_factory.mktemp("run")
    return {name: unpack(bundle, place) for name, bundle in bundles.items()}


@pytest.fixture
def data_api() -> Iterator[tuple[str, list[str]]]:
    """A Data API that answers at once: its URL, and the functions called."""
    with running_data_api() as running:
        yield running
