"""PDF out: pages as JPEG, embedded byte for byte by img2pdf, with their text or without, within one byte budget.

img2pdf's internal engine and fixed dates make the same pages the same bytes; with pikepdf's engine two runs differ.
"""

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from rythmiq_worker.conform.raster import (
    COARSEST,
    MAX_ENCODES,
    NEAR_LOSSLESS,
    Encoded,
    TooLargeError,
    fit_jpeg,
    pad_jpeg,
)

if TYPE_CHECKING:
    from rythmiq_worker.conform.text_layer import PlacedLine, TextLayer

DEFAULT_DPI = 200
_FIXED_DATE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_FILE_OVERHEAD_BYTES = 900
_PAGE_OVERHEAD_BYTES = 900
_LEAST_PAGE_BYTES = 512
_SLOPE = -0.6  # ln bytes over ln scale, to begin with
_STEEPEST, _FLATTEST, _APART = -2.5, -0.2, 0.05
_ROUNDS = 3
_FILLED = 0.92  # of its share: what has less is fitted again
_LIGHT = 0.05  # of an equal share
_BISECTIONS = 40
_POINTS_PER_INCH = 72
_MOST_TEXT = 0.25  # of the budget that a text layer may take


class Page(NamedTuple):
    """One page: its pixels, the scan they came from when that may be embedded as it is, and its text to be searched."""

    image: Image.Image
    scan: bytes | None = None
    lines: "tuple[PlacedLine, ...]" = ()


def fit_pdf(pages: Sequence[Page], *, max_bytes: int | None, min_bytes: int = 0, dpi: int | None) -> Encoded:
    """Bind pages into a PDF of `min_bytes` to `max_bytes`.

    Where the cap binds, all pages are quantised alike, so that the least legible is as legible as it can be. A scan
    that fits an equal share is embedded unchanged. The text layer is part of the budget, and pixels get what is left.
    The floor is reached by padding inside the last page's JPEG.

    Raises:
        TooLargeError: nothing fits under the cap.
    """
    layer = _text_layer(pages)
    beside = _FILE_OVERHEAD_BYTES + _PAGE_OVERHEAD_BYTES * len(pages) + _layer_bytes(layer, pages, dpi)
    left = None if max_bytes is None else max_bytes - beside
    if left is not None and left < _LEAST_PAGE_BYTES * len(pages):
        raise TooLargeError(beside + _LEAST_PAGE_BYTES * len(pages))
    fits = [_fit(page, None, dpi) for page in pages] if left is None else balanced(pages, left, dpi)
    parts = [fit.data for fit in fits]
    data = bind_pdf(parts, dpi, layer)
    padded = 0
    if len(data) < min_bytes:
        padded = min_bytes - len(data)
        parts[-1] = pad_jpeg(parts[-1], len(parts[-1]) + padded)
        data = bind_pdf(parts, dpi, layer)
    if max_bytes is not None and len(data) > max_bytes:
        raise TooLargeError(len(data))
    return Encoded(data, max(fit.scale for fit in fits), sum(fit.encodes for fit in fits), padded)


class Layered(NamedTuple):
    """The text layer of a PDF whose owner asked for one.

    Attributes:
        lines: how many lines it has; 0 when nothing was read.
        pages: how many pages have any.
        bytes: how many it takes of the file, at most.
        dropped: it was left out, for the sake of the pixels.
    """

    lines: int
    pages: int
    bytes: int
    dropped: bool = False


def layer_of(pages: Sequence[Page], max_bytes: int | None, dpi: int | None) -> Layered:
    """The text layer of these pages, dropped where it would take more than a quarter of the budget."""
    layer = _text_layer(pages)
    if layer is None:
        return Layered(0, 0, 0)
    needed = _layer_bytes(layer, pages, dpi)
    dropped = max_bytes is not None and needed > _MOST_TEXT * max_bytes
    return Layered(layer.lines, layer.pages, needed, dropped=dropped)


def _text_layer(pages: Sequence[Page]) -> "TextLayer | None":
    """The text layer of these pages; None when none has text."""
    if not any(page.lines for page in pages):
        return None
    from rythmiq_worker.conform.text_layer import TextLayer  # noqa: PLC0415  few PDFs have one

    layer = TextLayer([page.lines for page in pages])
    return layer if layer.lines else None


def _layer_bytes(layer: "TextLayer | None", pages: Sequence[Page], dpi: int | None) -> int:
    """Upper bound of the bytes that a text layer adds to a PDF of these pages."""
    if layer is None:
        return 0
    per_px = _POINTS_PER_INCH / (dpi or DEFAULT_DPI)
    return layer.size_bytes([(page.image.width * per_px, page.image.height * per_px) for page in pages])


