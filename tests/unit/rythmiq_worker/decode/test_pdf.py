"""PDF pages: an embedded scan is unpacked byte for byte, anything else is drawn; what cannot be opened says why."""

import ctypes
import io
from typing import Any

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from PIL import Image

from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq_worker.decode.pdf import MAX_DPI, MIN_DPI, open_pdf
from rythmiq_worker.decode.raster import JpegSource
from tests.support.uploads import MAX_PIXELS, as_pdf, difference, encode, exif, page_of, pages_of, portrait

SCAN = encode(portrait(300, 400), "JPEG", quality=90)
A4_PT = (595.0, 842.0)


def saved(document: Any) -> bytes:
    """A pypdfium2 document as a file."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def placed(
    scan: bytes = SCAN, *, size_pt: tuple[float, float] = A4_PT, box: tuple[float, float, float, float] | None = None
) -> Any:
    """A document of one page with a JPEG at a box (left, bottom, right, top), by default all of the page."""
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(*size_pt)
    image = pypdfium2.PdfImage.new(document)
    image.load_jpeg(io.BytesIO(scan), inline=True)
    left, bottom, right, top = box or (0, 0, *size_pt)
    image.set_matrix(pypdfium2.PdfMatrix(right - left, 0, 0, top - bottom, left, bottom))
    page.insert_obj(image)
    page.gen_content()
    return document


def add_rectangle(document: Any) -> None:
    """Draw a black square on the first page."""
    page = document[0]
    square = pdfium.FPDFPageObj_CreateNewRect(100, 100, 50, 50)
    pdfium.FPDFPageObj_SetFillColor(square, 0, 0, 0, 255)
    pdfium.FPDFPath_SetDrawMode(square, pdfium.FPDF_FILLMODE_WINDING, 0)
    pdfium.FPDFPage_InsertObject(page, square)
    page.gen_content()


def add_text(document: Any, *, visible: bool) -> None:
    """Write on the first page, visibly or as the invisible layer of an OCR program."""
    page = document[0]
    text = pdfium.FPDFPageObj_NewTextObj(document, b"Helvetica", ctypes.c_float(12))
    words = "recognised".encode("utf-16-le") + b"\0\0"
    pdfium.FPDFText_SetText(text, (ctypes.c_ushort * (len(words) // 2)).from_buffer_copy(words))
    pdfium.FPDFPageObj_Transform(text, 1, 0, 0, 1, 100, 100)
    if not visible:
        pdfium.FPDFTextObj_SetTextRenderMode(text, pdfium.FPDF_TEXTRENDERMODE_INVISIBLE)
    pdfium.FPDFPage_InsertObject(page, text)
    page.gen_content()


def scan_in(data: bytes) -> bytes | None:
    """The bytes of the scan that was unpacked from the first page, or None when it is drawn."""
    (source, *_), _warnings = open_pdf(data, max_pixels=MAX_PIXELS, max_pages=10)
    return source.data if isinstance(source, JpegSource) else None


def test_a_scanned_page_is_unpacked_byte_for_byte() -> None:
    """The JPEG that a scanner put on the page is taken as it is, never drawn and compressed again."""
    assert scan_in(as_pdf(SCAN)) == SCAN
    assert scan_in(saved(placed())) == SCAN
    page = page_of(as_pdf(SCAN))
    assert (page.source_format, page.width_px, page.height_px) == ("PDF", 300, 400)
    assert page.lossless_jpeg() is not None


def test_every_page_is_unpacked() -> None:
    """Each page is judged by itself: a scan, and a page that has to be drawn."""
    second = encode(portrait(200, 100), "JPEG")
    opened = pages_of(as_pdf(SCAN, second, encode(portrait(50, 50), "PNG")))
    assert [(page.width_px, page.height_px) for page in opened.pages[:2]] == [(300, 400), (200, 100)]
    assert [page.lossless_jpeg() is not None for page in opened.pages] == [True, True, False]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_page_turns_its_scan(degrees: int) -> None:
    """/Rotate is clockwise."""
    document = placed()
    document[0].set_rotation(degrees)
    page = page_of(saved(document))
    wanted = portrait(300, 400).rotate(-degrees, expand=True)
    assert (page.width_px, page.height_px) == wanted.size
    assert difference(page.image(), wanted) < 6


def test_the_scans_own_exif_does_not_turn_the_page() -> None:
    """A reader of PDF ignores EXIF inside an embedded JPEG."""
    turned = encode(portrait(300, 400), "JPEG", exif=exif(6))
    page = page_of(saved(placed(turned)))
    assert (page.width_px, page.height_px) == (300, 400)


def test_an_invisible_text_layer_does_not_hide_the_scan() -> None:
    """Scanner apps lay recognised text invisibly over the scan."""
    document = placed()
    add_text(document, visible=False)
    assert scan_in(saved(document)) == SCAN


def test_anything_else_on_the_page_makes_it_drawn() -> None:
    """A square, visible text or a second image is part of the page and must not be lost."""
    with_square, with_text, with_two = placed(), placed(), placed()
    add_rectangle(with_square)
    add_text(with_text, visible=True)
    second = pypdfium2.PdfImage.new(with_two)
    second.load_jpeg(io.BytesIO(encode(Image.new("RGB", (10, 10)), "JPEG")), inline=True)
    second.set_matrix(pypdfium2.PdfMatrix(50, 0, 0, 50, 10, 10))
    page = with_two[0]
    page.insert_obj(second)
    page.gen_content()
    for document in (with_square, with_text, with_two):
        assert scan_in(saved(document)) is None
    drawn = page_of(saved(with_square)).image()
    scale = drawn.width / A4_PT[0]
    assert drawn.getpixel((round(125 * scale), drawn.height - round(125 * scale))) == (0, 0, 0)


def test_an_annotation_makes_the_page_drawn() -> None:
    """A stamp or a filled-in field lies over the scan."""
    document = placed()
    pdfium.FPDFPage_CreateAnnot(document[0], pdfium.FPDF_ANNOT_SQUARE)
    assert scan_in(saved(document)) is None


@pytest.mark.parametrize(
    "box",
    [(100, 100, 300, 400), (-300, 0, 595, 842), (0, 0, 595, 700)],
    ids=["a card on a sheet", "cut by the page", "part of the page"],
)
def test_a_scan_that_is_not_the_whole_page_is_drawn(box: tuple[float, float, float, float]) -> None:
    """The page is what its owner laid out."""
    assert scan_in(saved(placed(box=box))) is None


@pytest.mark.parametrize("matrix", [(-595, 0, 0, 842, 595, 0), (0, 842, -595, 0, 595, 0), (595, 80, -80, 842, 0, 0)])
def test_a_scan_that_lies_mirrored_or_askew_is_drawn(matrix: tuple[float, ...]) -> None:
    """Only a straight scan is its page."""
    document = pypdfium2.PdfDocument.new()
    page = document.new_page(*A4_PT)
    image = pypdfium2.PdfImage.new(document)
    image.load_jpeg(io.BytesIO(SCAN), inline=True)
    image.set_matrix(pypdfium2.PdfMatrix(*matrix))
    page.insert_obj(image)
    page.gen_content()
    assert scan_in(saved(document)) is None


def test_a_scan_in_ink_colours_is_drawn() -> None:
    """How a PDF means CMYK depends on more than the JPEG."""
    cmyk = encode(portrait(60, 80).convert("CMYK"), "JPEG", quality=95)
    assert scan_in(as_pdf(cmyk)) is None
    assert page_of(as_pdf(cmyk)).image().mode == "RGB"


def test_a_drawn_page_has_300_dpi_up_to_a4() -> None:
    """A sheet is drawn fine enough to be read, and the size is known before it is drawn."""
    document = pypdfium2.PdfDocument.new()
    document.new_page(*A4_PT)
    add_rectangle(document)
    page = page_of(saved(document))
    assert page.width_px == pytest.approx(A4_PT[0] / 72 * MAX_DPI, abs=1)
    image = page.image()
    assert image.size == (page.width_px, page.height_px)
    assert np.asarray(image).max() == 255
    assert np.asarray(image).min() == 0


@pytest.mark.parametrize(
    ("side_pt", "max_pixels", "dpi"),
    [(600, MAX_PIXELS, MAX_DPI), (2000, MAX_PIXELS, MIN_DPI), (2000, 4_000_000, 71.9), (14_000, MAX_PIXELS, 45.9)],
)
def test_large_sheets_are_drawn_within_the_budget(side_pt: float, max_pixels: int, dpi: float) -> None:
    """200 to 300 dpi, and less only when the budget leaves no choice; never a refusal for a large sheet."""
    document = pypdfium2.PdfDocument.new()
    document.new_page(side_pt, side_pt)
    (source,), _ = open_pdf(saved(document), max_pixels=max_pixels, max_pages=1)
    assert source.width_px * source.height_px <= max_pixels
    assert source.width_px == pytest.approx(side_pt / 72 * dpi, rel=0.01)


def test_filled_in_form_fields_are_drawn() -> None:
    """An application form shows what was typed into it."""
    image = page_of(_form("Asha Rao")).image()
    empty = page_of(_form("")).image()
    assert int(np.asarray(image).min()) < 100
    assert difference(image, empty) > 0


def test_page_size_and_drawing_agree_on_odd_sizes() -> None:
    """Rounding is the drawer's own, so the reported size is the size."""
    for width_pt, height_pt in ((0.5, 0.5), (99.99, 201.3), (3.7, 1000.1), (612, 792)):
        document = pypdfium2.PdfDocument.new()
        document.new_page(width_pt, height_pt)
        page = page_of(saved(document))
        assert page.image().size == (page.width_px, page.height_px)


