"""Small pages of eleven kinds for the question which way up a page lies, and pictures without text, to be left alone.

Fixed seeds; drawn when asked for. The list is in docs/test-pictures.md.
"""

import io
from collections.abc import Callable
from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pymupdf_fonts.FiraGO_Regular import fontbuffer
from skimage import data as skimage_data

from tests.data.hard_layouts import FACES, hall_ticket, licence
from tests.samples.ornaments import seal
from tests.samples.pages import Page, admit_card, id_card, letter, marksheet

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

_INK: Colour = (30, 30, 40)
_PAPER: Colour = (250, 248, 242)
# fmt: off
_HINDI = (
    "भारत", "सरकार", "नाम", "जन्म", "तिथि", "पिता", "का", "पता",
    "राज्य", "प्रमाण", "पत्र", "विद्यालय", "परीक्षा", "अंक", "तालिका", "छात्र",
    "कक्षा", "विषय", "गणित", "विज्ञान", "हिन्दी", "संस्कृत", "कुल", "उत्तीर्ण",
    "श्रेणी", "प्रथम", "दिनांक", "हस्ताक्षर",
)
# fmt: on
ENGLISH = (
    "Application No. 220310",
    "Roll Number: 4471 0923",
    "Asha Sharma",
    "Government College Pune",
    "RECEIVED 14/08/2026",
    "VALID UNTIL 2031",
    "Date of Birth: 14/08/2003",
    "Not transferable",
    "certified true copy",
    "Fee paid Rs. 1200",
    "Paper II, second half",
)
_TEXTLESS = ("astronaut", "coffee", "chelsea", "brick", "grass", "gravel", "rocket", "camera", "coins", "moon", "horse")


@cache
def _devanagari(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(fontbuffer), size_px)


def one_line(seed: int) -> Image.Image:
    """A single line somewhere on an empty sheet."""
    chance = Random(seed)  # noqa: S311  a picture, no secret
    text, size_px = chance.choice(ENGLISH), chance.choice((24, 32, 44))
    width, height = chance.choice(((640, 480), (480, 640), (800, 200), (560, 100)))
    font = ImageFont.load_default(size_px)
    image = Image.new("RGB", (width, height), chance.choice((_PAPER, (238, 230, 210))))
    x = chance.randint(8, max(9, int(width - font.getlength(text) - 8)))
    ImageDraw.Draw(image).text((x, chance.randint(8, max(9, height - size_px - 16))), text, font=font, fill=_INK)
    return image


def stamped(seed: int) -> Image.Image:
    """A few lines under a round seal and a stamp that lies askew."""
    chance = Random(seed)  # noqa: S311  as above
    image = Image.new("RGB", (700, 500), (248, 246, 240))
    pen = ImageDraw.Draw(image)
    for row in range(chance.randint(2, 4)):
        pen.text((40, 40 + 44 * row), chance.choice(ENGLISH), font=ImageFont.load_default(26), fill=_INK)
    seal(image, (chance.randint(120, 250), 380), 80, (92, 60, 160))
    stamp = Image.new("RGBA", (260, 90), (0, 0, 0, 0))
    pen = ImageDraw.Draw(stamp)
    pen.rectangle((2, 2, 257, 87), outline=(180, 30, 40), width=4)
    word = chance.choice(("RECEIVED", "VERIFIED", "APPROVED", "PAID"))
    pen.text((20, 24), word, font=ImageFont.load_default(38), fill=(180, 30, 40))
    stamp = stamp.rotate(chance.uniform(-25, 25), expand=True, resample=Image.Resampling.BICUBIC)
    image.paste(stamp, (380, chance.randint(220, 300)), stamp)
    return image


def hindi(seed: int, lines: int | None = None) -> Image.Image:
    """Lines of Hindi words, and nothing that the English model can read."""
    chance = Random(seed)  # noqa: S311  as above
    count = lines or chance.randint(3, 9)
    image = Image.new("RGB", (800, 100 + 60 * count), _PAPER)
    pen, font = ImageDraw.Draw(image), _devanagari(chance.choice((26, 30, 34)))
    for row in range(count):
        words = (chance.choice(_HINDI) for _ in range(chance.randint(2, 6)))
        pen.text((50, 40 + 60 * row), " ".join(words), font=font, fill=_INK)
    return image


