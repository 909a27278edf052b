"""The sitter before a wall, as phones and people spoil such pictures: closed eyes, a turned head, light from one side.

Each edit takes a portrait and the face in it, and changes one thing. What moves in a face is warped along its mesh, so
that skin stays skin: a lid is drawn over the eye, a jaw drops, a head turns in space.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import CHIN, FOREHEAD, LEFT_EYE_RING, LIPS, RIGHT_EYE_RING, Face
from rythmiq_worker.people.search import find_faces
from tests.samples.cutout import WHITE, before_wall

Pixels = NDArray[np.uint8]
Moves = NDArray[np.float64]
_LONG_SIDE_PX = 1800
_ROOM = 1.3
_GRID_PX = 6
_STAYS = 1e-3  # the weight of what is far from the mesh, and does not move
_DARK = (16, 16, 18)


@cache
def sitter(wall: tuple[int, int, int] = WHITE) -> Pixels:
    """The sitter before a wall, with room around: 1350 x 1800 px, RGB; do not change it."""
    return np.asarray(before_wall(wall, room=_ROOM, long_side_px=_LONG_SIDE_PX)[0])


@cache
def sitters_face() -> Face:
    """The face of `sitter`, before whatever wall."""
    return find_faces(sitter())[0]


@cache
def sitters_share() -> NDArray[np.float32]:
    """How much of each pixel of `sitter` is the person: 1800 x 1350 x 1, float32, 0..1."""
    white, black = sitter((255, 255, 255)).astype(np.float32), sitter((0, 0, 0)).astype(np.float32)
    wall = np.maximum((white - black).max(axis=2, keepdims=True), 0)
    # The wall itself is darker towards the corners, where nobody is.
    return np.asarray(1 - np.clip(wall / np.float32(240), 0, 1), np.float32)


def with_closed_eyes(rgb: Pixels, face: Face) -> Pixels:
    """Skin over both eyes, with the lashes across."""
    rings = (LEFT_EYE_RING, RIGHT_EYE_RING)
    closed = _without(rgb, face, rings, (1.25, 1.9))
    along = np.linspace(-1, 1, 25)[:, None]
    for ring in rings:
        first, last = face.points[[ring[0], ring[8]], :2].astype(np.float64)
        width = float(np.hypot(*(last - first)))
        down = np.array((0.0, width))
        line = (first + last) / 2 + along * (last - first) / 2 + down * (0.02 + 0.04 * along**2)
        half = down * 0.08 * (1 - along**2)
        _paint(closed, np.concatenate((line - half, (line + half)[::-1])), (70, 44, 36))
    return closed


def with_an_open_mouth(rgb: Pixels, face: Face) -> Pixels:
    """Lips around a dark gap, half as high as the mouth is wide."""
    opened = _without(rgb, face, (LIPS,), (1.15, 1.15))
    points = face.points[:, :2].astype(np.float64)
    width = float(points[291, 0] - points[61, 0])
    middle = np.array((points[[61, 291], 0].mean(), points[13, 1] + 0.23 * width))
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.column_stack((np.cos(turn), np.sin(turn))) * width
    _paint(opened, middle + ring * (0.54, 0.40), (188, 104, 98))
    _paint(opened, middle + ring * (0.40, 0.26), (70, 26, 28))
    near = np.s_[
        int(middle[1] - width / 2) : int(middle[1] + width / 2), int(middle[0] - width) : int(middle[0] + width)
    ]
    opened[near] = cv2.GaussianBlur(opened[near], (0, 0), 1.2)
    return opened


def that_looks_up(rgb: Pixels, face: Face, *, up_deg: float) -> Pixels:
    """The face turned up, as its mesh knows it in space."""
    points = face.points.astype(np.float64)
    about = points[[234, 454]].mean(axis=0)
    away = points - about
    moves = np.zeros((len(points), 2))
    cos, sin = np.cos(np.radians(up_deg)), np.sin(np.radians(up_deg))
    moves[:, 1] = away[:, 1] * cos + away[:, 2] * sin - away[:, 1]
    return _warped(rgb, face, moves, reach=0.035)


def in_dark_glasses(rgb: Pixels, face: Face) -> Pixels:
    """Black glasses on the nose."""
    worn, middles = rgb.copy(), []
    for ring in (LEFT_EYE_RING, RIGHT_EYE_RING):
        outline = face.points[list(ring), :2]
        middle, width = outline.mean(axis=0), float(np.ptp(outline[:, 0]))
        middles.append(middle)
        centre, axes = (int(middle[0]), int(middle[1])), (int(0.85 * width), int(0.62 * width))
        cv2.ellipse(worn, centre, axes, face.roll_deg, 0, 360, _DARK, -1, cv2.LINE_AA)
    left, right = ((int(x), int(y)) for x, y in middles)
    cv2.line(worn, left, right, _DARK, max(3, int(face.box.width / 40)), cv2.LINE_AA)
    return worn


def dressed_like_the_wall(wall: tuple[int, int, int]) -> Pixels:
    """All below the chin in the wall's colour, a little darker."""
    rgb = sitter(wall).astype(np.float32)
    cloth = np.array(wall, np.float32) - 20 + (rgb.mean(axis=2, keepdims=True) - 70) * np.float32(0.1)
    chin = float(sitters_face().points[CHIN, 1])
    below = np.clip((np.arange(rgb.shape[0]) - chin - 10) / 10, 0, 1)[:, None, None] * sitters_share()
    return np.asarray(np.clip(rgb * (1 - below) + cloth * below, 0, 255), np.uint8)


