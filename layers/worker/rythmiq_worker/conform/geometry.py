"""Lay out a document: target size, crop, levelling, fit. Pixels are never stretched.

A leaning head is levelled by turning the picture about it; what is then taken is a rectangle of the turned picture that
lies inside the pixels there are.

Source: docs/specification/portals.md.
"""

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rythmiq.contracts.payload import Crop
from rythmiq.contracts.portal import PixelBounds, SchemaDefinition

if TYPE_CHECKING:
    from rythmiq_worker.people.head import Head
    from rythmiq_worker.people.portrait import Portrait

ResolvedKind = Literal["photo", "signature", "thumb", "document"]

# A portrait's face is a fifth of the picture or more; the print on an ID card is smaller.
_DOMINATES = 0.20
_RIVAL = 0.70


def resolve_kind(rules: SchemaDefinition, portrait: "Portrait | None") -> ResolvedKind:
    """Say what kind of picture the slot holds.

    Args:
        rules: the slot's rules; any kind but `auto` stands.
        portrait: who stands on the upload; None where nobody looked.
    """
    if rules.kind != "auto":
        return rules.kind
    if portrait is None or not portrait.faces:
        return "document"
    largest, *others = (face.box.height for face in portrait.faces)
    dominates = largest >= _DOMINATES * min(portrait.size)
    return "photo" if dominates and all(height <= _RIVAL * largest for height in others) else "document"


# A slot that names no pixels: as many as its kind makes use of and its kilobytes can carry.
_NATURAL_SIDE_PX: dict[ResolvedKind, int] = {"photo": 1600, "signature": 1000, "thumb": 1000, "document": 2339}
_NATURAL_BITS_PER_PIXEL: dict[ResolvedKind, float] = {"photo": 1.5, "signature": 1.5, "thumb": 1.5, "document": 0.7}
_NO_BOUNDS = PixelBounds(min_width_px=1, max_width_px=20_000, min_height_px=1, max_height_px=20_000)
_ROUNDING_STEPS = 200
_PASSPORT_ASPECT = 35 / 45
_DEFAULT_HEAD_SHARE = 0.62
_HEADROOM = 0.42  # of the space that the head leaves, how much is above it
_HEAD_MARGIN = 0.02  # of the head's height: how much room its outline needs at least
_HALF_FACE = 0.3  # of the head's height: from the middle of a face to its side
_STRIP_SHARE = 0.15  # of the document's height: the most that a caption takes


class Region(NamedTuple):
    """A rectangle of the upright picture in full-size pixels: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels down."""
        return self.bottom - self.top


class Levelling(NamedTuple):
    """A turn of the whole picture about a point, in full-size pixels of the upright picture.

    Attributes:
        degrees_clockwise: as a person sees it.
        about_x: the point that stays.
        about_y: the point that stays.
    """

    degrees_clockwise: float = 0.0
    about_x: float = 0.0
    about_y: float = 0.0

    @property
    def forth(self) -> NDArray[np.float64]:
        """From the picture's pixels to those of the levelled one: 2 x 3, float64."""
        return self._matrix(self.degrees_clockwise)

    @property
    def back(self) -> NDArray[np.float64]:
        """From the levelled picture's pixels to the picture's: 2 x 3, float64."""
        return self._matrix(-self.degrees_clockwise)

    def _matrix(self, degrees: float) -> NDArray[np.float64]:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        x, y = self.about_x, self.about_y
        return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])


class Subject(NamedTuple):
    """The head that a photo is framed around, in the pixels of the levelled picture."""

    head: "Head"
    levelling: Levelling = Levelling()

    @property
    def width_px(self) -> float:
        """Of the head, hair included."""
        return self.head.right_x - self.head.left_x


class Layout(NamedTuple):
    """The mapping from the picture to the document.

    Attributes:
        width_px: of the document.
        height_px: of the document.
        region: what is taken from the picture, in the pixels of the levelled one.
        placed: left, top, width, height of the taken pixels in the document; the rest is white.
        upscaled: whether the picture has fewer pixels than the document.
        levelling: how the picture is turned before anything is taken.
        strip_px: height of the caption's strip at the foot; no picture is there.
        head_fits: whether the whole head is taken; True without one.
    """

    width_px: int
    height_px: int
    region: Region
    placed: tuple[int, int, int, int]
    upscaled: bool
    levelling: Levelling = Levelling()
    strip_px: int = 0
    head_fits: bool = True

    @property
    def onto_document(self) -> NDArray[np.float64]:
        """From the upright picture's full-size pixels to the document's: 2 x 3, float64."""
        left, top, width, height = self.placed
        across, down = width / self.region.width, height / self.region.height
        taken = np.array(
            [[across, 0, left - across * self.region.left], [0, down, top - down * self.region.top], [0, 0, 1]]
        )
        return np.asarray((taken @ np.vstack([self.levelling.forth, (0, 0, 1)]))[:2], np.float64)


