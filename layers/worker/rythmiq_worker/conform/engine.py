"""`conform`: a picture and a slot's rules in, a file that fits and its receipt out.

Source: SPEC 10.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import PIL
from PIL import Image

import rythmiq
from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.keys import sanitize_filename
from rythmiq.contracts.payload import Crop
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.receipt import Clause, DocumentFacts, Operation, Receipt
from rythmiq_worker.conform.background import background_of
from rythmiq_worker.conform.clauses import Sight, clauses_for
from rythmiq_worker.conform.geometry import Layout, can_shrink, chosen_region, lay_out
from rythmiq_worker.conform.jpeg import Encoded, TooLargeError, fit_jpeg
from rythmiq_worker.conform.kind import ResolvedKind, resolve_kind
from rythmiq_worker.conform.measure import FileFacts, decoded, decoded_pages, measure
from rythmiq_worker.conform.pdf import Page, fit_pdf
from rythmiq_worker.conform.png import fit_png
from rythmiq_worker.conform.render import is_bilevel, render
from rythmiq_worker.engines.faces import (
    LEAST_PORTRAIT_FACE,
    Box,
    FaceDetector,
    HaarFaces,
    find_faces,
    gray_at,
)
from rythmiq_worker.measures import edge_width
from rythmiq_worker.picture import Picture

_SHRINKS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3)
_FACE_SIDE_PX = 256
_SHARPNESS_SIDE_PX = 512
_RIVAL = 0.6

VERSIONS = {"rythmiq": rythmiq.__version__, "pillow": PIL.__version__, "opencv": cv2.__version__}


@dataclass(frozen=True, slots=True)
class Labels:
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
    """

    document: bytes = field(repr=False)
    receipt: Receipt
    encodes: int
    table_scale: float | None
    warnings: tuple[Notice, ...]


def conform(  # noqa: PLR0913  what a document depends on
    pages: Sequence[Picture],
    rules: SchemaDefinition,
    labels: Labels,
    *,
    faces: tuple[Box, ...] | None = None,
    crop: Crop | None = None,
    operations: Sequence[Operation] = (),
    legibility: float | None = None,
    detector: FaceDetector | None = None,
) -> Conformed:
    """Make the file that a slot takes, and measure it.

    Args:
        pages: the upload, upright; a raster slot takes the first.
        rules: the slot's rules.
        labels: names for the receipt and the file.
        faces: found in the first page, in its pixels, largest first; None looks for them when the slot needs it.
        crop: the owner's choice; a face is then framed inside it.
        operations: what was done to the pixels before.
        legibility: mean confidence of the text engine, 0..1.
        detector: finds faces; default Haar.

    Raises:
        JobError: SIZE_EXCEEDED, SCHEMA_FAILED, or DECODE_FAILED.
    """
    first = pages[0]
    if faces is None:
        faces = (
            find_faces(first, detector or HaarFaces())
            if rules.kind in {"photo", "auto"} and rules.face != "off"
            else ()
        )
    kind = resolve_kind(rules, faces, first.width_px, first.height_px)
    framed = _face_to_frame(faces, crop, first) if kind == "photo" else None
    made, layout, shrink = _made(pages, rules, kind, crop, framed)
    facts = measure(made.data)
    watcher = detector or HaarFaces(LEAST_PORTRAIT_FACE)
    sight = _sight(made.data, rules, kind, facts, faces, watcher, legibility)
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
            sha256=hashlib.sha256(made.data).hexdigest(),
            bytes=len(made.data),
            width_px=facts.width_px,
            height_px=facts.height_px,
            dpi=None if facts.dpi is None else round(facts.dpi, 2),
            format=rules.output_format,
            pages=facts.pages,
        ),
        operations=(*operations, *_operations(layout, made, crop, rules)),
        padded_bytes=made.padded_bytes,
        versions=VERSIONS,
    )
    table_scale = None if rules.output_format == "png" else made.scale
    warnings = _warnings(clauses, faces, kind, rules, layout, shrink)
    return Conformed(made.data, receipt, made.encodes, table_scale, warnings)


def _face_to_frame(faces: tuple[Box, ...], crop: Crop | None, picture: Picture) -> Box | None:
    """The largest face whose centre is inside the owner's crop."""
    region = chosen_region(picture.width_px, picture.height_px, crop)
    for face in faces:
        x, y = face.x + face.width / 2, face.y + face.height / 2
        if region.left <= x <= region.right and region.top <= y <= region.bottom:
            return face
    return None


