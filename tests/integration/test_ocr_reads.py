"""The default engine reads real pictures: drawn, warped and noisy, with the truth known exactly."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rythmiq_worker.engines import OcrEngine, rapidocr
from rythmiq_worker.engines.child import read_page, write_frame
from rythmiq_worker.engines.detection import Detection, detect
from rythmiq_worker.engines.models import Network

CARD = (
    "GOVERNMENT OF KARNATAKA",
    "Name: Ananya Krishnan",
    "Date of Birth: 14/08/2003",
    "Roll No. 4471-0923-8866",
    "Valid until 31 March 2029",
)


@pytest.fixture(scope="module")
def engine() -> OcrEngine:
    """The default engine, in this process; its sessions are reused by every test."""
    return rapidocr.load()


def drawn(
    lines: tuple[str, ...], size: tuple[int, int] = (1600, 1000), font_px: int = 64, origin: tuple[int, int] = (120, 90)
) -> NDArray[np.uint8]:
    """Dark text on a light page with a little of a camera's blur and noise: H x W x 3, uint8, RGB."""
    image = Image.new("RGB", size, (236, 232, 222))
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(font_px)
    for row, line in enumerate(lines):
        pen.text((origin[0], origin[1] + row * font_px * 2), line, font=font, fill=(30, 30, 46))
    blurred = cv2.GaussianBlur(np.asarray(image), (0, 0), 0.8).astype(np.float64)
    noisy = blurred + np.random.default_rng(5).normal(0, 4, blurred.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def turned(image: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    height_px, width_px = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width_px / 2, height_px / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width_px, height_px), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


def texts(engine: OcrEngine, image: NDArray[np.uint8]) -> list[str]:
    return [line.text for line in engine.read(image)]


def test_a_card_is_read_line_by_line_with_places_and_confidence(engine: OcrEngine) -> None:
    lines = engine.read(drawn(CARD))
    assert [line.text for line in lines] == list(CARD)
    assert min(line.confidence for line in lines) > 0.9
    (left, top), _, (right, bottom), _ = lines[0].quad
    assert (left, top) == pytest.approx((120, 90), abs=40)
    assert right > 900
    assert bottom == pytest.approx(90 + 64, abs=40)


@pytest.mark.parametrize("degrees", [-7, 6])
def test_a_leaning_card_is_read_the_same(degrees: float, engine: OcrEngine) -> None:
    assert texts(engine, turned(drawn(CARD), degrees)) == list(CARD)


def test_colours_are_not_swapped(engine: OcrEngine) -> None:
    """The networks are taught BGR and we are given RGB; text that only one channel sees must be found all the same."""
    image = drawn(CARD[:3])
    image[:, :, :2] = 120
    assert texts(engine, image) == list(CARD[:3])


def test_two_columns_are_read_row_by_row(engine: OcrEngine) -> None:
    left = drawn(("Physics", "Chemistry", "Biology"), size=(800, 500), font_px=56, origin=(60, 60))
    right = drawn(("87", "91", "78"), size=(400, 500), font_px=56, origin=(60, 60))
    assert texts(engine, np.hstack([left, right])) == ["Physics", "87", "Chemistry", "91", "Biology", "78"]


def test_a_page_far_away_is_read_by_the_closer_look(engine: OcrEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def noting(
        network: Network, image: NDArray[np.uint8], long_side_px: int, near: NDArray[np.float32] | None = None
    ) -> Detection:
        looked.append(long_side_px)
        return detect(network, image, long_side_px, near)

    monkeypatch.setattr(rapidocr, "detect", noting)
    image = np.full((2700, 3600, 3), 110, np.uint8)
    image[1000:1500, 1400:2200] = drawn(CARD, size=(800, 500), font_px=20, origin=(40, 40))
    assert texts(engine, image) == list(CARD)
    assert looked == [960, 1920]


def test_text_that_runs_up_the_margin_is_read(engine: OcrEngine) -> None:
    image = drawn(CARD[:2], size=(1300, 500))
    margin = np.rot90(drawn(("Issued 2019",), size=(500, 110), font_px=48, origin=(60, 25)))
    found = texts(engine, np.hstack([margin, image]))
    assert sorted(found) == sorted([*CARD[:2], "Issued 2019"])


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (31, 33), (1200, 900)])
def test_an_empty_picture_of_any_size_has_no_text(size: tuple[int, int], engine: OcrEngine) -> None:
    assert engine.read(np.full((size[1], size[0], 3), 240, np.uint8)) == []


def test_a_strip_with_one_line_is_read(engine: OcrEngine) -> None:
    assert texts(engine, drawn(("Application No. 220310",), size=(520, 60), font_px=34, origin=(12, 10))) == [
        "Application No. 220310"
    ]


@pytest.mark.pixels
def test_the_same_picture_is_read_the_same_to_the_last_digit() -> None:
    image = Image.fromarray(drawn(CARD[:3], size=(1300, 500)))
    with write_frame(image) as frame:
        first, second = (read_page(frame, timeout_s=60).lines for _ in range(2))
    assert [line.text for line in first] == list(CARD[:3])
    assert first == second


def test_reading_imports_none_of_the_package_that_carries_the_models() -> None:
    program = (
        "import sys, numpy; from rythmiq_worker.engines import rapidocr;"
        "rapidocr.load().read(numpy.zeros((64, 64, 3), numpy.uint8));"
        "print(*{'rapidocr', 'shapely', 'pyclipper', 'PIL', 'yaml', 'requests'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
