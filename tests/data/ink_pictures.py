"""Drawn signatures and thumb impressions, and what people send instead: ruled paper, desks, print, seals, pages.

All are RGB; ink is dark blue unless said otherwise, and a seed changes the hand.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK = (28, 36, 110)
PAPER = (226, 220, 206)
RULE = (150, 170, 205)
DESK = (70, 52, 40)
SENTENCES = (
    "I hereby declare that all statements",
    "made in this application are true,",
    "complete and correct to the best",
    "of my knowledge and belief, and that",
    "I shall abide by the rules of the",
    "board and of the examination.",
)


def signature(seed: int, width_px: int = 900, height_px: int = 320, ink: tuple[int, int, int] = INK) -> Image.Image:
    """A hand's strokes on white; every second one is underlined."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width_px, height_px), "white")
    draw = ImageDraw.Draw(image)
    t, a = np.linspace(0, 1, 600), rng.uniform(0.6, 1.4, 8)
    pen = max(3, width_px // 130)
    across = width_px * (0.12 + 0.74 * t + 0.05 * a[0] * np.sin(2 * math.pi * (5 + 3 * a[1]) * t))
    down = height_px * (
        0.46
        + 0.2 * a[2] * np.sin(2 * math.pi * 4 * a[3] * t + a[4]) * np.cos(5 * t * a[5])
        + 0.12 * np.sin(2 * math.pi * 9 * a[6] * t)
    )
    draw.line(list(zip(across.tolist(), down.tolist(), strict=True)), fill=ink, width=pen, joint="curve")
    if seed % 2:
        foot = height_px * 0.93
        draw.line([(0.1 * width_px, foot), (0.9 * width_px, foot - 0.03 * a[7] * height_px)], fill=ink, width=pen)
    return image


def sheet(
    *inks: Image.Image, size: tuple[int, int] = (1600, 1100), rules: int = 0, rule: tuple[int, int, int] = RULE
) -> Image.Image:
    """Paper with signatures one below the other, and as many printed rules as asked for, which lean a little."""
    paper = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(paper)
    for index in range(rules):
        down = size[1] * (index + 0.7) / rules
        draw.line([(0, down), (size[0], down + 0.012 * size[0])], fill=rule, width=3)
    room = size[1] / max(1, len(inks))
    for index, ink in enumerate(inks):
        factor = min(0.6 * size[0] / ink.width, 0.62 * room / ink.height)
        small = ink.resize((round(ink.width * factor), round(ink.height * factor)), Image.Resampling.LANCZOS)
        left, top = round(0.2 * size[0]), round(room * index + (room - small.height) / 2)
        under = np.asarray(paper.crop((left, top, left + small.width, top + small.height)), np.float32)
        paper.paste(Image.fromarray((under * np.asarray(small) / 255).astype(np.uint8)), (left, top))
    return paper


def on_desk(paper: Image.Image, degrees: float = 0.0, share: float = 0.7, seed: int = 1) -> Image.Image:
    """A sheet that lies, turned by some degrees, on dark grained wood and fills a share of the picture's sides."""
    width, height = round(paper.width / share), round(paper.height / share)
    grain = np.random.default_rng(seed).normal(0, 40, (height, width)).astype(np.float32)
    desk = np.array(DESK, np.float32) + 2 * cv2.GaussianBlur(grain, (0, 0), 3)[:, :, None]
    turn = cv2.getRotationMatrix2D((paper.width / 2, paper.height / 2), degrees, 1)
    turn[:, 2] += np.array([(width - paper.width) / 2, (height - paper.height) / 2])
    seen = cv2.warpAffine(np.asarray(paper), turn, (width, height), flags=cv2.INTER_AREA)
    cover = cv2.warpAffine(np.full((paper.height, paper.width), 1, np.float32), turn, (width, height))[:, :, None]
    return _image(desk * (1 - cover) + seen * cover)


def shaded(image: Image.Image, depth: float = 0.3, noise: float = 2) -> Image.Image:
    """In a hand's soft shadow, with a sensor's noise."""
    across = np.linspace(0, 1, image.width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, image.height, dtype=np.float32)[:, None, None]
    light = 1 - depth / (1 + np.exp(-8 * (across + 0.4 * down - 0.8)))
    grain = np.random.default_rng(4).normal(0, noise, (image.height, image.width, 1))
    return _image(np.asarray(image) * light + grain)


def printed(*lines: str, size_px: int = 44, colour: tuple[int, int, int] = (20, 20, 24)) -> Image.Image:
    """Lines of print on white, with a margin."""
    font = ImageFont.load_default(size_px)
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    text = "\n".join(lines)
    left, top, right, bottom = probe.multiline_textbbox((0, 0), text, font=font)
    image = Image.new("RGB", (round(right - left) + size_px, round(bottom - top) + size_px), "white")
    ImageDraw.Draw(image).multiline_text((size_px / 2 - left, size_px / 2 - top), text, font=font, fill=colour)
    return image


def written(lines: int, seed: int = 3) -> Image.Image:
    """Lines of joined-up writing on white: words that rise and fall as no print does."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (1400, 140 * lines + 60), "white")
    draw = ImageDraw.Draw(image)
    for line in range(lines):
        left = 60.0
        while left < 1150:
            wide, foot = rng.uniform(90, 220), 140 * line + 110 + rng.uniform(-10, 10)
            t = np.linspace(0, 1, 160)
            waves, tall = round(wide / 24), rng.uniform(13, 26)
            across = left + wide * t + 6 * np.sin(2 * math.pi * waves * t)
            down = foot - tall * (1 + np.sin(2 * math.pi * waves * t)) * (1 + 0.5 * np.sin(7 * t + rng.uniform(0, 6)))
            draw.line(list(zip(across.tolist(), down.tolist(), strict=True)), fill=INK, width=5, joint="curve")
            left += wide + rng.uniform(40, 60)
    return image


def seal(side_px: int = 700) -> Image.Image:
    """A rubber stamp: two rings and a star."""
    image = Image.new("RGB", (side_px, side_px), "white")
    draw = ImageDraw.Draw(image)
    for inset in (0.12, 0.24):
        box = [inset * side_px, inset * side_px, (1 - inset) * side_px, (1 - inset) * side_px]
        draw.ellipse(box, outline=(90, 40, 120), width=max(3, side_px // 80))
    middle = side_px / 2
    star = [
        (middle + r * side_px * math.sin(math.pi * k / 5), middle - r * side_px * math.cos(math.pi * k / 5))
        for k, r in zip(range(10), (0.2, 0.08) * 5, strict=True)
    ]
    draw.polygon(star, fill=(90, 40, 120))
    return image


def thumb(side_px: int = 600, strength: float = 0.75) -> Image.Image:
    """A thumb's ridges on paper."""
    down, across = np.mgrid[0:side_px, 0:side_px].astype(np.float32)
    distance = np.hypot((across - side_px / 2) / 0.8, down - side_px / 2)
    ridges = 0.5 + 0.5 * np.sin(distance * 270 / side_px)
    pixels = np.full((side_px, side_px, 3), PAPER, np.float32)
    inside = distance < side_px / 3
    pixels[inside] *= (1 - strength * ridges)[inside][:, None]
    return _image(pixels)


def _image(pixels: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))
