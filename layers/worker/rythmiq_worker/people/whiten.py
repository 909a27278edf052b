"""A white background for a portrait, where it can be made honestly; else the photo stays as it is, and why is said.

The person mask is refined along the picture's own edges (guided filter: He, Sun, Tang 2013, at 420 px), and white takes
the place of the background's share of each pixel: out = pixel + (1 - alpha) x (white - background). The background's
colour at a hair is that of the clear background around it, so neither a dark nor a coloured seam remains.

Byte for byte the same on every run and for every number of threads: the filters sum whole numbers and multiples of a
power of two, which is exact in any order, and alpha is rounded to 8 bits.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.imaging import lab
from rythmiq_worker.people.face import Face, subject_of

Kept = Literal["several_people", "unclear_edge", "same_colour", "no_face"]
Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]
Flags = NDArray[np.bool]

_SIDE_PX = 420
_RADIUS_PX = 8
_SMOOTHING = 1e-4 * 255 * 255
_GRAIN = 2.0**14
_CLEAR, _SURE = 5, 250  # of 255: surely background, surely the person
_FROM, _TO = 0.25, 0.80  # of the filter's answer, stretched to 0..1: it leaves a haze where colours are alike
_REACHES_PX = (8, 32, 128)  # from how far the background's colour is taken, where nothing of it is nearer
_LEAST_NEAR = 0.02

# The gate. Of portraits judged by eye, good and bad results: docs/decisions.md.
UNCERTAIN = 0.0185
"""Mean width, over the face's height, of the band along the outline whose alpha is neither surely 0 nor surely 1."""
UNDECIDED = 0.16
"""Share of the outline that has no certain person or no certain background beside it."""
SAME_COLOUR = 0.06
"""Share of the outline whose two sides have one colour."""
LEFT_OVER = 0.012
"""Share of the person, near the outline, that has the colour of the background beside it."""
STRAY = 0.003
"""Share of the picture that would be kept though it is no part of the subject: a guest out of focus, a lamp."""
COMPANION = 0.3
"""Height of another face over the subject's, from which it is somebody."""
_FACE_SURE = 0.98
_BESIDE_PX = 8
_ALIKE = 12.0
_LEFT_ALIKE = 8.0
_HARMLESS = 85.0  # L* of a background so light that white in its place cannot be seen, if it is the person's
_NEAR_OUTLINE_PX, _STRAY_PX = 41, 25
_UNSURE = (0.18, 0.82)  # of alpha before it is stretched
_CERTAIN = (0.14, 0.86)


@dataclass(frozen=True, eq=False)
class _Cut:
    """The picture and its matte at the size of the filter.

    Attributes:
        rgb: h x w x 3, uint8.
        alpha: h x w, float32, 0..1.
        slopes: h x w x 3, float32: of alpha over the colours, in each pixel's neighbourhood.
        base: h x w, float32: the rest of alpha.
    """

    rgb: Pixels
    alpha: Plane
    slopes: Plane
    base: Plane


def white_background(rgb: Pixels, mask: Pixels, faces: tuple[Face, ...]) -> tuple[Pixels, None] | tuple[None, Kept]:
    """Put white behind a person.

    Args:
        rgb: H x W x 3, uint8, RGB.
        mask: H x W, uint8, from `person_mask`.
        faces: all faces of the picture, in its pixels.

    Returns:
        The picture before white, or None and why it stays as it is.
    """
    height_px, width_px = mask.shape
    if not faces:
        return None, "no_face"
    subject = subject_of(faces, width_px, height_px)
    if _has_company(mask, faces, subject):
        return None, "several_people"
    cut = _cut(rgb, mask)
    behind = _background(cut)
    kept = _gate(cut, behind, subject.scaled(cut.alpha.shape[0] / height_px))
    return (None, kept) if kept else (_before_white(rgb, mask, cut, behind), None)


def _has_company(mask: Pixels, faces: tuple[Face, ...], subject: Face) -> bool:
    """Whether somebody else is in the picture, or a face is taken for a part of the subject."""
    height_px, width_px = mask.shape
    for face in faces:
        box, (x, y) = face.box, face.box.centre
        in_sight = box.x < width_px and box.y < height_px and box.x + box.width > 0 and box.y + box.height > 0
        if face is subject or not in_sight:
            continue
        held = 0 <= x < width_px and 0 <= y < height_px and mask[int(y), int(x)] >= _SURE
        if held or box.height >= COMPANION * subject.box.height:
            return True
    return False


