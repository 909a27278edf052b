"""Whether something else lies around the page, told by its print alone; and whether a camera took the picture."""

from typing import Final

import cv2
import numpy as np
from PIL import Image

from rythmiq_worker.pages.look import Look

_LOOK_PX: Final = 320
_STROKE_PX: Final = 7
_INK_CONTRAST: Final = 18
_DENSITY_PX: Final = 15
_LEAST_DENSITY: Final = 0.12
_LEAST_PRINT: Final = 0.02  # of the picture
_RIM_SHARE: Final = 0.03
_UNLIKE: Final = 12.0  # of L*a*b*
_LEAST_UNLIKE: Final = 0.5  # of the border along one side
_LEAST_SIDES: Final = 3  # fewer have a coloured head and foot too
_MOST_UNLIKE_PRINT: Final = 0.5  # of what is printed on: beyond that it is no paper of one colour

_MIDDLE: Final = 0.2  # what is left out on each side: pictures are padded with bars
_MOST_EVEN: Final = 0.7


def is_drawn(glance: Image.Image) -> bool:
    """Whether a picture is of a screen or a clean scan: most of it is perfectly even, which no sensor leaves."""
    gray = np.asarray(glance.convert("L"), np.uint8)
    across, down = (round(_MIDDLE * side) for side in glance.size)
    middle = np.ascontiguousarray(gray[down : gray.shape[0] - down, across : gray.shape[1] - across])
    return middle.size > 0 and bool((cv2.Laplacian(middle, cv2.CV_16S) == 0).mean() >= _MOST_EVEN)


def is_surrounded(look: Look) -> bool:
    """Whether a good part of the picture's border is not the paper that the print stands on."""
    colours = look.shrunk(_LOOK_PX)
    gray = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
    kernel = np.ones((_STROKE_PX, _STROKE_PX), np.uint8)
    ink = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, kernel) > _INK_CONTRAST
    print_ = cv2.blur(ink.astype(np.float32), (_DENSITY_PX, _DENSITY_PX)) > _LEAST_DENSITY
    if print_.mean() < _LEAST_PRINT:
        return False
    bare = cv2.morphologyEx(colours, cv2.MORPH_CLOSE, kernel).astype(np.float32) / 255
    lab = cv2.cvtColor(bare, cv2.COLOR_RGB2LAB).astype(np.float32)
    off = lab - np.median(lab[print_], axis=0)
    off[:, :, 0] = np.where(off[:, :, 0] < 0, off[:, :, 0] / 2, off[:, :, 0])  # a page lies partly in shadow
    off[:, :, 1:] *= 1.5
    unlike = np.sqrt((off * off).sum(axis=2)) > _UNLIKE
    rim = max(2, round(_RIM_SHARE * max(gray.shape)))
    sides = (unlike[:rim], unlike[-rim:], unlike[:, :rim], unlike[:, -rim:])
    around = sum(float(side.mean()) >= _LEAST_UNLIKE for side in sides)
    return around >= _LEAST_SIDES and bool(unlike[print_].mean() <= _MOST_UNLIKE_PRINT)
