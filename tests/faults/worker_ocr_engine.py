"""A text engine of tests/faults in place of the real one: `worker_ocr_engine.py FAULT`."""

import functools
import sys

from rythmiq_worker.__main__ import main
from rythmiq_worker.engines import child

engines = {"rapidocr": f"tests.faults.{sys.argv[1]}"}
vars(child)["read_page"] = functools.partial(child.read_page, engines=engines)
main()
