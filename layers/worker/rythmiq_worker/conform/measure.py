"""Measure a file on its bytes: the facts that every receipt is based on.

JPEG markers and PNG chunks are walked by our own strict reader, because a decoder forgives what a portal does not:
bytes after the end, a missing JFIF header, metadata.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image

from rythmiq_worker.conform.raster import PAD_CHUNK

if TYPE_CHECKING:
    import pypdfium2

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EOI, _COM = 0xD9, 0xFE
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_PNG_METADATA = {b"eXIf": "EXIF", b"iCCP": "ICC", b"tEXt": "text", b"zTXt": "text", b"iTXt": "text", b"tIME": "time"}
_PNG_PAINTED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs", b"tRNS", b"gAMA", b"sRGB", b"cHRM", b"sBIT"})
_METRES_PER_INCH = 0.0254
_POINTS_PER_INCH = 72
_MOST_PAGES = 100

FileFormat = Literal["jpeg", "png", "pdf", "other"]
Colour = Literal["rgb", "gray", "bw", "mixed", "other"]


class FileFacts(NamedTuple):
    """A file as its bytes say.

    Attributes:
        container: of the file; `name` for one that no portal here takes.
        name: the format in words.
        width_px: of the (first) picture.
        height_px: of the (first) picture.
        dpi: as written; None when the file states none, or two different ones.
        colour: bw is a bilevel file; mixed a PDF whose pages differ. None where it cannot be told: a PDF of other
            things than one picture a page, or of more than a hundred pages.
        jfif: whether a JPEG begins with a JFIF header; None for another format.
        metadata: what beside the picture is in the file, by name.
        trailing_bytes: after the file's own end.
        padded_bytes: our own padding.
        pages: 1 but for a PDF.
        fault: what is broken, if anything.
    """

    container: FileFormat
    name: str
    bytes: int
    width_px: int = 0
    height_px: int = 0
    dpi: float | None = None
    colour: Colour | None = "other"
    jfif: bool | None = None
    metadata: tuple[str, ...] = ()
    trailing_bytes: int = 0
    padded_bytes: int = 0
    pages: int = 1
    fault: str | None = None


def measure(data: bytes) -> FileFacts:
    """Measure any file; one that is broken has a `fault`, and nothing is raised."""
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _png(data)
        if data[:5] == b"%PDF-":
            return _pdf(data)
        return _other(data)
    except (ValueError, IndexError) as error:
        return FileFacts("other", "damaged file", len(data), fault=str(error) or "damaged")


def decoded(data: bytes) -> Image.Image:
    """The pixels of a JPEG or PNG that we made.

    Raises:
        OSError: they do not decode.
    """
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _jpeg(data: bytes) -> FileFacts:
    jfif, padded, dpi = False, 0, None
    metadata: list[str] = []
    width = height = components = 0
    end = 2
    for marker, at, payload in _jpeg_segments(data):
        if marker == _EOI:
            end = at
        elif marker == 0xE0 and payload[:5] == b"JFIF\0" and at == 2:  # noqa: PLR2004  right after SOI
            jfif, dpi = True, _jfif_dpi(payload)
        elif marker == _COM and not payload.strip(b" "):
            padded += len(payload) + 4
        elif 0xE0 <= marker <= 0xEF or marker == _COM:  # noqa: PLR2004  APPn
            metadata.append(_application(marker, payload))
        elif marker in _JPEG_FRAMES:
            height, width, components = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5]), payload[5]
    return FileFacts(
        "jpeg",
        "JPEG",
        len(data),
        width,
        height,
        dpi,
        {1: "gray", 3: "rgb"}.get(components, "other"),  # type: ignore[arg-type]  # the values are Colours
        jfif,
        tuple(metadata),
        len(data) - end,
        padded,
        fault=None if width and height else "no picture",
    )


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each segment as marker, offset of its marker and payload; last EOI with the offset behind it.

    Raises:
        ValueError, IndexError: the file is damaged.
    """
    at = 2
    while True:
        start = at
        if data[at] != 0xFF:  # noqa: PLR2004  every marker begins so
            raise ValueError("a marker is due where none is")
        while data[at] == 0xFF:  # noqa: PLR2004  fill bytes are legal
            at += 1
        marker, at = data[at], at + 1
        if marker == _EOI:
            yield marker, at, b""
            return
        if marker in _STANDALONE:
            continue
        length = int.from_bytes(data[at : at + 2])
        payload = data[at + 2 : at + length]
        if length < 2 or len(payload) != length - 2:  # noqa: PLR2004  the length counts itself
            raise ValueError("a segment is cut short")
        yield marker, start, payload
        at += length
        if marker == 0xDA:  # noqa: PLR2004  SOS
            at = _after_scan(data, at)


