"""The page cuts the finished pages out of a PDF of the worker's, byte for byte."""

import base64
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rythmiq_worker.conform.pdf import bind_pdf
from rythmiq_worker.conform.raster import pad_jpeg
from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
PROGRAM = """
const { jpegsOf } = await import(%s);
const pdf = Buffer.from(await new Response(process.stdin).text(), "base64");
console.log(JSON.stringify(jpegsOf(new Uint8Array(pdf)).map((jpeg) => Buffer.from(jpeg).toString("base64"))));
"""
LOOKS_LIKE_ONE = b"<< /Filter /DCTDecode /Length 5 >>\nstream\n12345\nendstream"

pytestmark = pytest.mark.node


def cut_out(pdf: bytes) -> list[bytes]:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", PROGRAM % json.dumps((PAGE / "pdf-pages.js").as_uri())],
        input=base64.b64encode(pdf).decode(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [base64.b64decode(jpeg) for jpeg in json.loads(done.stdout)]


def jpeg(mode: str, seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (60 + seed, 80, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(data, "JPEG", quality=90)
    return data.getvalue()


def test_every_page_in_its_order() -> None:
    parts = [jpeg("RGB", 1), jpeg("L", 2), jpeg("RGB", 3)]
    assert cut_out(bind_pdf(parts, 200)) == parts


def test_a_page_that_holds_what_looks_like_another() -> None:
    """Its comment is part of the picture."""
    first = pad_jpeg(jpeg("RGB", 1), 20_000)
    at = first.index(b"\xff\xfe") + 4
    parts = [first[:at] + LOOKS_LIKE_ONE + first[at + len(LOOKS_LIKE_ONE) :], jpeg("RGB", 2)]
    assert cut_out(bind_pdf(parts, 200)) == parts


def test_a_file_without_pages() -> None:
    assert cut_out(b"%PDF-1.3\n%%EOF") == []
