"""A photo from upload to document: every choice of its owner and every warning of a person, each with a picture."""

import io
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.result import Clause, Operation
from rythmiq_worker.conform import Conformed, Labels, conform
from rythmiq_worker.conform.check import check_with_advice
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.people.search import find_faces
from tests.samples.cutout import WHITE, before_wall
from tests.support.people import astronaut_rgb, needs_networks, turned_about_face

pytestmark = needs_networks
Pixels = NDArray[np.uint8]
LABELS = Labels("portal", "photo", "1", "11111111-1111-4111-8111-111111111111", "me.jpg")
RULES: dict[str, Any] = {
    "kind": "photo",
    "target_width": 413,
    "target_height": 531,
    "max_kb": 200,
    "face": "required",
    "face_ratio": [0.7, 0.8],
    "background": "light",
    "background_edit": "allowed",
    "caption": "allowed",
}
CAPTION = {"name": "Asha Rao", "date": "2026-11-28"}


@cache
def sitter(colour: tuple[int, int, int] = WHITE) -> Pixels:
    """The astronaut before a wall, with room around her: 1350 x 1800."""
    return np.asarray(before_wall(colour, room=1.3, long_side_px=1800)[0])


def made(rgb: Pixels, options: dict[str, Any] | None = None, **rules: Any) -> Conformed:
    definition = SchemaDefinition.model_validate({**RULES, **rules})
    picture = Picture.from_image(Image.fromarray(rgb))
    return conform([picture], definition, LABELS, options=Options.model_validate(options or {}))


def pixels(found: Conformed) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(found.document)).convert("RGB"))


def clause(found: Conformed, name: str) -> Clause:
    return next(each for each in found.receipt.clauses if each.clause == name)


def operation(found: Conformed, name: str) -> Operation:
    return next(each for each in found.receipt.operations if each.op == name)


def codes(found: Conformed) -> set[WarningCode]:
    return {notice.code for notice in found.warnings}


def test_a_good_photo_conforms_and_is_advised_of_nothing() -> None:
    found = made(sitter())
    assert found.receipt.conforms
    assert found.warnings == ()
    assert {each.verdict for each in found.receipt.clauses} == {"pass"}


def test_the_receipt_names_the_face_that_was_taken() -> None:
    told = operation(made(sitter()), "face").parameters
    face = find_faces(sitter())[0]
    assert told["x"] == pytest.approx(face.box.x / 1350, abs=0.02)
    assert told["height"] == pytest.approx(face.box.height / 1800, abs=0.02)
    assert (told["faces"], told["by"]) == (1, "size")
    assert told["score"] == pytest.approx(1, abs=0.1)


def test_a_leaning_head_is_levelled_and_an_upright_one_is_left() -> None:
    leaning = made(turned_about_face(18)[0])
    assert float(str(operation(leaning, "level").parameters["degrees_clockwise"])) == pytest.approx(-20, abs=4)
    assert clause(leaning, "roll").verdict == "pass"
    assert "level" not in {each.op for each in made(sitter()).receipt.operations}


def test_a_leaning_head_that_may_not_be_levelled_is_told() -> None:
    found = made(turned_about_face(24)[0], level="forbidden", roll="level")
    assert clause(found, "roll").verdict == "fail"
    assert WarningCode.HEAD_TILTED in codes(found)
    assert not found.receipt.conforms


def test_a_photo_on_its_side_is_turned_unless_its_owner_turned_it() -> None:
    lying = np.ascontiguousarray(np.rot90(sitter()))
    found = made(lying)
    assert operation(found, "turn").parameters == {"degrees_clockwise": 90, "decided_by": "face"}
    assert found.receipt.conforms
    assert "turn" not in {each.op for each in made(lying, {"rotate": 0}).receipt.operations}


def company() -> Pixels:
    return np.hstack((sitter(), np.ascontiguousarray(sitter()[:, ::-1])))


def test_two_people_are_told_and_one_is_taken() -> None:
    found = made(company(), faces="one")
    told = next(notice for notice in found.warnings if notice.code is WarningCode.FACES_SEVERAL)
    assert told.parameters["count"] == 2
    assert clause(found, "faces").verdict == "fail"
    assert WarningCode.FACES_SEVERAL not in codes(made(sitter(), faces="one"))


@pytest.mark.parametrize(("x", "left"), [(0.25, True), (0.75, False)])
def test_the_face_at_the_owners_point_is_taken(x: float, left: bool) -> None:  # noqa: FBT001
    told = operation(made(company(), {"face": {"x": x, "y": 0.4}}), "face").parameters
    assert told["by"] == "owner"
    assert (float(str(told["x"])) < 0.5) is left


