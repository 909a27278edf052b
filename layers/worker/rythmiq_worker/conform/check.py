"""`check`: would the portal take this file as it is?"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import JobError
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import DocumentFacts, Receipt
from rythmiq_worker.conform import VERSIONS, Labels
from rythmiq_worker.conform.clauses import clauses_for
from rythmiq_worker.conform.geometry import Region, holds_head, resolve_kind
from rythmiq_worker.conform.measure import decoded, measure
from rythmiq_worker.conform.reporting import advice_on
from rythmiq_worker.conform.sight import Sight, look
from rythmiq_worker.decode import decoder_door, exif_turn, require_pixels
from rythmiq_worker.decode.picture import Picture

if TYPE_CHECKING:
    from PIL import Image

    from rythmiq_worker.engines import TextSight
    from rythmiq_worker.people.portrait import Portrait

MOST_PIXELS = 80_000_000
ReadTexts = Callable[[], "Sequence[TextSight | None]"]


class Checked(NamedTuple):
    """A file as it is, and what would make it better."""

    receipt: Receipt
    warnings: tuple[Notice, ...]


def check(data: bytes, rules: SchemaDefinition, labels: Labels, *, read_texts: ReadTexts = lambda: ()) -> Receipt:
    """The receipt of `check_with_advice`."""
    return check_with_advice(data, rules, labels, read_texts=read_texts).receipt


def check_with_advice(
    data: bytes, rules: SchemaDefinition, labels: Labels, *, read_texts: ReadTexts = lambda: ()
) -> Checked:
    """Measure a file against a slot's rules; nothing is changed, and nothing is raised for a damaged file.

    A picture that is damaged behind its headers, or has more than `MOST_PIXELS`, is not looked at: its `format` clause
    fails and says so.

    Args:
        data: the file.
        rules: the slot's.
        labels: names for the receipt.
        read_texts: reads the text of each of the file's pages; asked only for a document whose text matters.

    `document.format` of a file that is neither JPEG, PNG nor PDF is the slot's own; its `format` clause fails.
    """
    facts = measure(data)
    sight = Sight(rules.kind if rules.kind != "auto" else "document")
    if facts.fault is None and facts.container in {"jpeg", "png"}:
        try:
            require_pixels(facts.width_px, facts.height_px, MOST_PIXELS)
            with decoder_door():
                stored = decoded(data)
                # As people and most portals see it: upright by EXIF. Its pixels are counted as they are stored.
                image = exif_turn(stored).apply(stored.convert("RGB"))
        except JobError as error:
            facts = facts._replace(container="other", fault=error.message)
        else:
            portrait = None
            if rules.kind in {"photo", "auto"} and rules.face != "off":
                portrait = _portrait(image)
            kind = resolve_kind(rules, portrait)
            sight = look(
                image,
                rules,
                kind,
                portrait=portrait,
                onto=_onto(portrait, image.width),
                head_fits=_head_fits(portrait),
            )
    if sight.kind == "document" and rules.ocr == "auto" and facts.fault is None:
        sight = sight._replace(texts=tuple(read_texts()))
    clauses = clauses_for(rules, facts, sight, filename=labels.original or None, ours=False)
    receipt = Receipt(
        portal=labels.portal,
        slot=labels.slot,
        version=labels.version,
        conforms=all(clause.verdict != "fail" for clause in clauses),
        clauses=clauses,
        document=DocumentFacts(
            filename=labels.original,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            width_px=facts.width_px,
            height_px=facts.height_px,
            dpi=None if facts.dpi is None else round(facts.dpi, 2),
            format=rules.output_format if facts.container == "other" else facts.container,
            pages=facts.pages,
        ),
        versions=VERSIONS,
    )
    advice = advice_on(clauses, sight, rules) if facts.fault is None else ()
    dark = sight.portrait.light.dark if sight.portrait is not None and sight.portrait.light is not None else None
    return Checked(receipt, (*advice, Notice(WarningCode.TOO_DARK, {"reason": dark})) if dark else advice)


def _head_fits(portrait: "Portrait | None") -> bool:
    """Whether the file has the whole head."""
    if portrait is None or portrait.head is None or portrait.upright is None:
        return True
    height_px, width_px = portrait.upright.shape[:2]
    return holds_head(Region(0.0, 0.0, float(width_px), float(height_px)), portrait.head)


def _portrait(image: "Image.Image") -> "Portrait":
    from rythmiq_worker.conform.person import portrait_of  # noqa: PLC0415  only photos show a person
    from rythmiq_worker.people.portrait import Wish  # noqa: PLC0415  ditto

    # A portal turns nothing by what a picture shows, and neither do we here.
    return portrait_of(Picture.from_image(image), Wish(turned=True))


def _onto(portrait: "Portrait | None", width_px: int) -> NDArray[np.float64] | None:
    if portrait is None or portrait.face is None:
        return None
    from rythmiq_worker.people.portrait import onto_picture  # noqa: PLC0415  it is there, with its subject

    return onto_picture(portrait, width_px)
