"""Odd and hostile uploads as bytes, each with what must become of it.

The list is in docs/test-pictures.md. Everything is made here, but the HEIC, which nothing at hand can write: that one
is a kept file (tests/data/heif).
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Final

import img2pdf
import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import IFDRational

from tests.samples.portrait import astronaut, srgb_profile

OPENS: Final = "opens"
SIZE_PX: Final = (240, 320)
_HEIC = Path(__file__).parent / "heif" / "turned.heic"
_ORIENTATION, _MAKER, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _GPS = 0x112, 0x10F, 0x11A, 0x11B, 0x128, 0x8825
# How to store a picture so that a reader who obeys the EXIF orientation sees it upright.
_STORED: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_DISPLAY_P3 = {
    b"rXYZ": (0.5151, 0.2412, -0.0011),
    b"gXYZ": (0.2920, 0.6922, 0.0419),
    b"bXYZ": (0.1571, 0.0666, 0.7841),
}


@dataclass(frozen=True)
class Upload:
    """One odd file.

    Attributes:
        name: short, unique.
        what: what is odd about it.
        outcome: "opens", or the reason why it must be refused, as DECODE_FAILED's `detail.reason` says it.
        pages: how many pages it gives when all are asked for and ten are taken; 0 when it is refused.
        dropped: whether something of it is left out, which the job must warn of.
    """

    name: str
    what: str
    outcome: str
    pages: int
    dropped: bool
    _make: Callable[[], bytes] = field(repr=False)

    @cached_property
    def data(self) -> bytes:
        """The file."""
        return self._make()


@cache
def uploads() -> tuple[Upload, ...]:
    """All odd files, the same objects at each call."""
    return (*_refused(), *_opening())


def upload(name: str) -> Upload:
    """Look one file up."""
    return next(each for each in uploads() if each.name == name)


def upright() -> Image.Image:
    """What every picture of one person here shows, upright: RGB, 240 x 320."""
    return astronaut().resize(SIZE_PX, Image.Resampling.LANCZOS, box=(96, 0, 366, 360))


def _refused() -> Iterator[Upload]:
    def bad(name: str, what: str, reason: str, make: Callable[[], bytes]) -> Upload:
        return Upload(name, what, reason, 0, dropped=False, _make=make)

    yield bad("empty", "no bytes at all", "empty", bytes)
    yield bad("zeros", "4096 zero bytes", "unknown_format", lambda: bytes(4096))
    yield bad(
        "text", "a text file that is called a picture", "unknown_format", lambda: b"This is not a picture.\n" * 40
    )
    yield bad("svg", "a drawing with a script in it", "unknown_format", _svg)
    yield bad("zip", "a ZIP", "unknown_format", _zip)
    for share in (0.02, 0.25, 0.6, 0.98):
        at = round(100 * share)
        yield bad(f"jpeg-cut-{at}", f"JPEG cut at {at} %", "truncated", partial(_cut, "JPEG", share))
        yield bad(f"png-cut-{at}", f"PNG cut at {at} %", "truncated", partial(_cut, "PNG", share))
    yield bad(
        "jpeg-magic", "three bytes of a JPEG and text", "truncated", lambda: b"\xff\xd8\xff" + b"no picture " * 30
    )
    yield bad("png-bomb", "PNG header of 65536 x 65536, few bytes", "too_many_pixels", _png_bomb)
    yield bad("gif-bomb", "GIF canvas of 65535 x 65535, few bytes", "too_many_pixels", _gif_bomb)
    yield bad("pdf-encrypted", "PDF with a password nobody has", "pdf_encrypted", _encrypted_pdf)
    yield bad("pdf-no-pages", "PDF without a page", "pdf_no_pages", lambda: _pdf([], []))


def _opening() -> Iterator[Upload]:
    def odd(name: str, what: str, make: Callable[[], bytes], *, pages: int = 1, dropped: bool = False) -> Upload:
        return Upload(name, what, OPENS, pages, dropped, make)

    yield odd("cmyk", "CMYK JPEG without a profile", _cmyk)
    yield odd(
        "cmyk-with-rgb-profile",
        "CMYK JPEG with a profile that is not for CMYK",
        lambda: _cmyk(icc_profile=srgb_profile()),
    )
    yield odd("png-16-bit", "PNG, 16 bits of gray", lambda: _encoded(_sixteen_bits(), "PNG"))
    yield odd("tiff-16-bit", "TIFF, 16 bits of gray", lambda: _encoded(_sixteen_bits(), "TIFF"))
    yield odd("palette", "PNG of 64 colours, one of them transparent", _palette)
    yield odd("gif-animated", "GIF of three frames", lambda: _animated("GIF"), dropped=True)
    yield odd("webp-animated", "WebP of three frames", lambda: _animated("WEBP"), dropped=True)
    yield odd("tiff-pages", "TIFF of three pages", lambda: _animated("TIFF"), pages=3)
    yield odd("avif", "AVIF", lambda: _plain("AVIF"))
    yield odd("heic", "HEIC, stored on its side", _HEIC.read_bytes)
    for orientation in range(1, 9):
        what = f"JPEG with EXIF orientation {orientation}"
        yield odd(f"orientation-{orientation}", what, partial(_oriented, orientation))
    yield odd("dpi-lie", "JPEG whose EXIF claims 4294967295 dpi", _dpi_lie)
    yield odd("gps", "JPEG that tells where it was taken", _gps)
    yield odd("display-p3", "JPEG in Display P3, with a profile that calls itself sRGB", _display_p3)
    yield odd("pdf-scan", "PDF of one scanned JPEG", lambda: _scans(1))
    yield odd("pdf-pages", "PDF of twelve scans, more than we take", lambda: _scans(12), pages=10, dropped=True)
    yield odd("pdf-vector", "PDF of lines and type, no picture in it", _vector_pdf)
    yield odd("polyglot-zip", "JPEG that is a ZIP too", lambda: _plain("JPEG") + _zip())
    yield odd("nul-tail", "JPEG with 4 KB of zeros after its end", lambda: _plain("JPEG") + bytes(4096))


# --- pictures ----------------------------------------------------------------


def _encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


@cache
def _plain(file_format: str) -> bytes:
    return _encoded(upright(), file_format, **({"max_threads": 1} if file_format == "AVIF" else {}))


def _cut(file_format: str, share: float) -> bytes:
    data = _plain(file_format)
    return data[: round(len(data) * share)]


def _cmyk(**options: Any) -> bytes:
    return _encoded(upright().convert("CMYK"), "JPEG", **options)


def _sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(upright().convert("L"), np.uint16) * np.uint16(257))


def _palette() -> bytes:
    image = upright().quantize(64)
    return _encoded(image, "PNG", transparency=image.getpixel((0, 0)))


def _animated(file_format: str) -> bytes:
    frames = [upright(), ImageOps.mirror(upright()), ImageOps.invert(upright())]
    return _encoded(frames[0], file_format, save_all=True, append_images=frames[1:])


def _oriented(orientation: int) -> bytes:
    stored = upright() if orientation == 1 else upright().transpose(_STORED[orientation])
    tags = Image.Exif()
    tags[_ORIENTATION] = orientation
    return _encoded(stored, "JPEG", quality=92, exif=tags)


def _dpi_lie() -> bytes:
    tags = Image.Exif()
    tags[_X_RESOLUTION] = tags[_Y_RESOLUTION] = IFDRational(4294967295, 1)
    tags[_RESOLUTION_UNIT] = 2
    return _encoded(upright(), "JPEG", exif=tags)


def _gps() -> bytes:
    tags = Image.Exif()
    tags[_MAKER] = "Specimen Phone"
    tags.get_ifd(_GPS).update({1: "N", 2: (28.0, 36.0, 50.0), 3: "E", 4: (77.0, 12.0, 32.0)})
    return _encoded(upright(), "JPEG", exif=tags)


def _display_p3() -> bytes:
    """The sRGB profile with the primaries of Display P3 written over its own; its name stays."""
    profile = bytearray(srgb_profile())
    (count,) = struct.unpack_from(">I", profile, 128)
    for number in range(count):
        name, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if name in _DISPLAY_P3:
            struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in _DISPLAY_P3[name]))
    return _encoded(upright(), "JPEG", icc_profile=bytes(profile))


def _png_bomb() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 65536, 65536, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _gif_bomb() -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return screen + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00;"


# --- files of other kinds ----------------------------------------------------


def _svg() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="230"><script>alert(1)</script></svg>'


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("hello.txt", (2026, 1, 1, 0, 0, 0)), "not a picture")
    return out.getvalue()


def _scans(count: int) -> bytes:
    page = _encoded(upright(), "JPEG", quality=90, dpi=(100, 100))
    document: bytes = img2pdf.convert([page] * count, engine=img2pdf.Engine.internal, nodate=True)
    return document


def _pdf(kids: Sequence[int], objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of a catalogue (1), a page tree (2) and `objects` from 3 on."""
    pages = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % kid for kid in kids), len(kids))
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate((b"<< /Type /Catalog /Pages 2 0 R >>", pages, *objects), start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, size = len(out), len(offsets) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
    return bytes(out)


def _vector_pdf() -> bytes:
    drawn = (
        b"0.2 0.3 0.7 rg 72 640 451 60 re f 0 g 2 w 72 72 451 540 re S "
        b"BT /F1 28 Tf 90 560 Td (STATEMENT OF SPECIMEN) Tj 0 -48 Td (Roll Number 4471092) Tj ET"
    )
    fonts = b"/Resources << /Font << /F1 5 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %s >>" % fonts
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn)
    return _pdf([3], [page, stream, b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"])


def _encrypted_pdf() -> bytes:
    """A PDF whose password check no password passes: its two verifiers are arbitrary bytes."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>"
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"5a" * 32, b"a5" * 32)
    return _pdf([3], [page, lock], b"/Encrypt 4 0 R /ID [<00112233><00112233>] ")
