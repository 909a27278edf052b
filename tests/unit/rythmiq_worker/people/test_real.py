"""Faces and heads on labelled real pictures, where RYTHMIQ_REAL_PICTURES names a folder of them (see tests/bench).

Nothing here names a picture, and a failure prints counts only.
"""

import pytest

from rythmiq_worker.people.face import rivals_of, subject_of
from rythmiq_worker.people.head import head_of, person_mask
from rythmiq_worker.people.search import find_faces
from tests.bench.real_pictures import VARIABLE, RealPicture, overlap, real_portraits

PORTRAITS = real_portraits()
pytestmark = pytest.mark.skipif(not PORTRAITS, reason=f"{VARIABLE} names no folder of labelled pictures")


def has_its_face(picture: RealPicture) -> bool:
    rgb = picture.rgb()
    labelled = picture.face_box(rgb.shape[1], rgb.shape[0])
    return any(overlap(face.box, labelled) > 0.4 for face in find_faces(rgb))


def is_several(picture: RealPicture) -> bool:
    rgb = picture.rgb()
    faces = find_faces(rgb)
    return bool(faces) and bool(rivals_of(faces, subject_of(faces, rgb.shape[1], rgb.shape[0])))


def share_off(picture: RealPicture) -> float:
    """By how many points of the picture's height the head is measured otherwise than by people."""
    rgb = picture.rgb()
    height_px, width_px = rgb.shape[:2]
    face = subject_of(find_faces(rgb), width_px, height_px)
    share = head_of(rgb, face, person_mask(rgb, face)).height_px / height_px
    crown, chin = float(picture.label["crown_y"]), float(picture.label["chin_y"])
    return float(abs(100 * (share - (chin - crown))))


def test_all_but_one_of_the_visible_faces_are_found() -> None:
    missed = sum(not has_its_face(picture) for picture in PORTRAITS if picture.label["face_visible"])
    assert missed <= 1


def test_no_face_is_found_where_there_is_none() -> None:
    assert sum(len(find_faces(picture.rgb())) for picture in PORTRAITS if not picture.label["faces"]) == 0


def test_several_people_are_told_from_one() -> None:
    assert sum(not is_several(picture) for picture in PORTRAITS if picture.label["several"]) == 0
    assert sum(is_several(picture) for picture in PORTRAITS if picture.label["several"] is False) <= 1


def test_heads_are_measured_as_people_measure_them() -> None:
    labelled = [p for p in PORTRAITS if p.label["chin_y"] is not None and p.label["crown_y"] is not None]
    off = [share_off(picture) for picture in labelled]
    assert sum(points > 8 for points in off) <= 1
    assert sum(off) / len(off) <= 2.5
