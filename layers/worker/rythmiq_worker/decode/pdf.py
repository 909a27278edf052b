"""Pages of a PDF: an embedded scan is unpacked byte for byte, anything else is rendered at 200 to 300 dpi.

PDFium has no bound of its own: ten forms that draw each other ten times end a worker at 6 GB, a pattern of tiny tiles
never ends. The image process has limits of the kernel, and its death there is the answer. The command line, which
decodes a file of its own user, has PDFium run in a forked child under such limits: nothing has started a thread yet.
"""

import ctypes
import json
import math
import os
import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pypdfium2
import pypdfium2.raw as pdfium

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import JobError
from rythmiq_worker.decode import UPRIGHT, Reason, Turn, require_pixels, undecodable
from rythmiq_worker.decode.raster import JpegSource, open_jpeg
from rythmiq_worker.walls.lockdown import MEMORY_BYTES, is_walled

if TYPE_CHECKING:
    from PIL import Image

# The pages of our test papers take under 1 s; the largest that the pixel budget permits takes 4 s.
_CPU_S: Final = 10
# Above what the worker holds: three times the largest page, for what PDFium draws on and what is made of it.
_MEMORY_BYTES: Final = 1200 * 1024 * 1024
_DONE, _REFUSED = b"=", b"!"


def run_sandboxed(work: Callable[[], bytes]) -> bytes:
    """Run `work` in a process of its own and return what it returned; in a walled process as it is.

    Raises:
        JobError: DECODE_FAILED: what `work` raised as such, `damaged` for another exception of it, `too_complex` when
            it was ended or died.
    """
    if is_walled():
        with _less_memory():
            return work()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run(work, writer)
    os.close(writer)
    status = -1
    try:
        with os.fdopen(reader, "rb") as answer:
            verdict, content = answer.read(1), answer.read()
        _, status = os.waitpid(pid, 0)
    finally:
        if status == -1:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    if status != 0 or verdict not in {_DONE, _REFUSED}:
        raise undecodable("too_complex")
    if verdict == _REFUSED:
        facts = json.loads(content)
        reason: Reason = facts.pop("reason")
        raise undecodable(reason, **facts)
    return content


def _run(work: Callable[[], bytes], writer: int) -> NoReturn:
    status = 1
    try:
        _bound()
        try:
            parts = (_DONE, work())
        except JobError as error:
            parts = (_REFUSED, json.dumps(error.detail).encode())
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  a decoder may raise anything; see `decoder_door`
            parts = (_REFUSED, b'{"reason":"damaged"}')
        with os.fdopen(writer, "wb") as answer:
            answer.writelines(parts)
        status = 0
    finally:
        os._exit(status)


def _bound() -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    held = Path("/proc/self/statm")
    if held.exists():  # elsewhere than on Linux the kernel does not hold to a limit of memory
        most = int(held.read_text().split()[0]) * resource.getpagesize() + _MEMORY_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _less_memory() -> Iterator[None]:
    """Give PDFium less than its walled process has in all: it takes what there is."""
    kept = resource.getrlimit(resource.RLIMIT_AS)
    if kept[1] != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (kept[1] - MEMORY_BYTES + _MEMORY_BYTES, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, kept)


POINTS_PER_INCH: Final = 72
MIN_DPI: Final = 200
MAX_DPI: Final = 300
# Up to A3 is drawn at 300 dpi; larger sheets need not be that fine to be read.
_COMFORTABLE_PIXELS: Final = 18_000_000
_COVERED_SHARE: Final = 0.9
_BLEED_SHARE: Final = 0.02
# Where a PDF that is not cut short says so (ISO 32000-1, 7.5.5).
_END_OF_FILE: Final = b"%%EOF"
_TAIL_BYTES: Final = 1024
_NO_PAGES: Final = re.compile(rb"/Count\s+0\b")
_INVISIBLE_TEXT: Final = 3
_JPEG_COLOURS: Final = frozenset(
    {
        pdfium.FPDF_COLORSPACE_DEVICEGRAY,
        pdfium.FPDF_COLORSPACE_DEVICERGB,
        pdfium.FPDF_COLORSPACE_CALGRAY,
        pdfium.FPDF_COLORSPACE_CALRGB,
        pdfium.FPDF_COLORSPACE_ICCBASED,
    }
)


