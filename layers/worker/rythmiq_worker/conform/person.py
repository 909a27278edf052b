"""What a document shows of a person, measured on its final pixels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.conform.geometry import Layout
from rythmiq_worker.people.backdrop import Backdrop, backdrop_of
from rythmiq_worker.people.face import Face
from rythmiq_worker.people.head import Head, head_of
from rythmiq_worker.people.looks import Look, look_of
from rythmiq_worker.people.portrait import Portrait, onto_picture
from rythmiq_worker.people.search import read_mesh

if TYPE_CHECKING:
    Rgb = NDArray[np.uint8]

# How far a person reaches from the middle of the face, in faces: to the shoulders' ends, above the hair, to the chest.
_SHOULDERS, _HAIR, _CHEST = 1.2, 0.8, 2.0


@dataclass(frozen=True, slots=True)
class Person:
    """What the document shows, above its caption.

    Attributes:
        faces: how many faces are seen in it.
        company: whether somebody else is in it, be it with a shoulder only.
        face: the subject's, in the document's pixels; None where the mesh sees none.
        head: in the document's pixels.
        whole_head: whether all of it is there, from chin to the top of hair or headwear.
        size: width and height of the part above the caption.
        look: pose, eyes, mouth and glasses.
        backdrop: what is behind the person.
    """

    faces: int
    company: bool = False
    face: Face | None = None
    head: Head | None = None
    whole_head: bool = True
    size: tuple[int, int] = (1, 1)
    look: Look | None = None
    backdrop: Backdrop | None = None


def look_at_person(rgb: "Rgb", portrait: Portrait, onto: NDArray[np.float64], *, head_fits: bool = True) -> Person:
    """Look for the subject where it must be, and at what is around it.

    Args:
        rgb: the document above its caption: H x W x 3, uint8, RGB.
        portrait: of the upload.
        onto: from the pixels of `portrait.upright` to those of `rgb`: 3 x 3.
        head_fits: whether the document has room for the whole head.
    """
    height_px, width_px = rgb.shape[:2]
    size = (width_px, height_px)
    if portrait.face is None or portrait.person is None:
        return Person(0, size=size)
    expected = portrait.face.moved(onto[:2])
    face = read_mesh(rgb, expected.box, expected.roll_deg)
    person = projected(portrait.person, onto, size)
    if face is None:
        return Person(0, size=size, backdrop=backdrop_of(rgb, person))
    return Person(
        1 + others_in(portrait, onto, size),
        has_company(portrait, onto, size),
        face,
        head_of(rgb, face, person),
        head_fits and portrait.head is not None and not portrait.head.cut_at_top,
        size,
        look_of(rgb, face),
        backdrop_of(rgb, person),
    )


def upright_onto(portrait: Portrait | None, layout: Layout, width_px: int) -> NDArray[np.float64] | None:
    """From the pixels of `portrait.upright` to a document's: 3 x 3; None without a subject.

    Args:
        portrait: of the upload.
        layout: of the document.
        width_px: of the picture that it was made of, which lies as the subject does.
    """
    if portrait is None or portrait.face is None:
        return None
    document = np.vstack([layout.onto_document, (0, 0, 1)])
    onto: NDArray[np.float64] = document @ onto_picture(portrait, width_px)
    return onto


def others_in(portrait: Portrait, onto: NDArray[np.float64], size: tuple[int, int]) -> int:
    """How many of the other faces have their middle in the document.

    Args:
        portrait: of the upload.
        onto: from the pixels of `portrait.upright` to the document's: 3 x 3.
        size: width and height of the document above its caption.
    """
    middles = [onto[:2, :2] @ face.box.centre + onto[:2, 2] for face in portrait.rivals]
    return sum(0 <= x < size[0] and 0 <= y < size[1] for x, y in middles)


def has_company(portrait: Portrait, onto: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Whether another person's head or shoulders reach into the document; arguments as of `others_in`."""
    for face in portrait.rivals:
        box, (x, y) = face.box, face.box.centre
        corners = [
            onto[:2, :2] @ (x + across * box.width, y + down * box.height) + onto[:2, 2]
            for across in (-_SHOULDERS, _SHOULDERS)
            for down in (-_HAIR, _CHEST)
        ]
        xs, ys = [float(corner[0]) for corner in corners], [float(corner[1]) for corner in corners]
        if max(xs) > 0 and min(xs) < size[0] and max(ys) > 0 and min(ys) < size[1]:
            return True
    return False


def projected(person: NDArray[np.uint8], onto: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The person's mask in another picture of the same: H x W, uint8.

    Args:
        person: of `Portrait.upright`.
        onto: from its pixels to those of the other: 3 x 3.
        size: width and height of the other.
    """
    mask = cv2.warpAffine(person, onto[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(mask, dtype=np.uint8)