def _made(
    pages: Sequence[Picture], rules: SchemaDefinition, kind: ResolvedKind, crop: Crop | None, face: Box | None
) -> tuple[Encoded, Layout, float]:
    """Encode, with fewer pixels when the budget asks for it and the rules allow it."""
    smallest: int | None = None
    layout: Layout | None = None
    for shrink in _SHRINKS if can_shrink(rules) else _SHRINKS[:1]:
        before = layout
        layout = _layout(pages[0], rules, kind, crop, face, shrink)
        if before is not None and (before.width_px, before.height_px) == (layout.width_px, layout.height_px):
            break
        try:
            return _encoded(pages, rules, kind, crop, layout, shrink), layout, shrink
        except TooLargeError as error:
            smallest = min(smallest or error.smallest_bytes, error.smallest_bytes)
        except (OSError, ValueError) as error:
            raise JobError(
                ErrorCode.SCHEMA_FAILED, f"the document could not be encoded ({type(error).__name__})"
            ) from None
    width, height = (layout.width_px, layout.height_px) if layout else (0, 0)
    raise JobError(
        ErrorCode.SIZE_EXCEEDED,
        f"{width} x {height} px do not fit into {rules.max_kb:g} KB" if rules.max_kb else "the document is too large",
        detail={"smallest_bytes": smallest, "width_px": width, "height_px": height},
    )


def _layout(  # noqa: PLR0913, PLR0917  what a layout depends on
    picture: Picture, rules: SchemaDefinition, kind: ResolvedKind, crop: Crop | None, face: Box | None, shrink: float
) -> Layout:
    region = chosen_region(picture.width_px, picture.height_px, crop)
    return lay_out(rules, kind, region, face, shrink=shrink)


def _encoded(  # noqa: PLR0913, PLR0917  what an encode depends on
    pages: Sequence[Picture],
    rules: SchemaDefinition,
    kind: ResolvedKind,
    crop: Crop | None,
    layout: Layout,
    shrink: float,
) -> Encoded:
    max_bytes, min_bytes = rules.max_bytes, rules.min_bytes or 0
    if rules.output_format == "pdf":
        return fit_pdf(
            [_pdf_page(page, rules, kind, crop, shrink) for page in pages],
            max_bytes=max_bytes,
            min_bytes=min_bytes,
            dpi=rules.target_dpi,
        )
    image = render(pages[0], layout, rules)
    pages[0].release()
    if rules.max_compression_ratio is not None:
        min_bytes = max(min_bytes, math.ceil(image.width * image.height * 3 / rules.max_compression_ratio))
    if rules.output_format == "png":
        return fit_png(image, max_bytes=max_bytes, min_bytes=min_bytes, dpi=rules.target_dpi)
    return fit_jpeg(image, max_bytes=max_bytes, min_bytes=min_bytes, dpi=rules.target_dpi, quality=rules.quality)


def _pdf_page(picture: Picture, rules: SchemaDefinition, kind: ResolvedKind, crop: Crop | None, shrink: float) -> Page:
    layout = _layout(picture, rules, kind, crop, None, shrink)
    untouched = crop is None and rules.pixel_bounds is None and shrink == 1
    image = render(picture, layout, rules)
    scan = picture.lossless_jpeg() if untouched else None
    if scan is not None and measure(scan).colour != rules.color:
        scan = None
    picture.release()
    return Page(image, scan)


def _sight(  # noqa: PLR0913, PLR0917  what is looked at
    data: bytes,
    rules: SchemaDefinition,
    kind: ResolvedKind,
    facts: FileFacts,
    faces: tuple[Box, ...],
    detector: FaceDetector,
    legibility: float | None,
) -> Sight:
    """Look at the final pixels. A PDF's pages were looked at as pictures; its text says whether it is legible."""
    if facts.container not in {"jpeg", "png"}:
        bilevel = all(is_bilevel(page) for page in decoded_pages(data)) if rules.color == "bw" else None
        return Sight(kind, bilevel=bilevel, legibility=legibility)
    return look(decoded(data), rules, kind, detector if faces else None, legibility)