@contextmanager
def _document(data: bytes) -> Iterator[Any]:
    """Open a PDF with its form fields drawn.

    Raises:
        JobError: DECODE_FAILED: `pdf_encrypted`, `pdf_no_pages` or `damaged`.
    """
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise undecodable(_why_closed(data, error.err_code)) from None
    try:
        if len(document) == 0:
            raise undecodable("pdf_no_pages")
        if document.get_formtype() == pdfium.FORMTYPE_ACRO_FORM:
            document.init_forms()
        yield document
    finally:
        document.close()


def _why_closed(data: bytes, error_code: int) -> Reason:
    """Return why PDFium does not open a file.

    A document without pages leaves PDFium's last error as it was before, so the code alone would tell of another file.
    """
    if error_code == pdfium.FPDF_ERR_PASSWORD and b"/Encrypt" in data:
        return "pdf_encrypted"
    if _END_OF_FILE not in data[-_TAIL_BYTES:]:
        return "truncated"
    return "pdf_no_pages" if error_code == pdfium.FPDF_ERR_SUCCESS or _NO_PAGES.search(data) else "damaged"


@dataclass(frozen=True, slots=True)
class DrawnSource:
    """One page of a PDF that has to be drawn, held as the file's bytes."""

    data: bytes
    page: int
    dpi: float
    width_px: int
    height_px: int
    source_format: str = "PDF"
    turn: Turn = UPRIGHT
    scalable: bool = False

    def scale_for(self, min_width_px: int, min_height_px: int) -> int:  # noqa: ARG002  the port's shape
        """Return 1: the page is drawn at full size only."""
        return 1

    def decode(self, scale: int) -> "Image.Image":  # noqa: ARG002  the port's shape
        """Draw the page on white."""
        from PIL import Image  # noqa: PLC0415  a document of scans needs none of it here

        return Image.frombytes("RGB", (self.width_px, self.height_px), run_sandboxed(self._drawn))

    def _drawn(self) -> bytes:
        with _document(self.data) as document:
            bitmap = document[self.page].render(scale=self.dpi / POINTS_PER_INCH)
            image: Image.Image = bitmap.to_pil()
            bitmap.close()  # before the next copy: of the largest page each has 240 MB
            drawn = image if image.mode == "RGB" else image.convert("RGB")
            if drawn.size != (self.width_px, self.height_px):
                raise undecodable("damaged")
            return drawn.tobytes()

    def patch(self, side_px: int) -> None:
        """Return nothing: no part is drawn alone."""

    def lossless(self) -> bytes | None:
        """Return nothing: a drawn page was never a JPEG."""
        return None


def open_pdf(
    data: bytes, *, max_pixels: int, max_pages: int
) -> tuple[list[JpegSource | DrawnSource], list[WarningCode]]:
    """Read a PDF's pages, at most `max_pages`.

    Raises:
        JobError: DECODE_FAILED.
    """
    told = run_sandboxed(lambda: _read_pages(data, max_pages))
    head, _, scans = told.partition(b"\n")
    count, pages = json.loads(head)
    sources: list[JpegSource | DrawnSource] = []
    at = 0
    for index, (rotation, width_pt, height_pt, scan_bytes) in enumerate(pages):
        if scan_bytes:
            sources.append(_scan_source(scans[at : at + scan_bytes], rotation, max_pixels))
            at += scan_bytes
        else:
            sources.append(_drawn_source(data, index, width_pt, height_pt, max_pixels))
    return sources, [WarningCode.PAGES_DROPPED] if count > max_pages else []


