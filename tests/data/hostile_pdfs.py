"""PDFs that are locked, empty, endless, or lie about what they hold."""

import io
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Literal

import pikepdf

from tests.data import hostile
from tests.data.raw_files import Entry, one_page_pdf, pdf, pdf_stream, with_jpeg_size, zeros_deflated

_CATALOGUE: Final = b"<< /Type /Catalog /Pages 2 0 R >>"
_TREE: Final = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
_PAGE: Final = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"
_XOBJECT: Final = b"/Resources << /XObject << /X 5 0 R >> >>"
_DRAWS_X: Final = b"q 200 0 0 200 0 0 cm /X Do Q"


def pdfs() -> Iterator[Entry]:
    """All of them; each is asked for as a document of its pages."""
    yield from _locked()
    yield from _trees()
    yield from _boxes()
    yield from _images()
    yield from _endless()
    yield from _active()
    yield from _broken()


def _locked() -> Iterator[Entry]:
    revisions: tuple[Literal[2, 3, 4, 6], ...] = (2, 3, 4, 6)
    for revision in revisions:
        yield f"password-{revision}", "pdf_encrypted", partial(_encrypted, revision, "secret")
    for revision in (revisions[0], revisions[-1]):
        yield f"owner-password-{revision}", hostile.OPENS, partial(_encrypted, revision, "")
    lock = b"<< /Filter /Strange /V 9 /R 99 >>"
    yield "lock-of-no-kind", "damaged", lambda: pdf(_CATALOGUE, _TREE, _PAGE, lock, trailer=b"/Encrypt 4 0 R ")
    yield "lock-that-is-not-there", hostile.OPENS, lambda: pdf(_CATALOGUE, _TREE, _PAGE, trailer=b"/Encrypt 99 0 R ")