def _cut(rgb: Pixels, mask: Pixels) -> _Cut:
    factor = min(1.0, _SIDE_PX / max(mask.shape))
    size = (max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor)))
    small, person = (
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8) for plane in (rgb, mask)
    )
    slopes, base = _guided(small.astype(np.float32), person.astype(np.float32))
    alpha = _dot(slopes, small) + base
    window = np.ones((2 * _RADIUS_PX + 1, 2 * _RADIUS_PX + 1), np.uint8)
    alpha[cv2.erode(person, window) >= _SURE] = 255
    alpha[cv2.dilate(person, window) <= _CLEAR] = 0
    return _Cut(small, np.clip(alpha / np.float32(255), 0, 1), slopes, base)


def _guided(image: Plane, mask: Plane) -> tuple[Plane, Plane]:
    """Fit the mask, in every window, by a linear function of the colours; both 0..255.

    Returns:
        Slopes, h x w x 3, and base, h x w, each the mean over the windows that a pixel lies in.
    """
    means, mean = _mean(image), _mean(mask)
    cross = _mean(image * mask[..., None]) - means * mean[..., None]
    red, green, blue = (image[..., channel] for channel in range(3))
    products = _mean(np.stack((red * red, red * green, red * blue, green * green, green * blue, blue * blue), axis=-1))
    r, g, b = (means[..., channel] for channel in range(3))
    rr, gg, bb = (products[..., index] - own * own + _SMOOTHING for index, own in ((0, r), (3, g), (5, b)))
    rg, rb, gb = (products[..., index] - one * other for index, one, other in ((1, r, g), (2, r, b), (4, g, b)))
    # The inverse of a symmetric 3 x 3 matrix by its cofactors.
    c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c11, c12, c22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * c00 + rg * c01 + rb * c02)
    x, y, z = (cross[..., channel] * scale for channel in range(3))
    slopes = np.stack((c00 * x + c01 * y + c02 * z, c01 * x + c11 * y + c12 * z, c02 * x + c12 * y + c22 * z), axis=-1)
    slopes = np.asarray(np.rint(slopes * _GRAIN) / _GRAIN, np.float32)
    base = mean - _dot(slopes, means)
    return _mean(slopes), _mean(np.asarray(np.rint(base * _GRAIN) / _GRAIN, np.float32))


def _dot(slopes: Plane, colours: Plane | Pixels) -> Plane:
    """Over the three channels; three times faster than a sum over so short an axis."""
    red, green, blue = (slopes[..., channel] * colours[..., channel] for channel in range(3))
    return np.asarray(red + green + blue, np.float32)


def _mean(plane: Plane, radius_px: int = _RADIUS_PX) -> Plane:
    window = (2 * radius_px + 1, 2 * radius_px + 1)
    return np.asarray(cv2.blur(plane, window, borderType=cv2.BORDER_REFLECT), np.float32)


def _stretched(alpha: Plane) -> Plane:
    return np.asarray(np.clip((alpha - np.float32(_FROM)) / np.float32(_TO - _FROM), 0, 1), np.float32)


def _background(cut: _Cut) -> Pixels:
    """The colour of the background everywhere: of what is clear of the person, as near as there is any.

    Returns:
        h x w x 3, uint8.
    """
    clear = np.asarray(_stretched(cut.alpha) <= 0, np.float32)
    colours = cut.rgb * clear[..., None]
    found = np.full(cut.rgb.shape, 255, np.float32)
    for reach_px in reversed(_REACHES_PX):
        share = _mean(clear, reach_px)
        near = share > _LEAST_NEAR
        found[near] = _mean(colours, reach_px)[near] / share[near][:, None]
    return np.asarray(np.clip(np.rint(found), 0, 255), np.uint8)


