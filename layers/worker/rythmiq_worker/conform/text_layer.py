"""The invisible text of a searchable PDF: what was read, drawn in text render mode 3 where it was read.

One composite font (Type0, Identity-H) serves every script. Its glyphs are boxes without area, one for each width that a
character can have. Every distinct character of the file gets a code of its own, and a ToUnicode CMap maps the code to
its code point, so that search and copy return what was read. A line is drawn by one operator: its font size is the
height of the line's box, and horizontal scaling stretches it to the box's length, along the direction of the line.

Right-to-left lines are drawn in visual order, as other producers do, because readers reverse them.

Source: ISO 32000-1, 9.3.6 (render mode), 9.7 (composite fonts), 9.10.3 (ToUnicode CMaps).
"""

import math
import struct
import unicodedata
import zlib
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from img2pdf import MyPdfDict, MyPdfWriter

    from rythmiq_worker.engines import Quad

_EM = 1000  # units; the box of a glyph reaches from the baseline to here
_MARK, _USUAL, _CAPITAL = 100, 550, 680
_WIDTH_OF = {
    **dict.fromkeys("ijl.,:;'!|`", 250),
    **dict.fromkeys('Ifrt-()[]{} /"', 350),
    **dict.fromkeys("MWmw@%", 850),
}
_WIDTHS = (_MARK, 250, 350, _USUAL, _CAPITAL, 850, _EM)
_MOST_CODES = 0xFFFE
_CODES_PER_BLOCK = 100  # of a CMap
_LEVEL_SINE = 0.002  # what leans by less is drawn level
_TALL = 1.5  # height over width of a box whose letters run downwards
_LEAST_PT = 0.5  # of a box's sides: readers skip text without extent
_JOINERS = "\u200c\u200d"  # the only format characters that change a word
_LAST_OF_A_PLANE, _NONCHARACTERS = 0xFFFE, range(0xFDD0, 0xFDF0)
_MIRRORED = dict(zip("()[]{}<>", ")(][}{><", strict=True))
# What stands around the streams of a layer, at most: keywords, dictionaries and cross-references.
_STREAM_BYTES, _PAGE_BYTES, _FONT_BYTES = 115, 100, 950
_LEVEL = 9  # of zlib


class PlacedLine(NamedTuple):
    """One line of text on a page of the document.

    Attributes:
        text: what was read.
        quad: its corners (x, y) as shares of the page's width and height, measured from the page's top left corner: the
            line's top left, top right, bottom right and bottom left.
    """

    text: str
    quad: "Quad"


