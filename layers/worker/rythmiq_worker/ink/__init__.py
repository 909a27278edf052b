"""Signatures and thumb impressions on paper: find the ink, judge it, and put it alone on white.

The ink keeps its colour. Nothing is sharpened, smoothed or thresholded, since a portal compares strokes and ridges;
where a sheet is ruled, or a desk shows beside it, what is no ink becomes white. The sheet's outline does not matter,
only where the paper is: a shadow is soft and a desk is not, so the sheet's region counts only where its edge is a sharp
step nearly all around.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.imaging.cleanup import Colours, Paper, divide, find_paper
from rythmiq_worker.ink.judge import InkKind, InkSight, is_page, judge_ink
from rythmiq_worker.ink.ruling import find_ruling

Mask = NDArray[np.bool_]

_SHEET_LOOK_PX: Final = 256
_PEN_SHARE: Final = 0.02  # of the long side: a dark thing thinner than this is on the paper, not beside it
_DARKEST: Final = 0.6  # of the paper's own level: what is lighter than this beside it may be a shadow
_LEAST_SHEET: Final = 0.08
_LEAST_DESK: Final = 0.04
_LEAST_BORDER: Final = 0.15  # of the picture's border that the desk reaches
_SHARP: Final = 0.75  # of the edge, over which the step is within _STEP_PX
_STEP_PX: Final = 2
_SHEET_RIM_PX: Final = 1


def sheet_mask(thumbnail: Image.Image) -> Mask | None:
    """Find the sheet: h x w, at most 256 px long; None when the picture is all paper, or it is not certain.

    Args:
        thumbnail: RGB, small.
    """
    small = thumbnail.copy()
    small.thumbnail((_SHEET_LOOK_PX, _SHEET_LOOK_PX), Image.Resampling.BOX)
    if min(small.size) < _SHEET_LOOK_PX // 8:
        return None
    brightest = np.ascontiguousarray(np.asarray(small, dtype=np.uint8).max(axis=2))
    pen = max(3, round(_PEN_SHARE * max(small.size)) | 1)
    closed = cv2.morphologyEx(brightest, cv2.MORPH_CLOSE, np.ones((pen, pen), np.uint8))
    bare = np.asarray(cv2.medianBlur(closed, 5), np.uint8)
    level, _ = cv2.threshold(bare, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = bare > level
    if not bright.any() or bright.all():
        return None
    paper, desk = float(bare[bright].mean()), float(bare[~bright].mean())
    if desk > _DARKEST * paper:
        return None
    sheet = _largest_filled(bright)
    if not _LEAST_SHEET <= float(sheet.mean()) <= 1 - _LEAST_DESK:
        return None
    rim = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]])
    if 1 - float(rim.mean()) < _LEAST_BORDER or not _is_sharp(bare, sheet, paper - desk):
        return None
    side = 2 * _SHEET_RIM_PX + 1
    return cv2.erode(sheet.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=1) > 0


def _largest_filled(bright: Mask) -> Mask:
    contours, _ = cv2.findContours(bright.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    sheet = np.zeros(bright.shape, np.uint8)
    cv2.drawContours(sheet, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return sheet > 0


def _is_sharp(bare: NDArray[np.uint8], sheet: Mask, step: float) -> bool:
    """Whether most of what parts the two levels happens close to the edge, along nearly all of it."""
    side = np.ones((2 * _STEP_PX + 1, 2 * _STEP_PX + 1), np.uint8)
    edge = sheet & (cv2.erode(sheet.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) == 0)
    if not edge.any():
        return False
    local = cv2.dilate(bare, side).astype(np.int16) - cv2.erode(bare, side)
    return float((local[edge] >= step / 2).mean()) >= _SHARP


# A speck holds less than this share of all ink; only what holds more pulls the box.
_SPECK_SHARE: Final = 0.004
_SPECK_PX: Final = 6
_SOLID: Final = 0.5
_RIM_SHARE: Final = 0.04
_LEANING: Final = 0.5
# A stroke meets the border in a few places; a desk, a finger or a neighbouring sheet lies along it.
_ALONG_BORDER: Final = 0.15
# A frame is a piece with a hole nearly as large as the picture, and the hole is a rectangle, as no loop of a pen is.
_FRAME: Final = 0.4
_FRAME_FILL: Final = 0.9


def unframed(mask: Mask) -> Mask:
    """Leave out a frame around the ink, as a printed box or the edge of the sheet, and what lies outside it."""
    if not mask.any():
        return mask
    contours, levels = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    height, width = mask.shape
    for contour, (_, _, _, outside) in zip(contours, levels[0].tolist(), strict=True):
        _, _, wide, high = cv2.boundingRect(contour)
        is_hole = outside >= 0
        if not is_hole or wide < _FRAME * width or high < _FRAME * height:
            continue
        _, (one, other), _ = cv2.minAreaRect(contour)
        if cv2.contourArea(contour) < _FRAME_FILL * one * other:
            continue
        inside = np.zeros(mask.shape, np.uint8)
        cv2.drawContours(inside, [contour], -1, 1, cv2.FILLED)
        framed = mask & (cv2.erode(inside, np.ones((5, 5), np.uint8)) > 0)
        if framed.any():
            return framed
    return mask


def sorted_ink(mask: Mask) -> tuple[Mask | None, Mask | None]:
    """Leave out specks, and dark things that reach in over the border.

    Returns:
        the ink, and the dark things; None each where there is none.
    """
    height, width = mask.shape
    join = max(3, round(0.015 * max(mask.shape)) | 1)
    joined = cv2.dilate(mask.astype(np.uint8), np.ones((join, join), np.uint8))
    count, found, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    labels = np.asarray(found, np.int32)
    weights = np.bincount(labels[mask], minlength=count)
    weights[0] = 0
    across, down = _along_border(np.where(mask, labels, 0), count)
    wide, high, area = stats[:, 2], stats[:, 3], stats[:, 4]
    rim = (wide / width < _RIM_SHARE) | (high / height < _RIM_SHARE)
    solid = area > _SOLID * wide * high
    leaning = (across >= _LEANING * wide) | (down >= _LEANING * high)
    intruder = (across > _ALONG_BORDER * width) | (down > _ALONG_BORDER * height) | (leaning & (rim | solid))
    least = max(_SPECK_PX, _SPECK_SHARE * float(weights[~intruder].sum()))
    kept = ~intruder & (weights >= least)
    kept[0] = False
    foreign = intruder & (weights >= least)
    foreign[0] = False
    return (kept[labels] & mask if kept.any() else None), (foreign[labels] & mask if foreign.any() else None)


def _along_border(labels: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Along how many pixels of the picture's top or bottom, and of its left or right, each piece lies."""
    top, bottom, left, right = (
        np.bincount(side, minlength=count) for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    )
    return np.maximum(top, bottom), np.maximum(left, right)


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


def find_ink(thumbnail: Image.Image, kind: InkKind) -> tuple[Ink | None, InkSight]:
    """Find the ink of a signature or thumb, and say what it looks like.

    Args:
        thumbnail: RGB, small.
        kind: decides how wide a stroke can be and how much of the picture it can cover.

    Returns:
        the ink, None when the picture does not look like ink on paper; and what is to be said of it.
    """
    if max(thumbnail.size) > _LARGEST_LOOK_PX:
        thumbnail = thumbnail.copy()
        thumbnail.thumbnail((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX)
    paper = find_paper(thumbnail, _STROKE_SHARE[kind])
    if paper.level < _DARKEST_PAPER:
        return None, InkSight("not_ink")
    evenness = np.asarray(divide(thumbnail, paper.field, (255, 255, 255)).convert("RGB"), dtype=np.uint8)
    # Blue ink is dark in red only: the darkest channel shows every ink.
    darkness = np.ascontiguousarray(evenness.min(axis=2))
    sheet = sheet_mask(thumbnail)
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
