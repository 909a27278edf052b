"""A text engine of tests/faults in place of the real one: `worker_ocr_engine.py FAULT`."""

import functools
import sys

from rythmiq_worker.__main__ import main
from rythmiq_worker.engines import child
from rythmiq_worker.walls.sibling import Program
from tests.faults.in_image_process import ROOT

engines = {"rapidocr": f"tests.faults.{sys.argv[1]}"}
program = Program(child.PROGRAM.module, (ROOT,))
vars(child)["read_page"] = functools.partial(child.read_page, engines=engines, program=program)
main()