class TextLayer:
    """The invisible text of a document.

    Args:
        pages: the lines of each page in reading order.

    Attributes:
        lines: how many are drawn.
        pages: how many pages have any.
    """

    def __init__(self, pages: Sequence[Sequence[PlacedLine]]) -> None:
        printable = [[line._replace(text=_printable(line.text)) for line in page] for page in pages]
        self._pages = [[line for line in page if line.text] for page in printable]
        found = {character for page in self._pages for line in page for character in line.text}
        ordered = sorted(found, key=lambda character: (_width(character), character))[:_MOST_CODES]
        self._codes = {character: code for code, character in enumerate(ordered, start=1)}
        self.lines = sum(map(len, self._pages))
        self.pages = sum(map(bool, self._pages))

    def size_bytes(self, sizes_pt: Sequence[tuple[float, float]]) -> int:
        """Upper bound of the bytes that the layer adds to a PDF whose pages have these widths and heights."""
        streams = [_packed(self._content(index, *size)) for index, size in enumerate(sizes_pt) if self._pages[index]]
        streams += [_packed(font_file()), _packed(self._glyphs()), _packed(self._to_unicode())]
        return sum(map(len, streams)) + _STREAM_BYTES * len(streams) + _PAGE_BYTES * len(sizes_pt) + _FONT_BYTES

    def draw(self, writer: "MyPdfWriter") -> None:
        """Add the layer to the pages of a PDF that is not yet written."""
        from img2pdf import MyPdfDict  # noqa: PLC0415  20 ms that a photo need not pay

        font = self._font(writer)
        for index, page in enumerate(writer.pagearray):
            if not self._pages[index]:
                continue
            _, _, width_pt, height_pt = page[b"/MediaBox"]
            content = _stream(writer, self._content(index, width_pt, height_pt))
            page[b"/Contents"] = [page[b"/Contents"], content]
            page[b"/Resources"][b"/Font"] = MyPdfDict(F0=font)

    def _content(self, index: int, width_pt: float, height_pt: float) -> bytes:
        """The operators that draw a page's lines, one row each."""
        rows = [self._drawn(line, width_pt, height_pt) for line in self._pages[index]]
        return "\n".join(["BT", "3 Tr", *rows, "ET"]).encode()

    def _drawn(self, line: PlacedLine, width_pt: float, height_pt: float) -> str:
        box = _box(line, width_pt, height_pt)
        text = _visual(line.text)
        natural_pt = sum(map(_width, text)) * box.height / _EM
        codes = "".join(f"{self._codes.get(character, 0):04X}" for character in text)
        cos, sin = box.cos, box.sin
        turn = f"{cos:.4f} {sin:.4f} {-sin:.4f} {cos:.4f}" if abs(sin) > _LEVEL_SINE or cos < 0 else "1 0 0 1"
        scale = 100 * box.width / natural_pt
        return f"/F0 {box.height:.2f} Tf {scale:.2f} Tz {turn} {box.x:.2f} {box.y:.2f} Tm <{codes}> Tj"

    def _font(self, writer: "MyPdfWriter") -> "MyPdfDict":
        from img2pdf import MyPdfDict  # noqa: PLC0415  20 ms that a photo need not pay

        file = font_file()
        embedded = _stream(writer, file)
        embedded[b"/Length1"] = len(file)
        name = b"/GlyphLessFont"
        described = MyPdfDict(
            Type=b"/FontDescriptor", FontName=name, FontFile2=embedded, Flags=5, FontBBox=[0, 0, _EM, _EM],
            ItalicAngle=0, Ascent=_EM, Descent=0, CapHeight=_EM, StemV=80,
        )  # fmt: skip
        writer.addobj(described)
        codes = {width: [code for text, code in self._codes.items() if _width(text) == width] for width in _WIDTHS}
        widths = [value for width, those in codes.items() if those for value in (those[0], those[-1], width)]
        descendant = MyPdfDict(
            Type=b"/Font", Subtype=b"/CIDFontType2", BaseFont=name, FontDescriptor=described, DW=_USUAL, W=widths,
            CIDSystemInfo=MyPdfDict(Registry=b"(Adobe)", Ordering=b"(Identity)", Supplement=0),
            CIDToGIDMap=_stream(writer, self._glyphs()),
        )  # fmt: skip
        writer.addobj(descendant)
        font = MyPdfDict(
            Type=b"/Font", Subtype=b"/Type0", BaseFont=name, Encoding=b"/Identity-H", DescendantFonts=[descendant],
            ToUnicode=_stream(writer, self._to_unicode()),
        )  # fmt: skip
        writer.addobj(font)
        return font

    def _glyphs(self) -> bytes:
        """The glyph of each code, two bytes each, from code 0."""
        return b"".join(struct.pack(">H", glyph) for glyph in (0, *(_glyph(character) for character in self._codes)))

    def _to_unicode(self) -> bytes:
        """The CMap that maps codes to UTF-16."""
        entries = [f"<{code:04X}> <{text.encode('utf-16-be').hex().upper()}>" for text, code in self._codes.items()]
        blocks = [entries[at : at + _CODES_PER_BLOCK] for at in range(0, len(entries), _CODES_PER_BLOCK)]
        rows = [row for block in blocks for row in (f"{len(block)} beginbfchar", *block, "endbfchar")]
        return "\n".join((*_CMAP_HEAD, *rows, *_CMAP_TAIL)).encode()


_CMAP_HEAD = (
    "/CIDInit /ProcSet findresource begin",
    "12 dict begin",
    "begincmap",
    "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
    "/CMapName /Adobe-Identity-UCS def",
    "/CMapType 2 def",
    "1 begincodespacerange",
    "<0000> <FFFF>",
    "endcodespacerange",
)
_CMAP_TAIL = ("endcmap", "CMapName currentdict /CMap defineresource pop", "end", "end")


class _Box(NamedTuple):
    """Place of a line in points from the page's lower left corner: start of its baseline, sides, direction."""

    x: float
    y: float
    width: float
    height: float
    cos: float
    sin: float


def _box(line: PlacedLine, width_pt: float, height_pt: float) -> _Box:
    """The upright rectangle, turned as the line runs, that is nearest to a line's corners."""
    first, second, third, fourth = ((x * width_pt, (1 - y) * height_pt) for x, y in line.quad)
    along_x, along_y = ((second[axis] + third[axis] - first[axis] - fourth[axis]) / 2 for axis in (0, 1))
    up_x, up_y = ((first[axis] + second[axis] - third[axis] - fourth[axis]) / 2 for axis in (0, 1))
    if len(line.text) > 1 and math.hypot(up_x, up_y) > _TALL * math.hypot(along_x, along_y):
        along_x, along_y, up_x, up_y = -up_x, -up_y, along_x, along_y
    length = math.hypot(along_x, along_y)
    cos, sin = (along_x / length, along_y / length) if length > 0 else (1.0, 0.0)
    width, height = max(_LEAST_PT, length), max(_LEAST_PT, abs(up_y * cos - up_x * sin))
    middle_x, middle_y = (sum(corner[axis] for corner in (first, second, third, fourth)) / 4 for axis in (0, 1))
    x = middle_x - (cos * width - sin * height) / 2
    y = middle_y - (sin * width + cos * height) / 2
    return _Box(x, y, width, height, cos, sin)


