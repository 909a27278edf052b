"""Photographs a drawn page as a hurried person does: from afar, at an angle, in a shadow, out of focus, with noise."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


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
    """Take the photo.

    Returns:
        RGB, of the shot's size.
    """
    state = np.random.default_rng(seed)
    width, height = shot.size_px
    photo = _desk(width, height, state)
    matrix, (page_width, page_height) = _view(page.size, shot)
    source = np.asarray(page.resize((page_width, page_height), Image.Resampling.LANCZOS))
    seen = cv2.warpPerspective(source, matrix, (width, height), flags=cv2.INTER_CUBIC)
    mask = cv2.warpPerspective(np.full((page_height, page_width), 255, np.uint8), matrix, (width, height))
    photo = np.where(mask[..., None] > 127, seen, photo)  # noqa: PLR2004  half covered
    if shot.blur_px:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), shot.blur_px), dtype=np.uint8)
    if shot.motion_px > 1:
        photo = np.asarray(cv2.blur(photo, (shot.motion_px, 1)), dtype=np.uint8)
    return Image.fromarray(_lit(photo, shot, state))


def as_jpeg(photo: Image.Image, shot: Shot) -> bytes:
    """The photo as the phone saves it."""
    out = io.BytesIO()
    photo.save(out, "JPEG", quality=shot.quality)
    return out.getvalue()


def _desk(width: int, height: int, state: np.random.Generator) -> NDArray[np.uint8]:
    """A wooden desk: brown, with grain along the width."""
    grain = cv2.resize(state.normal(0, 1, (96, 6)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    wood = np.array((96, 70, 50), np.float32) + 9 * grain[..., None]
    return np.asarray(np.clip(wood, 0, 255), dtype=np.uint8)


def _view(size_px: tuple[int, int], shot: Shot) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The homography from the page, resized to about the pixels that it takes, to the photo."""
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


def _lit(photo: NDArray[np.uint8], shot: Shot, state: np.random.Generator) -> NDArray[np.uint8]:
    """Light falls off towards a corner and the sensor adds noise; in strips, so that 12 MP stay small in memory."""
    height, width = photo.shape[:2]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    tile = state.normal(0, shot.noise, (256, width)).astype(np.float32)
    out = np.empty_like(photo)
    for top in range(0, height, 256):
        rows = photo[top : top + 256]
        down = np.linspace(top / height, min(1.0, (top + 256) / height), len(rows), dtype=np.float32)[:, None]
        light = shot.gain * (1 - shot.shadow / (1 + np.exp(-9 * (across * 0.7 + down * 0.6 - 0.75))))
        grain = np.roll(tile, int(state.integers(width)), axis=1)[: len(rows)]
        lit = rows * light[..., None] + grain[..., None]
        out[top : top + 256] = np.clip(lit, 0, 255).astype(np.uint8)
    return out
