"""Photographs a drawn page as a hurried person does: from afar, at an angle, in a shadow, out of focus, with noise."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STRIP_PX = 256
_WOOD = (100, 72, 50)
_GRAIN = 9.0
_PAGE_CASTS = 0.45  # how much light the page's own shadow takes from the desk beside it


@dataclass(frozen=True, slots=True)
class Shot:
    """How a page is photographed.

    Attributes:
        size_px: of the photo.
        fills: how much of the frame's width or height the page takes.
        tilt: perspective, share of the page's size by which the far edge is shorter.
        turn_deg: rotation, clockwise.
        shadow: 0..1, how dark the shadow across the page is.
        blur_px: standard deviation of defocus.
        motion_px: length of a horizontal smear.
        noise: standard deviation in gray levels.
        gain: exposure, 1 is right.
        quality: of the JPEG.
    """

    size_px: tuple[int, int] = (4000, 3000)
    fills: float = 0.9
    tilt: float = 0.05
    turn_deg: float = 1.0
    shadow: float = 0.2
    blur_px: float = 0.8
    motion_px: int = 0
    noise: float = 3.0
    gain: float = 1.0
    quality: int = 88


def photograph(page: Image.Image, shot: Shot, *, seed: int = 1) -> Image.Image:
    """Take the photo; 12 MP need about 110 MB.

    Returns:
        RGB, of the shot's size.
    """
    state = np.random.default_rng(seed)
    matrix, near_px = _view(page.size, shot)
    photo = _desk(shot.size_px, _outline(near_px, matrix), state)
    source = np.asarray(page.resize(near_px, Image.Resampling.LANCZOS))
    cv2.warpPerspective(
        source, matrix, shot.size_px, dst=photo, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT
    )
    if shot.blur_px:
        cv2.GaussianBlur(photo, (0, 0), shot.blur_px, dst=photo)
    if shot.motion_px > 1:
        cv2.blur(photo, (shot.motion_px, 1), dst=photo)
    _light(photo, shot, state)
    return Image.fromarray(photo)


def as_jpeg(photo: Image.Image, shot: Shot) -> bytes:
    """The photo as the phone saves it."""
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=shot.quality)
    return out.getvalue()


def seen_at(
    points: Sequence[tuple[float, float]], page_size_px: tuple[int, int], shot: Shot
) -> list[tuple[float, float]]:
    """Where points of the page lie in its photo, in pixels."""
    matrix, near_px = _view(page_size_px, shot)
    near = np.array(points, np.float64) * (near_px[0] / page_size_px[0], near_px[1] / page_size_px[1])
    return [(float(x), float(y)) for x, y in cv2.perspectiveTransform(near[None], matrix)[0]]


def _view(size_px: tuple[int, int], shot: Shot) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The homography to the photo from the page at about the pixels that it takes there, and those."""
    width, height = shot.size_px
    scale = shot.fills * min(width / size_px[0], height / size_px[1])
    page_width, page_height = max(8, round(size_px[0] * scale)), max(8, round(size_px[1] * scale))
    left, top = (width - page_width) / 2, (height - page_height) / 2
    inset = shot.tilt * page_width / 2
    corners = np.array(
        [
            (left + inset, top),
            (left + page_width - inset * 0.6, top + inset * 0.3),
            (left + page_width, top + page_height),
            (left, top + page_height - inset * 0.2),
        ],
        np.float32,
    )
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -shot.turn_deg, 1.0)
    turned = cv2.transform(corners[None], turn)[0].astype(np.float32)
    flat = np.array([(0, 0), (page_width, 0), (page_width, page_height), (0, page_height)], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(flat, turned)), (page_width, page_height)


def _outline(near_px: tuple[int, int], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The page's corners in the photo: 4 x 2."""
    width, height = near_px
    corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    return np.asarray(cv2.perspectiveTransform(corners, matrix)[0], np.float64)


def _desk(size_px: tuple[int, int], outline: NDArray[np.float64], state: np.random.Generator) -> NDArray[np.uint8]:
    """A wooden desk with grain along the width, and on it the soft shadow of the page: H x W x 3, uint8, RGB."""
    width, height = size_px
    shape = (max(1, width // 8), max(1, height // 8))
    boards = cv2.resize(state.normal(0, 1, (96, 6)).astype(np.float32), shape, interpolation=cv2.INTER_CUBIC)
    threads = state.normal(0, 0.35, (shape[1] // 2 + 1, 4)).astype(np.float32)
    grain = np.add(boards, cv2.resize(threads, shape, interpolation=cv2.INTER_LINEAR))
    cast = np.zeros(shape[::-1], np.float32)
    drop = max(shape) * 0.006
    cv2.fillConvexPoly(cast, np.round(outline / 8 + drop).astype(np.int32), 1.0)
    cast = np.asarray(cv2.GaussianBlur(cast, (0, 0), drop), np.float32)
    wood = np.array(_WOOD, np.float32) + _GRAIN * grain[..., None]
    wood *= 1 - _PAGE_CASTS * cast[..., None]
    small = np.clip(wood, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, size_px, interpolation=cv2.INTER_LINEAR), np.uint8)


def _light(photo: NDArray[np.uint8], shot: Shot, state: np.random.Generator) -> None:
    """Light falls off towards a corner and the sensor adds noise, in place and in strips."""
    height, width = photo.shape[:2]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    tile = state.normal(0, shot.noise, (_STRIP_PX, width)).astype(np.float32)
    for top in range(0, height, _STRIP_PX):
        rows = photo[top : top + _STRIP_PX]
        down = ((top + np.arange(len(rows), dtype=np.float32)) / height)[:, None]
        light = shot.gain * (1 - shot.shadow / (1 + np.exp(-9 * (across * 0.7 + down * 0.6 - 0.75))))
        grain = np.roll(tile, int(state.integers(width)), axis=1)[: len(rows)]
        lit = rows * light[..., None]
        lit += grain[..., None]
        np.clip(lit, 0, 255, out=lit)
        rows[:] = lit
