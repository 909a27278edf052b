"""Photographed pages with exact truth: for conformance, for reading, and one dense page for the memory bar.

The list is in docs/test-pictures.md. Everything is drawn by code, with fictional names; pictures are made when asked
for, once a process.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import product

from PIL import Image

from tests.samples.camera import Shot, as_jpeg, photograph
from tests.samples.pages import Page, admit_card, id_card, letter, marksheet

MAX_OCR_PAGES = 48
_LARGE, _SMALL = (4000, 3000), (1600, 1200)


@dataclass(frozen=True)
class PagePhoto:
    """One photographed page.

    Attributes:
        name: short, unique, fit for a file name.
        what: what is on it and what went wrong with it, in a few words.
        size_px: width and height.
        draw: draws it anew.
        shot: how it was photographed; None: scanned, gray, 200 dpi.
        seed: of the photo.
        spoil: what happens to the photo before it is saved.
    """

    name: str
    what: str
    size_px: tuple[int, int]
    draw: Callable[[], Page] = field(repr=False)
    shot: Shot | None
    seed: int
    spoil: Callable[[Image.Image], Image.Image] | None = field(default=None, repr=False)

    @cached_property
    def data(self) -> bytes:
        """The file, as a person uploads it."""
        page = self.draw().image
        if self.shot is None:
            return _scanned(page)
        photo = photograph(page, self.shot, seed=self.seed)
        return as_jpeg(photo if self.spoil is None else self.spoil(photo), self.shot)

    @property
    def jpeg(self) -> bytes:
        """The file; all of them are JPEG."""
        return self.data

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Everything that is written on the page, one string a text line, in reading order."""
        return tuple(self.draw().lines)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.size_px[0] * self.size_px[1]

    @property
    def image(self) -> Image.Image:
        """Decode: RGB, full size; a new picture at each call."""
        with Image.open(io.BytesIO(self.data)) as opened:
            return opened.convert("RGB")


@cache
def page_photos() -> tuple[PagePhoto, ...]:
    """Pages for conformance: what people send to a document slot."""
    card, admit, sheet, prose = (
        partial(id_card, 31),
        partial(admit_card, 32),
        partial(marksheet, 33),
        partial(letter, 34),
    )
    tall, small_tall = (3000, 4000), (1200, 1600)
    return (
        _photo("card", "ID card on a desk, 12 MP", card, Shot(size_px=_LARGE, fills=0.8), 31),
        _photo("marksheet", "marksheet in a shadow, 12 MP", sheet, Shot(size_px=tall, shadow=0.5, fills=0.93), 32),
        _photo("admit-card", "admit card at an angle", admit, Shot(size_px=_SMALL, tilt=0.14, turn_deg=-4), 33),
        _photo("letter", "a page of prose", prose, Shot(size_px=small_tall, fills=0.96), 34),
        _photo("dark", "marksheet in bad light", sheet, Shot(size_px=small_tall, gain=0.42, noise=9), 35),
        _photo("blurred", "admit card out of focus", admit, Shot(size_px=_SMALL, blur_px=2.2), 36),
        _photo("small-card", "ID card from afar", card, Shot(size_px=_SMALL, fills=0.4), 37),
        _photo("forwarded", "marksheet squeezed by a messenger", sheet, Shot(size_px=(960, 1280), quality=35), 38),
        PagePhoto("scan", "prose from a flatbed, 200 dpi, gray", (1654, 2339), partial(letter, 35), None, 0),
        _photo("dense", "a page of small print, 12 MP", _small_print, _DENSE, 39),
    )


@cache
def ocr_pages(count: int = 40) -> tuple[PagePhoto, ...]:
    """Pages for reading, the same at each call; any first few are mixed, and the first two are a card and a dense page.

    Args:
        count: how many, at most 48.

    Raises:
        ValueError: More are asked for than there are.
    """
    if not 1 <= count <= MAX_OCR_PAGES:
        raise ValueError(f"there are 1 to {MAX_OCR_PAGES} pages, not {count}")
    return _all_ocr_pages()[:count]


