"""What docs/launcher.md says is what the launcher does."""

import re
from typing import get_args

from rythmiq.settings.worker import LauncherSettings
from rythmiq_cli.docs_pages import DOCS
from rythmiq_worker import launcher
from rythmiq_worker.launcher_limits import Limits
from rythmiq_worker.launcher_verdict import Reason

PAGE = (DOCS / "launcher.md").read_text(encoding="utf-8")


def test_every_exit_code_is_listed() -> None:
    codes = [launcher.OK, launcher.USAGE, launcher.REFUSED, launcher.ABANDONED]
    codes += [launcher.NOBODY_KNOWS, launcher.MISCONFIGURED]
    assert [int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, re.MULTILINE)] == codes
    assert [int(code) for code in re.findall(r"^([0-9]+) ", launcher.__doc__ or "", re.MULTILINE)] == codes


def test_every_reason_is_listed() -> None:
    rows = PAGE.partition("| reason |")[2].partition("##")[0]
    assert set(re.findall(r"`([a-z_]+)`", re.sub(r"\|[^|]*\|$", "", rows, flags=re.MULTILINE))) == set(get_args(Reason))


def test_every_variable_is_listed_with_its_default() -> None:
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)) == set(LauncherSettings.variables().values())
    assert f"| `JOB_TIMEOUT_S` | {LauncherSettings().job_timeout_s:g} |" in PAGE


def test_the_times_are_the_launchers() -> None:
    limits = Limits()
    said = [
        f"SIGTERM to its group, {limits.kill_grace_s:g} s, SIGKILL",
        f"pauses of {limits.webhook_pause_s:g}, 2, 4 ... {limits.webhook_most_pause_s:g} s",
        f"each try may take {limits.webhook_try_s:g} s",
        f"none begins later than {limits.webhook_total_s:g} s after the first",
        f"everything that is left gets {limits.terminated_s:g} s",
        f"at most once in {limits.progress_every_s:g} s",
    ]
    prose = " ".join(PAGE.split())
    assert not [words for words in said if words not in prose]
    assert len(limits.store_pauses_s) + 1 == 5
