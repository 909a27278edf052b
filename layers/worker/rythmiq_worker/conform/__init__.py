"""The conform engine: a picture and a slot's rules in, a file that fits and its receipt out.

Source: docs/specification/worker.md, docs/specification/receipt.md.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

import rythmiq
from rythmiq.contracts.advice import Notice
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.keys import sanitize_filename
from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import Clause, DocumentFacts, Operation, Receipt
from rythmiq_worker.conform.clauses import clauses_for
from rythmiq_worker.conform.geometry import (
    Layout,
    Region,
    ResolvedKind,
    Subject,
    can_shrink,
    chosen_region,
    lay_out,
    resolve_kind,
)
from rythmiq_worker.conform.measure import decoded, decoded_pages, measure
from rythmiq_worker.conform.pdf import Layered, Page, fit_pdf, layer_of
from rythmiq_worker.conform.raster import Encoded, TooLargeError, fit_jpeg, fit_png
from rythmiq_worker.conform.render import Finished, coloured, drawn, finish, is_bilevel
from rythmiq_worker.conform.reporting import notices_for, operations_of
from rythmiq_worker.conform.sight import Sight, look
from rythmiq_worker.decode.picture import Picture

if TYPE_CHECKING:
    from rythmiq_worker.conform.text_layer import PlacedLine
    from rythmiq_worker.engines import TextLine, TextSight
    from rythmiq_worker.ink.judge import InkSight
    from rythmiq_worker.people.portrait import Portrait

_SHRINKS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3)

VERSIONS = {"rythmiq": rythmiq.__version__, "pillow": PIL.__version__, "opencv": cv2.__version__}


class Labels(NamedTuple):
    """The names that a receipt and a file name carry. `original` is the upload's file name."""

    portal: str
    slot: str | None
    version: str
    job_id: str
    original: str


@dataclass(frozen=True, slots=True)
class Conformed:
    """A file that fits, and the proof.

    Attributes:
        document: the file.
        receipt: clause by clause, measured on `document`.
        encodes: how many encodes it took.
        table_scale: of the JPEG's quantisation table, or None for a PNG.
        warnings: what its owner should know.
        shown: its pixels as they decode; None of a PDF.
    """

    document: bytes = field(repr=False)
    receipt: Receipt
    encodes: int
    table_scale: float | None
    warnings: tuple[Notice, ...]
    shown: Image.Image | None = field(default=None, repr=False)


class _Made(NamedTuple):
    """An encoded file, and how its pixels came about."""

    encoded: Encoded
    layout: Layout
    shrink: float
    finished: Finished
    onto: NDArray[np.float64] | None
    layered: Layered | None = None


def conform(  # noqa: PLR0913  what a document depends on
    pages: Sequence[Picture],
    rules: SchemaDefinition,
    labels: Labels,
    *,
    kind: ResolvedKind | None = None,
    portrait: "Portrait | None" = None,
    options: Options = Options(),  # noqa: B008  frozen
    operations: Sequence[Operation] = (),
    ink: "InkSight | None" = None,
    texts: "Sequence[TextSight | None]" = (),
    lines: "Sequence[Sequence[TextLine]]" = (),
) -> Conformed:
    """Make the file that a slot takes, and measure it.

    Args:
        pages: the upload, upright by EXIF and as its owner turned it; a raster slot takes the first.
        rules: the slot's rules.
        labels: names for the receipt and the file.
        kind: what the upload is, where known; else faces are looked for, if the slot leaves it open.
        portrait: who stands on the first page, where somebody looked.
        options: the owner's choices; a crop bounds everything, and a face is framed inside it.
        operations: what was done to the pixels before.
        ink: what a signature or thumb shows, where somebody looked.
        texts: how much of each page's text was read; None for a page that nobody read.
        lines: the text of each page, in pixels of the page or of the owner's crop, for the layer that its owner asks
            for; pages at the end may be missing.

    Raises:
        JobError: SIZE_EXCEEDED, SCHEMA_FAILED, or DECODE_FAILED.
    """
    if kind is None and portrait is None and rules.kind in {"photo", "auto"} and rules.face != "off":
        from rythmiq_worker.conform.person import portrait_of, wish_of  # noqa: PLC0415  only photos show a person

        portrait = portrait_of(pages[0], wish_of(options))
    kind = kind or resolve_kind(rules, portrait)
    if kind != "photo":
        portrait = None
    captioned = kind == "photo" and options.caption is not None
    first, subject = pages[0], None
    bounds = chosen_region(first.width_px, first.height_px, options.crop)
    if portrait is not None:
        from rythmiq_worker.conform.person import place  # noqa: PLC0415  only photos show a person

        first, bounds, subject = place(first, portrait, rules, options, captioned=captioned)
    made = _made((first, *pages[1:]), rules, kind, bounds, subject, portrait, options, lines)
    facts = measure(made.encoded.data)
    shown = decoded(made.encoded.data) if facts.container in {"jpeg", "png"} else None
    sight = _sight(made, rules, kind, shown, portrait, ink, texts)
    filename = _filename(rules, labels)
    clauses = clauses_for(rules, facts, sight, filename=filename, ours=True)
    _refuse_hard_failures(clauses)
    receipt = Receipt(
        portal=labels.portal,
        slot=labels.slot,
        version=labels.version,
        conforms=all(clause.verdict != "fail" for clause in clauses),
        clauses=clauses,
        document=DocumentFacts(
            filename=filename,
            sha256=hashlib.sha256(made.encoded.data).hexdigest(),
            bytes=len(made.encoded.data),
            width_px=facts.width_px,
            height_px=facts.height_px,
            dpi=None if facts.dpi is None else round(facts.dpi, 2),
            format=rules.output_format,
            pages=facts.pages,
        ),
        operations=(
            *operations,
            *operations_of(made.layout, made.encoded, made.finished, portrait, options, rules, made.layered),
        ),
        padded_bytes=made.encoded.padded_bytes,
        versions=VERSIONS,
    )
    table_scale = None if rules.output_format == "png" else made.encoded.scale
    warnings = notices_for(
        clauses, sight, rules, made.layout, made.finished, shrunk=made.shrink < 1, layered=made.layered
    )
    return Conformed(made.encoded.data, receipt, made.encoded.encodes, table_scale, warnings, shown)