def dense_page() -> PagePhoto:
    """A page of small print that fills a 12 MP picture: the most that a reader must hold."""
    return ocr_pages(2)[1]


_DENSE = Shot(size_px=(3000, 4000), fills=0.97, tilt=0.02, turn_deg=0.4, shadow=0.1, blur_px=0.6, noise=2)
_DRAWINGS: tuple[tuple[str, Callable[[int], Page]], ...] = (
    ("card", id_card),
    ("marksheet", marksheet),
    ("admit-card", admit_card),
    ("letter", letter),
)
# A fault, what it is, and how it looks when it is mild and when it is bad.
_FAULTS: tuple[tuple[str, str, Shot, Shot], ...] = (
    ("near", "fills the frame", Shot(fills=0.95, tilt=0.02), Shot(fills=0.97, tilt=0.06, turn_deg=-1)),
    ("angled", "strong perspective", Shot(fills=0.85, tilt=0.16, turn_deg=3), Shot(fills=0.8, tilt=0.3, turn_deg=-9)),
    ("shadow", "a shadow across it", Shot(shadow=0.6), Shot(shadow=0.85)),
    ("far", "takes a part of the frame", Shot(fills=0.5, turn_deg=-2), Shot(fills=0.36, turn_deg=3)),
    ("defocus", "out of focus", Shot(blur_px=2.4), Shot(blur_px=3.6)),
    ("dim", "little light, much noise", Shot(gain=0.4, noise=9, shadow=0.3), Shot(gain=0.22, noise=11, shadow=0.4)),
    ("squeezed", "compressed hard", Shot(quality=25), Shot(quality=11)),
    ("shaken", "smeared by a moving hand", Shot(motion_px=7, turn_deg=6), Shot(motion_px=13, turn_deg=-3)),
)


@cache
def _all_ocr_pages() -> tuple[PagePhoto, ...]:
    return (
        _photo("card-plain-12mp", "ID card, an easy picture, 12 MP", partial(id_card, 1), Shot(), 1),
        _photo("dense-12mp", "small print that fills 12 MP", _small_print, _DENSE, 2),
        *_mixed(),
    )[:MAX_OCR_PAGES]


def _mixed() -> Iterator[PagePhoto]:
    """Every fault on every drawing; then again at the other size, bad where it was mild and mild where it was bad."""
    order = product((0, 1), enumerate(_FAULTS), enumerate(_DRAWINGS))
    for seed, (again, (fault_at, (fault, why, mild, bad)), (drawing_at, (drawing, draw))) in enumerate(
        order, start=100
    ):
        large = (drawing_at + fault_at + again) % 2 == 0
        worse = (drawing_at // 2 + fault_at + again) % 2 == 1
        shot = bad if worse else mild
        if not large:  # the same smear and blur on a picture 2.5 times smaller
            shot = replace(shot, blur_px=shot.blur_px * 0.6, motion_px=round(shot.motion_px * 0.6))
        size = _LARGE if large else _SMALL
        across = drawing in {"card", "admit-card"}
        taken = replace(shot, size_px=size if across else (size[1], size[0]))
        name = f"{drawing}-{fault}-{'bad' if worse else 'mild'}-{'12mp' if large else '2mp'}"
        yield _photo(name, f"{drawing.replace('-', ' ')}: {why}", partial(draw, seed), taken, seed)


def _small_print() -> Page:
    return letter(77, width_px=2400, rows=62, size_px=25)


def _photo(name: str, what: str, draw: Callable[[], Page], shot: Shot, seed: int) -> PagePhoto:
    return PagePhoto(name, what, shot.size_px, draw, shot, seed)


def _scanned(page: Image.Image) -> bytes:
    out = io.BytesIO()
    page.convert("L").save(out, "JPEG", quality=90, dpi=(200, 200))
    return out.getvalue()
