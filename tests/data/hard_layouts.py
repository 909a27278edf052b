"""Cards and sheets in other layouts and typefaces than the samples have, with exact truth. All names are fictional."""

import importlib
import random
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from tests.samples.ornaments import emblem, fine_lines, frame, photo, seal
from tests.samples.pages import Page

Face = Literal["aileron", "serif", "sans"]
FACES: tuple[Face, ...] = ("aileron", "serif", "sans")
_FILES = {"serif": "SourceSerifPro-Regular.ttf", "sans": "SourceSansPro-Regular.ttf"}
_PACKAGES = {"serif": "font_source_serif_pro", "sans": "font_source_sans_pro"}
_INK = (30, 32, 40)
_NAMES = ("Asha Menon", "Ritu Malhotra", "Devika Pillai", "Sana Qureshi", "Tara Kulkarni", "Ishita Banerjee")
_TOWNS = ("Bhopal", "Madurai", "Udaipur", "Cuttack", "Siliguri", "Vellore")
_PAPERS = ("English Core", "Physics", "Chemistry", "Mathematics", "Biology", "Geography", "History")
_RULES = (
    "Report at the centre thirty minutes before the gate closes.",
    "Carry this card with one original photo identity proof.",
    "Calculators, watches and phones are not allowed inside.",
    "Candidates must not leave before the paper has ended.",
    "Write the roll number on every sheet in blue or black ink.",
)


@cache
def _font(face: Face, size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if face == "aileron":
        return ImageFont.load_default(size_px)
    importlib.import_module(_PACKAGES[face])
    with resources.as_file(resources.files(_PACKAGES[face]) / "files" / _FILES[face]) as path:
        return ImageFont.truetype(str(path), size_px)


@dataclass
class _Sheet:
    """A page in a typeface."""

    page: Page
    face: Face

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.page.image)

    def row(self, top: int, size_px: int, *cells: tuple[int, str], anchor: str = "la") -> None:
        """One line of text in cells, and its truth."""
        font = _font(self.face, size_px)
        boxes = []
        for left, text in cells:
            self.draw.text((left, top), text, font=font, fill=_INK, anchor=anchor)
            boxes.append(self.draw.textbbox((left, top), text, font=font, anchor=anchor))
        edges = (boxes[0][0], min(box[1] for box in boxes), boxes[-1][2], max(box[3] for box in boxes))
        self.page.places.append((round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3])))
        self.page.lines.append(" ".join(text for _, text in cells))


def _sheet(size: tuple[int, int], paper: tuple[int, int, int], face: Face) -> _Sheet:
    return _Sheet(Page(Image.new("RGB", size, paper)), face)


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  pictures, not secrets


def licence(seed: int, face: Face) -> Page:
    """A card with the portrait on the right and small type, as a driving licence has."""
    chance, sheet = _chance(seed), _sheet((1400, 880), (244, 246, 240), face)
    fine_lines(sheet.page.image, (0, 180, 1400, 880), (110, 150, 190), waves=22)
    sheet.draw.rectangle((0, 0, 1400, 120), fill=(232, 214, 160))
    sheet.row(34, 52, (60, "STATE OF SPECIMEN  DRIVING LICENCE"))
    photo(sheet.page.image, (1030, 170, 1330, 560))
    rows = (
        f"Licence No. SP{chance.randint(10, 99)} {chance.randint(10**10, 10**11 - 1)}",
        f"Name {chance.choice(_NAMES)}",
        f"Date of Birth {chance.randint(1, 28):02d}-{chance.randint(1, 12):02d}-{chance.randint(1985, 2004)}",
        f"Blood Group {chance.choice(('A+', 'B+', 'O+', 'AB+'))}",
        f"House {chance.randint(1, 90)}, Station Road, {chance.choice(_TOWNS)}",
        f"PIN {chance.randint(110000, 850000)}",
        f"Valid till {chance.randint(1, 28):02d}-{chance.randint(1, 12):02d}-{chance.randint(2030, 2044)}",
    )
    for number, text in enumerate(rows):
        sheet.row(180 + 74 * number, 38, (60, text))
    sheet.row(790, 32, (60, "Issued under the rules of the transport authority"))
    return sheet.page


