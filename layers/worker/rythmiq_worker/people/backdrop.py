"""Background of a portrait: lightness, chroma and structure, by percentiles of everything outside the person.

A wall with a soft shadow is plain; letters, a lamp, a frame, a guest are not: they stand out, with an edge, from the
smooth surface that fits the rest best.
"""

from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.imaging import lab, quantile
from rythmiq_worker.people import Bounds, Grade

Rule = Literal["white", "light"]
Reason = Literal["dark", "coloured", "busy"]

_SIDE_PX = 256
_PERSON, _SURELY_PERSON = 20, 128  # of 255: hair's edge is the person's
_HAIR_PX = 21  # twice the reach of that edge; what the mask half takes for a person farther off is a thing on the wall
_GROWN_PX = 11  # by which the person is grown, so that neither hair nor its shine counts
_RIM_PX = 4  # of the picture's own border: resizing and a print's edge live there
_LEAST_SHARE = 0.005  # of the picture: less is no background
_STRUCTURE_SHARE = 0.03  # from which things, shade and stains can be told from hair that was missed
_TAIL = 0.05
_SOFT = 1.0
_STANDS_OUT = 15.0
_EDGE = 3.0
_NEAR_EDGE_PX = 7
_EVERY = 2  # pixel of each row and column: percentiles and a smooth surface need no more
_FITS, _FIT_AT_LEAST, _FIT_ROUNDS = 2.5, 3.0, 4

LIGHTNESS: dict[Rule, Bounds] = {"white": Bounds(88.0, 84.0), "light": Bounds(75.0, 70.0)}
"""Median L*; the first figure is what the advice names as wanted."""
SHADE: dict[Rule, Bounds] = {"white": Bounds(75.0, 62.0), "light": Bounds(66.0, 58.0)}
"""L* of the darkest twentieth."""
CHROMA: dict[Rule, Bounds] = {"white": Bounds(8.0, 9.0), "light": Bounds(9.0, 11.0)}
"""C*ab that a twentieth exceeds."""
THINGS = Bounds(0.003, 0.006)
"""Share of the background that stands out with an edge."""
EDGES = Bounds(0.06, 0.10)
"""Share of the background that lies on an edge."""


class Finding(NamedTuple):
    """The grade of a background under a rule.

    Attributes:
        grade: pass, advice or fail.
        reason: of advice and fail.
        measured: L* of the background, rounded, 0..100.
        wanted: L* that the rule wants.
    """

    grade: Grade
    reason: Reason | None
    measured: int
    wanted: int


class Backdrop(NamedTuple):
    """The background of a portrait.

    Attributes:
        lightness: median L*, 0..100.
        darkest: L* of the darkest twentieth; the median where the background is too small to tell its tails from hair.
        chroma: C*ab that a twentieth exceeds; the median where the background is that small.
        things: share that stands out with an edge, 0..1.
        edges: share that lies on an edge, 0..1.
        share: of the picture that is background, 0..1.
    """

    lightness: float
    darkest: float
    chroma: float
    things: float
    edges: float
    share: float

    def judged(self, rule: Rule, *, company: bool = False) -> Finding:
        """Hold the background to a rule.

        Args:
            rule: what is asked for.
            company: whether somebody else of the subject's size is in the picture: no background is plain then, even
                where the mask takes both for one person.
        """
        grades: list[tuple[Grade, Reason]] = [
            ("fail" if company else "pass", "busy"),
            (THINGS.grade(self.things), "busy"),
            (EDGES.grade(self.edges), "busy"),
            (CHROMA[rule].grade(self.chroma), "coloured"),
            (LIGHTNESS[rule].grade(self.lightness), "dark"),
            (SHADE[rule].grade(self.darkest), "busy" if self.lightness >= LIGHTNESS[rule].passes else "dark"),
        ]
        measured, wanted = round(self.lightness), round(LIGHTNESS[rule].passes)
        doubts = {reason for found, reason in grades if found == "advice"}
        for grade in ("fail", "advice"):
            for found, reason in grades:
                if found == grade:
                    # One doubt may be the measure's; two of different kinds are the wall's.
                    return Finding("fail" if len(doubts) > 1 else found, reason, measured, wanted)
        return Finding("pass", None, measured, wanted)


