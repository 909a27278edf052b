"""How much of the text on a page was read: the lines that were kept, and what looks like text beside them."""

from collections.abc import Collection, Sequence
from statistics import median
from typing import TYPE_CHECKING

from rythmiq_worker.engines.recognition import Reading, box_size
from rythmiq_worker.engines.scripts import density
from rythmiq_worker.engines.text import TextSight

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rythmiq_worker.engines.recognition import Places

USUAL_DENSITY = 2.2  # letters on a length of the line's height, where no line of the page tells
LEAST_ASPECT = 1.5  # width over height: less is a mark or an icon as often as a word
MOST_HEIGHT = 3.0  # of the page's usual line: higher is a picture or a seal
LEAST_HEIGHT = 0.4
AT_BORDER = 0.12  # of the line's height: nearer to the picture's side than that, the line goes on beyond it
LEAST_CUT = 0.7  # width over height of what is cut: a letter or two is left of some words


def sight_of(
    places: "Places",
    readings: Sequence[Reading],
    kept: Collection[int],
    size_px: tuple[int, int],
    scripts: tuple[str, ...],
) -> TextSight:
    """Measure how much of a page's text was read.

    Args:
        places: of all that looks like a line.
        readings: one a line.
        kept: the numbers of the lines that were read with reason.
        size_px: width and height of the picture.
        scripts: that were not read.
    """
    sizes = [box_size(place) for place in places]
    aspects = [width_px / height_px for width_px, height_px in sizes]
    usual_px = median([sizes[line][1] for line in kept]) if kept else 0
    densities = [density(readings[line], aspects[line]) for line in kept if aspects[line] >= LEAST_ASPECT]
    usual = median(densities) if densities else USUAL_DENSITY
    letters, said, missed, unread, cut = 0, 0.0, 0.0, 0, 0
    for line, (place, (_, height_px), aspect) in enumerate(zip(places, sizes, aspects, strict=True)):
        reading = readings[line]
        like_the_others = not usual_px or LEAST_HEIGHT * usual_px <= height_px <= MOST_HEIGHT * usual_px
        if line in kept:
            count = len("".join(reading.text.split()))
            letters += count
            said += count * reading.confidence
            if aspect >= LEAST_CUT and runs_out(place, height_px, size_px[0]):
                cut += 1
        elif aspect >= LEAST_ASPECT and like_the_others:
            missed += aspect * usual
            unread += 1
    return TextSight(letters, round(said, 3), round(missed, 1), unread, cut, scripts)


def runs_out(place: "NDArray[np.float32]", height_px: int, width_px: int) -> bool:
    """Whether a line goes on beyond the left or the right side of the picture."""
    across = place[..., 0]
    margin_px = AT_BORDER * height_px
    return bool(across.min() <= margin_px or across.max() >= width_px - margin_px)
