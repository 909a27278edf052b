"""Observations on a file's pixels, for the clauses that a person would judge by eye.

The rim of a picture without a person is the top 6 % and the outer 8 % of the upper 45 %. It is white when its L* has a
lower quartile above 88 and its chroma an upper quartile below 8; light when L* is above 70 and chroma below 14
(docs/decisions.md).
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import ResolvedKind
from rythmiq_worker.conform.render import is_bilevel
from rythmiq_worker.imaging.measures import edge_width, shrunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq_worker.conform.person import Person
    from rythmiq_worker.engines import TextSight
    from rythmiq_worker.ink.judge import InkSight
    from rythmiq_worker.people.portrait import Portrait

_TOP, _SIDE, _UPPER = 0.06, 0.08, 0.45
_WHITE = (88.0, 8.0)
_LIGHT = (70.0, 14.0)


class Rim(NamedTuple):
    """CIE L* (lower quartile, 0..100) and chroma (upper quartile) of the rim."""

    lightness: float
    chroma: float

    @property
    def white(self) -> bool:
        """Whether it passes for white."""
        return self.lightness > _WHITE[0] and self.chroma < _WHITE[1]

    @property
    def light(self) -> bool:
        """Whether it passes for plain and light."""
        return self.lightness > _LIGHT[0] and self.chroma < _LIGHT[1]


def rim_of(image: Image.Image) -> Rim:
    """Measure the rim of a picture."""
    from rythmiq_worker.imaging import lightness_and_chroma, quantile  # noqa: PLC0415  a page has no background

    small = image.convert("RGB")
    small.thumbnail((256, 256), Image.Resampling.BOX)
    rgb = np.asarray(small)
    height, width = rgb.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    sides = (columns < width * _SIDE) | (columns >= width * (1 - _SIDE))
    rim = (rows < height * _TOP) | (sides & (rows < height * _UPPER))
    lightness, chroma = lightness_and_chroma(rgb[rim])
    return Rim(quantile(lightness, 0.25), quantile(chroma, 0.75))


SHARPNESS_SIDE_PX = 512


class Sight(NamedTuple):
    """Observations on a picture; None where it was not examined.

    Attributes:
        kind: what the slot holds.
        portrait: of the upload: who may be meant, how sharp and lit the face came.
        person: on the final pixels.
        rim: of a picture without a subject, where the slot states a background.
        edge_width: of a page, in pixels at 512 px, larger is softer.
        bilevel: whether the pixels are black and white only.
        ink: of a signature or thumb, on the upload.
        texts: of each page, None for one that nobody read; empty when nobody looked for text.
        captioned: whether name and date were printed.
    """

    kind: ResolvedKind
    portrait: "Portrait | None" = None
    person: "Person | None" = None
    rim: "Rim | None" = None
    edge_width: float | None = None
    bilevel: bool | None = None
    ink: "InkSight | None" = None
    texts: "tuple[TextSight | None, ...]" = ()
    captioned: bool = False


def look(  # noqa: PLR0913  what is looked at
    image: Image.Image,
    rules: SchemaDefinition,
    kind: ResolvedKind,
    *,
    portrait: "Portrait | None" = None,
    onto: NDArray[np.float64] | None = None,
    strip_px: int = 0,
    head_fits: bool = True,
    ink: "InkSight | None" = None,
    texts: "Sequence[TextSight | None]" = (),
) -> Sight:
    """Look at a file's decoded pixels.

    Args:
        image: the decoded file.
        rules: say what matters.
        kind: what the slot holds.
        portrait: of the upload, for a photo.
        onto: from the pixels of `portrait.upright` to the file's: 3 x 3; None when there is no subject.
        strip_px: height of the caption at the foot.
        head_fits: whether the document has room for the whole head.
        ink: of the upload, for a signature or thumb; None: it is looked for in these pixels.
        texts: how much of each page's text was read.
    """
    person = rim = None
    if kind == "photo" and portrait is not None:
        from rythmiq_worker.conform.person import look_at_person  # noqa: PLC0415  nobody is looked for elsewhere

        rgb = np.asarray(image.convert("RGB"))[: image.height - strip_px]
        person = look_at_person(rgb, portrait, onto if onto is not None else np.eye(3), head_fits=head_fits)
    if rules.background != "any" and (person is None or person.face is None):
        rim = rim_of(image)
    if kind in {"signature", "thumb"} and ink is None:
        from rythmiq_worker.ink import find_ink  # noqa: PLC0415  nobody looks for ink elsewhere

        ink = find_ink(image.convert("RGB"), "thumb" if kind == "thumb" else "signature")[1]
    gray = shrunk(np.asarray(image.convert("L")), SHARPNESS_SIDE_PX) if kind == "document" else None
    return Sight(
        kind,
        portrait,
        person,
        rim=rim,
        edge_width=None if gray is None else edge_width(gray),
        bilevel=is_bilevel(image) if rules.color == "bw" else None,
        ink=ink,
        texts=tuple(texts),
        captioned=strip_px > 0,
    )