def backdrop_of(rgb: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Backdrop | None:
    """Measure what stands behind a person, at 256 px.

    Args:
        rgb: H x W x 3, uint8, RGB; the finished document.
        mask: H x W, uint8, from `person_mask` on those pixels.

    Returns:
        None where the person leaves next to nothing of it.
    """
    factor = min(1.0, _SIDE_PX / max(mask.shape))
    size = (max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor)))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    near = cv2.dilate(np.asarray(alpha >= _SURELY_PERSON, np.uint8), _disc(_HAIR_PX))
    person = near & np.asarray(alpha >= _PERSON, np.uint8)
    grown = cv2.dilate(person, _disc(_GROWN_PX))
    behind = np.zeros(grown.shape, np.bool)
    behind[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX] = grown[_RIM_PX:-_RIM_PX, _RIM_PX:-_RIM_PX] == 0
    if behind.mean() < _LEAST_SHARE or not _thinned(behind).any():
        return None
    colours = lab(small)
    pixels = _thinned(colours)[_thinned(behind)]
    levels, chroma = pixels[:, 0], np.hypot(pixels[:, 1], pixels[:, 2])
    share = float(behind.mean())
    on_edge, things, tail = 0.0, 0.0, 0.5
    if share >= _STRUCTURE_SHARE:
        (on_edge, things), tail = _structure(colours, behind), _TAIL
    return Backdrop(
        lightness=quantile(levels, 0.5),
        darkest=quantile(levels, tail),
        chroma=quantile(chroma, 1 - tail),
        things=things,
        edges=on_edge,
        share=share,
    )


def _disc(diameter_px: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter_px, diameter_px)), np.uint8)


def _structure(colours: NDArray[np.float32], behind: NDArray[np.bool]) -> tuple[float, float]:
    """The shares of the background that lie on an edge, and that stand out with one from a smooth surface."""
    soft = np.asarray(cv2.GaussianBlur(colours, (0, 0), _SOFT), np.float32)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    squares = np.asarray(cv2.transform(across * across + down * down, np.ones((1, 3), np.float32)))
    inner = cv2.erode(behind.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    edge = (squares > _EDGE * _EDGE) & inner
    near_edge = cv2.dilate(edge.astype(np.uint8), np.ones((_NEAR_EDGE_PX, _NEAR_EDGE_PX), np.uint8)) > 0
    some = _thinned(behind)
    # Averaged, not thinned: a thin line would count or not by the column that it happens to stand in.
    halved = np.asarray(cv2.resize(soft, some.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
    standing_out = _distance(halved, some) > _STANDS_OUT
    things = int((standing_out & _thinned(near_edge)[some]).sum()) / int(some.sum())
    return int(edge.sum()) / int(behind.sum()), things


def _thinned(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels[::_EVERY, ::_EVERY]


def _distance(soft: NDArray[np.float32], behind: NDArray[np.bool]) -> NDArray[np.float32]:
    """Distance of each background pixel, in L*a*b*, from the second-order surface that fits most of them."""
    height_px, width_px = behind.shape
    rows, columns = np.nonzero(behind)
    y, x = rows / (height_px / 2) - 1, columns / (width_px / 2) - 1
    terms = np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), axis=-1)
    values = soft[behind].astype(np.float64)
    fits = np.ones(len(values), np.bool)
    away = np.zeros(len(values))
    for _ in range(_FIT_ROUNDS):
        some = terms[fits]
        surface = np.linalg.lstsq(some.T @ some, some.T @ values[fits], rcond=None)[0]
        away = _length(values - terms @ surface)
        fits = away < max(_FIT_AT_LEAST, _FITS * quantile(away.astype(np.float32), 0.5))
    return away.astype(np.float32)


def _length(vectors: NDArray[Any]) -> NDArray[Any]:
    """Over the last axis; column by column, which is five times faster than a sum over so few."""
    squared = vectors[..., 0] ** 2
    for index in range(1, vectors.shape[-1]):
        squared = squared + vectors[..., index] ** 2
    return np.asarray(np.sqrt(squared))
