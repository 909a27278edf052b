"""The hard set: 48 cards and sheets, four layouts beside the samples' three, three typefaces, twelve faults.

Fixed seeds, exact truth; the list is in docs/test-pictures.md. Drawn when asked for, once a process.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
from PIL import Image

from tests.data.hard_layouts import FACES, grade_sheet, hall_ticket, licence, student_card
from tests.data.pages import PagePhoto
from tests.samples.camera import Shot
from tests.samples.pages import Page, admit_card, id_card, marksheet

_LARGE, _SMALL = (4000, 3000), (1600, 1200)
_RGB = 3


def with_glare(photo: Image.Image, seed: int) -> Image.Image:
    """A lamp's reflection over a tenth of the picture: bright, soft, and in its middle nearly without detail."""
    chance = np.random.default_rng(seed)
    width, height = photo.size
    across = (np.arange(width, dtype=np.float32) / width - chance.uniform(0.3, 0.7)) / 0.16
    down = (np.arange(height, dtype=np.float32) / height - chance.uniform(0.3, 0.7)) / 0.10
    glow = 0.72 * np.exp(-0.5 * (across[None, :] ** 2 + down[:, None] ** 2))
    pixels = np.array(photo)
    for channel in range(_RGB):
        plane = pixels[:, :, channel]
        plane += ((255 - plane) * glow).astype(np.uint8)
    return Image.fromarray(pixels)


def with_moire(photo: Image.Image, seed: int) -> Image.Image:
    """Waves of three colours, as of a page photographed from a screen."""
    chance = np.random.default_rng(seed)
    width, height = photo.size
    across, down = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    pixels = np.array(photo)
    for channel in range(_RGB):
        period_px, angle = chance.uniform(5, 9), chance.uniform(0.2, 1.3)
        wave = np.sin(2 * np.pi / period_px * (across * np.cos(angle) + down * np.sin(angle)))
        plane = pixels[:, :, channel].astype(np.float32)
        plane += 14 * wave
        pixels[:, :, channel] = np.clip(plane, 0, 255)
    return Image.fromarray(pixels)


# A fault, what it is, how it is photographed, and what comes on top.
_FAULTS: tuple[tuple[str, str, Shot, Callable[[Image.Image, int], Image.Image] | None], ...] = (
    ("plain", "an easy picture", Shot(), None),
    ("glare", "a lamp's reflection", Shot(), with_glare),
    ("shaken", "smeared by a moving hand", Shot(motion_px=9), None),
    ("low-light", "little light and noise", Shot(gain=0.28, noise=10, shadow=0.3), None),
    ("angled", "strong perspective", Shot(fills=0.82, tilt=0.26, turn_deg=5), None),
    ("distant", "takes 45 % of the frame", Shot(fills=0.45, turn_deg=2), None),
    ("moire", "photographed from a screen", Shot(), with_moire),
    ("squeezed", "JPEG quality 12", Shot(quality=12), None),
    ("defocused", "out of focus", Shot(blur_px=2.8), None),
    ("tilted", "turned by 8 degrees", Shot(fills=0.8, turn_deg=-8), None),
    ("shadowed", "half of it in a shadow", Shot(shadow=0.8), None),
    ("tiny", "takes 30 % of the frame", Shot(fills=0.30, turn_deg=-1), None),
)
_LAYOUTS: tuple[tuple[str, bool, Callable[[int, int], Page]], ...] = (
    ("id-card", True, lambda seed, _: id_card(seed)),
    ("licence", True, lambda seed, face: licence(seed, FACES[face])),
    ("student-card", False, lambda seed, face: student_card(seed, FACES[face])),
    ("marksheet", False, lambda seed, _: marksheet(seed)),
    ("grade-sheet", True, lambda seed, face: grade_sheet(seed, FACES[face])),
    ("admit-card", True, lambda seed, _: admit_card(seed)),
    ("hall-ticket", False, lambda seed, face: hall_ticket(seed, FACES[face])),
)
_SHEETS = {"marksheet", "grade-sheet", "hall-ticket", "admit-card"}
COUNT = 48


@cache
def hard_pages(count: int = COUNT) -> tuple[PagePhoto, ...]:
    """The first `count` pictures of the set; three in four have 12 MP.

    Raises:
        ValueError: more are asked for than there are.
    """
    if not 1 <= count <= COUNT:
        raise ValueError(f"there are 1 to {COUNT} pictures, not {count}")
    return tuple(_page(number) for number in range(count))


def ocr_pages(count: int = COUNT) -> tuple[PagePhoto, ...]:
    """The set under the name by which the benchmark asks for it."""
    return hard_pages(min(count, COUNT))


def damaged_pages() -> tuple[PagePhoto, ...]:
    """The set once more, so small, blurred, smeared, squeezed or dark that much of it is misread: 24 pictures."""
    return tuple(_damaged(page, number) for number, page in enumerate(hard_pages()) if number % 2)


def _damaged(page: PagePhoto, number: int) -> PagePhoto:
    shot = page.shot or Shot()
    width, height = shot.size_px
    size = (width * 2 // 5, height * 2 // 5) if width * height > _SMALL[0] * _SMALL[1] else shot.size_px
    way = number // 2 % 4
    if way == 0:
        shot = replace(shot, size_px=size, blur_px=1.6 + 0.5 * shot.blur_px)
    elif way == 1:
        shot = replace(shot, size_px=size, motion_px=7 + number % 5)
    elif way == 2:
        shot = replace(shot, size_px=size, fills=0.42, quality=15)
    else:
        shot = replace(shot, size_px=size, gain=0.2, noise=13)
    return replace(page, name=f"{page.name}-damaged", size_px=size, shot=shot)


def _page(number: int) -> PagePhoto:
    layout, across, draw = _LAYOUTS[number % len(_LAYOUTS)]
    fault, why, shot, spoil = _FAULTS[(number + number // len(_FAULTS)) % len(_FAULTS)]
    face, large, seed = number % len(FACES), number % 4 != 3, 700 + number
    if not large:  # the same smear and blur on a picture 2.5 times smaller, and no page of small print from afar
        shot = replace(shot, blur_px=shot.blur_px * 0.5, motion_px=round(shot.motion_px * 0.5))
    if layout in _SHEETS and shot.fills < 0.5:
        shot = replace(shot, fills=0.5 if large else 0.75)
    elif not large and shot.fills < 0.5:
        shot = replace(shot, fills=0.55)
    size = _LARGE if large else _SMALL
    size = size if across else (size[1], size[0])
    return PagePhoto(
        name=f"{layout}-{fault}-{'12mp' if large else '2mp'}-{number:02d}",
        what=f"{layout.replace('-', ' ')}: {why}",
        size_px=size,
        draw=partial(draw, seed, face),
        shot=replace(shot, size_px=size),
        seed=seed,
        spoil=None if spoil is None else lambda photo: spoil(photo, seed),
    )
