"""Light, sharpness and look of real faces, what stands behind, and white in its place: are they judged as by people?"""

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.backdrop import Rule, backdrop_of
from rythmiq_worker.people.face import Face, rivals_of, subject_of
from rythmiq_worker.people.head import head_of, person_mask
from rythmiq_worker.people.looks import FaceLight, Look, Sharpness, face_light, face_sharpness, look_of
from rythmiq_worker.people.search import find_faces
from rythmiq_worker.people.whiten import white_background
from tests.bench.real_pictures import RealPicture, overlap

Row = dict[str, object]
Pixels = NDArray[np.uint8]

_FULL_PX = 4000
_SAME_FACE = 0.3
# Documents of three kinds: name, size, head share of the height, what lies above it, and the rule for the background.
DOCUMENTS: tuple[tuple[str, tuple[int, int], float, float, Rule], ...] = (
    ("413 x 531, light", (413, 531), 0.75, 0.09, "light"),
    ("630 x 810, white", (630, 810), 0.82, 0.06, "white"),
    ("600 x 600, white", (600, 600), 0.60, 0.12, "white"),
)
_WHITE_SIZE = "630 x 810, white"
_PLAIN = ("plain-white", "plain-light")
_MOST_WHITE_MS = 120
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class _Seen:
    """A portrait with a visible face, and what is measured on it."""

    picture: RealPicture
    rgb: Pixels
    faces: tuple[Face, ...]
    face: Face
    mask: Pixels
    sharpness: Sharpness | None
    light: FaceLight | None
    look: Look

    def label(self, name: str) -> object:
        return self.picture.label.get(name)


def rows(portraits: tuple[RealPicture, ...]) -> list[Row]:
    """All rows about light, sharpness, look, background and white."""
    seen = [found for picture in portraits if picture.label["face_visible"] for found in _seen(picture)]
    return [*_sharp_rows(seen), *_light_rows(seen), *_look_rows(seen), *_background_rows(seen), *_white_rows(seen)]


def _seen(picture: RealPicture) -> list[_Seen]:
    thumbnail, rgb = picture.rgb(), picture.rgb(_FULL_PX)
    height_px, width_px = thumbnail.shape[:2]
    found = find_faces(thumbnail)
    wanted = picture.face_box(width_px, height_px)
    labelled = [face for face in found if overlap(face.box, wanted) > _SAME_FACE]
    if not found:
        return []
    face = (labelled or [subject_of(found, width_px, height_px)])[0]
    factor = rgb.shape[1] / width_px
    faces = tuple(one.scaled(factor) for one in found)
    subject = faces[found.index(face)] if face in found else face.scaled(factor)
    mask = person_mask(rgb, subject)
    return [
        _Seen(
            picture,
            rgb,
            faces,
            subject,
            mask,
            face_sharpness(rgb, subject),
            face_light(rgb, subject, mask),
            look_of(rgb, subject),
        )
    ]


def _sharp_rows(seen: list[_Seen]) -> list[Row]:
    return _two_sided(
        "BLURRED",
        [bool(s.sharpness and s.sharpness.blurred) for s in seen if s.label("sharp_face") is True],
        [bool(s.sharpness and s.sharpness.blurred) for s in seen if s.label("sharp_face") is False],
        "sharp faces",
        "soft ones",
    )


def _light_rows(seen: list[_Seen]) -> list[Row]:
    def dark(entry: _Seen) -> bool:
        return entry.light is not None and entry.light.dark is not None

    good = [entry for entry in seen if entry.label("light") in {"ok", "bright"}]
    made = _two_sided(
        "TOO_DARK",
        [dark(entry) for entry in good],
        [dark(entry) for entry in seen if entry.label("light") in {"dark-face", "backlit"}],
        "faces in good light",
        "dark or backlit ones",
    )
    skin = [entry for entry in good if entry.label("skin") == "dark"]
    wrong = sum(dark(entry) for entry in skin)
    return [*made, _most("TOO_DARK on dark skin in good light", wrong, 0, f"of {len(skin)}")]


def _look_rows(seen: list[_Seen]) -> list[Row]:
    alone = [entry for entry in seen if entry.label("several") is False]

    def told(judged: Callable[[Look], object], label: str, values: Collection[object]) -> tuple[int, int]:
        chosen = [entry for entry in alone if entry.label(label) in values]
        return sum(judged(entry.look) not in {"pass", None} for entry in chosen), len(chosen)

    made = []
    kinds: tuple[tuple[str, Callable[[Look], object], str, set[object], set[object]], ...] = (
        ("turned or looking up or down", lambda look: look.pose, "pose", {"turned", "up"}, {"frontal"}),
        ("dark glasses", lambda look: look.glasses, "glasses", {"dark"}, {"none", "clear"}),
        ("black and white", lambda look: look.colour, "grey", {True}, {False}),
    )
    for what, judged, label, bad, good in kinds:
        hits, bad_count = told(judged, label, bad)
        wrong, good_count = told(judged, label, good)
        made.append(_count(f"{what}: told", hits, f"of {bad_count}; of {good_count} others called so: {wrong}"))
    eyes = Counter[str](entry.look.eyes or "not told" for entry in alone)
    mouths = Counter[str](entry.look.mouth for entry in alone)
    made.append(_count("eyes called closed, of single people", eyes["advice"] + eyes["fail"], _words(eyes)))
    made.append(_count("mouths called open, of single people", mouths["advice"] + mouths["fail"], _words(mouths)))
    return made