def student_card(seed: int, face: Face) -> Page:
    """A card on end with the portrait in the middle."""
    chance, sheet = _chance(seed), _sheet((900, 1400), (252, 250, 250), face)
    sheet.draw.rectangle((0, 0, 900, 210), fill=(206, 224, 240))
    sheet.row(46, 54, (450, "SPECIMEN COLLEGE"), anchor="ma")
    sheet.row(130, 36, (450, "Student Identity Card"), anchor="ma")
    photo(sheet.page.image, (300, 260, 600, 660))
    rows = (
        chance.choice(_NAMES),
        f"Roll No {chance.randint(1000, 9999)}/{chance.randint(20, 26)}",
        f"Course {chance.choice(('B.Sc. Physics', 'B.Com.', 'B.A. History', 'B.Tech. Civil'))}",
        f"Session 2024-{chance.randint(2027, 2029)}",
        f"Hostel Block {chance.choice('ABCDEF')} Room {chance.randint(100, 420)}",
        f"Contact 9{chance.randint(10**8, 10**9 - 1)}",
    )
    for number, text in enumerate(rows):
        sheet.row(720 + 84 * number, 44, (450, text), anchor="ma")
    sheet.row(1300, 30, (450, "If found please return to the college office"), anchor="ma")
    return sheet.page


def grade_sheet(seed: int, face: Face) -> Page:
    """A marksheet across the page: six columns, thin rules, small type."""
    chance, sheet = _chance(seed), _sheet((2000, 1414), (253, 252, 247), face)
    frame(sheet.page.image, 46, (60, 96, 84))
    emblem(sheet.page.image, (190, 170), 62, (60, 96, 84))
    sheet.row(110, 60, (1000, "COUNCIL FOR SPECIMEN EXAMINATIONS"), anchor="ma")
    sheet.row(200, 40, (1000, "Senior Secondary Certificate Examination 2026"), anchor="ma")
    sheet.row(310, 36, (150, f"Name of Candidate {chance.choice(_NAMES)}"))
    sheet.row(370, 36, (150, f"Index Number {chance.randint(10**6, 10**7 - 1)}/{chance.randint(100, 999)}"))
    columns = (150, 420, 900, 1180, 1460, 1700)
    sheet.row(470, 32, *zip(columns, ("CODE", "SUBJECT", "THEORY", "PRACTICAL", "TOTAL", "GRADE"), strict=True))
    for number, paper in enumerate(_PAPERS):
        top = 540 + 74 * number
        sheet.draw.line((130, top - 14, 1870, top - 14), fill=(150, 160, 154), width=2)
        theory, practical = chance.randint(40, 70), chance.randint(18, 30)
        grade = chance.choice(("A1", "A2", "B1", "B2", "C1"))
        cells = (str(chance.randint(100, 899)), paper, str(theory), str(practical), str(theory + practical), grade)
        sheet.row(top, 34, *zip(columns, cells, strict=True))
    seal(sheet.page.image, (480, 1230), 100, (40, 80, 150))
    sheet.row(1120, 36, (150, "Result PASSED"))
    sheet.row(1270, 34, (1380, "Secretary of the Council"))
    return sheet.page


def hall_ticket(seed: int, face: Face) -> Page:
    """An admit card as a table, with a block of small print."""
    chance, sheet = _chance(seed), _sheet((1654, 1500), (250, 251, 253), face)
    sheet.row(60, 56, (827, "SPECIMEN UNIVERSITY HALL TICKET"), anchor="ma")
    rows = (
        ("Hall Ticket Number", f"HT{chance.randint(10**7, 10**8 - 1)}"),
        ("Candidate Name", chance.choice(_NAMES)),
        ("Examination", "Bachelor of Science, Semester Five"),
        ("Date and Session", f"{chance.randint(10, 28)} March 2026, Forenoon"),
        ("Centre", f"Model Higher Secondary School, {chance.choice(_TOWNS)}"),
        ("Block and Seat", f"{chance.choice('ABCD')}{chance.randint(1, 9)} / {chance.randint(10, 99)}"),
    )
    for number, (label, value) in enumerate(rows):
        top = 190 + 96 * number
        sheet.draw.rectangle((90, top - 26, 1564, top + 70), outline=(120, 130, 150), width=3)
        sheet.draw.line((560, top - 26, 560, top + 70), fill=(120, 130, 150), width=3)
        sheet.row(top, 38, (120, label), (590, value))
    for number, rule in enumerate(_RULES):
        sheet.row(850 + 62 * number, 30, (110, f"{number + 1}. {rule}"))
    seal(sheet.page.image, (1330, 1330), 110, (120, 60, 140))
    sheet.row(1360, 34, (120, "Registrar of Examinations"))
    return sheet.page