def _trees() -> Iterator[Entry]:
    none = "pdf_no_pages"
    yield "kids-none-count-5", "damaged", lambda: pdf(_CATALOGUE, b"<< /Type /Pages /Kids [] /Count 5 >>")
    yield "kids-none-count-less", none, lambda: pdf(_CATALOGUE, b"<< /Type /Pages /Kids [] /Count -1 >>")
    yield "count-a-million", "damaged", lambda: pdf(_CATALOGUE, _TREE.replace(b"1 >>", b"1000000 >>"), _PAGE)
    yield "kid-missing", "damaged", lambda: pdf(_CATALOGUE, b"<< /Type /Pages /Kids [99 0 R] /Count 1 >>")
    yield "kid-is-the-tree", "damaged", lambda: pdf(_CATALOGUE, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>")
    yield "tree-missing", none, lambda: pdf(b"<< /Type /Catalog >>")
    yield "tree-is-the-catalogue", hostile.OPENS, lambda: pdf(b"<< /Type /Catalog /Pages 1 0 R >>")
    yield "tree-deep", "damaged", _deep_tree
    yield "root-missing", "damaged", lambda: pdf(_CATALOGUE, _TREE, _PAGE, root=99)
    yield (
        "pages-the-same-50000-times",
        hostile.OPENS,
        lambda: pdf(_CATALOGUE, b"<< /Type /Pages /Kids [" + b"3 0 R " * 50_000 + b"] /Count 50000 >>", _PAGE),
    )


def _boxes() -> Iterator[Entry]:
    for name, box, outcome in (
        ("huge", b"0 0 1000000 1000000", "opens"),
        ("long", b"0 0 200000000 1", "too_many_pixels"),
        ("tiny", b"0 0 0.01 0.01", "opens"),
        ("none", b"0 0 0 0", "opens"),
        ("upside-down", b"200 200 0 0", "opens"),
        ("far-away", b"1e30 1e30 1e31 1e31", "opens"),
        ("of-names", b"/a /b /c /d", "opens"),
        ("of-three", b"0 0 200", "opens"),
    ):
        yield f"box-{name}", outcome, partial(one_page_pdf, b"0 0 9 9 re f", box=box)
    yield "unit-huge", hostile.OPENS, lambda: one_page_pdf(b"0 0 9 9 re f", page=b"/UserUnit 1000000")
    yield "rotated-by-45", hostile.OPENS, lambda: one_page_pdf(b"0 0 9 9 re f", page=b"/Rotate 45")
    yield "rotated-by-less", hostile.OPENS, lambda: one_page_pdf(b"0 0 9 9 re f", page=b"/Rotate -2147483648")


def _images() -> Iterator[Entry]:
    opens = hostile.OPENS
    size = "/Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent %d"
    for name, width, height, bits, code, content in (
        ("flate-bomb", 20_000, 20_000, 8, "FlateDecode", partial(zeros_deflated, 1_200_000_000)),
        ("flate-short", 300, 300, 8, "FlateDecode", partial(zeros_deflated, 300)),
        ("flate-garbage", 300, 300, 8, "FlateDecode", lambda: bytes(900)),
        ("flate-huge-claim", 2**31 - 1, 2**31 - 1, 8, "FlateDecode", partial(zeros_deflated, 300)),
        ("flate-3-bit", 300, 300, 3, "FlateDecode", partial(zeros_deflated, 300_000)),
        ("lzw-garbage", 300, 300, 8, "LZWDecode", lambda: b"\xff" * 900),
        ("runs-garbage", 300, 300, 8, "RunLengthDecode", lambda: b"\x81\xff" * 900),
        ("fax-garbage", 300, 300, 1, "CCITTFaxDecode", lambda: bytes(range(256)) * 9),
        ("jbig2-garbage", 300, 300, 1, "JBIG2Decode", lambda: bytes(range(256)) * 9),
        ("jpx-garbage", 300, 300, 8, "JPXDecode", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(range(256)) * 9),
        ("jpeg-garbage", 300, 300, 8, "DCTDecode", lambda: b"\xff\xd8\xff" + bytes(range(256)) * 9),
        ("no-code", 300, 300, 8, "NoSuchDecode", lambda: bytes(900)),
    ):
        entries = f"/Type /XObject /Subtype /Image {size % (width, height, bits)} /Filter /{code}".encode()
        yield f"image-{name}", opens, partial(_with_image, entries, content)
    jpeg = partial(hostile._plain, "JPEG")
    scan = f"/Type /XObject /Subtype /Image {size % (240, 320, 8)} /Filter /DCTDecode".encode()
    yield "scan-cut", "truncated", lambda: _with_image(scan, lambda: jpeg()[: len(jpeg()) // 2])
    yield "scan-bomb", "too_many_pixels", lambda: _with_image(scan, lambda: with_jpeg_size(jpeg(), 65500, 65500))
    yield (
        "scan-larger-than-told",
        opens,
        lambda: _with_image(scan, lambda: hostile._encoded(hostile.upright().resize((960, 1280)), "JPEG")),
    )
    yield "scan-masked-by-itself", opens, lambda: _with_image(scan + b" /SMask 5 0 R", jpeg)
    yield (
        "image-inline-lies",
        opens,
        lambda: one_page_pdf(b"q 200 0 0 200 0 0 cm BI /W 99999 /H 99999 /CS /RGB /BPC 8 ID abc EI Q"),
    )


def _endless() -> Iterator[Entry]:
    opens = hostile.OPENS
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] "
    yield "form-of-itself", opens, lambda: one_page_pdf(_DRAWS_X, pdf_stream(b"/X Do", form + _XOBJECT), page=_XOBJECT)
    yield "forms-that-multiply", "too_complex", _multiplying_forms
    yield "content-bomb", "too_complex", lambda: _compressed_content(zeros_deflated(900_000_000))
    yield "content-of-spaces", opens, lambda: one_page_pdf(b" " * 15_000_000)
    yield "content-of-many-paths", opens, lambda: one_page_pdf(b"0 0 200 200 re f " * 1_000)
    yield "content-of-many-saves", opens, lambda: one_page_pdf(b"q " * 2_000_000)
    yield "content-nested", opens, lambda: one_page_pdf(b"[" * 500_000 + b"<<" * 500_000)
    yield (
        "content-doubly-filtered",
        "too_complex",
        lambda: _compressed_content(zlib.compress(zeros_deflated(900_000_000)), b"[/FlateDecode /FlateDecode]"),
    )
    yield "content-is-its-page", opens, lambda: one_page_pdf(b"", page=b"/Contents 3 0 R")
    yield "tiles-without-end", "too_complex", _tiny_tiles
    yield (
        "tiles-of-themselves",
        opens,
        lambda: one_page_pdf(
            b"/Pattern cs /P scn 0 0 200 200 re f",
            pdf_stream(
                b"/Pattern cs /P scn 0 0 200 200 re f",
                b"/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 9 9] /XStep 9 /YStep 9 "
                b"/Resources << /Pattern << /P 5 0 R >> >>",
            ),
            page=b"/Resources << /Pattern << /P 5 0 R >> >>",
        ),
    )
    yield (
        "glyphs-of-themselves",
        opens,
        lambda: one_page_pdf(
            b"BT /F 90 Tf (a) Tj ET",
            b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 97 "
            b"/Widths [9] /Encoding << /Differences [97 /a] >> /CharProcs << /a 6 0 R >> "
            b"/Resources << /Font << /F 5 0 R >> >> >>",
            pdf_stream(b"9 0 d0 BT /F 90 Tf (a) Tj ET"),
            page=b"/Resources << /Font << /F 5 0 R >> >>",
        ),
    )
    yield (
        "objects-nested",
        "pdf_no_pages",
        lambda: pdf(b"<< /Type /Catalog /Pages " + b"[" * 300_000 + b" >>", _TREE, _PAGE),
    )
    yield "table-of-itself", opens, _table_of_itself


def _active() -> Iterator[Entry]:
    """What a viewer would run or ask for; nobody here does."""
    for name, action in {
        "script": b"/S /JavaScript /JS (while(1);)",
        "launch": b"/S /Launch /F (/bin/sh)",
        "address": b"/S /URI /URI (http://127.0.0.1:9/)",
        "form-sent": b"/S /SubmitForm /F (http://127.0.0.1:9/)",
        "other-file": b"/S /GoToR /F (file:///etc/passwd) /D [0 /Fit]",
    }.items():
        catalogue = _CATALOGUE[:-2] + b"/OpenAction << /Type /Action %s >> >>" % action
        yield f"action-{name}", hostile.OPENS, partial(pdf, catalogue, _TREE, _PAGE)
    xfa = _CATALOGUE[:-2] + b"/AcroForm << /Fields [] /XFA (<xdp/>) >> >>"
    yield "form-of-xml", hostile.OPENS, lambda: pdf(xfa, _TREE, _PAGE)
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /Rect [0 0 99 99] /Parent 4 0 R /Kids [4 0 R] >>"
    fields = _CATALOGUE[:-2] + b"/AcroForm << /Fields [4 0 R] >> >>"
    yield "field-of-itself", hostile.OPENS, lambda: pdf(fields, _TREE, _PAGE[:-2] + b"/Annots [4 0 R] >>", field)


def _broken() -> Iterator[Entry]:
    drawn = partial(one_page_pdf, b"0 0 9 9 re f")
    yield "only-its-mark", "truncated", lambda: b"%PDF-1.7\n"
    yield "mark-and-end", "damaged", lambda: b"%PDF-1.7\n%%EOF\n"
    yield "mark-and-garbage", "damaged", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"%%EOF"
    yield "without-table", hostile.OPENS, lambda: drawn().replace(b"xref\n0", b"xxxx\n0", 1)
    yield "table-elsewhere", hostile.OPENS, lambda: drawn().replace(b"startxref\n", b"startxref\n9")
    yield "table-of-wrong-places", hostile.OPENS, lambda: drawn().replace(b"\n00000000", b"\n00000009")
    yield (
        "objects-all-one",
        "pdf_no_pages",
        lambda: drawn().replace(b"2 0 obj", b"1 0 obj").replace(b"3 0 obj", b"1 0 obj"),
    )
    yield "stream-longer-than-told", hostile.OPENS, lambda: drawn().replace(b"/Length 12", b"/Length 1")
    yield "stream-shorter-than-told", hostile.OPENS, lambda: drawn().replace(b"/Length 12", b"/Length 99999999")
    yield "lines-of-a-mac", hostile.OPENS, lambda: drawn().replace(b"\n", b"\r")
    yield "version-9", hostile.OPENS, lambda: drawn().replace(b"%PDF-1.7", b"%PDF-9.9")
    yield "twice", hostile.OPENS, lambda: drawn() + drawn()


# --- how they are made -------------------------------------------------------


def _encrypted(revision: Literal[2, 3, 4, 6], user: str) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(hostile.upload("pdf-vector").data)) as document:
        lock = pikepdf.Encryption(owner="owner", user=user, R=revision, aes=revision >= 4, metadata=revision >= 4)
        document.save(out, encryption=lock)
    return out.getvalue()


def _deep_tree() -> bytes:
    nodes = [b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % (number + 1) for number in range(2, 50_000)]
    return pdf(_CATALOGUE, *nodes, _PAGE)


def _with_image(entries: bytes, content: Callable[[], bytes]) -> bytes:
    return one_page_pdf(_DRAWS_X, pdf_stream(content(), entries), page=_XOBJECT)


def _compressed_content(content: bytes, filters: bytes = b"/FlateDecode") -> bytes:
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>"
    return pdf(_CATALOGUE, _TREE, page, pdf_stream(content, b"/Filter " + filters))


def _multiplying_forms() -> bytes:
    """Ten forms, each of which draws the next ten times: ten thousand million rectangles."""
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Resources << /XObject << /X %d 0 R >> >>"
    forms = [pdf_stream(b"/X Do " * 10, form % number) for number in range(6, 15)]
    return one_page_pdf(b"/X Do", *forms, pdf_stream(b"0 0 200 200 re f", form % 99), page=_XOBJECT)


def _tiny_tiles() -> bytes:
    tile = b"/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.0001 /YStep 0.0001 /Resources << >>"
    drawn = b"/Pattern cs /P scn 0 0 200 200 re f"
    return one_page_pdf(drawn, pdf_stream(b"0 0 1 1 re f", tile), page=b"/Resources << /Pattern << /P 5 0 R >> >>")


def _table_of_itself() -> bytes:
    data = one_page_pdf(b"0 0 9 9 re f")
    start = int(data.rpartition(b"startxref\n")[2].split()[0])
    return data.replace(b"/Root", b"/Prev %d /Root" % start)