def look(
    image: Image.Image,
    rules: SchemaDefinition,
    kind: ResolvedKind,
    detector: FaceDetector | None,
    legibility: float | None,
) -> Sight:
    """Measure what a file's pixels show.

    Args:
        image: the decoded file.
        rules: say what matters.
        kind: what the slot holds.
        detector: finds faces; None when it is known that there is none.
        legibility: mean confidence of the text engine, 0..1.
    """
    found: tuple[Box, ...] = ()
    if kind == "photo" and rules.face != "off" and detector is not None:
        gray, factor = gray_at(image, _FACE_SIDE_PX)
        found = tuple(box.scaled(factor) for box in detector.find(gray))
    rivals = [box for box in found if box.height >= _RIVAL * found[0].height]
    return Sight(
        kind,
        background=background_of(image, found[0] if found else None) if rules.background != "any" else None,
        faces=len(rivals) if kind == "photo" and rules.face != "off" else None,
        head_share=found[0].head_height_px / image.height if found else None,
        edge_width=edge_width(gray_at(image, _SHARPNESS_SIDE_PX)[0]) if kind in {"photo", "document"} else None,
        bilevel=is_bilevel(image) if rules.color == "bw" else None,
        legibility=legibility,
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


def _operations(layout: Layout, made: Encoded, crop: Crop | None, rules: SchemaDefinition) -> list[Operation]:
    region = layout.region
    found = [
        Operation(
            op="crop",
            parameters={
                "left": round(region.left, 2),
                "top": round(region.top, 2),
                "width": round(region.width, 2),
                "height": round(region.height, 2),
                "by": "owner" if crop is not None else "layout",
            },
        ),
        Operation(
            op="resize", parameters={"width_px": layout.placed[2], "height_px": layout.placed[3], "filter": "lanczos"}
        ),
    ]
    if layout.placed[2:] != (layout.width_px, layout.height_px):
        found.append(
            Operation(op="pad", parameters={"colour": "white", "left": layout.placed[0], "top": layout.placed[1]})
        )
    if rules.color != "rgb":
        found.append(Operation(op="colour", parameters={"to": rules.color}))
    found.append(
        Operation(op="encode", parameters={"format": rules.output_format, "table_scale": round(made.scale, 4)})
    )
    if made.padded_bytes:
        found.append(Operation(op="pad_bytes", parameters={"bytes": made.padded_bytes}))
    return found


_CLAUSE_WARNINGS = {
    "background": WarningCode.BACKGROUND,
    "face_size": WarningCode.FACE_SIZE,
    "sharpness": WarningCode.BLURRED,
    "legibility": WarningCode.TEXT_UNCLEAR,
    "name_date_strip": WarningCode.NAME_DATE_STRIP,
}


def _warnings(  # noqa: PLR0913, PLR0917  what a warning can come from
    clauses: Sequence[Clause],
    faces: tuple[Box, ...],
    kind: ResolvedKind,
    rules: SchemaDefinition,
    layout: Layout,
    shrink: float,
) -> tuple[Notice, ...]:
    found: list[WarningCode | Notice] = []
    if kind == "photo" and rules.face != "off":
        face = next((clause for clause in clauses if clause.clause == "face"), None)
        if not faces:
            found.append(WarningCode.FACE_NOT_FOUND)
        elif face is not None and face.verdict != "pass" and face.measured != "no face found":
            found.append(Notice(WarningCode.FACES_SEVERAL, {"count": len(faces)}))
        elif face is not None and face.verdict != "pass":
            found.append(WarningCode.FACE_NOT_FOUND)
    for clause in clauses:
        unusual = clause.verdict == "fail" or clause.clause == "name_date_strip"
        if unusual and clause.clause in _CLAUSE_WARNINGS:
            least, most = rules.face_ratio or (0.0, 1.0)
            share = (clause.measured or "").removeprefix("about ").removesuffix("%")
            facts: dict[str, str | int | float] = {
                "measured": share,
                "least": round(100 * least),
                "most": round(100 * most),
            }
            found.append(Notice(_CLAUSE_WARNINGS[clause.clause], facts if clause.clause == "face_size" else {}))
    if layout.upscaled:
        found.append(WarningCode.UPSCALED)
    if shrink < 1:
        found.append(WarningCode.PIXELS_REDUCED)
    return tuple(warning if isinstance(warning, Notice) else Notice(warning) for warning in found)