def test_a_point_that_no_face_is_at_is_told() -> None:
    found = made(sitter(), {"face": {"x": 0.02, "y": 0.98}})
    told = next(notice for notice in found.warnings if notice.code is WarningCode.FACE_NOT_FOUND)
    assert told.parameters == {"reason": "point"}
    assert clause(found, "face").verdict == "fail"


def test_a_crop_is_taken_of_the_face_that_is_in_it() -> None:
    found = made(company(), {"crop": {"x": 0.5, "y": 0.0, "width": 0.5, "height": 1.0}})
    assert operation(found, "crop").parameters["by"] == "owner"
    assert WarningCode.FACES_SEVERAL not in codes(found)
    assert found.receipt.conforms


def test_a_head_that_the_shape_cannot_hold_is_told_in_those_words() -> None:
    close = astronaut_rgb()[10:215, 160:290]
    found = made(close, target_width=600, target_height=600)
    told = next(notice for notice in found.warnings if notice.code is WarningCode.HEAD_DOES_NOT_FIT)
    assert "the head does not fit" in str(told).lower()
    assert WarningCode.HEAD_DOES_NOT_FIT not in codes(made(sitter(), target_width=600, target_height=600))


def test_a_head_that_is_cut_off_in_the_upload_is_told() -> None:
    cut = sitter()[630:]
    assert WarningCode.HEAD_DOES_NOT_FIT in codes(made(cut))


def test_half_a_face_conforms_nowhere() -> None:
    """Also where the portal states no size of the head."""
    face = find_faces(sitter())[0].box
    half = np.ascontiguousarray(sitter()[:, int(face.centre[0]) :])
    found = made(half, face_ratio=None)
    assert clause(found, "face").verdict == "fail"
    assert codes(found) & {WarningCode.HEAD_DOES_NOT_FIT, WarningCode.FACE_NOT_FOUND}


def test_a_cut_head_fails_also_where_no_size_is_stated() -> None:
    found = made(sitter()[630:], face_ratio=None)
    assert clause(found, "face").verdict == "fail"
    assert "cut off" in (clause(found, "face").measured or "")


def test_a_photo_that_its_owner_wants_to_lie_is_left_so() -> None:
    found = made(np.ascontiguousarray(np.rot90(sitter())), {"rotate": 0})
    assert not {"turn", "level"} & {each.op for each in found.receipt.operations}
    assert WarningCode.HEAD_TILTED in codes(found)


@pytest.mark.parametrize("cut", [False, True])
def test_check_says_of_a_file_what_conform_said(*, cut: bool) -> None:
    rules = SchemaDefinition.model_validate(RULES)
    document = made(sitter()[630:] if cut else sitter()).document
    checked = check_with_advice(document, rules, LABELS)
    assert next(each for each in checked.receipt.clauses if each.clause == "face").verdict == (
        "fail" if cut else "pass"
    )
    assert (WarningCode.HEAD_DOES_NOT_FIT in {notice.code for notice in checked.warnings}) is cut


def test_check_looks_at_a_picture_upright_by_its_exif() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(sitter()))).save(out, "JPEG", exif=exif)
    checked = check_with_advice(out.getvalue(), SchemaDefinition.model_validate(RULES), LABELS)
    assert next(each for each in checked.receipt.clauses if each.clause == "roll").verdict == "pass"


def test_a_small_head_is_told_with_its_share() -> None:
    found = made(sitter(), {"crop": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}}, fit="contain")
    told = next(notice for notice in found.warnings if notice.code is WarningCode.FACE_SIZE)
    assert told.parameters["reason"] == "small"
    assert f"{told.parameters['measured']} %" in str(told)


def test_a_head_at_the_side_of_its_frame_is_off_centre() -> None:
    aside = sitter()[:, 645:]
    found = made(np.ascontiguousarray(aside), centring="centred", fit="contain", face_ratio=None)
    assert clause(found, "centring").verdict == "fail"
    assert WarningCode.HEAD_OFF_CENTRE in codes(found)


def test_a_grey_wall_is_told_with_what_is_measured_and_wanted() -> None:
    found = made(sitter((150, 150, 150)))
    told = next(notice for notice in found.warnings if notice.code is WarningCode.BACKGROUND)
    assert told.parameters["reason"] == "dark"
    assert f"{told.parameters['measured']} of 100" in str(told)
    assert clause(found, "background").verdict == "fail"


