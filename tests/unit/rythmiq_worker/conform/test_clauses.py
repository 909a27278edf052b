"""Every kind of clause, with a file that passes it and one that fails it; and what `check` says of foreign files."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, get_args

import img2pdf
import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageFilter

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import Clause, ClauseName, Receipt
from rythmiq_worker.conform import Labels, conform
from rythmiq_worker.conform.check import check
from rythmiq_worker.conform.clauses import clauses_for
from rythmiq_worker.conform.measure import measure
from rythmiq_worker.conform.sight import Sight
from rythmiq_worker.decode.picture import open_pages
from rythmiq_worker.engines import TextSight
from tests.data.portraits import portrait
from tests.samples.portrait import astronaut

LABELS = Labels("p", "s", "1", "", "photo.jpg")
SHARP = Image.effect_noise((300, 400), 40).convert("RGB")


def jpeg(image: Image.Image = SHARP, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 90, "dpi": (200, 200), **options})
    return out.getvalue()


def png(image: Image.Image = SHARP, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[271] = "Camera"
    return jpeg(exif=exif)


def face() -> bytes:
    """A close portrait."""
    return jpeg(astronaut().crop((126, 2, 330, 274)))


def checked(data: bytes, **rules: Any) -> Receipt:
    return check(data, SchemaDefinition.model_validate({"kind": "photo", **rules}), LABELS)


def clause_of(receipt: Receipt, name: str) -> Clause:
    return next(clause for clause in receipt.clauses if clause.clause == name)


def made(data: bytes, filename: str | None = None, legibility: float | None = None, **rules: Any) -> tuple[Clause, ...]:
    """The clauses of a file that we made."""
    definition = SchemaDefinition.model_validate({"kind": "document", **rules})
    texts = () if legibility is None else (TextSight(100, 100 * legibility),)
    return clauses_for(definition, measure(data), Sight("document", texts=texts), filename=filename, ours=True)


Verdict = Callable[[], str]


def foreign(name: str, data: Callable[[], bytes], **rules: Any) -> Verdict:
    return lambda: clause_of(checked(data(), **rules), name).verdict


def ours(name: str, data: Callable[[], bytes] = jpeg, **facts: Any) -> Verdict:
    return lambda: next(clause for clause in made(data(), **facts) if clause.clause == name).verdict


def blurred() -> bytes:
    return jpeg(astronaut().crop((126, 2, 330, 274)).filter(ImageFilter.GaussianBlur(2)))


def plain(colour: str) -> Callable[[], bytes]:
    return lambda: jpeg(Image.new("RGB", (413, 531), colour))


LARGE_FACE: dict[str, Any] = {"face_ratio": [0.5, 0.7]}
# The clause, a file that passes, and one that does not.
CASES: dict[str, tuple[Verdict, Verdict]] = {
    "bytes": (foreign("bytes", jpeg, min_kb=1, max_kb=500), foreign("bytes", jpeg, max_kb=2)),
    "pixels": (
        foreign("pixels", jpeg, target_width=300, target_height=400),
        foreign("pixels", jpeg, target_width=301, target_height=400),
    ),
    "dpi": (foreign("dpi", jpeg, target_dpi=200), foreign("dpi", jpeg, target_dpi=201)),
    "format": (foreign("format", jpeg, formats=["jpeg", "png"]), foreign("format", png, formats=["jpeg"])),
    "colour": (foreign("colour", jpeg), foreign("colour", lambda: jpeg(SHARP.convert("L")))),
    "metadata": (ours("metadata"), ours("metadata", with_exif)),
    "aspect": (
        foreign("aspect", jpeg, aspect_min=0.74, aspect_max=0.76),
        foreign("aspect", jpeg, aspect_min=0.76, aspect_max=0.8),
    ),
    "compression_ratio": (
        foreign("compression_ratio", jpeg, max_compression_ratio=20),
        foreign("compression_ratio", plain("white"), max_compression_ratio=20),
    ),
    "filename": (
        foreign("filename", jpeg, filename_pattern="photo"),
        foreign("filename", jpeg, filename_pattern="signature"),
    ),
    "background": (
        foreign("background", plain("#fcfcfc"), background="white"),
        foreign("background", plain("#4060c0"), background="white"),
    ),
    "face": (foreign("face", face, face="required"), foreign("face", jpeg, face="required")),
    "face_size": (
        foreign("face_size", face, **LARGE_FACE),
        foreign("face_size", lambda: jpeg(astronaut()), **LARGE_FACE),
    ),
    "sharpness": (foreign("sharpness", face), foreign("sharpness", blurred)),
    "legibility": (ours("legibility", legibility=0.95), ours("legibility", legibility=0.3)),
}
OF_A_PERSON = {"faces", "centring", "roll", "pose", "eyes", "mouth", "glasses", "headwear", "grey", "face_light"}
"""Have their own table, in test_person_clauses.py."""
OF_WHAT_WAS_ASKED = {"name_date_strip", "signatures", "ink", "completeness"}


def test_the_table_holds_every_clause() -> None:
    assert set(CASES) | OF_A_PERSON | OF_WHAT_WAS_ASKED == set(get_args(ClauseName))


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_keeps_the_rule_passes(name: str) -> None:
    assert CASES[name][0]() == "pass"


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_breaks_the_rule_fails(name: str) -> None:
    assert CASES[name][1]() == "fail"


@pytest.mark.parametrize(
    ("filename", "verdict"), [("a-1.jpg", "pass"), ("IMG 1.jpg", "fail"), (".hidden", "fail"), (None, "not_checked")]
)
def test_our_own_name_is_legal_everywhere_or_it_fails(filename: str | None, verdict: str) -> None:
    assert ours("filename", filename=filename)() == verdict


def test_an_odd_name_of_a_foreign_file_is_advice() -> None:
    receipt = check(jpeg(), SchemaDefinition.model_validate({"kind": "photo"}), Labels("p", "s", "1", "", "IMG 1.jpg"))
    assert clause_of(receipt, "filename").verdict == "advice"


@pytest.mark.parametrize("name", ["photo.jpg", "photo.jpeg", "photo"])
def test_a_name_that_the_portal_wants_may_carry_any_extension(name: str) -> None:
    rules = SchemaDefinition.model_validate({"kind": "photo", "filename_pattern": "photo"})
    receipt = check(jpeg(), rules, Labels("upsc-2026", "photo", "1", "", name))
    assert clause_of(receipt, "filename").verdict == "pass"


def test_a_strip_that_we_did_not_print_is_told_and_not_checked() -> None:
    clause = clause_of(checked(jpeg(), caption="required"), "name_date_strip")
    assert (clause.verdict, clause.hard) == ("not_checked", False)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_that_is_not_given_makes_no_demand(name: str) -> None:
    always = {"format", "bytes", "pixels", "colour", "metadata", "filename", "face", "sharpness"}
    found = [clause for clause in checked(jpeg()).clauses if clause.clause == name]
    assert bool(found) is (name in always)
    assert all(clause.verdict != "fail" for clause in found)


HARD = {"bytes", "pixels", "dpi", "format", "colour", "metadata", "aspect", "compression_ratio", "filename"}


def test_hard_clauses_are_those_of_the_specification() -> None:
    rules: dict[str, Any] = {
        "target_dpi": 200,
        "aspect_min": 0.5,
        "max_compression_ratio": 99,
        "background": "white",
        **LARGE_FACE,
    }
    receipt = checked(jpeg(), caption="required", **rules)
    assert {clause.clause for clause in receipt.clauses if clause.hard} == HARD


@pytest.mark.parametrize(
    ("measured", "verdict"), [(0.85, "pass"), (0.84, "advice"), (0.61, "advice"), (0.60, "fail"), (0.0, "fail")]
)
def test_legibility_is_graded(measured: float, verdict: str) -> None:
    assert ours("legibility", legibility=measured)() == verdict


def test_two_faces_of_one_size_are_not_one_face() -> None:
    both = Image.new("RGB", (1024, 512))
    both.paste(astronaut(), (0, 0))
    both.paste(astronaut(), (512, 0))
    assert clause_of(checked(jpeg(both), face="required"), "face").measured == "2 faces"


def test_a_missing_face_is_advice_where_one_is_only_preferred() -> None:
    assert clause_of(checked(jpeg()), "face").verdict == "advice"


def test_both_readings_of_kb_stand_in_the_words() -> None:
    wanted = clause_of(checked(jpeg(), min_kb=10, max_kb=200), "bytes").wanted
    assert wanted == "10 to 200 KB (10240 to 200000 bytes)"


@pytest.mark.parametrize(("measured_dpi", "verdict"), [(300, "pass"), (301, "fail")])
def test_a_png_has_half_a_dot_of_room_in_its_resolution(measured_dpi: int, verdict: str) -> None:
    data = png(dpi=(measured_dpi, measured_dpi))
    assert clause_of(checked(data, formats=["png"], target_dpi=300), "dpi").verdict == verdict


# --- PDF ---------------------------------------------------------------------


def pdf(*pictures: bytes) -> bytes:
    """One page a picture, as scanners make them."""
    made: bytes = img2pdf.convert(list(pictures), engine=img2pdf.Engine.internal)
    return made


GRAY = SHARP.convert("L")
DRAWN = Image.fromarray(np.where(np.asarray(GRAY) > 128, 255, 0).astype(np.uint8))


@pytest.mark.parametrize(
    ("pictures", "color", "measured", "verdict"),
    [
        ([jpeg(), jpeg()], "rgb", "24-bit colour", "pass"),
        ([jpeg(GRAY)], "rgb", "8-bit gray", "fail"),
        ([jpeg(), jpeg(GRAY)], "rgb", "pages of different colours", "fail"),
        ([jpeg(SHARP.convert("CMYK"))], "rgb", "another colour space", "fail"),
        ([jpeg(GRAY)], "gray", "8-bit gray", "pass"),
        ([jpeg()], "gray", "24-bit colour", "fail"),
        ([png(DRAWN.convert("1"))], "bw", "black and white", "pass"),
        ([jpeg()], "bw", "24-bit colour", "fail"),
        ([jpeg(DRAWN)], "bw", None, "not_checked"),  # its pixels are not looked at
        ([png(SHARP.quantize(16))], "rgb", None, "not_checked"),  # a palette may hold anything
    ],
)
def test_the_colour_of_a_pdf_is_its_pages(
    pictures: Sequence[bytes], color: str, measured: str | None, verdict: str
) -> None:
    clause = clause_of(checked(pdf(*pictures), kind="document", formats=["pdf"], color=color), "colour")
    assert (clause.measured, clause.verdict, clause.hard) == (measured, verdict, True)


def test_the_colour_of_a_pdf_of_other_things_than_pictures_is_not_checked() -> None:
    with pypdfium2.PdfDocument.new() as document:
        document.new_page(200, 200)
        out = io.BytesIO()
        document.save(out)
    assert clause_of(checked(out.getvalue(), formats=["pdf"]), "colour").verdict == "not_checked"


@pytest.mark.parametrize("color", ["rgb", "gray", "bw"])
@pytest.mark.parametrize("upload", [jpeg(), jpeg(GRAY), png(DRAWN)], ids=["rgb", "gray", "drawn"])
def test_our_pdf_has_the_colour_that_is_asked_for(upload: bytes, color: str) -> None:
    """Whatever the upload's is: a gray scan is no page of a colour PDF, and a gray one of a gray PDF as it is."""
    rules = SchemaDefinition.model_validate({"kind": "document", "output_format": "pdf", "color": color})
    pages = open_pages(upload, max_pixels=1_000_000, max_pages=1, first_only=True)
    made = conform(pages.pages, rules, LABELS)
    assert clause_of(made.receipt, "colour").verdict == "pass"
    assert (made.encodes == 0) is (color == {jpeg(): "rgb", jpeg(GRAY): "gray"}.get(upload))


