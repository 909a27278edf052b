"""The face detector behind its port, and the geometry of a head around a face's box."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rythmiq_worker.engines.faces import Box, HaarFaces, find_faces, gray_at
from rythmiq_worker.picture import open_pages
from tests.data.pages import PagePhoto, page_photos
from tests.data.portraits import Sample, portraits

FRONTAL = [sample for sample in portraits() if sample.frontal]
SIZES = st.floats(1, 2_000)


def found_in(data: bytes) -> tuple[Box, ...]:
    picture = open_pages(data, max_pixels=80_000_000, max_pages=1, first_only=True).pages[0]
    return find_faces(picture, HaarFaces())


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, across) * max(0.0, down)
    return shared / (one.width * one.height + other.width * other.height - shared)


@pytest.mark.parametrize("sample", FRONTAL, ids=lambda sample: sample.name)
def test_the_face_of_a_frontal_portrait_is_found_where_it_is(sample: Sample) -> None:
    faces = found_in(sample.data)
    assert faces
    assert overlap(faces[0], Box(*sample.face)) > 0.5


@pytest.mark.parametrize("page", page_photos(), ids=lambda page: page.name)
def test_no_face_that_could_be_a_portrait_is_found_on_a_page(page: PagePhoto) -> None:
    assert not [face for face in found_in(page.data) if face.height > 0.2 * min(page.size_px)]


def test_nothing_is_found_on_a_blank_picture() -> None:
    assert HaarFaces().find(np.full((300, 300), 200, np.uint8)) == ()


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (400, 5), (19, 19)])
def test_a_picture_without_room_for_a_face_holds_none(shape: tuple[int, int]) -> None:
    assert HaarFaces().find(np.zeros(shape, np.uint8)) == ()


def test_the_same_picture_gives_the_same_boxes() -> None:
    assert found_in(FRONTAL[0].data) == found_in(FRONTAL[0].data)


@given(SIZES, SIZES, SIZES, st.floats(0.1, 10))
def test_a_box_scales_with_its_picture(x: float, y: float, side: float, factor: float) -> None:
    box = Box(x, y, side, side)
    assert box.scaled(factor).head_height_px == pytest.approx(box.head_height_px * factor)
    assert box.scaled(factor).crown_y == pytest.approx(box.crown_y * factor, abs=1e-6)


@given(SIZES, SIZES, SIZES)
def test_a_head_holds_its_face(x: float, y: float, side: float) -> None:
    box = Box(x, y, side, side)
    assert box.crown_y < box.y
    assert box.crown_y + box.head_height_px > box.y + box.height


@pytest.mark.parametrize(("size", "factor"), [((1000, 500), 10.0), ((500, 1000), 10.0), ((80, 60), 1.0)])
def test_a_gray_copy_is_bounded_and_never_enlarged(size: tuple[int, int], factor: float) -> None:
    gray, shrunk = gray_at(Image.new("RGB", size), 100)
    assert shrunk == factor
    assert gray.shape == (round(size[1] / factor), round(size[0] / factor))
