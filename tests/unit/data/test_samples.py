"""The sample pictures are what they claim to be, and the same wherever they are made."""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from rythmiq_worker.people.face import Box
from rythmiq_worker.people.portrait import small_copy
from rythmiq_worker.people.search import find_faces
from tests.data import hostile
from tests.data.hard_pages import COUNT, damaged_pages, hard_pages
from tests.data.own_files import is_private, own_pages, own_portraits
from tests.data.pages import MAX_OCR_PAGES, PagePhoto, dense_page, ocr_pages, page_photos
from tests.data.portraits import Sample, portrait, portraits
from tests.samples.camera import Shot, as_jpeg, photograph, seen_at
from tests.samples.cutout import before_wall, matte
from tests.samples.pages import Page, admit_card, id_card, letter, marksheet
from tests.samples.portrait import as_phone_jpeg, phone_photo
from tests.samples.signature import signature_photo

DRAWINGS: tuple[Callable[[int], Page], ...] = (id_card, admit_card, marksheet, letter)
SMALL_SHOT = Shot(size_px=(800, 600), turn_deg=4, shadow=0.5, motion_px=3)
EVERY_PAGE = {page.name: page for page in (*page_photos(), *ocr_pages(MAX_OCR_PAGES), *hard_pages(), *damaged_pages())}


def digest(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, across) * max(0.0, down)
    return shared / (one.width * one.height + other.width * other.height - shared)


# --- the generators ----------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: phone_photo((300, 400), seed=seed),
        lambda seed: signature_photo((400, 200), seed=seed),
        lambda seed: photograph(letter(1, width_px=400).image, SMALL_SHOT, seed=seed),
        *(lambda seed, draw=draw: draw(seed).image for draw in DRAWINGS),
    ],
)
def test_a_seed_makes_one_picture_and_another_seed_another(make: Callable[[int], Image.Image]) -> None:
    assert digest(make(3)) == digest(make(3))
    assert digest(make(3)) != digest(make(4))


def test_another_process_makes_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock, no hash seed, no thread and no order of imports gets into a picture."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    program = (
        "import hashlib; from tests.samples.camera import *; from tests.samples.pages import id_card;"
        "from tests.samples.portrait import as_phone_jpeg;"
        "shot = Shot(size_px=(800, 600)); photo = photograph(id_card(5).image, shot, seed=6);"
        "print(hashlib.sha256(as_jpeg(photo, shot) + as_phone_jpeg(photo)).hexdigest())"
    )
    shot = Shot(size_px=(800, 600))
    photo = photograph(id_card(5).image, shot, seed=6)
    here = hashlib.sha256(as_jpeg(photo, shot) + as_phone_jpeg(photo)).hexdigest()
    there = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert there.stdout.strip() == here


def test_a_phone_photo_carries_what_must_be_stripped() -> None:
    with Image.open(io.BytesIO(as_phone_jpeg(phone_photo((300, 400)), orientation=6))) as photo:
        exif = photo.getexif()
        assert exif[0x0112] == 6
        assert exif.get_ifd(0x8825)[1] == "N"
        assert "icc_profile" in photo.info
        assert photo.size == (400, 300)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_phone_photo_stands_upright_when_its_orientation_is_obeyed(orientation: int) -> None:
    photo = phone_photo((300, 400), noise=0)
    with Image.open(io.BytesIO(as_phone_jpeg(photo, orientation=orientation))) as stored:
        upright = ImageOps.exif_transpose(stored)
        error = np.asarray(upright, np.int16) - np.asarray(photo, np.int16)
    assert np.abs(error).mean() < 4


def test_the_wall_behind_the_sitter_is_white_and_the_sitter_stays() -> None:
    image, (scale, left, top) = before_wall(room=1.1, long_side_px=800)
    pixels = np.asarray(image)
    assert pixels[: int(top), :].min() > 235
    assert pixels[:300, :60].min() > 235
    eye = (round(left + scale * 246), round(top + scale * 103))
    assert pixels[eye[1] - 6 : eye[1] + 6, eye[0] - 6 : eye[0] + 6].min() < 90


def test_the_matte_is_soft_only_along_the_outline() -> None:
    soft = (matte() > 0.05) & (matte() < 0.95)
    assert 0.002 < soft.mean() < 0.04
    assert 0.4 < matte().mean() < 0.65


