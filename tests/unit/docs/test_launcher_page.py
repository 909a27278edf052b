"""docs/specification/launcher.md lists the launcher's exit codes, reasons, variables and times."""

import re
from dataclasses import asdict
from typing import get_args

from docs.pages import DOCS
from rythmiq.settings.worker import LauncherSettings
from rythmiq_worker import launcher
from rythmiq_worker.launcher.delivery import Limits
from rythmiq_worker.launcher.dispatch import Reason

PAGE = (DOCS / "specification" / "launcher.md").read_text(encoding="utf-8")


def test_every_exit_code_is_listed() -> None:
    codes = [launcher.OK, launcher.USAGE, launcher.REFUSED, launcher.ABANDONED]
    codes += [launcher.NOBODY_KNOWS, launcher.MISCONFIGURED]
    assert [int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)] == codes


def test_every_reason_is_listed() -> None:
    rows = PAGE.partition("| reason |")[2].partition("##")[0]
    assert set(re.findall(r"`([a-z_]+)`", re.sub(r"\|[^|]*\|$", "", rows, flags=re.MULTILINE))) == set(get_args(Reason))


def test_every_variable_is_listed_with_its_default() -> None:
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)) == set(LauncherSettings.variables().values())
    assert f"| `JOB_TIMEOUT_S` | {LauncherSettings().job_timeout_s:g} |" in PAGE


def test_every_time_is_listed_with_its_seconds() -> None:
    rows = dict(re.findall(r"^\| `(\w+_s)` \| ([0-9., ]+) \|", PAGE, re.MULTILINE))
    listed = {name: tuple(map(float, text.split(","))) for name, text in rows.items()}
    limits = {name: value if isinstance(value, tuple) else (value,) for name, value in asdict(Limits()).items()}
    assert listed == limits
