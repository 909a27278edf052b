"""Are the faces of real portraits found: upright, leaning, lying; one or several; and at what cost beside Haar?"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import Box, Face, rivals_of, subject_of
from rythmiq_worker.people.search import find_faces
from tests.bench.measuring import least_cpu_s
from tests.bench.real_pictures import RealPicture, overlap, real_pages

LEANING = ((0,), (10, -10), (15, -15), (20, -20), (25, -25), (30, -30))
LYING = ((90,), (180,), (270,))
_LEAST_LEANING, _LEAST_LYING = 0.985, 0.95
_SAME_FACE = 0.4
_NEAR = 0.35  # of the face's sides: how far the middle of a turned face may be off
_SAME_ROLL_DEG = 40  # the labels are a third of that off in turned heads
_TURNED_PX = 768
_HAAR_PX = 512
_ROUNDS = 5
_MOST_OF_HAAR, _MOST_OF_HAAR_WITHOUT_FACE = 0.75, 2.5
_LARGE_ON_A_PAGE = 0.2  # of the shorter side: what an `auto` slot takes for a portrait

Row = dict[str, object]


def rows(portraits: tuple[RealPicture, ...]) -> list[Row]:
    """All rows about faces."""
    found = [(picture, *_searched(picture.rgb())) for picture in portraits]
    return [*_found_rows(found), *_several_rows(found), *_turned_rows(portraits), *_page_rows(), *_cost_rows(portraits)]


def _searched(rgb: NDArray[np.uint8]) -> tuple[tuple[Face, ...], int, int]:
    return find_faces(rgb), rgb.shape[1], rgb.shape[0]


def _found_rows(found: list[tuple[RealPicture, tuple[Face, ...], int, int]]) -> list[Row]:
    visible = [entry for entry in found if entry[0].label["face_visible"]]
    any_face = sum(
        any(overlap(face.box, picture.face_box(w, h)) > _SAME_FACE for face in faces)
        for picture, faces, w, h in visible
    )
    subject = sum(
        bool(faces) and _is_subject(subject_of(faces, w, h), picture, w, h) for picture, faces, w, h in visible
    )
    rolls = [
        abs((subject_of(faces, w, h).roll_deg - picture.label["roll_deg"] + 180) % 360 - 180)
        for picture, faces, w, h in visible
        if faces and picture.label["faces"] == 1 and picture.label["pose"] == "frontal"
    ]
    faceless = [entry for entry in found if not entry[0].label["faces"]]
    false = sum(len(faces) for _, faces, _, _ in faceless)
    beside = sum(
        sum(overlap(face.box, picture.face_box(w, h)) <= _SAME_FACE for face in faces)
        for picture, faces, w, h in found
        if picture.label["faces"] == 1
    )
    return [
        _row("the largest visible face is among those found", any_face, len(visible) - 1, f"of {len(visible)}"),
        _row("the subject is the largest face, or one as large", subject, len(visible) - 1, f"of {len(visible)}"),
        _most("boxes where there is no face", false + beside, 0, f"{len(faceless)} pictures without a face: {false}"),
        {
            "what": "roll of single frontal faces, off in the mean",
            "measured": round(float(np.mean(rolls)), 1),
            "unit": "deg",
            "note": f"of {len(rolls)}; by more than 6: {sum(roll > 6 for roll in rolls)}",
        },
    ]


def _is_subject(subject: Face, picture: RealPicture, width_px: int, height_px: int) -> bool:
    """Whether it is the largest labelled face, or another that is as large to a tenth."""
    largest = picture.face_box(width_px, height_px)
    as_large = [box for box in picture.other_boxes(width_px, height_px) if box.height > 0.9 * largest.height]
    return any(overlap(subject.box, box) > _SAME_FACE for box in (largest, *as_large))


def _several_rows(found: list[tuple[RealPicture, tuple[Face, ...], int, int]]) -> list[Row]:
    told = {True: 0, False: 0}
    count = {True: 0, False: 0}
    for picture, faces, w, h in found:
        several = picture.label["several"]
        if several is None:
            continue
        count[several] += 1
        told[several] += bool(faces) and bool(rivals_of(faces, subject_of(faces, w, h)))
    return [
        _row("several people: told", told[True], count[True], f"of {count[True]}"),
        _most("single people who are called several", told[False], 1, f"of {count[False]}"),
    ]


def _turned_rows(portraits: tuple[RealPicture, ...]) -> list[Row]:
    single = [picture for picture in portraits if picture.label["face_visible"] and picture.label["faces"] == 1]
    made = []
    for angles in (*LEANING, *LYING):
        hits, bar = 0, _LEAST_LYING if angles in LYING else _LEAST_LEANING
        for picture in single:
            rgb = picture.rgb(_TURNED_PX)
            box = picture.face_box(rgb.shape[1], rgb.shape[0])
            hits += sum(_found_turned(rgb, box, picture.label["roll_deg"], degrees) for degrees in angles)
        share = hits / (len(single) * len(angles))
        sign = "+-" if len(angles) > 1 and angles[0] else ""
        print(f"  turned by {sign}{angles[0]}: {share:.3f}", file=sys.stderr)
        made.append(
            {
                "what": f"turned by {sign}{angles[0]} degrees about the face: found, the right way up",
                "measured": round(share, 3),
                "bar": f">= {bar}",
                "unit": "",
                "holds": share >= bar,
                "note": f"of {len(single) * len(angles)}",
            }
        )
    return made


def _found_turned(rgb: NDArray[np.uint8], box: Box, roll_deg: float, degrees: int) -> bool:
    """Turn the picture about its face, on a larger canvas, and look whether the face is there and the right way up."""
    room = int(0.25 * max(rgb.shape[:2]))
    framed = cv2.copyMakeBorder(rgb, room, room, room, room, cv2.BORDER_REPLICATE)
    x, y = box.x + box.width / 2 + room, box.y + box.height / 2 + room
    turn = cv2.getRotationMatrix2D((x, y), -degrees, 1.0)
    turned = np.asarray(cv2.warpAffine(framed, turn, framed.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)
    reach = _NEAR * (box.width + box.height) / 2
    return any(
        np.hypot(face.box.centre[0] - x, face.box.centre[1] - y) < reach
        and abs((face.roll_deg - roll_deg - degrees + 180) % 360 - 180) < _SAME_ROLL_DEG
        for face in find_faces(turned)
    )


def _page_rows() -> list[Row]:
    pages = [picture.rgb() for picture in real_pages()]
    faces = [(face.box.height / min(rgb.shape[:2])) for rgb in pages for face in find_faces(rgb)]
    large = sum(share >= _LARGE_ON_A_PAGE for share in faces)
    return [
        _most(
            "faces on pages and cards that an `auto` slot would take for a portrait",
            large,
            0,
            f"{len(pages)} pages; faces of any size on them: {len(faces)}",
        )
    ]


def _cost_rows(portraits: tuple[RealPicture, ...]) -> list[Row]:
    upright = [p.rgb(_HAAR_PX) for p in portraits if p.label["face_visible"] and p.label["faces"] == 1]
    faceless = [picture.rgb(_HAAR_PX) for picture in (*portraits, *real_pages()) if not picture.label.get("faces")]
    made = []
    for what, pictures, most in (
        ("upright portraits", upright, _MOST_OF_HAAR),
        ("pictures without a face", faceless, _MOST_OF_HAAR_WITHOUT_FACE),
    ):
        grays = [cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in pictures]
        least = least_cpu_s(
            {"people": _over(find_faces, pictures), "haar": _over(haar_faces, grays)},  # type: ignore[arg-type]
            _ROUNDS,
        )
        ratio = least["people"] / least["haar"]
        each = {name: 1000 * seconds / len(pictures) for name, seconds in least.items()}
        made.append(
            {
                "what": f"CPU of the search with its meshes beside Haar's, {what}",
                "measured": round(ratio, 2),
                "bar": f"<= {most}",
                "unit": "",
                "holds": ratio <= most,
                "note": f"{len(pictures)} at {_HAAR_PX} px, {each['people']:.0f} and {each['haar']:.0f} ms each",
            }
        )
    return made


def _over(call: Callable[[NDArray[np.uint8]], object], pictures: list[NDArray[np.uint8]]) -> Callable[[], object]:
    return lambda: [call(pixels) for pixels in pictures]


def haar_faces(gray: NDArray[np.uint8]) -> int:
    """How many faces OpenCV's Haar cascade finds, searched as the product did before: large ones first."""
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"))
    side = min(gray.shape)
    large = max(20, round(0.16 * side))
    found = cascade.detectMultiScale(gray, 1.1, 9, minSize=(large, large), maxSize=(side, side))
    if not len(found):
        small = max(20, round(0.08 * side))
        found = cascade.detectMultiScale(gray, 1.1, 4, minSize=(small, small), maxSize=(large, large))
    return len(found)


def _row(what: str, count: int, least: int, note: str) -> Row:
    return {"what": what, "measured": count, "bar": f">= {least}", "unit": "", "holds": count >= least, "note": note}


def _most(what: str, count: int, most: int, note: str) -> Row:
    return {"what": what, "measured": count, "bar": f"<= {most}", "unit": "", "holds": count <= most, "note": note}