def _read_pages(data: bytes, max_pages: int) -> bytes:
    """A line of JSON, how many pages there are and of each its rotation, size and scan's length; then the scans."""
    pages, scans = [], []
    with _document(data) as document:
        count = len(document)
        for index in range(min(count, max_pages)):
            page = document[index]
            scan = _embedded_scan(page)
            pages.append((page.get_rotation(), *page.get_size(), len(scan or b"")))
            scans.append(scan or b"")
    return b"\n".join((json.dumps((count, pages)).encode(), b"".join(scans)))


def _scan_source(scan: bytes, rotation: int, max_pixels: int) -> JpegSource:
    source, _ = open_jpeg(scan, max_pixels, "PDF")
    # A PDF's reader ignores EXIF: the page alone says how the scan lies.
    return replace(source, turn=UPRIGHT.then_clockwise(rotation))


def _drawn_source(data: bytes, index: int, width_pt: float, height_pt: float, max_pixels: int) -> DrawnSource:
    dpi = _dpi_for(width_pt, height_pt, max_pixels)
    scale = dpi / POINTS_PER_INCH
    width_px, height_px = math.ceil(width_pt * scale), math.ceil(height_pt * scale)  # as pypdfium2 rounds
    require_pixels(width_px, height_px, max_pixels)
    return DrawnSource(data, index, dpi, width_px, height_px)


def _dpi_for(width_pt: float, height_pt: float, max_pixels: int) -> float:
    """Choose 200 to 300 dpi by the size of the sheet; less only when the budget leaves no choice."""
    inches = max(width_pt * height_pt, 1e-6) / POINTS_PER_INCH**2
    comfortable = min(MAX_DPI, max(MIN_DPI, (_COMFORTABLE_PIXELS / inches) ** 0.5))
    return float(min(comfortable, 0.999 * (max_pixels / inches) ** 0.5))


def _embedded_scan(page: Any) -> bytes | None:
    """Return the JPEG that is all there is on a page, or None."""
    image = _only_image(page)
    if image is None or image.get_filters() != ["DCTDecode"]:
        return None
    if pdfium.FPDFPageObj_HasTransparency(image) or not _fills(page, image):
        return None
    if image.get_metadata().colorspace not in _JPEG_COLOURS:
        return None
    size = pdfium.FPDFImageObj_GetImageDataRaw(image, None, 0)
    buffer = (ctypes.c_ubyte * size)()
    pdfium.FPDFImageObj_GetImageDataRaw(image, buffer, size)
    return bytes(buffer)


def _only_image(page: Any) -> Any:
    """Return the page's image when nothing else is drawn; a text layer that is not drawn (OCR) does not count."""
    if pdfium.FPDFPage_GetAnnotCount(page) > 0:
        return None
    image = None
    for found in page.get_objects(max_depth=1):
        if found.type == pdfium.FPDF_PAGEOBJ_TEXT and pdfium.FPDFTextObj_GetTextRenderMode(found) == _INVISIBLE_TEXT:
            continue
        if found.type != pdfium.FPDF_PAGEOBJ_IMAGE or image is not None:
            return None
        image = found
    return image


def _fills(page: Any, image: Any) -> bool:
    """Whether an image lies straight on its page, fills it, and is not cut by it."""
    matrix = image.get_matrix()
    if matrix.a <= 0 or matrix.d <= 0 or abs(matrix.b) > 1e-3 * matrix.a or abs(matrix.c) > 1e-3 * matrix.d:
        return False
    left, bottom, right, top = image.get_bounds()
    page_left, page_bottom, page_right, page_top = page.get_bbox()
    width, height = page_right - page_left, page_top - page_bottom
    inside = (
        left >= page_left - _BLEED_SHARE * width
        and right <= page_right + _BLEED_SHARE * width
        and bottom >= page_bottom - _BLEED_SHARE * height
        and top <= page_top + _BLEED_SHARE * height
    )
    covered = (right - left) * (top - bottom)
    return bool(inside and covered >= _COVERED_SHARE * width * height)
