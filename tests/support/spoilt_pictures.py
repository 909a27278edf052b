"""Clean pictures of a person and of a page, and what may be wrong with them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from rythmiq_worker.imaging import measures
from rythmiq_worker.imaging.measures import Gray
from tests.support.uploads import portrait


def photo(width_px: int = 900, height_px: int = 900) -> Image.Image:
    """A clean portrait with a sensor's grain, so that enlarging did not leave it unnaturally smooth."""
    pixels = np.asarray(portrait(width_px, height_px), dtype=np.float32)
    grain = np.random.default_rng(1).normal(0, 2, (height_px, width_px, 1))
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def page(width_px: int = 1240, height_px: int = 1754) -> Image.Image:
    """A printed page on paper that is not quite white."""
    image = Image.new("RGB", (width_px, height_px), (238, 236, 230))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(30)
    for top in range(120, height_px - 120, 46):
        draw.text(
            (100 + top % 37, top),
            "statement of marks obtained in the examination held in march",
            font=font,
            fill=(30, 30, 34),
        )
    return image


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """Out of focus."""
    return image.filter(ImageFilter.GaussianBlur(sigma))


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """With a sensor's noise, the same in all channels."""
    noise = np.random.default_rng(2).normal(0, sigma, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.float32) + noise, 0, 255).astype(np.uint8))


def lit(image: Image.Image, gain: float) -> Image.Image:
    """Exposed more or less."""
    return image.point(lambda level: min(255, int(level * gain)))


def flattened(image: Image.Image, gain: float) -> Image.Image:
    """With less contrast."""
    return image.point(lambda level: int(128 + (level - 128) * gain))


def gray(image: Image.Image, side_px: int = 512) -> Gray:
    """At the canonical size."""
    return measures.shrunk(np.asarray(image.convert("L"), np.uint8), side_px)
