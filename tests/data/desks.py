"""Pages as phones see them: on desks of wood, cloth and stone, slanted, held, bent, in a book; and desks without one.

Fixed seeds. Arrays are H x W x 3, uint8, RGB; every picture has a sensor's noise.
"""

from random import Random
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]

PAPER: Final = (238, 236, 229)
WOOD, SLATE, GREEN, RED, BLUE, GRAY = (
    (150, 108, 70), (52, 54, 60), (40, 112, 72), (150, 46, 52), (58, 84, 150), (128, 128, 130),
)  # fmt: skip
_WORDS: Final = (
    *("statement", "of", "marks", "obtained", "in", "the", "examination", "held", "in", "march", "by"),
    *("the", "board", "of", "secondary", "education"),
)


def printed(width_px: int, height_px: int, seed: int = 1, sheet: tuple[int, int, int] = PAPER) -> Image.Image:
    """A page of print: a heading and paragraphs."""
    chance = Random(seed)  # noqa: S311  a picture, no secret
    image = Image.new("RGB", (width_px, height_px), sheet)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(max(10, width_px // 40))
    margin, step = width_px // 12, max(16, width_px // 24)
    pen.text(
        (margin, margin), "Board of Secondary Education", font=ImageFont.load_default(width_px // 24), fill="black"
    )
    for top in range(2 * margin + step, height_px - margin - step, step):
        line = ""
        while pen.textlength(line, font=font) < width_px - 3.5 * margin:
            line += chance.choice(_WORDS) + " "
        pen.text((margin, top), line, font=font, fill=(35, 35, 40))
    return image


def desk(width_px: int, height_px: int, colour: tuple[int, int, int] = WOOD, seed: int = 2, grain: float = 5) -> Pixels:
    """A surface with a grain along it, and light that falls off to one side."""
    noise = np.random.default_rng(seed).normal(0, 1, (height_px, width_px)).astype(np.float32)
    streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=40, sigmaY=1.5)
    streaks = streaks * (grain / max(float(streaks.std()), 1e-6))
    light = np.linspace(1.06, 0.9, width_px, dtype=np.float32)[None, :, None]
    flat = np.array(colour, np.float32)[None, None] + streaks[:, :, None]
    return np.asarray(np.clip(flat * light, 0, 255), np.uint8)


def laid(page: Image.Image, on: Pixels, corners: list[tuple[float, float]], *, shadow: float = 0.25) -> Image.Image:
    """A page whose corners lie at these shares of the surface, with its shadow and the sensor's noise."""
    height, width = on.shape[:2]
    flat = np.array([(0, 0), (page.width, 0), page.size, (0, page.height)], np.float32)
    seen = (np.array(corners) * (width, height)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(flat, seen)
    print_ = cv2.warpPerspective(np.asarray(page), matrix, (width, height), flags=cv2.INTER_AREA)
    whole = np.full((page.height, page.width), 255, np.uint8)
    cover = cv2.warpPerspective(whole, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    return photographed(np.asarray(print_, np.uint8), np.asarray(cover, np.float32), on, shadow=shadow)


def bent(page: Image.Image, on: Pixels, margin: float = 0.12, bend: float = 0.05) -> tuple[Image.Image, Points]:
    """A page curved like a leaf of a book, its rows and its upper and lower edges waves; and its outline in shares."""
    height, width = on.shape[:2]
    left, right, top, bottom = margin * width, (1 - margin) * width, margin * height, (1 - margin) * height
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    share = (across - left) / (right - left)
    lift = bend * height * np.sin(np.pi * np.clip(share, 0, 1))
    x = share * page.width
    y = (down - top + lift) / (bottom - top) * page.height
    print_ = cv2.remap(np.asarray(page), x, y.astype(np.float32), cv2.INTER_LINEAR)
    inside = ((x >= 0) & (x < page.width) & (y >= 0) & (y < page.height)).astype(np.float32)
    cover = cv2.GaussianBlur(inside, (0, 0), 0.7)
    along = np.linspace(0, 1, 40)
    wave = bend * np.sin(np.pi * along)
    upper = np.column_stack([margin + along * (1 - 2 * margin), margin - wave])
    lower = np.column_stack([margin + along * (1 - 2 * margin), 1 - margin - wave])[::-1]
    return photographed(np.asarray(print_, np.uint8), np.asarray(cover, np.float32), on), np.concatenate([upper, lower])


def photographed(print_: Pixels, cover: NDArray[np.float32], on: Pixels, *, shadow: float = 0.25) -> Image.Image:
    """Lay print over a surface where it covers it; beside it falls its shadow, over all of it the sensor's noise."""
    size = max(on.shape[:2])
    cast = cv2.GaussianBlur(np.roll(cover, (size // 120, size // 160), (0, 1)), (0, 0), size / 160)
    under = on.astype(np.float32) * (1 - shadow * cast[:, :, None])
    seen = under * (1 - cover[:, :, None]) + print_.astype(np.float32) * cover[:, :, None]
    noise = np.random.default_rng(3).normal(0, 2.5, seen.shape)
    return Image.fromarray(np.clip(cv2.GaussianBlur(seen, (0, 0), 0.6) + noise, 0, 255).astype(np.uint8))


def held(image: Image.Image, corners: list[tuple[float, float]]) -> Image.Image:
    """A thumb over the middle of the page's left edge."""
    (ax, ay), (bx, by) = corners[0], corners[3]
    x, y = (ax + bx) / 2 * image.width, (ay + by) / 2 * image.height
    wide, high = 0.07 * image.width, 0.035 * image.height
    out = image.copy()
    ImageDraw.Draw(out).rounded_rectangle((x - 3 * wide, y - high, x + wide, y + high), high, fill=(196, 142, 112))
    return out


def spread(page: Image.Image, other: Image.Image, on: Pixels) -> Image.Image:
    """A book that lies open: two pages, and the dark of the gutter between them."""
    both = Image.new("RGB", (page.width + other.width, page.height), PAPER)
    both.paste(page, (0, 0))
    both.paste(other, (page.width, 0))
    across = np.abs(np.arange(both.width) - page.width) / both.width
    dark = 1 - 0.55 * np.exp(-((across / 0.02) ** 2))
    shaded = Image.fromarray((np.asarray(both) * dark[None, :, None]).astype(np.uint8))
    return laid(shaded, on, [(0.06, 0.14), (0.94, 0.14), (0.94, 0.86), (0.06, 0.86)])
