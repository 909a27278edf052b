"""`check`: would the portal take this file as it is?"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rythmiq.contracts.errors import JobError
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.receipt import DocumentFacts, Receipt
from rythmiq_worker.conform.clauses import clauses_for
from rythmiq_worker.conform.engine import VERSIONS, Labels
from rythmiq_worker.conform.kind import resolve_kind
from rythmiq_worker.conform.measure import decoded, measure
from rythmiq_worker.conform.sight import Sight, look
from rythmiq_worker.picture import Picture
from rythmiq_worker.undecodable import decoder_door, require_pixels

if TYPE_CHECKING:
    from PIL import Image

    from rythmiq_worker.engines.text import TextSight
    from rythmiq_worker.people.portrait import Portrait

MOST_PIXELS = 80_000_000
ReadTexts = Callable[[], "Sequence[TextSight | None]"]


def check(data: bytes, rules: SchemaDefinition, labels: Labels, *, read_texts: ReadTexts = lambda: ()) -> Receipt:
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
                image = decoded(data).convert("RGB")
        except JobError as error:
            facts = replace(facts, container="other", fault=error.message)
        else:
            portrait = None
            if rules.kind in {"photo", "auto"} and rules.face != "off":
                portrait = _portrait(image)
            kind = resolve_kind(rules, portrait)
            sight = look(image, rules, kind, portrait=portrait, onto=_onto(portrait, image.width))
    if sight.kind == "document" and rules.ocr == "auto" and facts.fault is None:
        sight = replace(sight, texts=tuple(read_texts()))
    clauses = clauses_for(rules, facts, sight, filename=labels.original or None, ours=False)
    return Receipt(
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


def _portrait(image: "Image.Image") -> "Portrait":
    from rythmiq_worker.conform.subject import portrait_of  # noqa: PLC0415  only photos show a person
    from rythmiq_worker.people.portrait import Wish  # noqa: PLC0415  ditto

    # As it lies: a portal turns nothing, and neither do we here.
    return portrait_of(Picture.from_image(image), Wish(turned=True))


def _onto(portrait: "Portrait | None", width_px: int) -> NDArray[np.float64] | None:
    if portrait is None or portrait.face is None:
        return None
    from rythmiq_worker.people.portrait import onto_picture  # noqa: PLC0415  it is there, with its subject

    return onto_picture(portrait, width_px)