def prose(seed: int, lines: int, *, in_hindi: bool) -> Image.Image:
    """Lines of one width and one size of letters, in Hindi or in English."""
    chance = Random(seed)  # noqa: S311  as above
    words = _HINDI if in_hindi else tuple(word for line in ENGLISH for word in line.split())
    font = _devanagari(30) if in_hindi else ImageFont.load_default(30)
    image = Image.new("RGB", (1000, 100 + 60 * lines), _PAPER)
    pen = ImageDraw.Draw(image)
    for row in range(lines):
        text = chance.choice(words)
        while pen.textlength(longer := f"{text} {chance.choice(words)}", font=font) < 900:
            text = longer
        pen.text((50, 40 + 60 * row), text, font=font, fill=_INK)
    return image


def bilingual(seed: int) -> Image.Image:
    """Four lines of Hindi over three of English."""
    chance = Random(seed)  # noqa: S311  as above
    above = hindi(seed, 4)
    image = Image.new("RGB", (800, above.height + 160), _PAPER)
    image.paste(above, (0, 0))
    pen = ImageDraw.Draw(image)
    for row in range(3):
        place = (50, above.height + 10 + 46 * row)
        pen.text(place, chance.choice(ENGLISH), font=ImageFont.load_default(30), fill=_INK)
    return image


def table(seed: int) -> Image.Image:
    """A ruled table of headings and numbers."""
    chance = Random(seed)  # noqa: S311  as above
    image = Image.new("RGB", (760, 620), (252, 251, 246))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    columns, rows = chance.choice((3, 5, 8)), chance.choice((6, 10))
    across, down = 700 / columns, 560 / rows
    for row in range(rows + 1):
        pen.line((30, 30 + down * row, 730, 30 + down * row), fill=(120, 120, 120), width=2)
    for column in range(columns + 1):
        pen.line((30 + across * column, 30, 30 + across * column, 590), fill=(120, 120, 120), width=2)
    headings = ("Name", "Marks", "Roll", "Total", "Grade", "Code", "Date")
    for row in range(rows):
        for column in range(columns):
            text = str(chance.randint(10, 999)) if row and column else chance.choice(headings)
            pen.text((38 + across * column, 36 + down * row), text, font=font, fill=_INK)
    return image


def _small(draw: Callable[[int], Page], long_side_px: int) -> Callable[[int], Image.Image]:
    def make(seed: int) -> Image.Image:
        image = draw(seed).image
        image.thumbnail((long_side_px, long_side_px), Image.Resampling.LANCZOS)
        return image

    return make


KINDS: dict[str, Callable[[int], Image.Image]] = {
    "one line": one_line,
    "stamps": stamped,
    "table": table,
    "Hindi": hindi,
    "one line of Hindi": lambda seed: hindi(seed, 1),
    "bilingual": bilingual,
    "ID card": _small(id_card, 900),
    "licence": _small(lambda seed: licence(seed, FACES[seed % len(FACES)]), 900),
    "marksheet": _small(marksheet, 1000),
    "admit card": _small(admit_card, 1000),
    "hall ticket": _small(lambda seed: hall_ticket(seed, FACES[seed % len(FACES)]), 1000),
    "letter": _small(letter, 1000),
}


def upright_pages(per_kind: int, first_seed: int = 5000) -> list[tuple[str, Image.Image]]:
    """So many pages of each kind, upright, with their kind."""
    return [(kind, make(first_seed + number)) for kind, make in KINDS.items() for number in range(per_kind)]


def textless() -> dict[str, Pixels]:
    """Pictures on which nothing is written: people, animals, textures, noise, a chequerboard. H x W x 3, RGB."""
    pictures = {name: getattr(skimage_data, name)() for name in _TEXTLESS}
    down, across = np.mgrid[0:400, 0:600]
    pictures["noise"] = np.random.default_rng(8).integers(0, 256, (400, 600), dtype=np.uint8)
    pictures["chequers"] = (255 * ((down // 25 + across // 25) % 2)).astype(np.uint8)
    pictures["stripes"] = (255 * (down // 12 % 2)).astype(np.uint8)
    pictures["blank"] = np.full((400, 600), 244, np.uint8)
    return {name: _rgb(pixels) for name, pixels in pictures.items()}


def _rgb(pixels: NDArray[np.generic]) -> Pixels:
    if pixels.dtype == np.bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    return np.ascontiguousarray(Image.fromarray(pixels).convert("RGB"))
