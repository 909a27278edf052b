"""Faces where a test wants them: the astronaut's own points, moved; and portraits that hold them."""

from functools import cache

import numpy as np

from rythmiq_worker.people.face import Box, Face
from rythmiq_worker.people.portrait import Portrait, Rgb, Wish, read_portrait
from rythmiq_worker.people.search import find_faces
from tests.samples.portrait import astronaut


@cache
def _model() -> Face:
    return find_faces(np.asarray(astronaut()))[0]


def face_at(box: Box, roll_deg: float = 0.0) -> Face:
    """The astronaut's face with its middle and height those of a box."""
    model = _model()
    scale = box.height / model.box.height
    radians = np.radians(roll_deg - model.roll_deg)
    turn = scale * np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    shift = np.array(box.centre) - turn @ model.box.centre
    return model.moved(np.column_stack((turn, shift)))


def portrait_with(size: tuple[int, int], *boxes: Box) -> Portrait:
    """A blank picture of a size on which faces are said to be; no network looks for them."""
    blank: Rgb = np.full((size[1], size[0], 3), 200, np.uint8)
    faces = tuple(face_at(box) for box in boxes)
    return read_portrait(blank, Wish(), lambda _: faces)
