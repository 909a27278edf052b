"""What the local cloud started ends with it, even when it was killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from rythmiq_cli.local.tether import Tether
from tests.support.cloud_functions import process_state, within

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="process states are read from /proc")

OWNER = """
import subprocess, sys, time
from rythmiq_cli.local.tether import Tether
tether = Tether()
sleeper = "import time; print('on', flush=True); time.sleep(600)"
stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + sleeper
for source in (stubborn, sleeper):
    child = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    tether.hold(child.pid)
    print(child.pid, flush=True)
time.sleep(600)
"""


def test_what_a_killed_owner_held_is_ended_even_when_it_ignores_sigterm() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(owner.stdout.readline()) for _ in range(2)]
        owner.kill()
    within(15, lambda: all(process_state(pid) in {"", "Z"} for pid in pids))


def test_what_was_let_go_and_what_a_farewell_left_is_not_touched() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as child:
        try:
            with Tether() as tether:
                tether.hold(child.pid)
            assert child.poll() is None
        finally:
            child.kill()