def test_a_signature_is_dark_blue_ink_on_uneven_light_paper() -> None:
    pixels = np.asarray(signature_photo((1200, 600)), np.int16)
    ink = pixels.min(axis=2) < 70
    assert 0.01 < ink.mean() < 0.12
    red, _, blue = np.median(pixels[ink], axis=0)
    assert blue > red + 30
    assert np.median(pixels[:80, :80]) - np.median(pixels[-80:, -80:]) > 40


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_drawing_says_specimen_or_certificate_and_where_each_line_stands(draw: Callable[[int], Page]) -> None:
    page = draw(8)
    assert any("SPECIMEN" in line or "CERTIFICATE" in line for line in page.lines)
    assert len(page.lines) == len(page.places) >= 8
    ink = np.asarray(page.image.convert("L"), np.int16)
    for left, top, right, bottom in page.places:
        assert 0 <= left < right <= page.image.width
        assert 0 <= top < bottom <= page.image.height
        assert np.ptp(ink[top:bottom, left:right]) > 60


@pytest.mark.parametrize("draw", DRAWINGS)
def test_lines_are_told_from_top_to_bottom(draw: Callable[[int], Page]) -> None:
    tops = [top for _, top, _, _ in draw(8).places]
    assert tops == sorted(tops)


def test_a_shot_puts_the_page_where_it_says() -> None:
    page = Image.new("RGB", (600, 400), "white")
    shot = Shot(size_px=(800, 600), fills=0.6, tilt=0.2, turn_deg=12, shadow=0, noise=0)
    bright = np.asarray(photograph(page, shot).convert("L")) > 160
    corners = np.array(seen_at([(0, 0), (600, 0), (600, 400), (0, 400)], page.size, shot), np.float32)
    told = np.zeros(bright.shape, np.uint8)
    cv2.fillConvexPoly(told, np.round(corners).astype(np.int32), 1)
    assert np.mean(bright != (told > 0)) < 0.006


@pytest.mark.parametrize(
    ("worse", "measure"),
    [
        (Shot(size_px=(800, 600), shadow=0.7), lambda gray: gray[350:420, 550:620].mean()),
        (Shot(size_px=(800, 600), gain=0.4), lambda gray: gray.mean()),
        (Shot(size_px=(800, 600), blur_px=3), lambda gray: cv2.Laplacian(gray, cv2.CV_64F).var()),
        (Shot(size_px=(800, 600), motion_px=9), lambda gray: np.abs(np.diff(gray.astype(int), axis=1)).mean()),
        (Shot(size_px=(800, 600), fills=0.4), lambda gray: (gray > 150).mean()),
    ],
)
def test_each_fault_of_a_shot_shows(worse: Shot, measure: Callable[[np.ndarray], float]) -> None:
    page = letter(1, width_px=800).image.resize((800, 560))
    plain, spoilt = (
        measure(np.asarray(photograph(page, shot).convert("L"))) for shot in (Shot(size_px=(800, 600)), worse)
    )
    assert spoilt < 0.8 * plain


# --- portraits ---------------------------------------------------------------


@pytest.mark.pixels
def test_there_are_enough_portraits_with_names_of_their_own() -> None:
    assert len(portraits()) >= 12
    assert len({sample.name for sample in portraits()}) == len(portraits())
    assert len({hashlib.sha256(sample.data).digest() for sample in portraits()}) == len(portraits())
    assert sum(np.prod(sample.size_px) >= 12_000_000 for sample in portraits()) >= 2


@pytest.mark.pixels
@pytest.mark.parametrize("sample", portraits(), ids=lambda sample: sample.name)
def test_the_true_face_is_where_a_detector_finds_one(sample: Sample) -> None:
    x, y, width, height = sample.face
    assert x >= 0
    assert y >= 0
    assert x + width <= sample.size_px[0]
    assert y + height <= sample.size_px[1]
    copy = small_copy(sample.image)
    found = find_faces(copy)
    if sample.frontal:
        factor = sample.size_px[0] / copy.shape[1]
        assert overlap(found[0].box.scaled(factor), Box(x, y, width, height)) > 0.5


def test_a_portrait_is_looked_up_by_its_name() -> None:
    assert portrait("mirrored") is next(sample for sample in portraits() if sample.name == "mirrored")


# --- pages -------------------------------------------------------------------


def test_there_are_enough_pages() -> None:
    assert len(page_photos()) >= 8
    assert len(ocr_pages()) >= 40
    assert len(hard_pages()) >= 40
    assert len(EVERY_PAGE) == len(page_photos()) + MAX_OCR_PAGES + COUNT + len(damaged_pages())


@pytest.mark.parametrize("count", [0, MAX_OCR_PAGES + 1])
def test_more_pages_than_there_are_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match="there are 1 to 48 pages"):
        ocr_pages(count)
    with pytest.raises(ValueError, match="there are 1 to 48 pictures"):
        hard_pages(count)


