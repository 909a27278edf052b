"""Pages with one defect each, at levels that rise until the page can hardly be read: what ENHANCE is judged by.

Arrays are H x W x 3, uint8, RGB.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.data.hard_layouts import FACES, licence
from tests.samples.pages import Page, admit_card, id_card, letter, marksheet

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

DESK: Colour = (95, 65, 45)
WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect.

    Attributes:
        name: in a few words.
        mended: whether ENHANCE is to mend it; else it must do no harm.
        levels: mildest first.
        spoil: makes a page of a level.
    """

    name: str
    mended: bool
    levels: tuple[float, ...]
    spoil: Callable[[Pixels, float], Pixels]


def pages() -> dict[str, Page]:
    """What the defects are put on."""
    return {
        "letter": letter(5, 900, 12, 34),
        "marksheet": marksheet(6, 900),
        "ID card": id_card(8, 900),
        "admit card": admit_card(7, 1000),
        "licence": licence(9, FACES[1]),
    }


def shadowed(pixels: Pixels, depth: float, softness: float = 8.0) -> Pixels:
    """A shadow falls over one side, with a little noise: `depth` of the light is gone where it is darkest."""
    height, width = pixels.shape[:2]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    light = 1 - depth / (1 + np.exp(-softness * (across + 0.4 * down - 0.8)))
    noise = np.random.default_rng(4).normal(0, 2, (height, width, 1))
    return _clipped(pixels * light + noise)


def turned(pixels: Pixels, degrees: float, fill: Colour = WHITE) -> Pixels:
    """Turned anticlockwise; what comes in from outside is one colour."""
    image = Image.fromarray(pixels)
    return np.asarray(image.rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=fill), np.uint8)


def tilted(pixels: Pixels, tilt: float, fill: Colour = DESK, margin: float = 0.06) -> Pixels:
    """On a desk, its far edge shorter by `tilt`."""
    height, width = pixels.shape[:2]
    out_width, out_height = int(width * (1 + 2 * margin)), int(height * (1 + 2 * margin))
    left, top, shift = (out_width - width) / 2, (out_height - height) / 2, tilt * width / 2
    right, bottom = left + width, top + height
    seen = [
        (left + shift, top),
        (right - 0.6 * shift, top + 0.3 * shift),
        (right, bottom),
        (left, bottom - 0.2 * shift),
    ]
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, np.array(seen, np.float32))
    warped = cv2.warpPerspective(
        pixels, matrix, (out_width, out_height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    return warped.astype(np.uint8)


def seen_closely(pixels: Pixels) -> Pixels:
    """As large as a phone's twelve megapixels show a page: 2.5 times what is drawn."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels).resize((width * 5 // 2, height * 5 // 2), Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8)


def askew(pixels: Pixels, tilt: float) -> Pixels:
    """On a desk, from an angle, and the phone turned: 100 degrees for a tilt of 1."""
    flat = tilted(pixels, tilt, margin=0.1)
    return turned(flat, 100 * tilt, DESK)


def darkened(pixels: Pixels, gain: float) -> Pixels:
    """In little light: the brightness times `gain`, and the noise of a small sensor at high sensitivity."""
    return _noisy(pixels * gain, 12)


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    """Noise alone."""
    return _noisy(pixels.astype(np.float64), sigma)


def flattened(pixels: Pixels, share: float) -> Pixels:
    """So little contrast is left."""
    return _clipped(128 + (pixels.astype(np.float64) - 128) * share)


def blurred(pixels: Pixels, sigma_px: float) -> Pixels:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma_px), np.uint8)


def squeezed(pixels: Pixels, quality: float) -> Pixels:
    """Compressed as JPEG."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=round(quality))
    return np.asarray(Image.open(out).convert("RGB"), np.uint8)


def shrunk(pixels: Pixels, factor: float) -> Pixels:
    """Fewer pixels."""
    size = int(pixels.shape[1] * factor), int(pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), np.uint8)


def _noisy(pixels: NDArray[Any], sigma: float) -> Pixels:
    return _clipped(pixels + np.random.default_rng(3).normal(0, sigma, pixels.shape))


def _clipped(pixels: NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(pixels, 0, 255), np.uint8)


DEFECTS = (
    Defect("shadow", mended=True, levels=(0.75, 0.9, 0.95, 0.97, 0.99), spoil=shadowed),
    Defect("hard shadow", mended=True, levels=(0.75, 0.9, 0.95, 0.97, 0.99), spoil=lambda a, d: shadowed(a, d, 40)),
    Defect("rotation on white", mended=True, levels=(9, 30, 50, 135, 180), spoil=turned),
    Defect("rotation on a desk", mended=True, levels=(9, 30, 50, 135, 180), spoil=lambda a, d: turned(a, d, DESK)),
    Defect("perspective, phone turned", mended=True, levels=(0.15, 0.3, 0.45, 0.6), spoil=askew),
    Defect(
        "perspective", mended=True, levels=(0.5, 0.8, 0.85, 0.9, 0.93), spoil=lambda a, t: tilted(seen_closely(a), t)
    ),
    Defect("dark noise", mended=True, levels=(0.2, 0.15, 0.12, 0.1, 0.08), spoil=darkened),
    Defect("nothing", mended=False, levels=(0,), spoil=lambda a, _: a),
    Defect("noise", mended=False, levels=(25, 60, 120), spoil=noisy),
    Defect("low contrast", mended=False, levels=(0.2, 0.1, 0.05), spoil=flattened),
    Defect("blur", mended=False, levels=(2.5, 3.5, 4.5), spoil=blurred),
    Defect("JPEG", mended=False, levels=(8, 4, 2), spoil=squeezed),
    Defect("fewer pixels", mended=False, levels=(0.5, 0.35, 0.25), spoil=shrunk),
    # Few pixels: where it hurts, the far letters have one or two, and no way of seeing them straight brings those back.
    Defect("perspective, few pixels", mended=False, levels=(0.3, 0.7, 0.8, 0.85, 0.9), spoil=tilted),
    Defect("perspective on white", mended=False, levels=(0.3, 0.5, 0.7), spoil=lambda a, t: tilted(a, t, WHITE)),
)
"""In the order of docs/test-pictures.md."""