def chosen_region(width_px: int, height_px: int, crop: Crop | None) -> Region:
    """The owner's crop in pixels, or the whole picture."""
    if crop is None:
        return Region(0.0, 0.0, float(width_px), float(height_px))
    left, top = crop.x * width_px, crop.y * height_px
    right = max(left + 1, min(width_px, left + crop.width * width_px))
    bottom = max(top + 1, min(height_px, top + crop.height * height_px))
    return Region(min(left, width_px - 1.0), min(top, height_px - 1.0), right, bottom)


def lay_out(  # noqa: PLR0913  what a layout depends on
    rules: SchemaDefinition,
    kind: ResolvedKind,
    region: Region,
    subject: Subject | None,
    *,
    shrink: float = 1.0,
    caption: bool = False,
) -> Layout:
    """Plan the document's pixels.

    Args:
        rules: the slot's rules.
        kind: what the picture shows.
        region: what the owner chose of it.
        subject: the head to frame; None frames the middle.
        shrink: below 1 takes fewer pixels, where the rules leave a choice.
        caption: whether a strip at the foot is kept free; the rules on the head then hold above it.
    """
    fit: Literal["cover", "contain"] = rules.fit or ("cover" if kind == "photo" else "contain")
    aspect = _aspect(rules, kind, region, fit)
    share = 1 - _STRIP_SHARE if caption else 1.0
    taken = _framed(region, aspect / share, subject, rules) if fit == "cover" else region
    width, height = _size(rules, kind, _with_strip(taken, share), aspect, shrink)
    strip = round(height * _STRIP_SHARE - 0.5) if caption else 0
    inner_height = height - strip
    if fit == "cover":
        taken = _framed(region, width / inner_height, subject, rules)
        placed = (0, 0, width, inner_height)
    else:
        scale = min(width / taken.width, inner_height / taken.height)
        inner = (
            max(1, min(width, round(taken.width * scale))),
            max(1, min(inner_height, round(taken.height * scale))),
        )
        placed = ((width - inner[0]) // 2, (inner_height - inner[1]) // 2, *inner)
    return Layout(
        width,
        height,
        taken,
        placed,
        upscaled=placed[2] > taken.width * 1.005 and placed[3] > taken.height * 1.005,
        levelling=subject.levelling if subject is not None and fit == "cover" else Levelling(),
        strip_px=strip,
        head_fits=subject is None or holds_head(taken, subject.head),
    )


def _with_strip(taken: Region, share: float) -> Region:
    """The pixels of a region and of the strip below it."""
    return Region(taken.left, taken.top, taken.right, taken.top + taken.height / share)


def holds_head(region: Region, head: "Head") -> bool:
    """Whether a region has the head whole from crown to chin, and both sides of its face; hair may reach out."""
    aside = abs(head.centre_x - (region.left + region.right) / 2)
    return (
        head.crown_y >= region.top - 0.5
        and head.chin_y <= region.bottom + 0.5
        and aside + _HALF_FACE * head.height_px <= region.width / 2 + 0.5
    )


def can_shrink(rules: SchemaDefinition) -> bool:
    """Whether the rules leave a choice of pixels."""
    bounds = rules.pixel_bounds
    return bounds is None or not bounds.exact


def _aspect(rules: SchemaDefinition, kind: ResolvedKind, region: Region, fit: str) -> float:
    """Width over height of the document: the nearest that the rules allow to what suits the picture."""
    wish = region.width / region.height
    if kind == "photo" and fit == "cover" and (rules.pixel_bounds is not None or _has_aspect(rules)):
        wish = _PASSPORT_ASPECT
    low, high = rules.aspect_min or 0.0, rules.aspect_max or float("inf")
    bounds = rules.pixel_bounds
    if bounds is not None:
        if bounds.exact:
            return bounds.min_width_px / bounds.min_height_px
        low = max(low, bounds.min_width_px / bounds.max_height_px)
        high = min(high, bounds.max_width_px / bounds.min_height_px)
    return min(max(wish, low), max(low, high))


def _has_aspect(rules: SchemaDefinition) -> bool:
    return rules.aspect_min is not None or rules.aspect_max is not None


def _size(rules: SchemaDefinition, kind: ResolvedKind, taken: Region, aspect: float, shrink: float) -> tuple[int, int]:
    bounds = rules.pixel_bounds
    if bounds is not None and bounds.exact:
        return bounds.min_width_px, bounds.min_height_px
    height = max(taken.height, taken.width / aspect) if aspect < taken.width / taken.height else taken.height
    if bounds is None:
        height = min(height, _NATURAL_SIDE_PX[kind] / max(aspect, 1.0))
        if rules.max_bytes is not None:
            pixels = rules.max_bytes * 8 / _NATURAL_BITS_PER_PIXEL[kind]
            height = min(height, (pixels / aspect) ** 0.5)
    height *= shrink
    return _whole_pixels(bounds or _NO_BOUNDS, height, aspect, rules)


def _whole_pixels(bounds: PixelBounds, height: float, aspect: float, rules: SchemaDefinition) -> tuple[int, int]:
    """The size nearest to `height` within the bounds and the aspect rule; rounding alone can break either."""
    least = max(bounds.min_height_px, bounds.min_width_px / aspect)
    most = min(bounds.max_height_px, bounds.max_width_px / aspect)
    rows = round(min(max(height, least), most))
    low, high = rules.aspect_min or 0.0, rules.aspect_max or float("inf")
    for step in range(_ROUNDING_STEPS):
        for candidate in (rows - step, rows + step):
            columns = min(max(round(candidate * aspect), bounds.min_width_px), bounds.max_width_px)
            if bounds.holds(columns, candidate) and low <= columns / candidate <= high:
                return columns, candidate
    return min(max(round(rows * aspect), bounds.min_width_px), bounds.max_width_px), rows


def _framed(bounds: Region, aspect: float, subject: Subject | None, rules: SchemaDefinition) -> Region:
    """The region of this aspect that frames the head as the rules ask, and has no pixel from outside the bounds.

    Args:
        bounds: in the upright picture's pixels.
        aspect: width over height.
        subject: the head and the turn that levels it; None takes the largest region in the middle.
        rules: the slot's rules.
    """
    levelling = subject.levelling if subject is not None else Levelling()
    radians = math.radians(levelling.degrees_clockwise)
    cos, sin = abs(math.cos(radians)), abs(math.sin(radians))
    # How far a region of height 1 reaches from its middle, along the sides of the picture as it was before the turn.
    reach_x, reach_y = (aspect * cos + sin) / 2, (aspect * sin + cos) / 2
    most = min(bounds.width / 2 / reach_x, bounds.height / 2 / reach_y)
    height, x, y = most, (bounds.left + bounds.right) / 2, (bounds.top + bounds.bottom) / 2
    if subject is not None:
        height = min(most, _wanted_height(subject, aspect, rules))
        top = _wanted_top(subject.head, height, rules)
        x, y = _applied(levelling.back, subject.head.centre_x, top + height / 2)
    x = min(max(x, bounds.left + reach_x * height), bounds.right - reach_x * height)
    y = min(max(y, bounds.top + reach_y * height), bounds.bottom - reach_y * height)
    x, y = _applied(levelling.forth, x, y)
    left, top = x - aspect * height / 2, y - height / 2
    if subject is None or levelling.degrees_clockwise == 0:  # rounding alone could leave the picture
        left, top = max(left, 0.0), max(top, 0.0)
    return Region(left, top, left + aspect * height, top + height)


def _wanted_height(subject: Subject, aspect: float, rules: SchemaDefinition) -> float:
    """Of a region in which the head has its share, and is not cut at the sides as long as its share allows."""
    head = subject.head
    share = sum(rules.face_ratio) / 2 if rules.face_ratio else _DEFAULT_HEAD_SHARE
    height = head.height_px / share
    wide = (subject.width_px + 2 * _HEAD_MARGIN * head.height_px) / aspect
    if rules.face_ratio:
        wide = min(wide, head.height_px / rules.face_ratio[0])
    return max(height, wide, head.height_px * (1 + 2 * _HEAD_MARGIN))


def _wanted_top(head: "Head", height: float, rules: SchemaDefinition) -> float:
    """Top of a region of this height: by the eye line where the portal states one, else by the headroom."""
    room = max(0.0, height - head.height_px)
    if rules.eye_line is None:
        return head.crown_y - room * _HEADROOM
    top = head.eye_y - height * (1 - sum(rules.eye_line) / 2)
    margin = min(_HEAD_MARGIN * head.height_px, room / 2)
    return min(max(top, head.chin_y + margin - height), head.crown_y - margin)


def _applied(matrix: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:
    across, down = matrix[:, :2] @ (x, y) + matrix[:, 2]
    return float(across), float(down)