def test_any_first_few_pages_are_mixed() -> None:
    first = ocr_pages(12)
    assert {page.name.split("-")[0] for page in first} >= {"card", "dense", "marksheet", "admit", "letter"}
    assert {page.pixels for page in first} == {12_000_000, 1_920_000}


@pytest.mark.pixels
@pytest.mark.parametrize("page", EVERY_PAGE.values(), ids=lambda page: page.name)
def test_no_text_of_the_truth_is_outside_the_picture(page: PagePhoto) -> None:
    drawn = page.draw()
    assert page.lines == tuple(drawn.lines)
    if page.shot is None:
        assert drawn.image.size == page.size_px
        return
    for left, top, right, bottom in drawn.places:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        for x, y in seen_at(corners, drawn.image.size, page.shot):
            assert 0 < x < page.size_px[0]
            assert 0 < y < page.size_px[1]


@pytest.mark.parametrize(
    "page", [page for page in page_photos() if page.pixels < 5_000_000], ids=lambda page: page.name
)
def test_a_page_is_a_jpeg_of_its_size(page: PagePhoto) -> None:
    with Image.open(io.BytesIO(page.jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", page.size_px)
    assert page.image.mode == "RGB"


def test_the_dense_page_is_twelve_megapixels_of_small_print() -> None:
    assert dense_page().pixels == 12_000_000
    assert len(dense_page().lines) > 60
    assert sum(map(len, dense_page().lines)) > 5000


@pytest.mark.parametrize(
    "word", ["glare", "shaken", "low-light", "angled", "distant", "moire", "squeezed", "tilted", "tiny"]
)
def test_every_fault_of_the_hard_set_is_put_on_several_layouts(word: str) -> None:
    chosen = [page.name for page in hard_pages() if f"-{word}-" in page.name]
    assert len({name.partition(f"-{word}-")[0] for name in chosen}) >= 3


def test_the_hard_set_mixes_layouts_and_sizes() -> None:
    large = [page for page in hard_pages() if page.pixels == 12_000_000]
    assert len(large) == 36
    assert len({page.what.partition(":")[0] for page in hard_pages()}) == 7


def test_what_spoils_a_picture_is_the_same_each_time() -> None:
    spoilt = {page.name: page for page in hard_pages() if page.spoil is not None}
    blank = Image.new("RGB", (160, 120), (120, 130, 140))
    for page in spoilt.values():
        assert page.spoil is not None
        assert digest(page.spoil(blank)) == digest(page.spoil(blank)) != digest(blank)


# --- one's own pictures ------------------------------------------------------


def test_ones_own_pictures_take_the_place_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "b.jpg")
    Image.new("RGB", (20, 10)).save(tmp_path / "a.PNG")
    (tmp_path / "b.txt").write_text("Roll No. 7\n\n  PASS \n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("no picture", encoding="utf-8")
    monkeypatch.setenv("RYTHMIQ_PAGES", str(tmp_path))
    first, second = own_pages()
    assert (first.name, first.pixels, first.lines) == ("a", 200, ())
    assert (second.name, second.pixels, second.lines) == ("b", 1200, ("Roll No. 7", "PASS"))
    assert is_private()
    assert own_portraits() == ()


def test_a_folder_without_pictures_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RYTHMIQ_PORTRAITS", str(tmp_path))
    with pytest.raises(SystemExit, match="holds no picture"):
        own_portraits()


# --- the list ----------------------------------------------------------------


@pytest.mark.pixels
def test_the_docs_list_every_picture_with_its_size() -> None:
    listed = (Path(__file__).parents[3] / "docs" / "test-pictures.md").read_text(encoding="utf-8")
    pictures = [(each.name, each.size_px) for each in portraits()] + [
        (each.name, each.size_px) for each in page_photos()
    ]
    for name, (width_px, height_px) in pictures:
        assert f"| `{name}` | {width_px} x {height_px} |" in listed
    for pages in (ocr_pages(MAX_OCR_PAGES), hard_pages()):
        assert ", ".join(f"`{page.name}`" for page in pages) in listed


def test_the_docs_list_every_hostile_upload_and_what_becomes_of_it() -> None:
    listed = (Path(__file__).parents[3] / "docs" / "test-pictures.md").read_text(encoding="utf-8")
    for each in hostile.uploads():
        row = next(row for row in listed.splitlines() if row.startswith(f"| `{each.name}` |"))
        assert (f"{each.pages} page" if each.outcome == hostile.OPENS else each.outcome) in row
