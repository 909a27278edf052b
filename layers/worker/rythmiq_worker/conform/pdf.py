"""PDF out: pages as JPEG, embedded byte for byte by img2pdf, within one byte budget.

img2pdf's internal engine and fixed dates make the same pages the same bytes; with pikepdf's engine two runs differ.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from rythmiq_worker.conform.jpeg import Encoded, TooLargeError, fit_jpeg, pad_jpeg

DEFAULT_DPI = 200
_FIXED_DATE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_FILE_OVERHEAD_BYTES = 900
_PAGE_OVERHEAD_BYTES = 900
_LEAST_PAGE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its pixels, and the scan they came from when that may be embedded as it is."""

    image: Image.Image
    scan: bytes | None = None


def fit_pdf(pages: Sequence[Page], *, max_bytes: int | None, min_bytes: int = 0, dpi: int | None) -> Encoded:
    """Bind pages into a PDF of `min_bytes` to `max_bytes`.

    Each page has an equal share of what is left; a page that needs less leaves the rest to those after it. A scan that
    fits its share is embedded unchanged. The floor is reached by padding inside the last page's JPEG.

    Raises:
        TooLargeError: nothing fits under the cap.
    """
    left = None if max_bytes is None else max_bytes - _FILE_OVERHEAD_BYTES - _PAGE_OVERHEAD_BYTES * len(pages)
    if left is not None and left < _LEAST_PAGE_BYTES * len(pages):
        raise TooLargeError(_FILE_OVERHEAD_BYTES + (_PAGE_OVERHEAD_BYTES + _LEAST_PAGE_BYTES) * len(pages))
    parts: list[bytes] = []
    encodes, scale = 0, 0.0
    for number, page in enumerate(pages):
        share = None if left is None else left // (len(pages) - number)
        if page.scan is not None and (share is None or len(page.scan) <= share):
            parts.append(page.scan)
        else:
            fitted = fit_jpeg(page.image, max_bytes=share, dpi=dpi or DEFAULT_DPI)
            parts.append(fitted.data)
            encodes, scale = encodes + fitted.encodes, max(scale, fitted.scale)
        if left is not None:
            left -= len(parts[-1])
    data = bind_pdf(parts, dpi)
    padded = 0
    if len(data) < min_bytes:
        padded = min_bytes - len(data)
        parts[-1] = pad_jpeg(parts[-1], len(parts[-1]) + padded)
        data = bind_pdf(parts, dpi)
    if max_bytes is not None and len(data) > max_bytes:
        raise TooLargeError(len(data))
    return Encoded(data, scale, encodes, padded)


def bind_pdf(parts: Sequence[bytes], dpi: int | None) -> bytes:
    """Bind JPEGs into a PDF, byte for byte and the same each time: one a page, at `dpi` or 200."""
    import img2pdf  # noqa: PLC0415  20 ms that a photo need not pay

    layout = img2pdf.get_fixed_dpi_layout_fun((dpi or DEFAULT_DPI, dpi or DEFAULT_DPI))
    bound: bytes = img2pdf.convert(
        list(parts),
        engine=img2pdf.Engine.internal,
        layout_fun=layout,
        producer="Rythmiq One",
        creationdate=_FIXED_DATE,
        moddate=_FIXED_DATE,
    )
    return bound