class Fit(NamedTuple):
    """One page within its share.

    Attributes:
        data: its JPEG; empty when not even the coarsest table fitted.
        size_bytes: of it, or of the smallest that was made.
        scale: of its quantisation table; 0 for a scan that is embedded as it is.
        encodes: how many it took so far.
        slope: ln bytes over ln scale, as far as it is known.
    """

    data: bytes
    size_bytes: int
    scale: float
    encodes: int
    slope: float = _SLOPE


def balanced(pages: Sequence[Page], left_bytes: int, dpi: int | None) -> list[Fit]:
    """Fit pages into a budget, all on one scale: equal shares first, then as many bytes to each as that scale takes.

    Raises:
        TooLargeError: nothing fits.
    """
    share = left_bytes // len(pages)
    best = fits = [_fit(page, share, dpi) for page in pages]
    for _ in range(_ROUNDS if len(pages) > 1 else 0):
        shares = _shares(fits, left_bytes)
        due = [index for index, fit in enumerate(fits) if not _suits(fit, shares[index])]
        if not due:
            break
        fits = [
            _again(fit, _fit(pages[index], shares[index], dpi)) if index in due else fit
            for index, fit in enumerate(fits)
        ]
        best = min(fits, best, key=_missing)
    if not all(fit.data for fit in best):
        raise TooLargeError(_FILE_OVERHEAD_BYTES + sum(_PAGE_OVERHEAD_BYTES + fit.size_bytes for fit in best))
    return best


def _again(before: Fit, after: Fit) -> Fit:
    """The later fit, with what both together tell of the page."""
    slope = before.slope
    if before.scale > 0 and after.scale > 0 and abs(math.log(after.scale / before.scale)) > _APART:
        slope = math.log(after.size_bytes / before.size_bytes) / math.log(after.scale / before.scale)
    return after._replace(encodes=before.encodes + after.encodes, slope=min(max(slope, _STEEPEST), _FLATTEST))


def _missing(fits: Sequence[Fit]) -> int:
    """Count the pages that have no file."""
    return sum(not fit.data for fit in fits)


def _suits(fit: Fit, share: int) -> bool:
    """Whether a page is within its share, and could not make more of it."""
    if not fit.data or fit.size_bytes > share:
        return False
    return fit.size_bytes >= _FILLED * share or fit.scale <= 1.01 * NEAR_LOSSLESS


def _fit(page: Page, share: int | None, dpi: int | None) -> Fit:
    if page.scan is not None and (share is None or len(page.scan) <= share):
        return Fit(page.scan, len(page.scan), 0.0, 0)
    try:
        fitted = fit_jpeg(page.image, max_bytes=share, dpi=dpi or DEFAULT_DPI)
    except TooLargeError as error:
        return Fit(b"", error.smallest_bytes, COARSEST, MAX_ENCODES)
    return Fit(fitted.data, len(fitted.data), fitted.scale, fitted.encodes)


def _shares(fits: Sequence[Fit], left_bytes: int) -> list[int]:
    """Share the bytes among pages on the finest scale on which all fit; a scan takes what it has.

    A page that hardly weighs anything keeps what it has too: its size says nothing of its scale.
    """
    light = _LIGHT * left_bytes / len(fits)

    def sizes(scale: float) -> list[int]:
        return [
            fit.size_bytes
            if fit.scale == 0.0 or (fit.data and fit.size_bytes < light)
            else int(fit.size_bytes * (scale / fit.scale) ** fit.slope)
            for fit in fits
        ]

    fine, coarse = math.log(NEAR_LOSSLESS), math.log(COARSEST)
    for _ in range(_BISECTIONS):
        middle = (fine + coarse) / 2
        if sum(sizes(math.exp(middle))) <= left_bytes:
            coarse = middle
        else:
            fine = middle
    wanted = sizes(math.exp(coarse))
    over = sum(wanted) - left_bytes  # more than the coarsest scale can do: an equal cut, and the encoder says so
    return wanted if over <= 0 else [max(1, size - over * size // sum(wanted) - 1) for size in wanted]


def bind_pdf(parts: Sequence[bytes], dpi: int | None, layer: "TextLayer | None" = None) -> bytes:
    """Bind JPEGs into a PDF, byte for byte and the same each time: one a page, at `dpi` or 200, with a text layer."""
    import img2pdf  # noqa: PLC0415  20 ms that a photo need not pay

    document = img2pdf.convert_to_docobject(
        list(parts),
        engine=img2pdf.Engine.internal,
        layout_fun=img2pdf.get_fixed_dpi_layout_fun((dpi or DEFAULT_DPI, dpi or DEFAULT_DPI)),
        producer="Rythmiq One",
        creationdate=_FIXED_DATE,
        moddate=_FIXED_DATE,
    )
    if layer is not None:
        layer.draw(document.writer)
    bound: bytes = document.tostring()
    return bound