def _gate(cut: _Cut, behind: Pixels, subject: Face) -> Kept | None:
    """Why this matte cannot be trusted; None where it can."""
    alpha = cut.alpha
    person = (alpha >= 0.5).astype(np.uint8)  # noqa: PLR2004  half
    if not _is_one_person(cut, person, subject):
        return "unclear_edge"
    outline = cv2.dilate(person, np.ones((3, 3), np.uint8)) > person
    outline[[0, 1, -2, -1]] = False
    outline[:, [0, 1, -2, -1]] = False
    count = int(outline.sum())
    unsure = int(((alpha > _UNSURE[0]) & (alpha < _UNSURE[1])).sum())
    if unsure > UNCERTAIN * subject.box.height * count:
        return "unclear_edge"
    inside, has_inside = _beside(cut.rgb, alpha > _CERTAIN[1])
    outside, has_outside = _beside(cut.rgb, alpha < _CERTAIN[0])
    decided = outline & has_inside & has_outside
    if int(decided.sum()) < (1 - UNDECIDED) * count:
        return "unclear_edge"
    there = lab(outside[decided])
    alike = np.sqrt(((lab(inside[decided]) - there) ** 2).sum(axis=1)) < _ALIKE
    if int((alike & (there[:, 0] < _HARMLESS)).sum()) > SAME_COLOUR * count:
        return "same_colour"
    near = (person > 0) & (cv2.erode(person, np.ones((_NEAR_OUTLINE_PX, _NEAR_OUTLINE_PX), np.uint8)) == 0)
    near &= alpha > _UNSURE[1]
    around = lab(behind[near])
    left = np.sqrt(((lab(cut.rgb[near]) - around) ** 2).sum(axis=1)) < _LEFT_ALIKE
    left_over = int((left & (around[:, 0] < _HARMLESS)).sum())
    return "same_colour" if left_over > LEFT_OVER * int(person.sum()) else None


def _is_one_person(cut: _Cut, person: Pixels, subject: Face) -> bool:
    """Whether the face is surely the person's, and nothing else is taken for one."""
    x, y = (round(value) for value in subject.box.centre)
    face = np.zeros(person.shape, np.uint8)
    axes = (max(1, int(subject.box.width * 0.4)), max(1, int(subject.box.height * 0.45)))
    cv2.ellipse(face, (x, y), axes, 0, 0, 360, 1, -1)
    if not face.any() or cut.alpha[face > 0].mean() < _FACE_SURE:
        return False
    _, labels = cv2.connectedComponents(person, connectivity=4)
    own = labels[min(person.shape[0] - 1, max(0, y)), min(person.shape[1] - 1, max(0, x))]
    if not own or not (labels[-1] == own).any():
        return False
    window = np.ones((_STRAY_PX, _STRAY_PX), np.uint8)
    near = cv2.dilate(np.asarray(labels == own, np.uint8), window) > 0
    return bool(((cut.alpha > _FROM) & ~near).mean() <= STRAY)


def _beside(rgb: Pixels, chosen: Flags) -> tuple[Pixels, Flags]:
    """The mean colour of chosen pixels about each pixel, and whether there are enough of them."""
    weight = chosen.astype(np.float32)
    share = _mean(weight, _BESIDE_PX)
    colour = _mean(rgb * weight[..., None], _BESIDE_PX) / np.maximum(share, np.float32(1e-6))[..., None]
    return np.asarray(np.clip(np.rint(colour), 0, 255), np.uint8), np.asarray(share > _LEAST_NEAR, np.bool)


def _before_white(rgb: Pixels, mask: Pixels, cut: _Cut, behind: Pixels) -> Pixels:
    size = (mask.shape[1], mask.shape[0])
    slopes, base, small = (
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)
        for plane in (cut.slopes, cut.base, cut.alpha)
    )
    colour = np.asarray(cv2.resize(behind, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    alpha = (_dot(slopes, rgb) + base) / np.float32(255)
    alpha = np.where((small <= 0) | (small >= 1), small, alpha)
    levels = np.asarray(np.rint(_stretched(np.asarray(alpha, np.float32)) * 255), np.uint32)[..., None]
    white = rgb + ((255 - levels) * (255 - colour.astype(np.uint32)) + 127) // 255
    white[levels[..., 0] <= _CLEAR] = 255
    return np.asarray(np.minimum(white, 255), np.uint8)
