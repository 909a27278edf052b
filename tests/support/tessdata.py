"""Whether Tesseract's data is on this machine; continuous integration fails without it (.ci/run installs it)."""

import os

import pytest

from rythmiq_worker.engines.tesseract import folder_of


def _lacks(*languages: str) -> bool:
    lacking = folder_of(languages) is None
    if lacking and os.environ.get("CI"):
        raise RuntimeError(f"no folder has the data of {'+'.join(languages)}: .ci/run installs it")
    return lacking


needs_hindi = pytest.mark.skipif(
    _lacks("eng", "hin"), reason="needs Tesseract's data: apt-get install tesseract-ocr-eng tesseract-ocr-hin"
)
