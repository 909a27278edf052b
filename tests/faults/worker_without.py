"""A broken installation: `worker_without.py PACKAGE` cannot import that package, in the worker itself."""

import sys

from rythmiq_worker.__main__ import main
from tests.faults.in_image_process import broken_import

broken_import(sys.argv[1])
main()
