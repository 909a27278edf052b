"""ID cards, admit cards, marksheets and letters with exact truth. Names and numbers are fictional."""

import random
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from tests.samples.ornaments import Box, Colour, emblem, fine_lines, frame, photo, seal

# The portrait is of a woman, and so are the people of papers that carry it.
_FIRST = ("Asha", "Meera", "Nisha", "Leela", "Divya", "Gita", "Kavita", "Farida", "Anjali", "Sunita", "Rekha", "Zoya")
_MEN = ("Ravi", "Kiran", "Arjun", "Vikram", "Farhan", "Imran", "Suresh", "Mohan", "Anil", "Joseph", "Balraj", "Tarun")
_LAST = ("Sharma", "Nair", "Patel", "Khan", "Das", "Rao", "Iyer", "Singh", "Bose", "Mehta", "Joshi", "Reddy")
_TOWNS = ("Pune", "Kochi", "Jaipur", "Patna", "Indore", "Mysuru", "Nagpur", "Ranchi", "Shimla", "Guntur")
_SUBJECTS = ("ENGLISH", "HINDI", "PHYSICS", "CHEMISTRY", "BIOLOGY", "MATHEMATICS", "COMPUTER SCIENCE", "ECONOMICS")
_GRADES = ((90, "A1"), (80, "A2"), (70, "B1"), (60, "B2"), (0, "C1"))
_INK: Colour = (28, 30, 38)
_FAINT_INK: Colour = (84, 88, 98)
_A4 = 1.4142
_CARD = 1.586
_PROSE = (
    "the candidate has completed this course and paid all fees to our college with good conduct during "
    "that year she is known to me as a regular student of science who took part in sports debate music "
    "and social work her attendance was above ninety percent in every term while results of the final "
    "examination remain on record nothing adverse was found against her character which we certify after "
    "due inquiry for whatever purpose it may serve"
)


@dataclass(slots=True)
class Page:
    """A drawn page.

    Attributes:
        image: RGB.
        lines: its text, one string a line, in reading order.
        places: where each line stands: left, top, right, bottom in pixels.
    """

    image: Image.Image
    lines: list[str] = field(default_factory=list)
    places: list[Box] = field(default_factory=list)


@lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own Aileron: the one typeface that is the same wherever Pillow is."""
    return ImageFont.load_default(size_px)


class _Pen:
    """Draws text in units of a page and remembers it as truth."""

    def __init__(self, page: Page, unit: float) -> None:
        self._page, self._unit = page, unit
        self.draw = ImageDraw.Draw(page.image)

    def px(self, length: float) -> int:
        """A length of the page in pixels."""
        return round(length * self._unit)

    def line(  # noqa: PLR0913  what a line of type has
        self,
        at: tuple[float, float],
        text: str,
        size: float,
        *,
        ink: Colour = _INK,
        bold: bool = False,
        anchor: str = "la",
    ) -> None:
        """One text line."""
        self._page.places.append(self._text(at, text, size, ink, anchor, bold=bold))
        self._page.lines.append(text)

    def row(self, top: float, cells: list[tuple[float, str]], size: float, *, bold: bool = False) -> None:
        """Cells of one text line; the truth is one line."""
        boxes = [self._text((left, top), text, size, _INK, "la", bold=bold) for left, text in cells]
        self._page.places.append((boxes[0][0], min(b[1] for b in boxes), boxes[-1][2], max(b[3] for b in boxes)))
        self._page.lines.append(" ".join(text for _, text in cells))

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """A filled rectangle."""
        self.draw.rectangle([self.px(edge) for edge in box], fill=colour)

    def rule(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float = 2) -> None:
        """A straight line."""
        self.draw.line([self.px(at) for at in (*start, *end)], fill=colour, width=max(1, self.px(width)))

    def _text(  # noqa: PLR0913  ditto
        self, at: tuple[float, float], text: str, size: float, ink: Colour, anchor: str, *, bold: bool
    ) -> Box:
        font, weight = _font(self.px(size)), self.px(size / 44) if bold else 0
        place = (self.px(at[0]), self.px(at[1]))
        self.draw.text(place, text, font=font, fill=ink, anchor=anchor, stroke_width=weight)
        left, top, right, bottom = self.draw.textbbox(place, text, font=font, anchor=anchor, stroke_width=weight)
        return (round(left), round(top), round(right), round(bottom))


def _woman(state: random.Random) -> str:
    return f"{state.choice(_FIRST)} {state.choice(_LAST)}"


def _man(state: random.Random) -> str:
    return f"{state.choice(_MEN)} {state.choice(_LAST)}"


def _date(state: random.Random) -> str:
    return f"{state.randint(1, 28):02d}/{state.randint(1, 12):02d}/{state.randint(1998, 2009)}"


def _sheet(width_px: int, aspect: float, paper: Colour, units: int) -> tuple[Page, _Pen]:
    page = Page(Image.new("RGB", (width_px, round(width_px * aspect)), paper))
    return page, _Pen(page, width_px / units)


def id_card(seed: int = 1, width_px: int = 1400) -> Page:
    """An identity card, 1.586 times as wide as high, with a portrait."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    page, pen = _sheet(width_px, 1 / _CARD, (250, 250, 246), 1400)
    height = page.image.height
    fine_lines(page.image, (0, pen.px(160), width_px, height - pen.px(60)), (222, 150, 90), waves=16)
    fine_lines(page.image, (0, pen.px(300), width_px, height), (90, 160, 120), waves=12)
    pen.fill((0, 0, 1400, 132), (214, 116, 36))
    pen.fill((0, 132, 1400, 140), (255, 255, 255))
    pen.fill((0, 140, 1400, 148), (26, 64, 140))
    pen.fill((0, 838, 1400, 900), (26, 110, 60))
    emblem(page.image, (pen.px(92), pen.px(66)), pen.px(48), (255, 255, 255))
    pen.line((172, 22), "REPUBLIC OF SPECIMEN", 50, ink=(255, 255, 255), bold=True)
    pen.line((172, 84), "National Identity Card", 34, ink=(255, 255, 255))
    photo(page.image, (pen.px(70), pen.px(200), pen.px(372), pen.px(602)))
    rows = (
        f"Name: {_woman(state)}",
        f"Date of Birth: {_date(state)}",
        "Gender: Female",
        f"Address: {state.randint(1, 250)} Lake Road {state.choice(_TOWNS)}",
        f"Valid until: {state.randint(2030, 2039)}",
    )
    for number, row in enumerate(rows):
        pen.line((430, 205 + 78 * number), row, 44)
    groups = [str(state.randint(1000, 9999)) for _ in range(3)]
    pen.rule((70, 664), (1330, 664), (190, 40, 44), 4)
    pen.row(702, list(zip((350.0, 600.0, 850.0), groups, strict=True)), 84, bold=True)
    return page


