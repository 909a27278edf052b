"""The invisible text of a PDF: the code points that were read, in their order, where they were read."""

import io
import math
import random
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import JobError
from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform import Conformed, Labels, conform
from rythmiq_worker.conform.check import check
from rythmiq_worker.conform.measure import measure
from rythmiq_worker.conform.pdf import Page, fit_pdf, layer_of
from rythmiq_worker.conform.text_layer import PlacedLine, TextLayer, font_file
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.engines import Quad, TextLine

LABELS = Labels("p", "s", "1", "11111111-1111-4111-8111-111111111111", "scan.jpg")
SIDES_PX = (850, 1100)
HINDI = "राज्य विद्यालय परीक्षा क्षेत्रज्ञ २०२६"
ENGLISH = "Roll number 2231 (first class)"
RULES = {"kind": "document", "formats": ["pdf"], "text_layer": "allowed"}
NONPRINTING = "\x00\x07\x1b\u202e\u200b\ufeff\ud800\ufffe\ufdd0"


def paper() -> Image.Image:
    """A page of black squares, which weighs something."""
    chance = np.random.default_rng(7)
    squares = np.where(chance.random((SIDES_PX[1] // 10, SIDES_PX[0] // 10)) < 0.1, 0, 255).astype(np.uint8)
    return Image.fromarray(squares).resize(SIDES_PX, Image.Resampling.NEAREST).convert("RGB")


PAPER = paper()


def box(left: float, top: float, width: float, height: float, degrees: float = 0.0) -> Quad:
    """The corners of a line's box in pixels, turned clockwise about its top left corner."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    first, second, third, fourth = (
        (left + x * cos - y * sin, top + x * sin + y * cos)
        for x, y in ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    )
    return first, second, third, fourth


def read(text: str, quad: Quad) -> TextLine:
    return TextLine(text, 0.9, quad)


def rows(*texts: str) -> list[TextLine]:
    """Lines one below the other."""
    return [read(text, box(60, 50 + 42 * row, 620, 26)) for row, text in enumerate(texts)]


def made(
    *pages: list[TextLine], text_layer: bool = True, options: dict[str, object] | None = None, **rules: Any
) -> Conformed:
    """A PDF of blank pages on which these lines were read."""
    return conform(
        [Picture.from_image(PAPER)] * len(pages),
        SchemaDefinition.model_validate(RULES | rules),
        LABELS,
        options=Options.model_validate({"text_layer": text_layer} | (options or {})),
        lines=pages,
    )


def texts_of(document: bytes) -> list[list[str]]:
    """The lines that a reader finds on each page."""
    with pypdfium2.PdfDocument(document) as pdf:
        found = [page.get_textpage().get_text_range() for page in pdf]
    return [[line.strip() for line in text.split("\r\n")] if text else [] for text in found]


def marked(document: bytes, text: str, page: int = 0) -> tuple[float, float, float, float]:
    """What a reader marks when it finds a text: left, top, right, bottom in shares of the page."""
    with pypdfium2.PdfDocument(document) as pdf:
        width, height = pdf[page].get_size()
        found = pdf[page].get_textpage()
        start, count = found.search(text, match_case=True).get_next() or pytest.fail(f"{text} is not found")
        boxes = np.array([found.get_charbox(index) for index in range(start, start + count)])
    (left, bottom), (right, top) = boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()
    return left / width, 1 - top / height, right / width, 1 - bottom / height


def overlap(document: bytes, line: TextLine, *, sides: tuple[int, int] = SIDES_PX, page: int = 0) -> float:
    """Intersection over union of what a reader marks and the bounding box of the line."""
    corners = np.array(line.quad) / sides
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    x0, y0, x1, y1 = marked(document, line.text, page)
    common = max(0.0, min(right, x1) - max(left, x0)) * max(0.0, min(bottom, y1) - max(top, y0))
    return float(common / ((right - left) * (bottom - top) + (x1 - x0) * (y1 - y0) - common))


def test_each_line_comes_out_as_it_was_read_and_in_its_order() -> None:
    indian = ["தமிழ் எழுத்து", "বাংলা ভাষা", "ਪੰਜਾਬੀ", "ગુજરાતી"]
    texts = [ENGLISH, HINDI, *indian, "漢字かな", "naïve Ænima € ≤", "\U0001d4b3 😀", "x"]
    assert texts_of(made(rows(*texts)).document) == [texts]


@pytest.mark.parametrize("text", [ENGLISH, HINDI, "x", "iiii llll ....", "MMMMM WWWWW", "漢字かな"])
def test_what_a_reader_marks_is_the_lines_box(text: str) -> None:
    [line] = lines = rows(text)
    assert overlap(made(lines).document, line) > 0.95


def test_a_word_is_marked_about_where_it_stands() -> None:
    font = ImageFont.load_default(24)
    text = "Minimum illustrated WILLIAM fill 1111 million"
    width = font.getlength(text)
    document = made([read(text, box(60, 100, width, 26))]).document
    for word in text.split():
        start = text.index(word)
        left = (60 + font.getlength(text[:start])) / SIDES_PX[0]
        right = (60 + font.getlength(text[: start + len(word)])) / SIDES_PX[0]
        x0, _, x1, _ = marked(document, word)
        assert min(right, x1) - max(left, x0) > 0.6 * (right - left), word


@pytest.mark.parametrize("degrees", [-20, -3, 2, 12, 90, -90, 180])
def test_a_line_that_leans_is_drawn_along_its_direction(degrees: float) -> None:
    line = read(ENGLISH, box(400, 500, 300, 26, degrees))
    document = made([line]).document
    assert texts_of(document) == [[ENGLISH]]
    assert overlap(document, line) > 0.9


def test_a_narrow_upright_box_is_drawn_downwards() -> None:
    line = read(ENGLISH, box(400, 100, 26, 500))
    document = made([line]).document
    assert texts_of(document) == [[ENGLISH]]
    assert overlap(document, line) > 0.9


def test_a_bent_lines_corners_give_the_box_between_them() -> None:
    line = read(ENGLISH, ((100, 110), (600, 90), (602, 116), (98, 136)))
    assert overlap(made([line]).document, line) > 0.8


@pytest.mark.parametrize("rules", [{}, {"target_width": 700, "target_height": 1000, "fit": "contain"}, {"max_kb": 25}])
def test_lines_follow_the_page_that_is_cropped_padded_or_made_smaller(rules: dict[str, Any]) -> None:
    crop = {"x": 0.1, "y": 0.2, "width": 0.8, "height": 0.5}
    done = made(rows(ENGLISH), options={"crop": crop}, **rules)
    facts = measure(done.document)
    across = next(op.parameters for op in done.receipt.operations if op.op == "resize")
    width, height = int(str(across["width_px"])), int(str(across["height_px"]))
    left, top = (facts.width_px - width) / 2, (facts.height_px - height) / 2
    cropped = (0.8 * SIDES_PX[0], 0.5 * SIDES_PX[1])
    [line] = rows(ENGLISH)
    moved = [(left + x * width / cropped[0], top + y * height / cropped[1]) for x, y in line.quad]
    expected = TextLine(ENGLISH, 0.9, (moved[0], moved[1], moved[2], moved[3]))
    assert overlap(done.document, expected, sides=(facts.width_px, facts.height_px)) > 0.9


def test_every_page_has_its_own_text_and_one_may_have_none() -> None:
    done = made(rows("first page"), [], rows("third page", HINDI))
    assert texts_of(done.document) == [["first page"], [], ["third page", HINDI]]
    operation = next(op for op in done.receipt.operations if op.op == "text_layer")
    assert operation.parameters == {"lines": 3, "pages": 2, "by": "owner"}


def test_pages_that_were_not_read_in_time_have_no_text() -> None:
    done = conform(
        [Picture.from_image(PAPER)] * 2,
        SchemaDefinition.model_validate(RULES),
        LABELS,
        options=Options(text_layer=True),
        lines=[rows("first page")],
    )
    assert texts_of(done.document) == [["first page"], []]


def test_the_pictures_stay_what_they_are() -> None:
    plain, layered = made(rows(ENGLISH), text_layer=False), made(rows(ENGLISH))
    assert texts_of(plain.document) == [[]]
    assert not any(op.op == "text_layer" for op in plain.receipt.operations)
    with pypdfium2.PdfDocument(plain.document) as one, pypdfium2.PdfDocument(layered.document) as other:
        assert one[0].render(scale=2).to_pil().tobytes() == other[0].render(scale=2).to_pil().tobytes()


@pytest.mark.parametrize("color", ["rgb", "gray", "bw"])
def test_the_check_takes_the_file_as_one_picture_a_page(color: str) -> None:
    rules = SchemaDefinition.model_validate(RULES | {"color": color, "max_kb": 200})
    done = made(rows(ENGLISH, HINDI), color=color, max_kb=200)
    verdicts = {clause.clause: clause.verdict for clause in check(done.document, rules, LABELS).clauses if clause.hard}
    assert set(verdicts.values()) <= {"pass", "not_checked"}
    assert verdicts["colour"] == ("not_checked" if color == "bw" else "pass")
    assert measure(done.document).fault is None


def test_a_picture_under_text_that_is_seen_is_no_plain_scan() -> None:
    layered = made(rows(ENGLISH)).document
    assert measure(layered).colour == "rgb"
    assert measure(seen(layered)).colour is None


def seen(document: bytes) -> bytes:
    """The same file with its text drawn."""
    import pikepdf  # noqa: PLC0415  img2pdf brings it

    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(document)) as pdf:
        for stream in pdf.pages[0].Contents:
            stream.write(stream.read_bytes().replace(b"3 Tr", b"0 Tr"))
        pdf.save(out)
    return out.getvalue()


def test_the_file_is_sound_and_its_font_can_be_opened() -> None:
    import pikepdf  # noqa: PLC0415  img2pdf brings it

    with pikepdf.open(io.BytesIO(made(rows(ENGLISH, HINDI), rows("more")).document)) as pdf:
        assert not pdf.check_pdf_syntax()
        fonts = {page.Resources.Font.F0.objgen for page in pdf.pages}
    assert len(fonts) == 1
    assert ImageFont.truetype(io.BytesIO(font_file()), 20).getlength("?") == 0


def test_the_same_lines_make_the_same_file() -> None:
    lines = rows(HINDI, ENGLISH, "اردو زبان")
    assert made(lines).document == made(lines).document


# --- the budget --------------------------------------------------------------

LONG = rows(*(f"{number} {ENGLISH} {HINDI}" for number in range(20)))


def placed(lines: list[TextLine]) -> tuple[PlacedLine, ...]:
    shares = [[(x / SIDES_PX[0], y / SIDES_PX[1]) for x, y in line.quad] for line in lines]
    return tuple(PlacedLine(line.text, (a, b, c, d)) for line, (a, b, c, d) in zip(lines, shares, strict=True))


@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_layers_size_is_known_before_and_hardly_too_large(count: int) -> None:
    lines = placed(LONG[:count])
    sizes = [(SIDES_PX[0] * 72 / 200, SIDES_PX[1] * 72 / 200)] * 3
    plain = fit_pdf([Page(PAPER)] * 3, max_bytes=None, dpi=200).data
    layered = fit_pdf([Page(PAPER, lines=lines)] * 3, max_bytes=None, dpi=200).data
    expected = TextLayer([lines] * 3).size_bytes(sizes)
    assert 0 <= expected - (len(layered) - len(plain)) < 400


@settings(deadline=None, max_examples=12)
@given(st.integers(20, 400))
def test_the_cap_holds_with_the_layer_in_it(max_kb: int) -> None:
    done = made(LONG, max_kb=max_kb)
    assert len(done.document) <= max_kb * 1000
    operation = next(op for op in done.receipt.operations if op.op == "text_layer")
    dropped = operation.parameters.get("dropped", False)
    assert dropped == (texts_of(done.document) == [[]])
    assert dropped == any(notice.code is WarningCode.TEXT_LAYER_DROPPED for notice in done.warnings)


def test_a_layer_that_takes_more_than_a_quarter_of_the_cap_is_dropped_and_told() -> None:
    done = made(LONG, max_kb=10)
    assert texts_of(done.document) == [[]]
    operation = next(op for op in done.receipt.operations if op.op == "text_layer")
    assert operation.parameters["dropped"] is True
    [notice] = [notice for notice in done.warnings if notice.code is WarningCode.TEXT_LAYER_DROPPED]
    assert notice.parameters["bytes"] == operation.parameters["needs_bytes"]
    assert made(LONG, max_kb=10, text_layer=False).document == done.document


@pytest.mark.parametrize(("short_of_it", "dropped"), [(0, False), (1, True)])
def test_a_layer_may_take_a_quarter_of_the_cap_to_the_byte(short_of_it: int, dropped: bool) -> None:  # noqa: FBT001
    pages = [Page(PAPER, lines=placed(LONG))]
    needed = layer_of(pages, None, 200).bytes
    assert needed > 0
    assert layer_of(pages, 4 * needed - short_of_it, 200).dropped is dropped


def test_a_layer_goes_before_pixels_do() -> None:
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (500, 400, 3), dtype=np.uint8))

    def fitted(max_kb: float, lines: list[TextLine]) -> Conformed:
        rules = SchemaDefinition.model_validate(RULES | {"max_kb": max_kb, "target_width": 400, "target_height": 500})
        options = Options(text_layer=bool(lines))
        return conform([Picture.from_image(noise)], rules, LABELS, options=options, lines=[lines])

    smallest = next(kb for kb in range(10, 90) if fits(partial(fitted, kb, [])))
    done = fitted(smallest, rows(ENGLISH))
    assert texts_of(done.document) == [[]]
    assert done.document == fitted(smallest, []).document
    assert texts_of(fitted(smallest + 4, rows(ENGLISH)).document) == [[ENGLISH]]


def fits(make: Callable[[], object]) -> bool:
    try:
        make()
    except JobError:
        return False
    return True


def test_a_page_on_which_nothing_was_read_says_so() -> None:
    done = made([])
    operation = next(op for op in done.receipt.operations if op.op == "text_layer")
    assert operation.parameters == {"lines": 0, "pages": 0, "by": "owner"}
    assert done.document == made([], text_layer=False).document


# --- hostile text ------------------------------------------------------------


def test_what_no_reader_shows_is_left_out() -> None:
    done = made(rows("".join(f"a{one}" for one in NONPRINTING), NONPRINTING, "after"))
    assert texts_of(done.document) == [["a" * len(NONPRINTING), "after"]]


def test_joiners_private_and_unassigned_characters_stay() -> None:
    texts = ["र्\u200dय क्\u200cष", "\ue000\uf8ff", "\u0378\U000e0fff"]
    assert texts_of(made(rows(*texts)).document) == [texts]


def test_right_to_left_words_are_found_and_run_to_the_left() -> None:
    document = made(rows("اردو زبان کی تعلیم 2026", "Name (نام): Asha")).document
    first, last = marked(document, "اردو"), marked(document, "تعلیم")
    assert last[2] <= first[0]
    for word in ("زبان", "2026", "Name", "نام", "Asha"):
        marked(document, word)


def test_a_repeated_letter_in_a_narrow_box_is_kept() -> None:
    line = read("a" * 300, box(60, 100, 90, 26))
    assert texts_of(made([line]).document) == [["a" * 300]]


def test_more_characters_than_a_font_takes_leave_a_file_that_opens() -> None:
    everything = [chr(code) for code in range(0x20, 0x20000) if unicodedata.category(chr(code))[0] != "C"]
    texts = ["".join(everything[at : at + 500]) for at in range(0, len(everything), 500)]
    layer = TextLayer([placed([read(text, box(60, 60, 600, 20)) for text in texts])])
    assert layer.lines == len(texts)
    done = made([read(text, box(60, 60, 600, 20)) for text in texts])
    assert measure(done.document).fault is None


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=40), st.lists(st.floats(-2000, 3000), min_size=8, max_size=8)), max_size=6))
def test_any_text_in_any_box_makes_a_file_that_opens(found: list[tuple[str, list[float]]]) -> None:
    lines = [read(text, ((c[0], c[1]), (c[2], c[3]), (c[4], c[5]), (c[6], c[7]))) for text, c in found if text.strip()]
    document = made(lines).document
    assert measure(document).fault is None
    texts_of(document)


def test_shuffled_scripts_keep_their_code_points() -> None:
    chance = random.Random(5)  # noqa: S311  a test, no secret
    letters = [*"abc XYZ 0123 ().,%", *"कखगाि्ं२", *"கஙா", *"বাংল"]
    texts = [" ".join("".join(chance.choices(letters, k=30)).split()) + "." for _ in range(20)]
    assert texts_of(made(rows(*texts)).document) == [texts]