def _printable(text: str) -> str:
    """A line without what no reader shows: control characters, lone surrogates, and format characters but joiners."""
    kept = (
        character if character.isspace() or unicodedata.category(character)[0] != "C" or _is_kept(character) else ""
        for character in text
    )
    return " ".join("".join(kept).split())


def _is_kept(character: str) -> bool:
    """Whether a character of category C is part of a text: a joiner, or one of private use or not yet assigned."""
    code = ord(character)
    noncharacter = code & _LAST_OF_A_PLANE == _LAST_OF_A_PLANE or code in _NONCHARACTERS
    return character in _JOINERS or (unicodedata.category(character) in {"Co", "Cn"} and not noncharacter)


def _width(character: str) -> int:
    """Advance of a character, in thousandths of the font size."""
    known = _WIDTH_OF.get(character)
    if known is not None:
        return known
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return _MARK
    if character.isupper():
        return _CAPITAL
    return _EM if unicodedata.east_asian_width(character) in {"W", "F"} else _USUAL


def _glyph(character: str) -> int:
    return 1 + _WIDTHS.index(_width(character))


def _direction(character: str) -> str:
    """L, R, W (digits, marks: weak) or N (neutral), as readers tell right-to-left text."""
    of = unicodedata.bidirectional(character)
    if of in {"R", "AL"}:
        return "R"
    return "L" if of == "L" else "W" if of in {"AN", "EN", "NSM", "CS", "ES", "ET", "BN"} else "N"


def _visual(text: str) -> str:
    """A line in the order in which it stands on the page from left to right."""
    runs = [(direction, "".join(characters)) for direction, characters in groupby(text, _direction)]
    directions = [direction for direction, _ in runs]
    if "R" not in directions:
        return text
    reverses = directions.count("R") >= directions.count("L")
    current = "R" if reverses else "L"
    drawn = []
    for direction, run in runs:
        if direction != "W" and not (direction == "N" and current == "R"):
            current = "R" if direction == "R" else "L"
        turned = direction == "R" or (direction == "N" and current == "R")
        drawn.append("".join(_MIRRORED.get(character, character) for character in reversed(run)) if turned else run)
    return "".join(reversed(drawn) if reverses else drawn)


def _packed(data: bytes) -> bytes:
    return zlib.compress(data, _LEVEL)


def _stream(writer: "MyPdfWriter", data: bytes) -> "MyPdfDict":
    from img2pdf import MyPdfDict  # noqa: PLC0415  20 ms that a photo need not pay

    made = MyPdfDict(stream=_packed(data), Filter=b"/FlateDecode")
    writer.addobj(made)
    return made


def font_file() -> bytes:
    """A TrueType font of one glyph a width: two points, from the baseline's start to the opposite corner of the em.

    So a glyph has the box by which readers mark what was found, and nothing to fill.

    Source: OpenType 1.9, Font File.
    """
    glyphs = [b"", *(_diagonal(width) for width in _WIDTHS)]
    places = [0]
    for glyph in glyphs:
        places.append(places[-1] + len(glyph))
    tables = {
        b"glyf": b"".join(glyphs),
        b"head": struct.pack(
            ">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0x000B, _EM, 0, 0, 0, 0, _EM, _EM, 0, 8, 2, 0, 0
        ),
        b"hhea": struct.pack(">IhhhHhhhhhh8xhH", 0x10000, _EM, 0, 0, _EM, 0, 0, _EM, 1, 0, 0, 0, len(glyphs)),
        b"hmtx": b"".join(struct.pack(">Hh", width, 0) for width in (0, *_WIDTHS)),
        b"loca": b"".join(struct.pack(">H", place // 2) for place in places),
        b"maxp": struct.pack(">IHHHHH18x", 0x10000, len(glyphs), 2, 1, 0, 0),
    }
    found = 2 ** int(math.log2(len(tables)))
    made = struct.pack(">IHHHH", 0x10000, len(tables), 16 * found, found.bit_length() - 1, 16 * (len(tables) - found))
    at, bodies = len(made) + 16 * len(tables), b""
    for tag, table in tables.items():
        padded = table + b"\0" * (-len(table) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        made += tag + struct.pack(">III", checksum, at + len(bodies), len(table))
        bodies += padded
    return made + bodies


def _diagonal(width: int) -> bytes:
    """An outline of two points, (0, 0) and (width, em)."""
    outline = struct.pack(">hhhhh", 1, 0, 0, width, _EM) + struct.pack(">HHBBhh", 1, 0, 0x31, 0x01, width, _EM)
    return outline + b"\0" * (-len(outline) % 4)
