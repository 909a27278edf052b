"""Every format that people upload opens as upright sRGB pictures, told by content, with what was dropped said."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode.picture import THUMBNAIL_PX, Picture, sniff
from tests.support.uploads import as_pdf, difference, encode, exif, page_of, pages_of, portrait

HEIF = Path(__file__).parents[3] / "data" / "heif"
SMALL = portrait(120, 90)
LOSSLESS = ["PNG", "TIFF", "BMP"]
LOSSY = ["JPEG", "WEBP", "AVIF"]


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_a_lossless_format_gives_back_its_pixels(file_format: str) -> None:
    """Nothing is done to a clean picture."""
    page = page_of(encode(SMALL, file_format))
    assert page.source_format == file_format
    assert difference(page.image(), SMALL) == 0


@pytest.mark.parametrize("file_format", LOSSY)
def test_a_lossy_format_comes_close(file_format: str) -> None:
    """The picture is the one that was saved."""
    page = page_of(encode(SMALL, file_format, quality=95))
    assert page.source_format == file_format
    assert (page.width_px, page.height_px) == (120, 90)
    assert difference(page.image(), SMALL) < 4


def test_heif_opens() -> None:
    """A phone's HEIC is read."""
    page = page_of((HEIF / "plain.heic").read_bytes())
    assert (page.source_format, page.width_px, page.height_px) == ("HEIF", 96, 80)
    assert difference(page.image(), portrait(96, 80)) < 6


def test_heif_of_ten_bits_is_scaled() -> None:
    """Ten bits a channel become eight without clipping."""
    page = page_of((HEIF / "ten.heic").read_bytes())
    assert difference(page.image(), portrait(96, 80)) < 6


def test_heif_is_turned_once() -> None:
    """The file's own rotation counts; the EXIF orientation beside it must not turn the picture again."""
    page = page_of((HEIF / "turned.heic").read_bytes())
    assert (page.width_px, page.height_px) == (80, 96)
    upright = portrait(96, 80).transpose(Image.Transpose.ROTATE_270)
    assert difference(page.image(), upright) < 6


def test_a_heif_of_two_pictures_gives_the_first_and_says_so() -> None:
    """Further pictures are not silently lost."""
    opened = pages_of((HEIF / "two.heic").read_bytes())
    assert opened.warnings == (WarningCode.FRAMES_DROPPED,)
    assert difference(opened.pages[0].image(), portrait(96, 80)) < 6


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame_is_used(file_format: str) -> None:
    """An animation gives its first frame, and a warning."""
    red, blue = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (40, 30), "blue")
    opened = pages_of(encode(red, file_format, save_all=True, append_images=[blue]))
    assert opened.warnings == (WarningCode.FRAMES_DROPPED,)
    (page,) = opened.pages
    assert difference(page.image(), red) < 3


def test_of_several_pictures_in_a_jpeg_the_first_is_used() -> None:
    """An MPO (stereo, burst) gives its first picture, and a warning."""
    opened = pages_of(encode(SMALL, "MPO", save_all=True, append_images=[Image.new("RGB", SMALL.size)], quality=95))
    assert opened.warnings == (WarningCode.FRAMES_DROPPED,)
    assert opened.source_format == "JPEG"
    assert difference(opened.pages[0].image(), SMALL) < 6


def test_a_gain_map_is_no_second_picture() -> None:
    """An HDR photo of today's phones carries a gain map; nothing that a person sees is dropped."""
    data = encode(SMALL, "MPO", save_all=True, append_images=[Image.new("RGB", (60, 45))])
    ultra_hdr = data + b'<rdf xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    assert pages_of(ultra_hdr).warnings == ()


def test_pages_of_a_tiff_are_pages() -> None:
    """A fax or scan of several pages is a document of several pages, in order."""
    first, second = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (30, 50), "blue")
    opened = pages_of(encode(first, "TIFF", save_all=True, append_images=[second]))
    assert opened.warnings == ()
    assert [(page.width_px, page.height_px) for page in opened.pages] == [(40, 30), (30, 50)]
    assert [page.image().getpixel((5, 5)) for page in opened.pages] == [(255, 0, 0), (0, 0, 255)]


def test_a_thumbnail_inside_a_tiff_is_no_page() -> None:
    """A reduced copy of the page is not a page."""
    thumbnail = Image.new("RGB", (10, 10), "blue")
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    opened = pages_of(encode(Image.new("RGB", (40, 30)), "TIFF", save_all=True, append_images=[thumbnail]))
    assert [(page.width_px, page.height_px) for page in opened.pages] == [(40, 30)]