def marksheet(seed: int = 1, width_px: int = 1654, rows: int = 8) -> Page:
    """A marksheet on A4 with a table of subjects."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    page, pen = _sheet(width_px, _A4, (253, 251, 244), 1654)
    fine_lines(page.image, (pen.px(90), pen.px(900), pen.px(1564), pen.px(2000)), (196, 170, 110), waves=26)
    frame(page.image, pen.px(54), (128, 92, 44))
    emblem(page.image, (pen.px(827), pen.px(180)), pen.px(70), (128, 92, 44))
    pen.line((827, 270), "BOARD OF SPECIMEN EDUCATION", 58, bold=True, anchor="ma", ink=(74, 40, 20))
    pen.line((827, 350), "STATEMENT OF MARKS 2026", 46, anchor="ma")
    facts = (
        f"Roll Number: {state.randint(1000000, 9999999)}",
        f"Candidate: {_woman(state)}",
        f"Mother: {_woman(state)}",
        f"Date of Birth: {_date(state)}",
        f"School: Model School {state.choice(_TOWNS)}",
    )
    for number, text in enumerate(facts):
        pen.line((150, 460 + 62 * number), text, 36)
    columns = (150.0, 800.0, 1060.0, 1340.0)
    top, step, total = 836, 76, 0
    pen.fill((126, top - 20, 1528, top + step - 20), (236, 222, 190))
    for number in range(rows + 1):
        at = top + step * number
        if number == 0:
            pen.row(at, list(zip(columns, ("SUBJECT", "MAXIMUM", "OBTAINED", "GRADE"), strict=True)), 36, bold=True)
        else:
            marks = state.randint(52, 99)
            total += marks
            grade = next(name for least, name in _GRADES if marks >= least)
            cells = (_SUBJECTS[(number - 1) % len(_SUBJECTS)], "100", f"{marks:03d}", grade)
            pen.row(at, list(zip(columns, cells, strict=True)), 36)
        pen.rule((126, at - 20), (1528, at - 20), (150, 130, 96))
    below = top + step * (rows + 1)
    pen.rule((126, below - 20), (1528, below - 20), (150, 130, 96))
    for x in (126, 776, 1036, 1316, 1528):
        pen.rule((x, top - 20), (x, below - 20), (150, 130, 96))
    pen.line((150, below + 30), f"TOTAL {total} OUT OF {rows * 100}", 42, bold=True)
    pen.line((150, below + 110), "RESULT: PASS", 42, bold=True)
    seal(page.image, (pen.px(520), pen.px(below + 400)), pen.px(130), (92, 60, 160))
    pen.rule((1010, below + 470), (1500, below + 470), _FAINT_INK)
    pen.line((1030, below + 490), "Controller of Examinations", 36)
    return page


def admit_card(seed: int = 1, width_px: int = 1654) -> Page:
    """An admit card on half a sheet."""
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    page, pen = _sheet(width_px, 1150 / 1654, (252, 252, 252), 1654)
    pen.fill((0, 0, 1654, 206), (222, 232, 244))
    pen.rule((0, 206), (1654, 206), (40, 84, 150), 5)
    emblem(page.image, (pen.px(150), pen.px(104)), pen.px(66), (40, 84, 150))
    pen.line((827, 36), "SPECIMEN ENTRANCE TEST 2026", 54, bold=True, anchor="ma", ink=(24, 50, 104))
    pen.line((827, 122), "ADMIT CARD", 46, anchor="ma")
    photo(page.image, (pen.px(1270), pen.px(262), pen.px(1540), pen.px(622)))
    pen.draw.rectangle([pen.px(edge) for edge in (1270, 650, 1540, 740)], outline=(150, 154, 162), width=pen.px(3))
    rows = (
        f"Application Number: {state.randint(10**11, 10**12 - 1)}",
        f"Candidate: {_woman(state)}",
        f"Father: {_man(state)}",
        f"Date of Birth: {_date(state)}",
        f"Category: {state.choice(('General', 'OBC', 'SC', 'ST'))}",
        f"Centre: Government College {state.choice(_TOWNS)}",
        f"Reporting Time: {state.randint(7, 9):02d}:30 AM",
    )
    for number, row in enumerate(rows):
        pen.line((110, 262 + 78 * number), row, 40)
    pen.rule((110, 842), (1544, 842), (170, 176, 186), 3)
    pen.line((110, 880), "Bring this card and one photo identity.", 36)
    pen.line((110, 950), "Phones are not allowed in the hall.", 36)
    seal(page.image, (pen.px(1405), pen.px(990)), pen.px(100), (60, 70, 170))
    return page


def letter(seed: int = 1, width_px: int = 1654, rows: int = 26, size_px: int = 32) -> Page:
    """A page of plain prose; many rows of small letters make a dense page.

    Args:
        seed: of the words.
        width_px: of the page, which is A4.
        rows: of prose, below the heading.
        size_px: of the letters, on a page 1654 px wide.
    """
    state = random.Random(seed)  # noqa: S311  pictures, not secrets
    page, pen = _sheet(width_px, _A4, (254, 254, 252), 1654)
    pen.line((827, 110), "CHARACTER CERTIFICATE", 50, bold=True, anchor="ma")
    step = (1654 * _A4 - 420) / rows
    for number in range(rows):
        pen.line((130, 240 + step * number), _prose(state, pen.px(1654 - 260), pen.px(size_px)), size_px)
    return page


def _prose(state: random.Random, width_px: int, size_px: int) -> str:
    """Words that fill a line."""
    font, words = _font(size_px), _PROSE.split()
    text = state.choice(words).capitalize()
    while font.getlength(longer := f"{text} {state.choice(words)}") <= width_px:
        text = longer
    return text
