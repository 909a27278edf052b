"""The functions of the local cloud: from which code they run, and that each has answered once."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import httpx

from rythmiq.contracts.problems import ProblemCode
from rythmiq_cli import bundles
from rythmiq_cli.cloud_access import CloudError, CloudUsageError
from rythmiq_cli.local.environment import function_environ
from rythmiq_cli.local.functions.pool import Function
from rythmiq_cli.operator.env_check import FUNCTIONS

SOURCES = Path(__file__).parents[5] / "functions"
_PLATFORM = (3, 11)
_ANSWERS_AT_ONCE = 2
_ANSWERED_WITHIN_S = 120.0
_PAUSE_S = 0.2
_DEFECTS = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY})
_MOST_DEFECTS = 3


def functions_of(directory: Path, values: Mapping[str, str]) -> Iterator[Function]:
    """Every function of a directory of `{package}/{function}`, each with the variables that it reads.

    Raises:
        CloudUsageError: one is missing.
    """
    for path, deployed in FUNCTIONS.items():
        package, name = path.split("/")
        target = directory / package / name
        if not (target / "__main__.py").is_file():
            raise CloudUsageError(f"the function {path} is not here: run this in a clone of the repository")
        yield Function(package, name, target, function_environ(path, values), deployed.timeout_s)


def unpacked_bundles(place: Path) -> Path:
    """Build and unpack every bundle; the directory of them all.

    Raises:
        CloudUsageError: this interpreter cannot run them; BundleError: they cannot be built.
    """
    if sys.version_info[:2] != _PLATFORM:
        raise CloudUsageError("bundles hold packages for Python 3.11, the platform's; run them with that version")
    shutil.rmtree(place, ignore_errors=True)
    project = bundles.stage(bundles.ROOT, place / "project")
    for bundle in bundles.build_bundles(project, place / "zips", postgres=True):
        bundles.unpack(bundle, place / "functions")
    for made in ("project", "zips"):
        shutil.rmtree(place / made)
    return place / "functions"


def first_answers(base_url: str, values: Mapping[str, str]) -> None:
    """Ask every function until it has answered once; a machine that is busy may need several tries.

    Raises:
        CloudError: one does not answer, or is not configured; its log names the variables.
    """
    shown = {"Authorization": f"Bearer {values['METRICS_TOKEN']}"}
    ends_at_s = time.monotonic() + _ANSWERED_WITHIN_S
    with (
        httpx.Client(base_url=base_url, headers=shown, timeout=80, trust_env=False) as client,
        ThreadPoolExecutor(_ANSWERS_AT_ONCE) as threads,
    ):
        for _ in threads.map(lambda path: _first_answer(client, path, ends_at_s), FUNCTIONS):
            pass


def _first_answer(client: httpx.Client, path: str, ends_at_s: float) -> None:
    tries = 0
    while (answer := client.get(f"/{path}")).status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tries += 1
        said = answer.json()
        if said.get("code") == ProblemCode.NOT_CONFIGURED:
            raise CloudError(f"{path} is not configured: `not_configured` in the cloud's log names the variables")
        hopeless = answer.status_code in _DEFECTS and tries >= _MOST_DEFECTS
        if hopeless or time.monotonic() > ends_at_s:
            raise CloudError(f"{path}: {said.get('detail') or said.get('error') or answer.reason_phrase}")
        time.sleep(_PAUSE_S)