def _made(  # noqa: PLR0913, PLR0917  what an encode depends on
    pages: Sequence[Picture],
    rules: SchemaDefinition,
    kind: ResolvedKind,
    bounds: Region,
    subject: Subject | None,
    portrait: "Portrait | None",
    options: Options,
    lines: "Sequence[Sequence[TextLine]]",
) -> _Made:
    """Encode, with fewer pixels when the budget asks for it and the rules allow it."""
    smallest: int | None = None
    layout: Layout | None = None
    for shrink in _SHRINKS if can_shrink(rules) else _SHRINKS[:1]:
        before = layout
        layout = lay_out(
            rules,
            kind,
            bounds,
            subject,
            shrink=shrink,
            caption=kind == "photo" and options.caption is not None,
        )
        if before is not None and (before.width_px, before.height_px) == (layout.width_px, layout.height_px):
            break
        onto, layered = None, None
        try:
            if rules.output_format == "pdf":
                encoded, layered = _pdf(pages, rules, kind, options, shrink, lines)
                finished = Finished()
            else:
                image, finished = drawn(pages[0], layout, rules), Finished()
                if portrait is not None:
                    onto = _onto(portrait, layout, pages[0].width_px)
                if kind == "photo":
                    image, finished = finish(image, layout, portrait, onto, options)
                pages[0].release()
                encoded = _raster(coloured(image, rules), rules)
        except TooLargeError as error:
            smallest = min(smallest or error.smallest_bytes, error.smallest_bytes)
        except (OSError, ValueError) as error:
            raise JobError(
                ErrorCode.SCHEMA_FAILED, f"the document could not be encoded ({type(error).__name__})"
            ) from None
        else:
            return _Made(encoded, layout, shrink, finished, onto, layered)
    width, height = (layout.width_px, layout.height_px) if layout else (0, 0)
    raise JobError(
        ErrorCode.SIZE_EXCEEDED,
        f"{width} x {height} px do not fit into {rules.max_kb:g} KB" if rules.max_kb else "the document is too large",
        detail={"smallest_bytes": smallest, "width_px": width, "height_px": height},
    )


def _onto(portrait: "Portrait", layout: Layout, width_px: int) -> NDArray[np.float64] | None:
    from rythmiq_worker.conform.person import upright_onto  # noqa: PLC0415  only photos show a person

    return upright_onto(portrait, layout, width_px)


def _raster(image: Image.Image, rules: SchemaDefinition) -> Encoded:
    max_bytes, min_bytes = rules.max_bytes, rules.min_bytes or 0
    if rules.max_compression_ratio is not None:
        min_bytes = max(min_bytes, math.ceil(image.width * image.height * 3 / rules.max_compression_ratio))
    if rules.output_format == "png":
        return fit_png(image, max_bytes=max_bytes, min_bytes=min_bytes, dpi=rules.target_dpi)
    return fit_jpeg(image, max_bytes=max_bytes, min_bytes=min_bytes, dpi=rules.target_dpi, quality=rules.quality)


