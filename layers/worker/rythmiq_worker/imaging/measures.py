"""What can be measured on a gray picture: sharpness, light, noise, compression, detail. Numbers only, no verdicts.

Sharpness is measured on a canonical size, because the same picture must measure the same at 1 and at 12 megapixels:
a raw Laplacian variance differs by a factor of two between sizes and takes noise for sharpness; the edge width does
neither (docs/decisions.md). All arrays are H x W, uint8, gray, unless a docstring says otherwise, of any size from
1 x 1.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging import quantile

Gray = NDArray[np.uint8]
Plane = NDArray[np.float32]

CANONICAL_PX: Final = 512
FINE_PX: Final = 1000
_FINE_TOLERANCE: Final = 1.1
_WINDOW_PX: Final = 9
# A gradient below one gray level a pixel is no edge but paper, sky or noise.
_LEAST_GRADIENT: Final = 1.0
_BLOCK_PX: Final = 8
# Below this mean difference between neighbours, in gray levels, a grid is not seen, however it stands out.
_LEAST_DIFFERENCE: Final = 2.0
# Of the differences between neighbouring rows; what is above is the edge of a page or a bar, not of a block.
_MOST_STEP: Final = 0.97
_BLUR_WINDOW_PX: Final = 11
_CLIPPED: Final = (4, 251)
_CLIPS: Final = np.array([255 * (level <= _CLIPPED[0] or level >= _CLIPPED[1]) for level in range(256)], np.uint8)
_MOSTLY_CLIPPED: Final = 0.75
# How much of its standard deviation a normal distribution loses when one half of it is clipped.
_HALF_CLIPPED: Final = 0.42
_BLOWN: Final = 247
# Mean slope, gray levels a pixel, above which a place holds texture or text.
_BUSY: Final = 5.0
_LEAST_SHARE: Final = 0.05
_MOST_GLARE: Final = 1 / 3
# Paper as bright as this by itself is burnt out by no reflection where it is a little brighter still.
_BRIGHT_PAPER: Final = 210
_RIM_SHARE: Final = 0.02
_WHITE_RIM: Final = 0.5
_PRINT_PX: Final = 15
_PRINT_BELOW: Final = 180
_PRINT_OF_PAPER: Final = 0.93
_LEAST_PRINT: Final = 0.01
_PRINT_REACH: Final = 0.25


def shrunk(gray: Gray, long_side_px: int) -> Gray:
    """Reduce a gray picture by area until its long side is at most `long_side_px`; never enlarge."""
    factor = max(gray.shape) / long_side_px
    if factor <= 1:
        return gray
    height_px, width_px = (max(1, round(side / factor)) for side in gray.shape)
    return np.asarray(cv2.resize(gray, (width_px, height_px), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def edge_width(gray_512: Gray) -> float:
    """Measure how many pixels the strongest edges are wide: about 3 to 4 when sharp, above 5 when blurred.

    The median, over the 2 % of pixels with the steepest slope, of the range in a 9 x 9 window over that slope, after a
    3 x 3 mean that takes the noise out. It hardly depends on size, noise or contrast.

    Args:
        gray_512: a gray picture with a long side of at most CANONICAL_PX.

    Returns:
        Width in canonical pixels; 9, the window's, when there is no edge at all.
    """
    plane = _mean(_roomy(gray_512, _WINDOW_PX).astype(np.float32), 3)
    slope = _slope(plane)
    steep = max(quantile(slope, 0.98), _LEAST_GRADIENT)
    chosen = slope >= steep
    if not chosen.any():
        return float(_WINDOW_PX)
    window = np.ones((_WINDOW_PX, _WINDOW_PX), np.uint8)
    local_range = cv2.dilate(plane, window) - cv2.erode(plane, window)
    return quantile(np.asarray(local_range[chosen] / slope[chosen], dtype=np.float32), 0.5)


def blur_effect(gray: Gray) -> float:
    """Measure how little a picture loses by blurring it: 0 sharp .. 1 blurred (Crete et al. 2007).

    The same figure as scikit-image's function of this name, which costs a second and its import; the worse of the two
    directions, so that motion blur shows.
    """
    plane = _roomy(gray, _BLUR_WINDOW_PX).astype(np.float32) / 255
    worst = 0.0
    for dx, dy in ((1, 0), (0, 1)):
        window = (_BLUR_WINDOW_PX, 1) if dx else (1, _BLUR_WINDOW_PX)
        again = cv2.blur(plane, window, borderType=cv2.BORDER_REFLECT)
        sharp = np.abs(cv2.Sobel(plane, cv2.CV_32F, dx, dy, borderType=cv2.BORDER_REFLECT))[2:-1, 2:-1]
        blurred = np.abs(cv2.Sobel(again, cv2.CV_32F, dx, dy, borderType=cv2.BORDER_REFLECT))[2:-1, 2:-1]
        total = float(sharp.sum(dtype=np.float64))
        lost = float(np.maximum(sharp - blurred, 0).sum(dtype=np.float64))
        worst = max(worst, (total - lost) / total if total > 0 else 1.0)
    return worst


def laplacian_variance(gray: Gray) -> float:
    """Measure the variance of the Laplacian, as many tools do. Reported only: noise makes a blurred picture win."""
    return float(cv2.Laplacian(gray, cv2.CV_32F).var(dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Light:
    """How a picture uses the range from black to white; all values are 0..1.

    Attributes:
        mean: mean luminance.
        spread: from the 1st to the 99th percentile.
        deep_spread: from the 0.2nd percentile to the 99th, for a few strokes of ink on much paper.
        middle_spread: from the 25th to the 75th percentile.
        blown: share of pixels at or above 247 of 255.
    """

    mean: float
    spread: float
    deep_spread: float
    middle_spread: float
    blown: float


def light(gray: Gray) -> Light:
    """Measure exposure and contrast by the histogram."""
    counts = np.bincount(gray.ravel(), minlength=256)
    reached = counts.cumsum() / counts.sum()

    def level(share: float) -> float:
        return float(np.searchsorted(reached, share)) / 255

    return Light(
        mean=float(counts @ np.arange(256)) / float(counts.sum()) / 255,
        spread=level(0.99) - level(0.01),
        deep_spread=level(0.99) - level(0.002),
        middle_spread=level(0.75) - level(0.25),
        blown=float(counts[_BLOWN:].sum() / counts.sum()),
    )


def glare(gray_512: Gray) -> float:
    """Measure the share of a page on which a reflection has swallowed the print: white without print, between print.

    White paper is told from it by the print that it holds, by being most of the picture, and by the rest of the page
    being nearly as bright; an empty margin that is burnt out has lost nothing.
    """
    blown = gray_512 >= _BLOWN
    share = float(blown.mean())
    if share > _MOST_GLARE:
        return 0.0
    paper = quantile(gray_512[~blown], 0.75)
    if paper >= _BRIGHT_PAPER:
        return 0.0
    print_ = gray_512 < min(_PRINT_BELOW, _PRINT_OF_PAPER * paper)
    window = np.ones((_PRINT_PX, _PRINT_PX), np.uint8)
    around = cv2.morphologyEx(blown.astype(np.uint8), cv2.MORPH_CLOSE, window) > 0
    printed = float(print_[around].mean()) if around.any() else 0.0
    return float((blown & _between(print_)).mean()) if printed < _LEAST_PRINT else 0.0


def _between(print_: NDArray[np.bool]) -> NDArray[np.bool]:
    """What has print on both sides, or above and below, not far away."""
    reach = max(3, round(_PRINT_REACH * max(print_.shape)))
    plane = print_.astype(np.uint8)
    across, down = np.ones((1, reach), np.uint8), np.ones((reach, 1), np.uint8)
    left, right = (cv2.dilate(plane, across, anchor=(end, 0)) > 0 for end in (0, reach - 1))
    above, below = (cv2.dilate(plane, down, anchor=(0, end)) > 0 for end in (0, reach - 1))
    return np.asarray((left & right) | (above & below), np.bool)


def paper_blown(gray_512: Gray) -> float:
    """Measure how much of a photographed page's bright part is burnt out: 0 none .. 1 all, as two stops too much do.

    A page that is white up to the picture's border is a scan, where the paper is meant to be white: 0.
    """
    blown = gray_512 >= _BLOWN
    rim_px = max(1, round(_RIM_SHARE * max(gray_512.shape)))
    rim = np.ones(gray_512.shape, np.bool)
    rim[rim_px:-rim_px, rim_px:-rim_px] = False
    if blown[rim].mean() >= _WHITE_RIM:
        return 0.0
    bright = int(_bright(gray_512).sum())
    return float(blown.sum()) / bright if bright else 0.0


def _bright(gray: Gray) -> NDArray[np.bool]:
    """The brighter of the two classes into which Otsu's threshold parts a picture."""
    _, bright = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return bright > 0


