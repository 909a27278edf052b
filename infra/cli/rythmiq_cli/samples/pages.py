"""ID cards, admit cards, marksheets and letters with exact truth. Names and numbers are fictional."""

import random
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from rythmiq_cli.samples.portrait import astronaut

_FIRST = ("Asha", "Ravi", "Meera", "Kiran", "Nisha", "Arjun", "Leela", "Vikram", "Divya", "Farhan", "Gita", "Imran")
_LAST = ("Sharma", "Nair", "Patel", "Khan", "Das", "Rao", "Iyer", "Singh", "Bose", "Mehta", "Joshi", "Reddy")
_TOWNS = ("Pune", "Kochi", "Jaipur", "Patna", "Indore", "Mysuru", "Nagpur", "Ranchi", "Shimla", "Guntur")
_SUBJECTS = ("ENGLISH", "HINDI", "PHYSICS", "CHEMISTRY", "BIOLOGY", "MATHEMATICS", "COMPUTER SCIENCE", "ECONOMICS")
_INK = (28, 30, 38)
_GRADES = ((90, "A1"), (80, "A2"), (70, "B1"), (60, "B2"), (0, "C1"))


@dataclass(slots=True)
class Page:
    """A drawn page.

    Attributes:
        image: RGB.
        lines: its text, one string a line, in reading order.
    """

    image: Image.Image
    lines: list[str] = field(default_factory=list)


@lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


class _Pen:
    """Draws text and remembers it as truth."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.draw = ImageDraw.Draw(page.image)

    def line(self, at: tuple[int, int], text: str, size_px: int, *, ink: tuple[int, int, int] = _INK) -> None:
        self.draw.text(at, text, font=_font(size_px), fill=ink)
        self._page.lines.append(text)

    def row(self, top: int, cells: list[tuple[int, str]], size_px: int) -> None:
        """Cells of one text line; the truth is one line."""
        for left, text in cells:
            self.draw.text((left, top), text, font=_font(size_px), fill=_INK)
        self._page.lines.append(" ".join(text for _, text in cells))


def _person(state: random.Random) -> str:
    return f"{state.choice(_FIRST)} {state.choice(_LAST)}"


def _date(state: random.Random) -> str:
    return f"{state.randint(1, 28):02d}/{state.randint(1, 12):02d}/{state.randint(1998, 2009)}"


def id_card(seed: int = 1, width_px: int = 1400) -> Page:
    """An identity card, 1.586 times as wide as high, with a portrait."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    height = round(width_px / 1.586)
    page = Page(Image.new("RGB", (width_px, height), (250, 250, 246)))
    pen, unit = _Pen(page), width_px / 1400
    pen.draw.rectangle((0, 0, width_px, round(130 * unit)), fill=(214, 120, 40))
    pen.draw.rectangle((0, height - round(60 * unit), width_px, height), fill=(26, 110, 60))
    pen.line((round(60 * unit), round(38 * unit)), "IDENTITY CARD OF SPECIMEN", round(54 * unit), ink=(255, 255, 255))
    portrait = astronaut().crop((130, 10, 320, 248)).resize((round(300 * unit), round(376 * unit)))
    page.image.paste(portrait, (round(70 * unit), round(210 * unit)))
    left, size = round(430 * unit), round(44 * unit)
    number = f"{state.randint(2000, 9999)} {state.randint(1000, 9999)} {state.randint(1000, 9999)}"
    rows = [
        f"Name: {_person(state)}",
        f"Date of Birth: {_date(state)}",
        f"Gender: {state.choice(('Female', 'Male'))}",
        f"Address: {state.randint(1, 250)} Lake Road {state.choice(_TOWNS)}",
        f"Valid until: {state.randint(2030, 2039)}",
    ]
    for number_of, row in enumerate(rows):
        pen.line((left, round((205 + 78 * number_of) * unit)), row, size)
    pen.line((left, round(640 * unit)), number, round(66 * unit))
    return page


