"""What makes drawn papers look official: fine lines, an emblem, a seal, a photo; never a letter: truth stays exact."""

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from tests.samples.cutout import before_wall

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
_FINE = 2  # drawn so many times larger, then reduced


def fine_lines(image: Image.Image, box: Box, tint: Colour, *, waves: int = 14, depth: float = 0.18) -> None:
    """Draw a security paper's bundle of waves into a box, as faint as `depth` (0..1)."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    layer = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(layer)
    steps = np.linspace(0, 1, 161)
    for number in range(waves):
        phase = number / waves
        swing = np.sin(2 * math.pi * (2.5 * steps + phase)) * 0.28 + np.sin(2 * math.pi * (steps - 2 * phase)) * 0.2
        points = [(float(x * width), float(height * (0.5 + y))) for x, y in zip(steps, swing, strict=True)]
        pen.line(points, fill=round(255 * depth), width=max(1, width // 700), joint="curve")
    image.paste(tint, (left, top), layer)


def emblem(image: Image.Image, centre: tuple[int, int], radius_px: int, colour: Colour) -> None:
    """Draw a wheel of twenty-four spokes."""
    side = 2 * radius_px * _FINE
    layer = Image.new("L", (side, side), 0)
    pen, middle, rim = ImageDraw.Draw(layer), side / 2, side * 0.46
    line = max(2, side // 28)
    pen.ellipse((middle - rim, middle - rim, middle + rim, middle + rim), outline=255, width=line)
    for spoke in range(24):
        angle = spoke * math.pi / 12
        pen.line(
            (middle, middle, middle + rim * math.cos(angle), middle + rim * math.sin(angle)),
            fill=255,
            width=max(1, line // 3),
        )
    hub = side * 0.09
    pen.ellipse((middle - hub, middle - hub, middle + hub, middle + hub), fill=255)
    layer = layer.resize((2 * radius_px, 2 * radius_px), Image.Resampling.BOX)
    image.paste(colour, (centre[0] - radius_px, centre[1] - radius_px), layer)


def seal(image: Image.Image, centre: tuple[int, int], radius_px: int, ink: Colour) -> None:
    """Stamp a round rubber seal, a star within two rings, unevenly inked."""
    side = 2 * radius_px * _FINE
    layer = Image.new("L", (side, side), 0)
    pen, middle = ImageDraw.Draw(layer), side / 2
    for share, width in ((0.48, 0.03), (0.42, 0.012), (0.27, 0.012)):
        rim = side * share
        pen.ellipse(
            (middle - rim, middle - rim, middle + rim, middle + rim), outline=255, width=max(1, round(side * width))
        )
    turns = [(k * math.pi / 5 - math.pi / 2 + 0.2, side * (0.22 if k % 2 == 0 else 0.09)) for k in range(10)]
    pen.polygon([(middle + far * math.cos(turn), middle + far * math.sin(turn)) for turn, far in turns], fill=255)
    for dot in range(36):
        angle, far = dot * math.pi / 18, side * 0.345
        x, y, half = middle + far * math.cos(angle), middle + far * math.sin(angle), side * 0.012
        pen.ellipse((x - half, y - half, x + half, y + half), fill=255)
    layer = layer.resize((2 * radius_px, 2 * radius_px), Image.Resampling.BOX)
    blotches = np.random.default_rng(radius_px).uniform(90, 215, (9, 9)).astype(np.uint8)
    pressed = Image.fromarray(blotches).resize(layer.size, Image.Resampling.BICUBIC)
    image.paste(ink, (centre[0] - radius_px, centre[1] - radius_px), ImageChops.multiply(layer, pressed))


def frame(image: Image.Image, inset_px: int, colour: Colour) -> None:
    """Draw a certificate's double frame with squares in its corners."""
    pen = ImageDraw.Draw(image)
    thick, gap = max(2, inset_px // 9), max(4, inset_px // 4)
    width, height = image.size
    pen.rectangle((inset_px, inset_px, width - inset_px, height - inset_px), outline=colour, width=thick)
    inner = inset_px + gap
    pen.rectangle((inner, inner, width - inner, height - inner), outline=colour, width=max(1, thick // 3))
    for x in (inset_px, width - inset_px):
        for y in (inset_px, height - inset_px):
            pen.rectangle((x - gap, y - gap, x + gap, y + gap), fill=colour)


def photo(image: Image.Image, box: Box) -> None:
    """Put the framed portrait into a box."""
    left, top, right, bottom = box
    image.paste(_portrait().resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top))
    ImageDraw.Draw(image).rectangle(
        (left, top, right, bottom), outline=(120, 124, 132), width=max(2, (right - left) // 120)
    )


@lru_cache(maxsize=1)
def _portrait() -> Image.Image:
    """Head and shoulders before a pale blue wall, 3:4."""
    whole, (scale, left, top) = before_wall((196, 214, 232), room=1.1, long_side_px=1100)
    box = tuple(round(at) for at in (left + 110 * scale, top - 24 * scale, left + 346 * scale, top + 290 * scale))
    return whole.crop((box[0], box[1], box[2], box[3]))
