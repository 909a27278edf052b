"""Where a document's pixels come from: target size, crop, fit. Nothing is ever stretched.

Source: SPEC 9, 10.
"""

from dataclasses import dataclass
from typing import Literal

from rythmiq.contracts.payload import Crop
from rythmiq.contracts.portal import PixelBounds, SchemaDefinition
from rythmiq_worker.conform.kind import ResolvedKind
from rythmiq_worker.engines.faces import Box

# A slot that names no pixels: as many as its kind makes use of and its kilobytes can carry.
_NATURAL_SIDE_PX: dict[ResolvedKind, int] = {"photo": 1600, "signature": 1000, "thumb": 1000, "document": 2339}
_NATURAL_BITS_PER_PIXEL: dict[ResolvedKind, float] = {"photo": 1.5, "signature": 1.5, "thumb": 1.5, "document": 0.7}
_NO_BOUNDS = PixelBounds(min_width_px=1, max_width_px=20_000, min_height_px=1, max_height_px=20_000)
_ROUNDING_STEPS = 200
_PASSPORT_ASPECT = 35 / 45
_DEFAULT_HEAD_SHARE = 0.62
_HEADROOM = 0.42  # of the space that the head leaves, how much is above it


@dataclass(frozen=True, slots=True)
class Region:
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


@dataclass(frozen=True, slots=True)
class Layout:
    """How the picture becomes the document.

    Attributes:
        width_px: of the document.
        height_px: of the document.
        region: what is taken from the picture.
        placed: left, top, width, height of the taken pixels in the document; the rest is white.
        upscaled: whether the picture has fewer pixels than the document.
    """

    width_px: int
    height_px: int
    region: Region
    placed: tuple[int, int, int, int]
    upscaled: bool


def chosen_region(width_px: int, height_px: int, crop: Crop | None) -> Region:
    """The owner's crop in pixels, or the whole picture."""
    if crop is None:
        return Region(0.0, 0.0, float(width_px), float(height_px))
    left, top = crop.x * width_px, crop.y * height_px
    right = max(left + 1, min(width_px, left + crop.width * width_px))
    bottom = max(top + 1, min(height_px, top + crop.height * height_px))
    return Region(min(left, width_px - 1.0), min(top, height_px - 1.0), right, bottom)


def lay_out(
    rules: SchemaDefinition, kind: ResolvedKind, region: Region, face: Box | None, *, shrink: float = 1.0
) -> Layout:
    """Plan the document's pixels.

    Args:
        rules: the slot's rules.
        kind: what the picture shows.
        region: what the owner chose of it.
        face: the face to frame, in the picture's pixels; None frames the middle.
        shrink: below 1 takes fewer pixels, where the rules leave a choice.
    """
    fit: Literal["cover", "contain"] = rules.fit or ("cover" if kind == "photo" else "contain")
    aspect = _aspect(rules, kind, region, fit)
    taken = _framed(region, aspect, face, rules) if fit == "cover" else region
    width, height = _size(rules, kind, taken, aspect, shrink)
    if fit == "cover":
        taken = _framed(region, width / height, face, rules)
        placed = (0, 0, width, height)
    else:
        scale = min(width / taken.width, height / taken.height)
        inner = (max(1, min(width, round(taken.width * scale))), max(1, min(height, round(taken.height * scale))))
        placed = ((width - inner[0]) // 2, (height - inner[1]) // 2, *inner)
    upscaled = placed[2] > taken.width * 1.005 and placed[3] > taken.height * 1.005
    return Layout(width, height, taken, placed, upscaled)


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


def _framed(region: Region, aspect: float, face: Box | None, rules: SchemaDefinition) -> Region:
    """The largest region of this aspect that frames the face as the rules ask and stays inside."""
    height = min(region.height, region.width / aspect)
    centre_x, top = (region.left + region.right) / 2, region.top + (region.height - height) / 2
    if face is not None:
        share = sum(rules.face_ratio) / 2 if rules.face_ratio else _DEFAULT_HEAD_SHARE
        height = min(height, face.head_height_px / share)
        centre_x = face.x + face.width / 2
        top = face.crown_y - max(0.0, height - face.head_height_px) * _HEADROOM
    width = height * aspect
    left = min(max(centre_x - width / 2, region.left), region.right - width)
    top = min(max(top, region.top), region.bottom - height)
    return Region(max(left, 0.0), max(top, 0.0), left + width, top + height)