def _background_rows(seen: list[_Seen]) -> list[Row]:
    made = []
    for name, size, share, above, rule in DOCUMENTS:
        grades: dict[str, Counter[str]] = {"plain": Counter(), "not": Counter()}
        for entry in seen:
            if not entry.label("background_sure"):
                continue
            rgb, mask, faces = _document(entry, size, share, above)
            found = backdrop_of(rgb, mask)
            company = bool(rivals_of(faces, faces[0]))
            grade = found.judged(rule, company=company).grade if found else "not checked"
            grades["plain" if entry.label("background") in _PLAIN else "not"][grade] += 1
        plain, other = grades["plain"], grades["not"]
        made += [
            _most(f"{name}: not plain and light, passes", other["pass"], 1, _words(other)),
            _most(f"{name}: plain and light, fails", plain["fail"], 0, _words(plain)),
        ]
    return made


def _white_rows(seen: list[_Seen]) -> list[Row]:
    _, size, share, above, _ = next(document for document in DOCUMENTS if document[0] == _WHITE_SIZE)
    kept: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    least_ms = []
    for entry in seen:
        rgb, mask, faces = _document(entry, size, share, above)
        best_s = float("inf")
        for _ in range(_ROUNDS):
            began = time.process_time()
            white, why = white_background(rgb, mask, faces)
            best_s = min(best_s, time.process_time() - began)
        if white is not None:
            least_ms.append(1000 * best_s)
        kept[bool(entry.label("several"))][why or "white"] += 1
    several, alone = kept[True], kept[False]
    worst_ms = max(least_ms, default=0.0)
    return [
        _count(
            "white background for one of several people, the others cropped away", several["white"], _words(several)
        ),
        _count("white background for single people", alone["white"], _words(alone)),
        {
            "what": "CPU of a white background, worst portrait",
            "measured": round(worst_ms),
            "bar": f"<= {_MOST_WHITE_MS}",
            "unit": "ms",
            "holds": worst_ms <= _MOST_WHITE_MS,
            "note": f"{_WHITE_SIZE}; mask not counted; median {float(np.median(least_ms or [0])):.0f}",
        },
    ]


def _document(
    entry: _Seen, size: tuple[int, int], share: float, above: float
) -> tuple[Pixels, Pixels, tuple[Face, ...]]:
    """The crop about the head, with the mask of the whole picture and the subject first of its faces."""
    height_px, width_px = entry.rgb.shape[:2]
    head = head_of(entry.rgb, entry.face, entry.mask)
    high = min(head.height_px / share, height_px, width_px * size[1] / size[0])
    wide = high * size[0] / size[1]
    left = min(max(0.0, head.centre_x - wide / 2), width_px - wide)
    top = min(max(0.0, head.crown_y - above * high), height_px - high)
    scale = size[1] / high
    where = np.array(((scale, 0, -left * scale), (0, scale, -top * scale)))
    rows_, columns = slice(round(top), round(top + high)), slice(round(left), round(left + wide))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    rgb = np.asarray(cv2.resize(entry.rgb[rows_, columns], size, interpolation=how), np.uint8)
    mask = np.asarray(cv2.resize(entry.mask[rows_, columns], size, interpolation=cv2.INTER_AREA), np.uint8)
    others = tuple(face.moved(where) for face in entry.faces if face is not entry.face)
    return rgb, mask, (entry.face.moved(where), *others)


def _two_sided(code: str, good: list[bool], bad: list[bool], good_ones: str, bad_ones: str) -> list[Row]:
    missed = len(bad) - sum(bad)
    return [
        _most(f"{code} on {good_ones}", sum(good), 1, f"of {len(good)}"),
        _most(f"{code} missed on {bad_ones}", missed, 0, f"of {len(bad)}"),
    ]


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _count(what: str, count: int, note: str) -> Row:
    return {"what": what, "measured": count, "bar": None, "unit": "", "holds": None, "note": note}


def _most(what: str, count: int, most: int, note: str) -> Row:
    return {"what": what, "measured": count, "bar": f"<= {most}", "unit": "", "holds": count <= most, "note": note}