def black_and_white(rgb: Pixels) -> Pixels:
    """Without colour, in three equal channels."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def lit(rgb: Pixels, light: float | NDArray[np.floating]) -> Pixels:
    """In so many times the light, in linear light; clipped as a sensor clips."""
    share = rgb.astype(np.float32) / np.float32(255)
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) * light
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), np.uint8)


def lit_from_one_side(rgb: Pixels, face: Face) -> Pixels:
    """One side of the face in shadow, the wall as it was."""
    x, _ = face.box.centre
    ramp = np.clip((np.arange(rgb.shape[1]) - x) / (0.3 * face.box.width) * 0.46 + 0.54, 0.08, 1)[None, :, None]
    person = sitters_share()
    return lit(rgb, person * ramp + (1 - person))


def before_a_bright_window(rgb: Pixels) -> Pixels:
    """The person in shadow, the wall as it was."""
    person = sitters_share()
    return lit(rgb, person * 0.2 + (1 - person))


def out_of_focus(rgb: Pixels, sigma: float) -> Pixels:
    """Blurred, all of it."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.uint8)


def grainy(rgb: Pixels, sigma: float) -> Pixels:
    """With a sensor's noise, the same in all channels."""
    noise = np.random.default_rng(2).normal(0, sigma, (*rgb.shape[:2], 1))
    return np.asarray(np.clip(rgb + noise, 0, 255), np.uint8)


def flat(rgb: Pixels, contrast: float) -> Pixels:
    """With less contrast, as in haze; what is white stays so."""
    return np.asarray(255 - (255 - rgb.astype(np.float32)) * contrast, np.uint8)


def leaning(rgb: Pixels, face: Face, degrees_clockwise: float) -> Pixels:
    """The whole picture turned about the face."""
    turn = cv2.getRotationMatrix2D(face.box.centre, -degrees_clockwise, 1.0)
    return np.asarray(cv2.warpAffine(rgb, turn, rgb.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _without(rgb: Pixels, face: Face, rings: tuple[tuple[int, ...], ...], grown: tuple[float, float]) -> Pixels:
    """The skin around goes on where something of the face was."""
    gone = np.zeros(rgb.shape[:2], np.uint8)
    for ring in rings:
        outline = face.points[list(ring), :2]
        middle = outline.mean(axis=0)
        cv2.fillPoly(gone, [cv2.convexHull(np.rint(middle + (outline - middle) * grown).astype(np.int32))], 255)
    return np.asarray(cv2.inpaint(rgb, gone, 3, cv2.INPAINT_TELEA), np.uint8)


def _paint(rgb: Pixels, outline: Moves, colour: tuple[int, int, int]) -> None:
    cv2.fillPoly(rgb, [np.rint(outline * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)


def _warped(rgb: Pixels, face: Face, moves: Moves, *, reach: float) -> Pixels:
    """Move points of the mesh, and the skin between them with them.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: in it.
        moves: 468 x 2: by how much each point moves, in pixels.
        reach: how far a point's word carries, in heights of the face.
    """
    height = float(np.hypot(*(face.points[CHIN, :2] - face.points[FOREHEAD, :2])))
    there = face.points[:, :2] + moves
    (left, top), (right, bottom) = (
        (there.min(axis=0) - height / 2).astype(int),
        (there.max(axis=0) + height / 2).astype(int),
    )
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, rgb.shape[1]), min(bottom, rgb.shape[0])
    down, across = np.mgrid[top:bottom:_GRID_PX, left:right:_GRID_PX].astype(np.float64)
    shift = np.empty((*down.shape, 2), np.float32)
    for row in range(len(down)):
        squared = (across[row, :, None] - there[:, 0]) ** 2 + (down[row, :, None] - there[:, 1]) ** 2
        weight = np.exp(-squared / (2 * (reach * height) ** 2))
        shift[row] = weight @ moves / (weight.sum(axis=1, keepdims=True) + _STAYS)
    whole = cv2.resize(shift, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    made = rgb.copy()
    made[top:bottom, left:right] = cv2.remap(
        rgb, columns - whole[..., 0], rows - whole[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return made