def test_flag_and_shuttle_behind_a_person_are_no_plain_background() -> None:
    """The picture as NASA took it."""
    found = made(astronaut_rgb(), {"crop": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}}, fit="contain")
    assert clause(found, "background").verdict == "fail"


def test_a_body_that_goes_on_below_where_it_was_looked_for_is_no_thing_on_the_wall() -> None:
    found = made(sitter(), {"crop": {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}}, fit="contain")
    assert clause(found, "background").verdict == "pass"


@pytest.mark.parametrize(("blur", "verdict"), [(0.0, "pass"), (6.0, "fail")])
def test_the_sharpness_is_the_faces(blur: float, verdict: str) -> None:
    rgb = sitter() if blur == 0 else np.asarray(cv2.GaussianBlur(sitter(), (0, 0), blur), np.uint8)
    told = clause(made(rgb), "sharpness")
    assert told.verdict == verdict
    assert "on the upload" in (told.measured or "")


def test_a_soft_wall_behind_a_sharp_face_is_no_blur() -> None:
    soft = np.asarray(cv2.GaussianBlur(sitter((190, 190, 190)), (0, 0), 12), np.uint8)
    face = find_faces(sitter((190, 190, 190)))[0].box
    rows = slice(int(face.y - face.height), int(face.y + 1.5 * face.height))
    columns = slice(int(face.x - face.width), int(face.x + 2 * face.width))
    soft[rows, columns] = sitter((190, 190, 190))[rows, columns]
    assert clause(made(soft), "sharpness").verdict == "pass"


# --- what owners ask for ------------------------------------------------------


def test_a_blue_wall_becomes_white_when_its_owner_asks() -> None:
    plain, white = made(sitter((90, 130, 190))), made(sitter((90, 130, 190)), {"background": "white"})
    assert clause(plain, "background").verdict == "fail"
    assert clause(white, "background").verdict == "pass"
    assert operation(white, "background").parameters["to"] == "white"
    assert (pixels(white)[5:40, 5:40] > 245).all()


def test_a_background_that_cannot_be_told_from_others_is_kept_and_told() -> None:
    close = np.hstack((sitter()[:, :780], sitter()[:, ::-1][:, 570:]))
    found = made(close, {"background": "white", "face": {"x": 0.38, "y": 0.4}})
    told = next(notice for notice in found.warnings if notice.code is WarningCode.BACKGROUND_KEPT)
    assert told.parameters == {"reason": "several_people"}
    assert "background" not in {each.op for each in found.receipt.operations}


def test_without_a_face_the_background_is_kept() -> None:
    found = made(np.full((600, 500, 3), 180, np.uint8), {"background": "white"})
    assert any(notice.parameters == {"reason": "no_face"} for notice in found.warnings)


def test_a_caption_is_printed_below_the_head_and_every_clause_holds() -> None:
    found = made(sitter(), {"caption": CAPTION}, caption="required")
    strip = int(str(operation(found, "caption").parameters["height_px"]))
    assert 0 < strip <= 0.15 * 531
    assert (pixels(found)[-3:] > 240).all()
    assert pixels(found)[-strip:].min() < 80
    assert found.receipt.conforms
    assert clause(found, "name_date_strip").verdict == "pass"
    assert clause(found, "face_size").verdict == "pass"


def test_a_caption_that_a_portal_wants_and_nobody_gave_is_told() -> None:
    found = made(sitter(), caption="required")
    assert clause(found, "name_date_strip").verdict == "not_checked"
    assert WarningCode.NAME_DATE_STRIP in codes(found)


def test_no_caption_stands_in_receipt_or_warnings() -> None:
    found = made(sitter((120, 120, 120)), {"caption": CAPTION, "background": "white"})
    written = found.receipt.model_dump_json() + " ".join(map(str, found.warnings)) + repr(found)
    assert "Asha" not in written
    assert "28-11-2026" not in written


def test_the_same_upload_gives_the_same_bytes_on_any_number_of_threads() -> None:
    """Levelled, whitened and captioned: every step that could differ."""
    leaning = turned_about_face(18)[0]
    threads, documents = cv2.getNumThreads(), []
    try:
        for count in (1, 2, 1):
            cv2.setNumThreads(count)
            documents.append(made(leaning, {"background": "white", "caption": CAPTION}).document)
    finally:
        cv2.setNumThreads(threads)
    assert documents[0] == documents[1] == documents[2]
