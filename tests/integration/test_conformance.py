"""Portraits and pages against every raster slot of the rule book: what comes out fits, measured on its bytes."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from PIL import Image

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.portals import all_portals
from rythmiq_cli.commands.portals import NUMBERS
from rythmiq_worker.conform import Conformed, Labels, conform
from rythmiq_worker.conform.person import portrait_of
from rythmiq_worker.conform.raster import MAX_ENCODES
from rythmiq_worker.decode.picture import Picture, open_pages
from rythmiq_worker.people.portrait import Portrait, Wish
from tests.data.pages import PagePhoto, page_photos
from tests.data.portraits import Sample, portraits
from tests.support.worker_run import FLAT

SHAPING = {*NUMBERS, "kind", "formats", "output_format", "color", "fit", "face", "enhance", "quality"} - {"eye_line"}
STRANGERS = 2  # pages for a slot of photos, portraits for another


pytestmark = pytest.mark.pixels


@dataclass(frozen=True, eq=False)
class Case:
    """One picture for one slot."""

    name: str
    kind: str
    sample: Sample | PagePhoto
    rules: SchemaDefinition

    @property
    def data(self) -> bytes:
        """The file; drawn when a test first asks for it."""
        return self.sample.data

    def __str__(self) -> str:
        return self.name


def _slots() -> Iterator[tuple[str, SchemaDefinition]]:
    """Each way of the rule book to make a picture, once: many portals share theirs."""
    seen: set[str] = set()
    for portal in all_portals():
        for slot in portal.slots:
            shape = json.dumps({rule: value for rule, value in slot.stated_rules().items() if rule in SHAPING})
            if slot.output_format != "pdf" and shape not in seen:
                seen.add(shape)
                yield f"{portal.portal}/{slot.slot}", slot.schema_definition
    yield "flat v1", SchemaDefinition.model_validate(FLAT)


@cache
def _cases() -> tuple[Case, ...]:
    people: list[tuple[str, Sample | PagePhoto]] = [("portrait", sample) for sample in portraits()]
    sheets: list[tuple[str, Sample | PagePhoto]] = [("page", sample) for sample in page_photos()]
    meant, other = [*people, *sheets[:STRANGERS]], [*sheets, *people[:STRANGERS]]
    return tuple(
        Case(f"{sample.name} for {slot}", kind, sample, rules)
        for slot, rules in _slots()
        for kind, sample in (meant if rules.kind == "photo" else other)
    )


@cache
def _picture(data: bytes) -> Picture:
    return open_pages(data, max_pixels=80_000_000, max_pages=1, first_only=True).pages[0]


@cache
def _portrait(data: bytes) -> Portrait:
    return portrait_of(_picture(data), Wish())


@cache
def _conformed(case: Case) -> Conformed:
    labels = Labels("portal", "slot", "1", "11111111-1111-4111-8111-111111111111", "IMG 1.jpg")
    return conform([_picture(case.data)], case.rules, labels, portrait=_portrait(case.data))


def test_there_are_enough_pictures() -> None:
    assert len(portraits()) >= 12
    assert len(page_photos()) >= 8


@pytest.mark.parametrize("case", _cases(), ids=str)
def test_the_document_fits_in_every_hard_point(case: Case) -> None:
    """Bytes in both readings of KB, pixels, DPI, JFIF, no metadata, nothing after the end, by an independent reader."""
    made = _conformed(case)
    data, rules = made.document, case.rules
    assert made.encodes <= MAX_ENCODES
    if rules.max_kb is not None:
        assert len(data) <= rules.max_kb * 1000
    if rules.min_kb is not None:
        assert len(data) >= rules.min_kb * 1024
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert image.format == "JPEG"
        assert image.mode == {"rgb": "RGB", "gray": "L", "bw": "L"}[rules.color]
        assert "jfif" in image.info
        assert not set(image.info) & {"exif", "icc_profile", "xmp"}
        if rules.pixel_bounds is not None:
            assert rules.pixel_bounds.holds(*image.size)
        if rules.target_dpi is not None:
            assert image.info["dpi"] == (rules.target_dpi, rules.target_dpi)
        if rules.aspect_min is not None and rules.aspect_max is not None:
            assert rules.aspect_min <= image.width / image.height <= rules.aspect_max
    assert data.endswith(b"\xff\xd9")
    assert all(clause.verdict == "pass" for clause in made.receipt.clauses if clause.hard)


def test_the_budget_is_filled_wherever_it_is_tight() -> None:
    """A table scale above 0.1 means that bytes were short; then at least 96 % (pages 95 %) of them are used."""
    fills: dict[str, list[float]] = {"portrait": [], "page": []}
    for case in _cases():
        made = _conformed(case)
        if made.table_scale is not None and made.table_scale > 0.1 and case.rules.max_bytes is not None:
            fills[case.kind].append(len(made.document) / case.rules.max_bytes)
    for budget_kb in (12, 25):
        rules = SchemaDefinition.model_validate(
            {"kind": "photo", "target_width": 300, "target_height": 400, "max_kb": budget_kb}
        )
        for sample in portraits():
            made = _conformed(Case(sample.name, "portrait", sample, rules))
            if made.table_scale is not None and made.table_scale > 0.1:
                fills["portrait"].append(len(made.document) / (budget_kb * 1000))
    assert len(fills["portrait"]) >= 20
    assert len(fills["page"]) >= 8
    assert min(fills["portrait"]) >= 0.96
    assert sum(fills["portrait"]) / len(fills["portrait"]) >= 0.975
    assert min(fills["page"]) >= 0.95


def test_the_same_picture_gives_the_same_bytes() -> None:
    case = _cases()[0]
    labels = Labels("portal", "slot", "1", "11111111-1111-4111-8111-111111111111", "IMG 1.jpg")
    fresh = open_pages(case.data, max_pixels=80_000_000, max_pages=1, first_only=True).pages
    again = conform(fresh, case.rules, labels)
    assert again.document == _conformed(case).document
    assert again.receipt == _conformed(case).receipt