def marksheet(seed: int = 1, width_px: int = 1654, rows: int = 8) -> Page:
    """A marksheet on A4 with a table of subjects."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    unit = width_px / 1654
    page = Page(Image.new("RGB", (width_px, round(width_px * 1.414)), (253, 252, 248)))
    pen = _Pen(page)
    pen.draw.rectangle(
        (40 * unit, 40 * unit, width_px - 40 * unit, page.image.height - 40 * unit), outline=(90, 70, 40), width=4
    )
    pen.line((round(420 * unit), round(110 * unit)), "BOARD OF SPECIMEN EDUCATION", round(54 * unit))
    pen.line((round(520 * unit), round(200 * unit)), "STATEMENT OF MARKS 2026", round(46 * unit))
    size = round(36 * unit)
    for number, text in enumerate(
        (
            f"Roll Number: {state.randint(1000000, 9999999)}",
            f"Candidate: {_person(state)}",
            f"Mother: {_person(state)}",
            f"Date of Birth: {_date(state)}",
            f"School: Model School {state.choice(_TOWNS)}",
        )
    ):
        pen.line((round(130 * unit), round((320 + 62 * number) * unit)), text, size)
    columns = [round(x * unit) for x in (150, 800, 1060, 1340)]
    top, step = round(700 * unit), round(76 * unit)
    total = 0
    for number in range(rows + 1):
        at = top + step * number
        pen.draw.line((columns[0] - 20, at - 18, width_px - columns[0] + 20, at - 18), fill=(120, 110, 90), width=2)
        if number == 0:
            pen.row(at, list(zip(columns, ("SUBJECT", "MAXIMUM", "OBTAINED", "GRADE"), strict=True)), size)
            continue
        marks = state.randint(52, 99)
        total += marks
        grade = next(name for least, name in _GRADES if marks >= least)
        subject = _SUBJECTS[(number - 1) % len(_SUBJECTS)]
        pen.row(at, list(zip(columns, (subject, "100", f"{marks:03d}", grade), strict=True)), size)
    below = top + step * (rows + 1) + round(30 * unit)
    pen.line((columns[0], below), f"TOTAL {total} OUT OF {rows * 100}", round(42 * unit))
    pen.line((columns[0], below + round(80 * unit)), "RESULT: PASS", round(42 * unit))
    pen.line((columns[0], below + round(240 * unit)), "Controller of Examinations", size)
    return page


def admit_card(seed: int = 1, width_px: int = 1654) -> Page:
    """An admit card on half a sheet."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    unit = width_px / 1654
    page = Page(Image.new("RGB", (width_px, round(1150 * unit)), (252, 252, 252)))
    pen = _Pen(page)
    pen.line((round(430 * unit), round(60 * unit)), "SPECIMEN ENTRANCE TEST 2026", round(52 * unit))
    pen.line((round(640 * unit), round(140 * unit)), "ADMIT CARD", round(48 * unit))
    rows = [
        f"Application Number: {state.randint(10**11, 10**12 - 1)}",
        f"Candidate: {_person(state)}",
        f"Father: {_person(state)}",
        f"Date of Birth: {_date(state)}",
        f"Category: {state.choice(('General', 'OBC', 'SC', 'ST'))}",
        f"Centre: Government College {state.choice(_TOWNS)}",
        f"Reporting Time: {state.randint(7, 9):02d}:30 AM",
    ]
    for number, row in enumerate(rows):
        pen.line((round(110 * unit), round((270 + 78 * number) * unit)), row, round(40 * unit))
    pen.line((round(110 * unit), round(880 * unit)), "Bring this card and one photo identity.", round(36 * unit))
    pen.line((round(110 * unit), round(950 * unit)), "Phones are not allowed in the hall.", round(36 * unit))
    return page


def letter(seed: int = 1, width_px: int = 1654, rows: int = 26, size_px: int = 32) -> Page:
    """A page of plain prose; many rows make a dense page."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    words = [
        "the",
        "candidate",
        "has",
        "completed",
        "the",
        "course",
        "and",
        "paid",
        "all",
        "fees",
        "to",
        "this",
        "college",
        "with",
        "good",
        "conduct",
        "during",
        "the",
        "year",
        "and",
        "is",
        "known",
        "to",
        "me",
        "as",
        "a",
        "regular",
        "student",
        "of",
        "science",
        "who",
        "took",
        "part",
        "in",
        "sports",
        "and",
        "debate",
        "for",
        "the",
        "school",
    ]
    unit = width_px / 1654
    page = Page(Image.new("RGB", (width_px, round(width_px * 1.414)), (254, 254, 252)))
    pen = _Pen(page)
    pen.line((round(520 * unit), round(110 * unit)), "CHARACTER CERTIFICATE", round(50 * unit))
    step = round((page.image.height - 420 * unit) / rows)
    for number in range(rows):
        text = " ".join(state.choices(words, k=max(5, round(11 * 32 / size_px))))
        pen.line((round(130 * unit), round(240 * unit) + step * number), text.capitalize(), round(size_px * unit))
    return page
