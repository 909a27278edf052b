"""Pictures in graded degradation, for `quality_score`: clean photos and pages, the levels, and how each is made.

Two halves: thresholds are taken from one and judged on the other. The halves share no layout and no wall; of people,
scikit-image has only two, so the portraits of both halves show the same ones (docs/test-pictures.md).

Levels are given for a picture about 1000 px long, the size at which a page or a portrait is looked at: a phone's twelve
megapixels average the noise of sixteen of their pixels into one of these.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.data.hard_layouts import FACES, grade_sheet, hall_ticket, licence, student_card
from tests.data.portraits import portrait
from tests.samples.camera import Shot, photograph
from tests.samples.cutout import BLUE, GRAY, WHITE, before_wall
from tests.samples.pages import Page, admit_card, id_card, letter, marksheet
from tests.samples.portrait import astronaut

Kind = Literal["photo", "document"]
Half = Literal["fit", "judge"]
Plane = NDArray[np.float32]

CLEAN_JPEG = 92
LONG_SIDE_PX = 1000
_PORTRAIT_PX = 720


@dataclass(frozen=True)
class Clean:
    """A picture that nothing is wrong with, made when it is asked for."""

    name: str
    kind: Kind
    half: Half
    make: Callable[[], Image.Image] = field(repr=False)

    @cached_property
    def image(self) -> Image.Image:
        """RGB."""
        return self.make()


@dataclass(frozen=True, slots=True)
class Degradation:
    """One way in which pictures get worse, mildest level first.

    Attributes:
        name: in a few words.
        levels: as the issue gives them.
        spoil: makes the picture of a level; None: the level is the JPEG's quality.
    """

    name: str
    levels: tuple[float, ...]
    spoil: Callable[[Image.Image, float], Image.Image] | None

    def file(self, image: Image.Image, level: float) -> bytes:
        """The upload of a level."""
        if self.spoil is None:
            return as_jpeg(image, round(level))
        return as_jpeg(self.spoil(image, level))


def as_jpeg(image: Image.Image, quality: int = CLEAN_JPEG) -> bytes:
    """Encode as a phone does."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


# --- clean pictures ----------------------------------------------------------


@cache
def clean_pictures() -> tuple[Clean, ...]:
    """All of them, the same at each call."""
    return (*_photos(), *_pages())


def _photos() -> tuple[Clean, ...]:
    fit: dict[str, Callable[[], Image.Image]] = {
        "as it is": astronaut,
        "mirrored": lambda: ImageOps.mirror(_cut((36, 0, 420, 512))),
        "white wall": lambda: _wall(WHITE, 1.04),
        "warm": lambda: _tinted(_cut((60, 0, 444, 512)), (1.10, 1.0, 0.82)),
        "brighter": lambda: exposed(_cut((20, 0, 404, 512)), 0.3),
        "profile": lambda: _grown(portrait("profile").image),
    }
    judge: dict[str, Callable[[], Image.Image]] = {
        "upright": lambda: _cut((36, 0, 420, 512)),
        "head and shoulders": lambda: _cut((60, 0, 420, 420)),
        "blue wall": lambda: _wall(BLUE, 1.1),
        "gray wall": lambda: _wall(GRAY, 1.2),
        "cool": lambda: _tinted(_cut((50, 0, 434, 512)), (0.86, 0.98, 1.10)),
        "darker": lambda: exposed(_cut((70, 0, 454, 512)), -0.3),
        "gray": lambda: _cut((36, 0, 420, 512)).convert("L").convert("RGB"),
    }
    return (
        *(Clean(f"photo, {name}", "photo", "fit", make) for name, make in fit.items()),
        *(Clean(f"photo, {name}", "photo", "judge", make) for name, make in judge.items()),
    )


def _pages() -> tuple[Clean, ...]:
    fit: dict[str, tuple[Callable[[], Page], bool]] = {
        "ID card": (lambda: id_card(901), True),
        "student card": (lambda: student_card(902, FACES[0]), False),
        "marksheet": (lambda: marksheet(903), False),
        "hall ticket": (lambda: hall_ticket(904, FACES[1]), False),
        "small ID card": (lambda: id_card(905), True),
    }
    judge: dict[str, tuple[Callable[[], Page], bool]] = {
        "licence": (lambda: licence(906, FACES[2]), True),
        "grade sheet": (lambda: grade_sheet(907, FACES[0]), True),
        "admit card": (lambda: admit_card(908), True),
        "letter": (lambda: letter(909), False),
        "small licence": (lambda: licence(910, FACES[1]), True),
    }
    return (
        *(_page(name, "fit", draw, across=across) for name, (draw, across) in fit.items()),
        *(_page(name, "judge", draw, across=across) for name, (draw, across) in judge.items()),
    )