@pytest.mark.parametrize("build", ["tiff", "pdf"])
def test_pages_beyond_the_limit_are_dropped_and_said(build: str) -> None:
    """MAX_PAGES cuts, and the owner learns of it."""
    if build == "tiff":
        data = encode(SMALL, "TIFF", save_all=True, append_images=[SMALL, SMALL])
    else:
        data = as_pdf(*[encode(SMALL, "JPEG")] * 3)
    opened = pages_of(data, max_pages=2)
    assert len(opened.pages) == 2
    assert opened.warnings == (WarningCode.PAGES_DROPPED,)
    assert pages_of(data, max_pages=3).warnings == ()


@pytest.mark.parametrize("build", ["tiff", "pdf"])
def test_a_slot_for_a_picture_takes_page_one(build: str) -> None:
    """A raster slot gets one page, and a warning only if there were more."""
    jpeg = encode(SMALL, "JPEG")
    one, two = (
        (encode(SMALL, "TIFF"), encode(SMALL, "TIFF", save_all=True, append_images=[SMALL]))
        if build == "tiff"
        else (as_pdf(jpeg), as_pdf(jpeg, jpeg))
    )
    assert pages_of(one, first_only=True).warnings == ()
    opened = pages_of(two, first_only=True)
    assert len(opened.pages) == 1
    assert opened.warnings == (WarningCode.PAGES_DROPPED,)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_brought_upright(file_format: str, orientation: int) -> None:
    """Each of the eight is undone, and the size is reported upright before anything is decoded at full size."""
    stored = portrait(64, 40)
    page = page_of(encode(stored, file_format, exif=exif(orientation), quality=95))
    upright = {
        1: stored,
        2: stored.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: stored.transpose(Image.Transpose.ROTATE_180),
        4: stored.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: stored.transpose(Image.Transpose.TRANSPOSE),
        6: stored.transpose(Image.Transpose.ROTATE_270),
        7: stored.transpose(Image.Transpose.TRANSVERSE),
        8: stored.transpose(Image.Transpose.ROTATE_90),
    }[orientation]
    assert (page.width_px, page.height_px) == upright.size
    assert difference(page.image(), upright) < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_turn_adds_to_the_exif_orientation(orientation: int, degrees: int) -> None:
    """A wish to rotate turns the upright picture clockwise, whatever the file said; nothing is decoded for it."""
    page = page_of(encode(portrait(64, 40), "JPEG", exif=exif(orientation), quality=95))
    turned = page.turned(degrees)
    wanted = page.image().rotate(-degrees, expand=True)
    assert (turned.width_px, turned.height_px) == wanted.size
    assert difference(turned.image(), wanted) == 0


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_unknown_orientation_counts_as_upright(value: int) -> None:
    """A number outside EXIF's eight says nothing."""
    page = page_of(encode(SMALL, "JPEG", exif=exif(value)))
    assert (page.width_px, page.height_px) == SMALL.size


def test_broken_exif_is_no_reason_to_fail() -> None:
    """EXIF that is not a TIFF says nothing about the picture."""
    data = encode(SMALL, "JPEG", exif=b"Exif\0\0garbage that is no TIFF header at all", quality=95)
    assert difference(page_of(data).image(), SMALL) < 6


def test_names_mean_nothing_and_content_everything() -> None:
    """Each format is known by its first bytes."""
    named = {
        "JPEG": encode(SMALL, "JPEG"),
        "PNG": encode(SMALL, "PNG"),
        "GIF": encode(SMALL, "GIF"),
        "WEBP": encode(SMALL, "WEBP"),
        "TIFF": encode(SMALL, "TIFF"),
        "BMP": encode(SMALL, "BMP"),
        "AVIF": encode(SMALL, "AVIF"),
        "HEIF": (HEIF / "plain.heic").read_bytes(),
        "PDF": as_pdf(encode(SMALL, "JPEG")),
    }
    assert {name: sniff(data) for name, data in named.items()} == {name: name for name in named}
    assert sniff(b"\n\n junk before " + named["PDF"]) == "PDF"
    assert sniff(b"MM\x00*" + named["TIFF"][4:]) == "TIFF"
    for text in (b"", b"hello", b"<html>", b"PK\x03\x04", b"\x00\x00\x00\x18ftypisom"):
        assert sniff(text) is None


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_metadata_never_survives(file_format: str) -> None:
    """No EXIF, position or profile leaves with the pixels, whoever saves them next."""
    image = page_of(encode(SMALL, file_format, exif=exif(6))).image()
    assert image.info == {}
    assert not dict(image.getexif())
    saved = Image.open(io.BytesIO(encode(image, "PNG")))
    assert not {"exif", "icc_profile"} & set(saved.info)


