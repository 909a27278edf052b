"""A signature on paper, a shadow over a picture, and what ENHANCE makes of them."""

import numpy as np
from PIL import Image, ImageDraw

from rythmiq_worker.stages.enhance import enhance
from rythmiq_worker.stages.quality import quality
from tests.support.uploads import context, decoded

INK = (28, 36, 110)
PAPER = (226, 220, 206)


def enhanced(  # noqa: PLR0913  each is one wish of a slot or an owner
    image: Image.Image,
    kind: str,
    *,
    rotate: int = 0,
    crop: dict[str, float] | None = None,
    enhance_rule: str = "auto",
    color: str = "rgb",
) -> tuple[Image.Image, list[str]]:
    """What ENHANCE makes of a picture, and what it did; where a page was taken to lie has tests of its own."""
    upload = decoded(image)
    ctx = context(kind=kind, rotate=rotate, crop=crop, enhance=enhance_rule, color=color)
    made = enhance(upload, quality(upload, ctx).kind, ctx)
    return made.pages[0].image(), [operation.op for operation in made.operations if operation.op != "page"]


def stroke(width_px: int, height_px: int) -> list[tuple[float, float]]:
    """The points of a signature in the middle of a sheet."""
    t = np.linspace(0, 1, 400)
    across = width_px * (0.3 + 0.4 * t + 0.03 * np.sin(40 * t))
    down = height_px * (0.5 + 0.08 * np.sin(23 * t) * np.cos(7 * t) + 0.03 * np.sin(60 * t))
    return list(zip(across.tolist(), down.tolist(), strict=True))


def shaded(image: Image.Image, depth: float, *, softness: float = 8, noise: float = 2) -> Image.Image:
    """In the shadow of a hand that falls over one side, with a sensor's noise."""
    across = np.linspace(0, 1, image.width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, image.height, dtype=np.float32)[:, None, None]
    light = 1 - depth / (1 + np.exp(-softness * (across + 0.4 * down - 0.8)))
    grain = np.random.default_rng(4).normal(0, noise, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image) * light + grain, 0, 255).astype(np.uint8))


def signature(
    width_px: int = 1200,
    height_px: int = 800,
    *,
    sheet: tuple[int, int, int] = PAPER,
    depth: float = 0.0,
    noise: float = 2,
) -> Image.Image:
    """A signature photographed on paper."""
    image = Image.new("RGB", (width_px, height_px), sheet)
    ImageDraw.Draw(image).line(stroke(width_px, height_px), fill=INK, width=max(3, width_px // 200), joint="curve")
    return shaded(image, depth, noise=noise)
