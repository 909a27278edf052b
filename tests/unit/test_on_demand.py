"""Settings, ports and the API's bodies: each name is made when it is asked for, from the module that it stands in."""

import subprocess
import sys
from types import ModuleType

import pytest

from rythmiq import ports, settings
from rythmiq.contracts import api

PACKAGES = (api, ports, settings)
PROMISED = [(package, name) for package in PACKAGES for name in package.__all__]
UPLOADS = """
import sys
from rythmiq.contracts.api import UploadRequest
from rythmiq.ports import Upload
from rythmiq.settings import UploadsSettings
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""


@pytest.mark.parametrize(("package", "name"), PROMISED)
def test_every_name_that_is_promised_is_there(package: ModuleType, name: str) -> None:
    assert getattr(package, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_promised_is_missing(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'NoSuchName'"):
        _ = package.NoSuchName


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_is_looked_for_once(package: ModuleType) -> None:
    name = package.__all__[-1]
    assert getattr(package, name) is vars(package)[name]


def test_a_process_makes_nothing_that_it_does_not_use() -> None:
    others = (
        "rythmiq.contracts.api.jobs",
        "rythmiq.ports.jobs",
        "rythmiq.ports.executor",
        "rythmiq.settings.execution",
    )
    done = subprocess.run([sys.executable, "-c", UPLOADS, *others], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
