"""A signature in ink on paper, photographed in uneven light."""

import itertools
import math

import cv2
import numpy as np
from PIL import Image

# Strokes of "A. Specimen" as a hand writes it: points of splines in a 10 x 4 box.
_STROKES = (
    ((0.3, 3.2), (0.9, 1.6), (1.5, 0.4), (1.7, 0.5), (1.8, 1.9), (2.1, 3.3)),
    ((0.7, 2.2), (1.3, 2.0), (2.2, 1.9)),
    ((3.6, 1.0), (3.1, 0.8), (2.8, 1.3), (3.3, 1.9), (3.5, 2.5), (3.0, 2.9), (2.6, 2.6)),
    ((3.7, 2.0), (3.7, 3.6), (3.7, 2.2), (4.1, 1.9), (4.3, 2.4), (3.9, 2.8), (3.7, 2.6)),
    ((4.4, 2.4), (4.9, 2.3), (4.7, 1.9), (4.4, 2.3), (4.7, 2.8), (5.1, 2.6), (5.5, 2.0), (5.2, 2.1), (5.1, 2.6)),
    ((5.1, 2.6), (5.5, 2.8), (5.8, 2.0), (5.8, 2.8), (5.9, 2.1), (6.3, 2.1), (6.3, 2.8), (6.5, 2.1), (6.9, 2.2)),
    ((6.9, 2.2), (6.9, 2.8), (7.2, 2.4), (7.6, 2.2), (7.4, 1.9), (7.2, 2.4), (7.6, 2.8), (8.0, 2.3), (8.1, 2.8)),
    ((8.1, 2.8), (8.2, 2.1), (8.6, 2.1), (8.7, 2.8), (9.1, 2.6), (9.7, 1.6)),
    ((0.8, 3.7), (3.5, 3.35), (6.5, 3.3), (9.6, 3.0), (7.5, 3.45)),
)


def signature_photo(size_px: tuple[int, int] = (2400, 1200), *, seed: int = 3) -> Image.Image:
    """Draw the signature in dark blue ink on off-white paper with a shadow across it.

    Returns:
        RGB.
    """
    width, height = size_px
    state = np.random.default_rng(seed)
    ink = np.zeros((height, width), np.float32)
    unit = min(width * 0.8 / 10, height * 0.8 / 4)
    origin = (width * 0.1, (height - 4 * unit) / 2)
    for stroke in _STROKES:
        points = _spline(stroke, 60)
        for number, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
            pressure = 0.055 + 0.022 * math.sin(number / 17) - 0.02 * abs(y1 - y0) / (abs(x1 - x0) + 0.02)
            pen = max(2, round(max(0.028, pressure) * unit * 1.6))
            start = (round(origin[0] + x0 * unit), round(origin[1] + y0 * unit))
            end = (round(origin[0] + x1 * unit), round(origin[1] + y1 * unit))
            cv2.line(ink, start, end, 1.0, pen, cv2.LINE_AA)
    ink = np.asarray(cv2.GaussianBlur(ink, (0, 0), width / 1600), dtype=np.float32)
    paper = np.empty((height, width, 3), np.float32)
    paper[:] = (238, 235, 226)
    colour = np.array((24, 32, 96), np.float32)
    sheet = paper * (1 - ink[..., None]) + colour * ink[..., None]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    light = 1.02 - 0.42 / (1 + np.exp(-14 * (across * 0.9 + down * 0.35 - 0.78)))
    lit = sheet * light + state.normal(0, 2.5, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def _spline(points: tuple[tuple[float, float], ...], steps: int) -> list[tuple[float, float]]:
    """Catmull-Rom through the points, `steps` positions a span."""
    path = (points[0], *points, points[-1])
    found: list[tuple[float, float]] = []
    for p0, p1, p2, p3 in zip(path, path[1:], path[2:], path[3:], strict=False):
        for step in range(steps):
            t = step / steps
            found.append((_cubic(t, p0[0], p1[0], p2[0], p3[0]), _cubic(t, p0[1], p1[1], p2[1], p3[1])))
    return [*found, points[-1]]


def _cubic(t: float, a: float, b: float, c: float, d: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
