"""What is done to a photo's pixels at the document's size: a white background and a caption, each only if asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq.contracts.payload import Options
from rythmiq_worker.conform.geometry import Layout

if TYPE_CHECKING:
    from rythmiq_worker.people.portrait import Portrait


@dataclass(frozen=True, slots=True)
class Finished:
    """What was done.

    Attributes:
        whitened: share of the pixels that became background; None when nothing was replaced.
        kept_because: why the background was left although its owner wished it white.
        captioned: whether name and date were printed.
    """

    whitened: float | None = None
    kept_because: str | None = None
    captioned: bool = False


def finish(
    image: Image.Image,
    layout: Layout,
    portrait: "Portrait | None",
    onto: NDArray[np.float64] | None,
    options: Options,
) -> tuple[Image.Image, Finished]:
    """Replace the background and print the caption as the owner wishes.

    Args:
        image: RGB, of the document's size; may be drawn on.
        layout: how it was made.
        portrait: who stands on it.
        onto: from the pixels of `portrait.upright` to the document's: 3 x 3; None without a subject.
        options: the owner's.
    """
    whitened, reason = None, None
    if options.background == "white":
        image, whitened, reason = _whitened(image, layout, portrait, onto)
    if options.caption is not None and layout.strip_px:
        from rythmiq_worker.conform.caption import print_caption  # noqa: PLC0415  few photos have one

        print_caption(image, options.caption, layout.strip_px)
    return image, Finished(whitened, reason, captioned=layout.strip_px > 0)


def _whitened(
    image: Image.Image, layout: Layout, portrait: "Portrait | None", onto: NDArray[np.float64] | None
) -> tuple[Image.Image, float | None, str | None]:
    if portrait is None or portrait.face is None or portrait.person is None or onto is None:
        return image, None, "no_face"
    from rythmiq_worker.conform.person import has_company, projected  # noqa: PLC0415  few ask for it
    from rythmiq_worker.people.whiten import white_background  # noqa: PLC0415  ditto

    pixels = np.asarray(image)[: image.height - layout.strip_px]
    size = (pixels.shape[1], pixels.shape[0])
    if has_company(portrait, onto, size):
        return image, None, "several_people"
    faces = (portrait.face.moved(onto[:2]), *(face.moved(onto[:2]) for face in portrait.rivals))
    made, reason = white_background(pixels, projected(portrait.person, onto, size), faces)
    if made is None:
        return image, None, reason
    whole = np.asarray(image).copy()
    whole[: pixels.shape[0]] = made
    changed = float((made != pixels).any(axis=2).mean())
    return Image.fromarray(whole), round(changed, 3), None