def test_minima_choose_the_smallest_decode_that_is_large_enough() -> None:
    """A JPEG comes at 1/1, 1/2, 1/4 or 1/8 with its aspect; other formats come at full size."""
    large = portrait(1000, 800)
    page = page_of(encode(large, "JPEG"))
    assert page.image().size == (1000, 800)
    assert page.image(500, 400).size == (500, 400)
    assert page.image(501, 400).size == (1000, 800)
    assert page.image(300, 100).size == (500, 400)
    assert page.image(250, 200).size == (250, 200)
    assert page.image(10, 10).size == (125, 100)
    assert page.image(min_width_px=130).size == (250, 200)
    assert page.image(min_height_px=201).size == (500, 400)
    assert page.image(5000, 10).size == (1000, 800)
    assert page_of(encode(large, "PNG")).image(10, 10).size == (1000, 800)


def test_minima_are_of_the_upright_picture() -> None:
    """Width is width as a person sees it, though the file stores the picture lying."""
    page = page_of(encode(portrait(1000, 800), "JPEG", exif=exif(6)))
    assert page.image(400, 500).size == (400, 500)
    assert page.image(401, 500).size == (800, 1000)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (1, 5000), (5000, 1), (7, 9)])
def test_tiny_and_thin_pictures_decode_at_every_scale(size: tuple[int, int]) -> None:
    """No division of a side comes out as zero."""
    page = page_of(encode(Image.new("RGB", size, "red"), "JPEG"))
    for least in (None, 1, 3, 100):
        assert page.image(least, least).size[0] >= 1
    assert page.thumbnail().size[0] >= 1
    assert page.native_patch().size[1] >= 1


def test_the_thumbnail_is_shared_and_small() -> None:
    """One scaled decode serves quality, faces and the check of the file: asked again, it is the same object."""
    page = page_of(encode(portrait(2200, 2000), "JPEG"))
    thumbnail = page.thumbnail()
    assert max(thumbnail.size) == 1100  # half, since a quarter would be below THUMBNAIL_PX
    assert max(thumbnail.size) >= THUMBNAIL_PX
    assert page.thumbnail() is thumbnail
    assert page.image(512, 465) is not thumbnail  # 1/4 is enough for that: decoded apart, and now it is the one kept
    assert page.image(512, 465) is page.image(550, 500)


def test_a_full_size_jpeg_is_never_kept() -> None:
    """Only compressed bytes and one small picture stay; a full-size decode belongs to who asked for it."""
    page = page_of(encode(portrait(2200, 2000), "JPEG"))
    assert page.image() is not page.image()


def test_one_upload_keeps_one_decoded_picture() -> None:
    """Of many pages one at most is held decoded, and the first one after opening."""
    opened = pages_of(encode(SMALL, "TIFF", save_all=True, append_images=[SMALL, SMALL]))
    first, second, _ = opened.pages
    kept = first.image()
    assert first.image() is kept
    second.image()
    assert first.image() is not kept


def test_release_forgets_what_can_be_decoded_again() -> None:
    """Before a long wait the pixels can go; asked again they come again."""
    page = page_of(encode(SMALL, "PNG"))
    before = page.image()
    page.release()
    assert page.image() is not before
    assert difference(page.image(), before) == 0


def test_a_computed_picture_is_what_it_was_made_of() -> None:
    """ENHANCE's result is held as it is, has no original scan, and survives a release."""
    page = Picture.from_image(SMALL)
    page.release()
    assert (page.width_px, page.height_px, page.source_format) == (120, 90, "RASTER")
    assert difference(page.image(10, 10), SMALL) == 0
    assert page.lossless_jpeg() is None
    assert difference(page.turned(90).image(), SMALL.rotate(-90, expand=True)) == 0


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_decoding_is_deterministic(file_format: str) -> None:
    """The same bytes give the same pixels."""
    data = encode(SMALL, file_format)
    assert np.array_equal(np.asarray(page_of(data).image()), np.asarray(page_of(data).image()))
