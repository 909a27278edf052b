"""The launcher with other limits (JSON), and with another worker (a file, or `-`); then its own arguments."""

import json
import os
import sys
from pathlib import Path

from rythmiq_worker.launcher import launch
from rythmiq_worker.launcher.delivery import Limits
from rythmiq_worker.launcher.process import WORKER

limits = Limits(**json.loads(sys.argv[1]))
worker = WORKER if sys.argv[2] == "-" else (sys.executable, str(Path(__file__).with_name(sys.argv[2])))
os._exit(launch(sys.argv[3:], os.environ, worker=worker, limits=limits))