def _after_scan(data: bytes, at: int) -> int:
    """The next marker that is no restart, after entropy-coded data."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise ValueError("the picture has no end")
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:  # noqa: PLR2004  stuffing, RSTn
            return at
        at += 2


def _jfif_dpi(payload: bytes) -> float | None:
    unit, x, y = payload[7], int.from_bytes(payload[8:10]), int.from_bytes(payload[10:12])
    if x != y or x == 0 or unit not in {1, 2}:
        return None
    return float(x) if unit == 1 else round(x * 2.54, 2)


def _application(marker: int, payload: bytes) -> str:
    if payload[:6] == b"Exif\0\0":
        return "EXIF"
    if payload[:12] == b"ICC_PROFILE\0":
        return "ICC"
    if payload[:28] == b"http://ns.adobe.com/xap/1.0/":
        return "XMP"
    return "comment" if marker == _COM else f"APP{marker - 0xE0}"


def _png(data: bytes) -> FileFacts:
    at, padded, dpi = 8, 0, None
    metadata: list[str] = []
    header = b""
    while True:
        length, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        payload = data[at + 8 : at + 8 + length]
        if len(name) != 4 or len(payload) != length or len(data) < at + 12 + length:  # noqa: PLR2004  PNG's own sizes
            raise ValueError("a chunk is cut short")
        if name == b"IHDR":
            header = payload
        elif name == b"pHYs" and payload[8] == 1 and payload[:4] == payload[4:8]:
            dpi = int.from_bytes(payload[:4]) * _METRES_PER_INCH
        elif name == PAD_CHUNK:
            padded += length + 12
        elif name not in _PNG_PAINTED:
            metadata.append(_PNG_METADATA.get(name, name.decode("latin-1")))
        at += length + 12
        if name == b"IEND":
            break
    width, height, depth, kind = int.from_bytes(header[:4]), int.from_bytes(header[4:8]), header[8], header[9]
    colour: Colour = ("bw" if depth == 1 else "gray") if kind in {0, 4} else "rgb"
    return FileFacts("png", "PNG", len(data), width, height, dpi, colour, None, tuple(metadata), len(data) - at, padded)


def _pdf(data: bytes) -> FileFacts:
    import pypdfium2  # noqa: PLC0415  only a PDF needs it

    try:
        with pypdfium2.PdfDocument(data) as document:
            pages = len(document)
            page = document[0]
            width_pt = page.get_width()
            images = list(page.get_objects(filter=(pypdfium2.raw.FPDF_PAGEOBJ_IMAGE,), max_depth=2))
            size = images[0].get_px_size() if len(images) == 1 else (0, 0)
            colour = _pdf_colour(document)
    except (pypdfium2.PdfiumError, IndexError):
        raise ValueError("the PDF does not open") from None
    width, height = int(size[0]), int(size[1])
    dpi = round(width / width_pt * _POINTS_PER_INCH, 2) if width and width_pt else None
    return FileFacts("pdf", "PDF", len(data), width, height, dpi, colour, None, (), 0, 0, pages)


def _pdf_colour(document: "pypdfium2.PdfDocument") -> Colour | None:
    if len(document) > _MOST_PAGES:
        return None
    colours = {_picture_colour(picture) for picture in _only_pictures(document)}
    if None in colours:
        return None
    return colours.pop() if len(colours) == 1 else "mixed"


def _only_pictures(document: "pypdfium2.PdfDocument") -> "Iterator[pypdfium2.PdfImage | None]":
    """The picture of each page; None for a page that shows anything else. Invisible text may lie over it."""
    import pypdfium2  # noqa: PLC0415  only a PDF needs it

    for page in document:
        shown = [thing for thing in page.get_objects(max_depth=2) if not _is_invisible(thing)]
        picture = shown[0] if len(shown) == 1 else None
        yield picture if isinstance(picture, pypdfium2.PdfImage) else None


def _is_invisible(thing: "pypdfium2.PdfObject") -> bool:
    """Whether an object of a page is text that is not drawn."""
    from pypdfium2 import raw  # noqa: PLC0415  only a PDF needs it

    if thing.type != raw.FPDF_PAGEOBJ_TEXT:
        return False
    return bool(raw.FPDFTextObj_GetTextRenderMode(thing.raw) == raw.FPDF_TEXTRENDERMODE_INVISIBLE)


def _picture_colour(picture: "pypdfium2.PdfImage | None") -> Colour | None:
    """Colour of a picture in a PDF; None where its colour space does not tell, as of a palette or a profile."""
    if picture is None:
        return None
    from pypdfium2 import raw  # noqa: PLC0415  only a PDF needs it

    told = picture.get_metadata()
    if told.colorspace in {raw.FPDF_COLORSPACE_DEVICEGRAY, raw.FPDF_COLORSPACE_CALGRAY}:
        return "bw" if told.bits_per_pixel == 1 else "gray"
    if told.colorspace in {raw.FPDF_COLORSPACE_DEVICERGB, raw.FPDF_COLORSPACE_CALRGB}:
        return "rgb"
    if told.colorspace in {raw.FPDF_COLORSPACE_DEVICECMYK, raw.FPDF_COLORSPACE_LAB}:
        return "other"
    return None


def decoded_pages(data: bytes) -> Iterator[Image.Image]:
    """The pixels of each page of a PDF that we made: one JPEG a page.

    Raises:
        OSError: they do not decode.
    """
    import pypdfium2  # noqa: PLC0415  only a PDF needs it

    with pypdfium2.PdfDocument(data) as document:
        for picture in _only_pictures(document):
            if picture is None:
                raise OSError("a page is not one picture")
            yield decoded(bytes(picture.get_data()))


def _other(data: bytes) -> FileFacts:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return FileFacts("other", image.format or "image", len(data), image.width, image.height)
    except (OSError, ValueError, Image.DecompressionBombError):
        return FileFacts("other", "no image", len(data), fault="not an image or PDF that we read")