def noise_sigma(gray_fine: Gray) -> float:
    """Estimate the noise, in gray levels, where the picture is flattest (Immerkaer 1996, on the flattest half).

    Where nearly all is clipped there is no noise to see, and text is not flat: where little else remains, nothing can
    be said, and that is 0. On white paper half of the noise is clipped, and what is left is scaled up by what a normal
    distribution loses there.

    Args:
        gray_fine: a picture with a long side of about FINE_PX: noise is judged at the size at which it would show.
    """
    gray = _roomy(gray_fine, 3)
    plane = gray.astype(np.float32)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = cv2.filter2D(plane, -1, kernel)
    busyness = _mean(_slope(_mean(plane, 5)), _WINDOW_PX)
    clipped = cv2.blur(cv2.LUT(gray, _CLIPS), (5, 5))
    # One pixel of four tells the same to a hundredth, in a third of the time.
    busyness, clipped = busyness[::2, ::2], clipped[::2, ::2]
    response = np.abs(response[::2, ::2])
    inside = (clipped < _MOSTLY_CLIPPED * 255) & (busyness <= _BUSY)
    if inside.mean() < _LEAST_SHARE:
        return 0.0
    flattest = inside & (busyness <= quantile(busyness[inside], 0.5))
    lost = _HALF_CLIPPED * min(1.0, 2 * float(clipped[flattest].mean()) / 255)
    return float(np.sqrt(np.pi / 2) / 6 * response[flattest].mean()) / (1 - lost)


