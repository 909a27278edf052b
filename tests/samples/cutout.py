"""The portrait cut out of its room and set before a wall: plain white as a passport asks, or a studio's colour."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.samples.portrait import astronaut, crisp, with_noise

# The outline of the sitter in the 512 x 512 picture, clockwise from the left ear, traced by hand to about 2 px.
_OUTLINE = (
    ((180, 127), (162, 110), (154, 89), (153, 70), (162, 54), (180, 40), (191, 33), (206, 21), (230, 15), (253, 19)),
    (
        (277, 29),
        (291, 45),
        (300, 66),
        (301, 87),
        (296, 105),
        (287, 123),
        (273, 135),
        (268, 138),
        (265, 150),
        (256, 163),
    ),
    ((256, 173), (281, 192), (300, 218), (306, 237), (323, 248), (340, 270), (352, 288), (359, 319), (363, 335)),
    ((361, 351), (375, 347), (398, 344), (427, 348), (455, 363), (476, 384), (490, 413), (497, 450), (512, 457)),
    ((512, 512), (33, 512), (30, 497), (21, 450), (20, 408), (28, 356), (26, 330), (35, 300), (47, 267), (70, 241)),
    ((96, 220), (113, 206), (115, 190), (123, 173), (141, 157), (164, 149), (184, 148), (185, 136)),
)
_BAND_PX = 4

WHITE = (252, 252, 251)
BLUE = (104, 150, 204)
GRAY = (176, 178, 182)


@lru_cache(maxsize=1)
def matte() -> NDArray[np.float32]:
    """How much of each pixel of the portrait is the sitter: 512 x 512, float32, 0..1.

    GrabCut decides within a narrow band along the traced outline; a guided filter gives hair its soft edge.
    """
    rgb = np.asarray(astronaut())
    drawn = np.zeros(rgb.shape[:2], np.uint8)
    points = np.array([point for part in _OUTLINE for point in part], np.int32)
    cv2.fillPoly(drawn, [points], 255)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _BAND_PX + 1, 2 * _BAND_PX + 1))
    inner, outer = cv2.erode(drawn, brush, borderValue=255), cv2.dilate(drawn, brush)
    mask = np.where(drawn > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    mask[inner > 0] = cv2.GC_FGD
    mask[outer == 0] = cv2.GC_BGD
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(rgb[..., ::-1].copy(), mask, (0, 0, 1, 1), *models, 2, cv2.GC_INIT_WITH_MASK)
    decided = np.where(np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)), 255, 0).astype(np.uint8)
    sitter = np.asarray(cv2.medianBlur(decided, 5).astype(np.float32) / np.float32(255), np.float32)
    gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
    soft = _guided(gray, sitter, radius_px=3, softness=4e-3)
    soft = np.clip((soft - 0.12) / 0.80, 0, 1)
    soft[inner > 0], soft[outer == 0] = 1.0, 0.0
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.6), np.float32)


def before_wall(
    wall: tuple[int, int, int] = WHITE,
    *,
    room: float = 1.0,
    aspect: float = 0.75,
    long_side_px: int = 1600,
    vignette: float = 0.04,
) -> tuple[Image.Image, tuple[float, float, float]]:
    """Set the sitter before a wall.

    Args:
        wall: colour, RGB.
        room: height of the picture in heights of the original; above 1 the wall goes on above the head.
        aspect: width over height; the sitter stands in the middle, or to the right where the original ends.
        long_side_px: of the picture.
        vignette: how much darker the corners are, 0..1.

    Returns:
        The picture, RGB, and (scale, left, top): a point of the original lies at `left + scale * x, top + scale * y`.
    """
    height = long_side_px if aspect <= 1 else round(long_side_px / aspect)
    width = round(height * aspect)
    scale = height / (room * 512)
    # The original is cut at its right and lower edge: those cuts stay on the picture's own edges.
    left, top = max(width / 2 - 228 * scale, width - 511 * scale), height - 511 * scale
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    alpha = matte()
    move = np.array(((scale, 0, left + (scale - 1) / 2), (0, scale, top + (scale - 1) / 2)), np.float32)

    def placed(layer: NDArray[np.float32]) -> NDArray[np.float32]:
        moved = cv2.warpAffine(layer, move, (width, height), flags=cv2.INTER_LANCZOS4, borderValue=0)
        return np.asarray(moved, np.float32)

    seen = np.clip(placed(alpha), 0, 1)
    painted = np.empty((height, width, 3), np.uint8)
    pure = _sitter_alone(alpha)
    light = 1 - vignette * (across[None, :] ** 2 + down[:, None] ** 2) / 2
    for channel in range(3):
        level = np.maximum(placed(pure[..., channel] * alpha), 0)
        painted[..., channel] = np.clip(level + wall[channel] * light * (1 - seen) + 0.5, 0, 255)
    return Image.fromarray(painted), (scale, left, top)


def wall_photo(*, seed: int = 1, noise: float = 2.5) -> Image.Image:
    """The portrait as a 12 MP phone photo before a plain white wall: RGB, 3000 x 4000."""
    image, _ = before_wall(WHITE, room=1.08, long_side_px=4000)
    return with_noise(image, noise, seed)


def _sitter_alone(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sitter's own colours, carried outwards over the edge so that nothing of the old room shines through."""
    rgb = np.asarray(crisp(), np.float32)
    sure = (alpha > 0.97).astype(np.float32)[..., None]
    near = cv2.GaussianBlur(rgb * sure, (0, 0), 2.5)
    weight = cv2.GaussianBlur(sure, (0, 0), 2.5)[..., None]
    carried = np.where(weight > 1e-3, near / np.maximum(weight, 1e-3), rgb)
    return np.asarray(rgb * sure + carried * (1 - sure), np.float32)


def _guided(
    guide: NDArray[np.float32], mask: NDArray[np.float32], *, radius_px: int, softness: float
) -> NDArray[np.float32]:
    """He et al.'s guided filter: `mask` smoothed along the edges of `guide`."""
    size = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, size), np.float32)

    guide_mean, mask_mean = mean(guide), mean(mask)
    slope = (mean(guide * mask) - guide_mean * mask_mean) / (mean(guide * guide) - guide_mean**2 + softness)
    offset = mask_mean - slope * guide_mean
    return np.asarray(mean(slope) * guide + mean(offset), np.float32)