# --- foreign files -----------------------------------------------------------


def test_metadata_in_a_foreign_file_is_advice() -> None:
    clause = clause_of(checked(with_exif()), "metadata")
    assert (clause.verdict, clause.measured) == ("advice", "EXIF")


def test_bytes_after_the_end_of_a_foreign_file_fail() -> None:
    clause = clause_of(checked(jpeg() + b"tail"), "metadata")
    assert (clause.verdict, clause.measured) == ("fail", "4 bytes after the end")


def test_a_jpeg_without_jfif_is_advice() -> None:
    data = jpeg()
    length = 4 + int.from_bytes(data[4:6])
    clause = clause_of(checked(data[:2] + data[length:]), "format")
    assert (clause.verdict, clause.measured) == ("advice", "JPEG without a JFIF header")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_jpeg_fails_and_is_not_looked_at(share: float) -> None:
    data = jpeg()
    receipt = checked(data[: int(len(data) * share)])
    assert clause_of(receipt, "format").verdict == "fail"
    assert clause_of(receipt, "face").verdict == "not_checked"


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"%PDF-1.7 broken", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04zip", b"<svg/>"],
    ids=["empty", "text", "pdf", "jpeg", "png", "zip", "svg"],
)
def test_what_is_no_picture_fails_and_nothing_is_raised(data: bytes) -> None:
    receipt = checked(data)
    assert not receipt.conforms
    assert clause_of(receipt, "format").verdict == "fail"


def test_a_picture_of_another_format_is_named() -> None:
    out = io.BytesIO()
    SHARP.save(out, "BMP")
    assert clause_of(checked(out.getvalue()), "format").measured == "BMP"


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000))), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    clause = clause_of(checked(data, formats=["png"]), "format")
    assert clause.verdict == "fail"
    assert "pixels" in (clause.measured or "")


@pytest.mark.pixels
def test_a_real_portrait_is_found_to_hold_one_face() -> None:
    rules = SchemaDefinition.model_validate({"kind": "photo", "face": "required"})
    assert clause_of(check(portrait("white-wall").data, rules, LABELS), "face").verdict == "pass"


def test_the_file_that_was_checked_is_named_by_its_digest() -> None:
    document = checked(jpeg()).document
    assert (document.filename, document.bytes, document.width_px) == ("photo.jpg", len(jpeg()), 300)
    assert document.dpi == 200
