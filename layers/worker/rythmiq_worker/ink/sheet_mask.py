"""A sheet of paper on something darker, as a region of the picture, whatever its outline.

For ink it is enough to know where the paper is. A shadow is soft and a desk is not: the region counts only where its
edge is a sharp step nearly all around.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]

_LOOK_PX: Final = 256
_PEN_SHARE: Final = 0.02  # of the long side: a dark thing thinner than this is on the paper, not beside it
_DARKEST: Final = 0.6  # of the paper's own level: what is lighter than this beside it may be a shadow
_LEAST_SHEET: Final = 0.08
_LEAST_DESK: Final = 0.04
_LEAST_BORDER: Final = 0.15  # of the picture's border that the desk reaches
_SHARP: Final = 0.75  # of the edge, over which the step is within _STEP_PX
_STEP_PX: Final = 2
_RIM_PX: Final = 1


def sheet_mask(glance: Image.Image) -> Mask | None:
    """Find the sheet: h x w, at most 256 px long; None when the picture is all paper, or it is not certain.

    Args:
        glance: RGB, small.
    """
    small = glance.copy()
    small.thumbnail((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX)
    if min(small.size) < _LOOK_PX // 8:
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
    side = 2 * _RIM_PX + 1
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