def failure(data: bytes) -> dict[str, Any]:
    """The detail of DECODE_FAILED."""
    with pytest.raises(JobError) as caught:
        pages_of(data)
    assert caught.value.code is ErrorCode.DECODE_FAILED
    assert caught.value.detail is not None
    return caught.value.detail


def test_a_pdf_behind_a_password_says_so() -> None:
    """We cannot ask for the password; the owner can save it without."""
    assert failure(_encrypted())["reason"] == "pdf_encrypted"


def test_a_pdf_without_pages_says_so() -> None:
    """A document of nothing."""
    data = _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"])
    assert failure(data)["reason"] == "pdf_no_pages"


def test_a_damaged_pdf_says_so() -> None:
    """The words of a PDF around nonsense."""
    assert failure(b"%PDF-1.7\n" + b"nonsense " * 200 + b"\n%%EOF\n")["reason"] == "damaged"


def test_a_pdf_cut_short_says_so() -> None:
    """A broken transfer has its own reason."""
    data = as_pdf(SCAN)
    assert failure(data[: len(data) // 2])["reason"] == "truncated"


def test_a_scan_cut_short_inside_a_whole_pdf_is_found() -> None:
    """The PDF is fine and its picture is not: DECODE finds it, and does not draw half a page."""
    cut = SCAN[: len(SCAN) // 2]
    document = as_pdf(SCAN)
    at = document.index(SCAN)
    data = document[:at] + cut + bytes(len(SCAN) - len(cut)) + document[at + len(SCAN) :]
    assert failure(data)["reason"] in {"truncated", "damaged"}


def test_a_scan_over_the_pixel_budget_is_refused() -> None:
    """Unpacking obeys the budget too."""
    with pytest.raises(JobError) as caught:
        pages_of(as_pdf(SCAN), max_pixels=300 * 400 - 1)
    assert caught.value.detail is not None
    assert caught.value.detail["reason"] == "too_many_pixels"


def _form(value: str) -> bytes:
    """A page with one text field that holds a value and its appearance."""
    appearance = b"/Tx BMC q BT /F 18 Tf 0 g 4 8 Td (" + value.encode() + b") Tj ET Q EMC"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]/DR<</Font<</F 6 0 R>>>>/DA(/F 18 Tf 0 g)>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Annots[4 0 R]>>",
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(" + value.encode() + b")/Rect[20 30 280 60]/F 4/P 3 0 R"
        b"/DA(/F 18 Tf 0 g)/AP<</N 5 0 R>>>>",
        b"<</Type/XObject/Subtype/Form/BBox[0 0 260 30]/Resources<</Font<</F 6 0 R>>>>/Length "
        + str(len(appearance)).encode()
        + b">>stream\n"
        + appearance
        + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    return _pdf(objects)


def _encrypted() -> bytes:
    """A PDF whose pages need a password that nobody gave: an /Encrypt dictionary with keys of nobody."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]>>",
        b"<</Filter/Standard/V 1/R 2/P -4/O<" + b"11" * 32 + b">/U<" + b"22" * 32 + b">>>",
    ]
    return _pdf(objects, b"/Encrypt 4 0 R/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]")


def _pdf(objects: list[bytes], trailer: bytes = b"") -> bytes:
    data, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += str(number).encode() + b" 0 obj" + content + b"endobj\n"
    table = b"xref\n0 " + str(len(objects) + 1).encode() + b"\n0000000000 65535 f \n"
    table += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    end = b"trailer<</Root 1 0 R/Size " + str(len(objects) + 1).encode() + trailer + b">>\nstartxref\n"
    return data + table + end + str(len(data)).encode() + b"\n%%EOF\n"
