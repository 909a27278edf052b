"""The code that leads to the phone is read by another's reader, at every length that it takes."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.node import node

PAGE = Path(__file__).parents[3] / "page"
PROGRAM = """
const { qrCode } = await import(%s);
const texts = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(texts.map(qrCode)));
"""
LONGEST = 230

pytestmark = pytest.mark.node


def codes(*texts: str) -> list[list[list[bool]] | None]:
    done = subprocess.run(
        [node(), "--input-type=module", "-e", PROGRAM % json.dumps((PAGE / "qr.js").as_uri())],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[list[list[bool]] | None] = json.loads(done.stdout)
    return found


def read(grid: list[list[bool]]) -> str:
    modules = np.pad(np.where(np.array(grid), 0, 255).astype(np.uint8), 4, constant_values=255)
    picture = cv2.resize(modules, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    return str(cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0])


def address(length: int) -> str:
    return ("https://page.example/app#/p/" + "neet-2026/photo/" * 16)[:length]


def test_a_code_of_each_version_is_read() -> None:
    fullest = [17, 32, 53, 78, 106, 134, 154, 192, LONGEST]  # bytes that versions 1 to 9 hold under L
    texts = [address(length + more) for length in fullest for more in (0, 1) if length + more <= LONGEST]
    grids = codes(*texts)
    sizes = [len(grid) for grid in grids if grid is not None]
    assert sizes == [17 + 4 * version for version in (1, *(n for n in range(2, 10) for _ in (0, 1)))]
    assert [read(grid) for grid in grids if grid is not None] == texts


def test_an_address_in_hindi_is_read() -> None:
    text = "https://page.example/app#/p/नीट"
    (grid,) = codes(text)
    assert grid is not None
    assert read(grid) == text


def test_what_is_too_long_has_no_code() -> None:
    assert codes(address(LONGEST + 1)) == [None]