def _page(name: str, half: Half, draw: Callable[[], Page], *, across: bool) -> Clean:
    size = (4000, 3000) if across else (3000, 4000)
    fills = 0.72 if name.startswith("small") else 0.93
    shot = Shot(size_px=size, fills=fills, shadow=0.15, noise=3)
    return Clean(f"page, {name}", "document", half, partial(_taken, draw, shot, len(name)))


def _taken(draw: Callable[[], Page], shot: Shot, seed: int) -> Image.Image:
    return reduced(photograph(draw().image, shot, seed=seed), LONG_SIDE_PX)


def _cut(box: tuple[int, int, int, int]) -> Image.Image:
    return _grown(astronaut().crop(box))


def _grown(image: Image.Image) -> Image.Image:
    factor = _PORTRAIT_PX / max(image.size)
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def _wall(colour: tuple[int, int, int], room: float) -> Image.Image:
    return before_wall(colour, room=room, long_side_px=_PORTRAIT_PX)[0]


def _tinted(image: Image.Image, gains: tuple[float, float, float]) -> Image.Image:
    return _image(np.asarray(image, np.float32) * np.array(gains, np.float32))


def reduced(image: Image.Image, long_side_px: int) -> Image.Image:
    """Shrink by LANCZOS."""
    factor = long_side_px / max(image.size)
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


# --- degradations ------------------------------------------------------------


def blurred(image: Image.Image, share: float) -> Image.Image:
    """Out of focus: a Gaussian whose standard deviation is a share of the width."""
    return _image(cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), share * image.width))


def shaken(image: Image.Image, share: float) -> Image.Image:
    """Smeared by a moving hand, along 25 degrees, over a share of the width."""
    length_px = max(3, round(share * image.width)) | 1
    line = np.zeros((length_px, length_px), np.float32)
    line[length_px // 2] = 1
    turn = cv2.getRotationMatrix2D(((length_px - 1) / 2, (length_px - 1) / 2), 25, 1)
    line = cv2.warpAffine(line, turn, (length_px, length_px)).astype(np.float32)
    pixels = np.asarray(image, np.float32)
    return _image(cv2.filter2D(pixels, -1, line / line.sum(), borderType=cv2.BORDER_REFLECT))


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """Sensor noise of a standard deviation in gray levels."""
    pixels = np.asarray(image, np.float32)
    return _image(pixels + np.random.default_rng(round(sigma)).normal(0, sigma, pixels.shape))


def exposed(image: Image.Image, stops: float) -> Image.Image:
    """Change the exposure in linear light, clipped as a sensor clips."""
    levels = np.arange(256) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    lit = np.clip(linear * 2.0**stops, 0, 1)
    table = 255 * np.where(lit <= 0.0031308, 12.92 * lit, 1.055 * lit ** (1 / 2.4) - 0.055)
    return image.point([round(level) for level in table.tolist()] * 3)


def flattened(image: Image.Image, share: float) -> Image.Image:
    """Keep a share of the contrast around the middle gray."""
    return _image(128 + share * (np.asarray(image, np.float32) - 128))


def enlarged(image: Image.Image, long_side_px: float) -> Image.Image:
    """Shrink to a long side and enlarge again: pixels without detail."""
    return reduced(image, round(long_side_px)).resize(image.size, Image.Resampling.BICUBIC)


def _image(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


BLURS, NOISES = (0.002, 0.004, 0.008), (6, 12, 25)
DEGRADATIONS = (
    Degradation("blur", BLURS, blurred),
    Degradation("motion blur", (0.008, 0.015, 0.03), shaken),
    Degradation("noise", NOISES, noisy),
    Degradation("blur and noise", BLURS, lambda image, share: noisy(blurred(image, share), 12)),
    Degradation("JPEG", (60, 25, 10), None),
    Degradation("under-exposure", (-2, -3), exposed),
    Degradation("over-exposure", (2,), exposed),
    Degradation("low contrast", (0.5, 0.35, 0.2), flattened),
    Degradation("enlargement", (320, 200, 120), enlarged),
)
"""Levels: shares of the width, gray levels, JPEG qualities, stops, shares of the contrast, pixels of real detail."""