def blockiness(native: Gray) -> float:
    """Measure how much the grid of JPEG's 8 x 8 blocks stands out: 0 none, .5 at quality 60, 1 at 25, 3 at 6.

    By how much the mean difference between neighbours across the grid exceeds that at any other of the eight places,
    over the mean inside the blocks. Where the grid lies is found, not assumed, because a picture may have been cropped
    since it was compressed; by chance the strokes of print favour some places too, but then several.

    Args:
        native: pixels as they were coded; any resizing hides the grid.
    """
    if min(native.shape) <= 2 * _BLOCK_PX:
        return 0.0
    across = cv2.reduce(cv2.absdiff(native[:, 1:], native[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    down = cv2.reduce(cv2.absdiff(native[1:], native[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    return (_grid_excess(across.ravel()) + _grid_excess(down.ravel())) / 2


def _grid_excess(profile: NDArray[Any]) -> float:
    steady = np.minimum(profile, quantile(profile, _MOST_STEP))
    phases = np.sort([steady[phase::_BLOCK_PX].mean() for phase in range(_BLOCK_PX)])
    return float((phases[-1] - phases[-2]) / max(float(phases[:-1].mean()), _LEAST_DIFFERENCE))


def detail(gray_512: Gray) -> float:
    """Measure how much of a picture is lost by halving it, over its slopes: .4 and more native, below .2 enlarged.

    Args:
        gray_512: a gray picture with a long side of at most CANONICAL_PX.
    """
    plane = _roomy(gray_512, 4).astype(np.float32)
    height_px, width_px = plane.shape
    half = cv2.resize(plane, (width_px // 2, height_px // 2), interpolation=cv2.INTER_AREA)
    lost = float(np.abs(plane - cv2.resize(half, (width_px, height_px), interpolation=cv2.INTER_CUBIC)).mean())
    slope = float(_slope(plane).mean())
    return lost / slope if slope > 0 else 0.0


def fine_gray(image: Image.Image) -> Gray:
    """Reduce a picture to gray with a long side of about FINE_PX, leaving alone what is near it."""
    gray = np.asarray(image.convert("L"), dtype=np.uint8)
    return gray if max(gray.shape) <= FINE_PX * _FINE_TOLERANCE else shrunk(gray, FINE_PX)


def _mean(plane: Plane, window_px: int) -> Plane:
    return np.asarray(cv2.blur(plane, (window_px, window_px)), dtype=np.float32)


def _slope(plane: Plane) -> Plane:
    """Gradient magnitude, gray levels a pixel."""
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float32)


def _roomy(gray: Gray, least_px: int) -> Gray:
    """Repeat the border of a picture that is smaller than a filter."""
    missing_height, missing_width = (max(0, least_px - side) for side in gray.shape)
    if not missing_height and not missing_width:
        return gray
    grown = cv2.copyMakeBorder(gray, 0, missing_height, 0, missing_width, cv2.BORDER_REPLICATE)
    return np.asarray(grown, dtype=np.uint8)
