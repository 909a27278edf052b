"""A signature or a thumb impression on paper: where the ink is, and the ink alone on white.

The ink keeps its colour. Nothing is sharpened, smoothed or thresholded, since a portal compares strokes and ridges;
where a sheet is ruled, or a desk shows beside it, what is no ink becomes white.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.imaging.paper import Colours, Paper, divide, find_paper
from rythmiq_worker.ink.parts import sorted_ink, unframed
from rythmiq_worker.ink.ruling import find_ruling
from rythmiq_worker.ink.sheet_mask import sheet_mask
from rythmiq_worker.ink.sight import InkKind, InkSight, is_page, judge_ink

Mask = NDArray[np.bool_]

MARGIN: Final = 0.08
_LOOK_PX: Final = 1000
_LARGEST_LOOK_PX: Final = 1300
# The widest stroke of a pen, and the widest smear of a thumb, as a share of the picture's long side.
_STROKE_SHARE: Final = {"signature": 0.06, "thumb": 0.33}
# How much of the picture can be ink; above it, it is no signature or thumb (a face, a page).
_MOST_INK: Final = {"signature": 0.40, "thumb": 0.75}
_LEAST_INK: Final = 0.0003
_DARKEST_PAPER: Final = 70
_WHITE_PAPER: Final = 250
_THRESHOLDS: Final = (120.0, 215.0)
_LEAST_CONTRAST: Final = 25.0
# Cutting off less than this share of a side is not worth it, which also makes a second run do nothing.
_LEAST_CUT: Final = 0.03
_RIM_PX: Final = 2
_ALL: Final = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Ink:
    """What was found on a picture.

    Attributes:
        paper: the paper behind it.
        whitening: how much brighter than its paper white is set, so that the paper's grain is white too; 1 and more.
        box: the ink with its margin: left, top, right, bottom as shares of the picture; may reach over its border.
        keep: where it is, h x w, uint8, 255 for ink; None where nothing else lies on the paper.
        rules: how many ruled lines of the paper are not in `keep`.
    """

    paper: Paper
    whitening: float
    box: tuple[float, float, float, float]
    keep: Colours | None = None
    rules: int = 0

    @property
    def on_white(self) -> bool:
        """Whether the paper is white as it is."""
        return self.paper.low >= _WHITE_PAPER

    @property
    def tight(self) -> bool:
        """Whether the picture ends about where the box does."""
        left, top, right, bottom = self.box
        return left < _LEAST_CUT and top < _LEAST_CUT and right > 1 - _LEAST_CUT and bottom > 1 - _LEAST_CUT


def find_ink(glance: Image.Image, kind: InkKind) -> tuple[Ink | None, InkSight]:
    """Find the ink of a signature or thumb, and say what it looks like.

    Args:
        glance: RGB, small.
        kind: decides how wide a stroke can be and how much of the picture it can cover.

    Returns:
        the ink, None when the picture does not look like ink on paper; and what is to be said of it.
    """
    if max(glance.size) > _LARGEST_LOOK_PX:
        glance = glance.copy()
        glance.thumbnail((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX)
    paper = find_paper(glance, _STROKE_SHARE[kind])
    if paper.level < _DARKEST_PAPER:
        return None, InkSight("not_ink")
    evenness = np.asarray(divide(glance, paper.field, (255, 255, 255)).convert("RGB"), dtype=np.uint8)
    # Blue ink is dark in red only: the darkest channel shows every ink.
    darkness = np.ascontiguousarray(evenness.min(axis=2))
    sheet = sheet_mask(glance)
    if sheet is not None:
        darkness[_enlarged(sheet, darkness.shape) == 0] = 255
    threshold = _threshold(darkness)
    if threshold is None:
        return None, InkSight("no_ink")
    mask = darkness < threshold
    share = float(mask.mean())
    if share < _LEAST_INK:
        return None, InkSight("no_ink")
    ruling = find_ruling(darkness) if kind == "signature" else None
    bare = unframed(mask if ruling is None or not ruling.count else mask & ~ruling.mask)
    kept, foreign = sorted_ink(bare)
    sight = InkSight("not_ink") if share > _MOST_INK[kind] else _sight(kept, foreign, kind)
    if kept is None or sight.finding in {"no_ink", "not_ink"}:
        return None, sight
    blank = darkness[~mask].astype(np.float32)
    grain = float(np.clip(blank.mean() - 2.5 * blank.std(), threshold, 255))
    rules = 0 if ruling is None else ruling.count
    keep = None
    if sight.finding == "ink" and (foreign is not None or rules or sheet is not None or bare is not mask):
        fainter = darkness < (threshold + grain) / 2
        keep = _keep(kept, fainter if ruling is None else fainter & ~ruling.mask)
    return Ink(paper, 255 / grain, _with_margin(kept), keep, rules), sight


def _sight(kept: Mask | None, foreign: Mask | None, kind: InkKind) -> InkSight:
    """Judge the ink, and what lies at the border, which may be a page that runs on beyond it."""
    if kept is None:
        return InkSight("no_ink" if foreign is None else "not_ink")
    if kind == "signature" and foreign is not None and is_page(kept | foreign):
        whole = judge_ink(kept | foreign, kind)
        return whole if whole.finding in {"print", "lines"} else InkSight("not_ink")
    return judge_ink(kept, kind)


def _threshold(darkness: Colours) -> float | None:
    """Say below which level a pixel is ink (Otsu 1979), or None when ink and paper do not part."""
    level, _ = cv2.threshold(darkness, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    ink = darkness[darkness <= level]
    rest = darkness[darkness > level]
    if not ink.size or not rest.size or float(rest.mean()) - float(ink.mean()) < _LEAST_CONTRAST:
        return None
    return float(np.clip(level + 1, *_THRESHOLDS))


def _enlarged(small: Mask, shape: tuple[int, ...]) -> Colours:
    return np.asarray(
        cv2.resize(small.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST), np.uint8
    )


def _keep(kept: Mask, fainter: Mask) -> Colours:
    """The ink with its faint ends, and a rim for its soft edge."""
    _, labels = cv2.connectedComponents((fainter | kept).astype(np.uint8), connectivity=8)
    found = np.zeros(int(labels.max()) + 1, bool)
    found[labels[kept]] = True
    found[0] = False
    rim = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
    return np.asarray(cv2.dilate(255 * found[labels].astype(np.uint8), rim), np.uint8)


def _with_margin(kept: Mask) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    across, down = MARGIN * (right - left), MARGIN * (bottom - top)
    height, width = kept.shape
    return (left - across) / width, (top - down) / height, (right + across) / width, (bottom + down) / height


def ink_on_white(picture: Picture, ink: Ink, *, crop: bool) -> Picture:
    """Divide by the paper, leave the ink alone there, and cut to it if asked; at full size, when it is asked for."""
    shares = ink.box if crop else _ALL
    left, top = round(shares[0] * picture.width_px), round(shares[1] * picture.height_px)
    right = max(left + 1, round(shares[2] * picture.width_px))
    bottom = max(top + 1, round(shares[3] * picture.height_px))
    white = 255 * ink.whitening
    field = np.full((1, 1, 3), 255, np.uint8) if ink.on_white else ink.paper.field
    target = (255.0, 255.0, 255.0) if ink.on_white else (white, white, white)
    return picture.derived(
        lambda image: divide(image, field, target, (left, top, right, bottom), keep=ink.keep),
        right - left,
        bottom - top,
    )
