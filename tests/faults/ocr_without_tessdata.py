"""The default engine on a machine without Tesseract's data."""

from rythmiq_worker.engines import rapidocr, tesseract

vars(tesseract)["folders"] = lambda _environ: ()
load = rapidocr.load