def _pdf(  # noqa: PLR0913, PLR0917  what a PDF depends on
    pages: Sequence[Picture],
    rules: SchemaDefinition,
    kind: ResolvedKind,
    options: Options,
    shrink: float,
    lines: "Sequence[Sequence[TextLine]]",
) -> tuple[Encoded, Layered | None]:
    """Encode the pages. A text layer that does not fit is left out before pixels are given up for it."""
    wanted = lines if options.text_layer else ()
    made = [
        _pdf_page(page, rules, kind, options, shrink, wanted[index] if index < len(wanted) else ())
        for index, page in enumerate(pages)
    ]
    layered = layer_of(made, rules.max_bytes, rules.target_dpi) if options.text_layer else None
    if layered is not None and not layered.dropped:
        try:
            return _fitted(made, rules), layered
        except TooLargeError:
            if not layered.lines:
                raise
            layered = layered._replace(dropped=True)
    return _fitted([page._replace(lines=()) for page in made], rules), layered


def _fitted(pages: Sequence[Page], rules: SchemaDefinition) -> Encoded:
    return fit_pdf(pages, max_bytes=rules.max_bytes, min_bytes=rules.min_bytes or 0, dpi=rules.target_dpi)


def _pdf_page(  # noqa: PLR0913, PLR0917  what a page depends on
    picture: Picture,
    rules: SchemaDefinition,
    kind: ResolvedKind,
    options: Options,
    shrink: float,
    lines: "Sequence[TextLine]",
) -> Page:
    region = chosen_region(picture.width_px, picture.height_px, options.crop)
    layout = lay_out(rules, kind, region, None, shrink=shrink)
    untouched = options.crop is None and rules.pixel_bounds is None and shrink == 1
    image = coloured(drawn(picture, layout, rules), rules)
    scan = picture.lossless_jpeg() if untouched else None
    if scan is not None and measure(scan).colour != rules.color:
        scan = None
    picture.release()
    return Page(image, scan, tuple(_placed_line(line, layout) for line in lines))


def _placed_line(line: "TextLine", layout: Layout) -> "PlacedLine":
    """A line on the document's page. OCR was given whole pixels of what the owner chose."""
    from rythmiq_worker.conform.text_layer import PlacedLine  # noqa: PLC0415  few PDFs have one

    left, top = int(layout.region.left), int(layout.region.top)
    corners = np.add(line.quad, (left, top))
    onto = layout.onto_document
    places = (corners @ onto[:, :2].T + onto[:, 2]) / (layout.width_px, layout.height_px)
    first, second, third, fourth = ((float(x), float(y)) for x, y in places)
    return PlacedLine(line.text, (first, second, third, fourth))


def _sight(  # noqa: PLR0913, PLR0917  what is looked at
    made: _Made,
    rules: SchemaDefinition,
    kind: ResolvedKind,
    shown: Image.Image | None,
    portrait: "Portrait | None",
    ink: "InkSight | None",
    texts: "Sequence[TextSight | None]",
) -> Sight:
    """Look at the final pixels. A PDF's pages were looked at as pictures; its text says whether it is legible."""
    if shown is None:
        bilevel = all(is_bilevel(page) for page in decoded_pages(made.encoded.data)) if rules.color == "bw" else None
        return Sight(kind, bilevel=bilevel, ink=ink, texts=tuple(texts))
    return look(
        shown,
        rules,
        kind,
        portrait=portrait,
        onto=made.onto,
        strip_px=made.layout.strip_px,
        head_fits=made.layout.head_fits,
        ink=ink,
        texts=texts,
    )


def _filename(rules: SchemaDefinition, labels: Labels) -> str:
    name = rules.filename_pattern.format(
        job_id=labels.job_id,
        portal=labels.portal,
        slot=labels.slot or "document",
        original=sanitize_filename(labels.original).rpartition(".")[0] or sanitize_filename(labels.original),
    )
    if not name.lower().endswith((f".{rules.extension}", ".jpeg" if rules.extension == "jpg" else ".")):
        name = f"{name}.{rules.extension}"
    return sanitize_filename(name)


def _refuse_hard_failures(clauses: Sequence[Clause]) -> None:
    failed = [clause for clause in clauses if clause.hard and clause.verdict == "fail"]
    if failed:
        words = "; ".join(f"{clause.clause}: wanted {clause.wanted}, made {clause.measured}" for clause in failed)
        raise JobError(ErrorCode.SCHEMA_FAILED, f"the document breaks a hard rule ({words})"[:500])
