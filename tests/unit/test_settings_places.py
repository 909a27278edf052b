"""Each class of settings is made when it is asked for, from the module that it stands in."""

import subprocess
import sys

import pytest

from rythmiq import settings


@pytest.mark.parametrize("name", settings.__all__)
def test_every_name_that_is_promised_is_there(name: str) -> None:
    assert getattr(settings, name) is not None


def test_every_name_has_its_place() -> None:
    assert sorted(settings._PLACE_OF) == sorted(settings.__all__)


def test_a_name_that_is_not_promised_is_missing() -> None:
    with pytest.raises(AttributeError, match="no attribute 'NoSuchSettings'"):
        _ = settings.NoSuchSettings


def test_a_process_makes_no_settings_that_it_does_not_read() -> None:
    program = (
        "import sys; from rythmiq.settings import UploadsSettings; print('rythmiq.settings.execution' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
