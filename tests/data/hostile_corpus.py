"""Seven hundred hostile files as code, each with what must become of it in a worker.

`tests.data.hostile` holds those that have a name in the documentation; here is the mass: every format cut at every kind
of place, bombs, files of other kinds, files that lie, and good files with bits turned over. All seeds are fixed.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

from PIL import Image

from rythmiq_worker.decode import Reason
from tests.data import hostile, raw_files
from tests.data.damaged_pictures import damaged
from tests.data.hostile_bombs import bombs
from tests.data.hostile_foreign import foreign, polyglots
from tests.data.hostile_pdfs import pdfs
from tests.data.hostile_pictures import lies, odd
from tests.data.raw_files import Entry
from tests.samples.portrait import srgb_profile

OPENS: Final = hostile.OPENS
# What may become of a good file with a few bits turned over: a picture, or any reason that DECODE knows.
EITHER: Final = frozenset({OPENS, *get_args(Reason)})
FUZZ_SEEDS: Final = 9
_HEIF: Final = Path(__file__).parent / "heif"
_CODES: Final = {"too_large": "FETCH_FAILED"}

Kind = Literal["cut", "bomb", "foreign", "odd", "lie", "damaged", "pdf", "polyglot", "fuzz", "listed"]


@dataclass(frozen=True)
class Hostile:
    """One hostile file.

    Attributes:
        name: unique.
        outcomes: what may become of it: "opens", or a `detail.reason`; just one, but for fuzz.
        document: whether a PDF of all its pages is asked for, not one photo.
    """

    kind: Kind
    name: str
    outcomes: frozenset[str]
    document: bool
    make: Callable[[], bytes] = field(repr=False)

    @property
    def code(self) -> str:
        """The error's code if it is refused."""
        return _CODES.get(min(self.outcomes), "DECODE_FAILED")


@cache
def corpus() -> tuple[Hostile, ...]:
    """All hostile files."""
    chapters: Mapping[Kind, Iterable[Entry]] = {
        "listed": _listed(),
        "cut": _cuts(),
        "bomb": bombs(),
        "foreign": foreign(),
        "odd": odd(),
        "lie": lies(),
        "damaged": damaged(),
        "pdf": pdfs(),
        "polyglot": polyglots(),
    }
    told = [
        Hostile(kind, f"{kind}-{name}", frozenset({outcome}), document=kind in {"pdf", "listed"}, make=make)
        for kind, entries in chapters.items()
        for name, outcome, make in entries
    ]
    return (*told, *_fuzz())


def _listed() -> Iterator[Entry]:
    for each in hostile.uploads():
        yield each.name, each.outcome, partial(getattr, each, "data")


# --- good files, to be cut and scratched -------------------------------------


@cache
def good() -> Mapping[str, bytes]:
    """A good file of each format and coding."""
    picture, encoded = hostile.upright(), _encoded
    tags = Image.Exif()
    tags[0x010F] = "Specimen Phone"
    marked: dict[str, Any] = {"exif": tags, "icc_profile": srgb_profile()}
    stages = [picture, picture.rotate(180)]
    return {
        "jpeg": encoded(picture, "JPEG", **marked),
        "jpeg-progressive": encoded(picture, "JPEG", progressive=True),
        "jpeg-cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "png": encoded(picture, "PNG", **marked),
        "png-palette": encoded(picture.quantize(64), "PNG", transparency=3),
        "gif": encoded(picture, "GIF"),
        "gif-animated": encoded(stages[0], "GIF", save_all=True, append_images=stages[1:]),
        "webp": encoded(picture, "WEBP", **marked),
        "webp-lossless": encoded(picture, "WEBP", lossless=True),
        "bmp": encoded(picture, "BMP"),
        "bmp-palette": encoded(picture.quantize(256), "BMP"),
        "tiff": encoded(picture, "TIFF"),
        "tiff-lzw": encoded(picture, "TIFF", compression="tiff_lzw"),
        "tiff-fax": encoded(picture.convert("1"), "TIFF", compression="group4"),
        "avif": encoded(picture, "AVIF", max_threads=1),
        "heif": (_HEIF / "plain.heic").read_bytes(),
        "pdf-scan": hostile.upload("pdf-scan").data,
        "pdf-vector": hostile.upload("pdf-vector").data,
    }


def _encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    return hostile._encoded(image, file_format, **options)


# --- cut ---------------------------------------------------------------------

_PARTS: Final[Mapping[str, Callable[[bytes], Iterator[raw_files.Part]]]] = {
    "jpeg": raw_files.jpeg_parts,
    "png": raw_files.png_parts,
    "webp": raw_files.riff_parts,
    "avif": raw_files.box_parts,
    "heif": raw_files.box_parts,
    "gif": raw_files.gif_parts,
    "bmp": raw_files.bmp_parts,
    "tiff": raw_files.tiff_parts,
    "pdf": raw_files.pdf_parts,
}


def _cuts() -> Iterator[Entry]:
    """Each good file cut in the middle of each of its parts, and a few bytes before its end."""
    for name, data in good().items():
        places = {label: (start + end) // 2 for label, start, end in _PARTS[name.partition("-")[0]](data)}
        places |= {"signature": 2, "last-hundredth": len(data) * 99 // 100, "last-byte": len(data) - 1}
        for label, at in places.items():
            cut = f"{name}-{label}"
            yield cut, _after(cut), partial(_until, name, at)


def _until(name: str, at: int) -> bytes:
    return good()[name][:at]


def _after(cut: str) -> str:
    return next((outcome for pattern, outcome in _CUT if fnmatchcase(cut, pattern)), "truncated")


# What becomes of a cut; a decoder that cannot tell a cut from other damage says "damaged". The first line that fits.
_CUT: Final = (
    ("bmp*-signature", "damaged"),
    ("*-signature", "unknown_format"),
    # The picture is complete; what is missing comes after it.
    ("jpeg-cmyk-last-byte", OPENS),
    ("png*-IEND", OPENS),
    ("png*-last-byte", OPENS),
    ("gif*-last-byte", OPENS),
    ("gif-animated-last-hundredth", OPENS),
    ("tiff-fax-last-byte", OPENS),
    ("pdf*-startxref", OPENS),
    ("pdf*-last-byte", OPENS),
    ("pdf-vector-last-hundredth", OPENS),
    ("gif-data", "truncated"),
    ("gif-last-hundredth", "truncated"),
    ("gif*", "damaged"),
    ("webp*", "damaged"),
    ("bmp*-file-header", "damaged"),
    ("tiff-header", "damaged"),
    ("tiff-directory", "damaged"),
    ("tiff-lzw-*", "damaged"),
    ("tiff-fax-*", "damaged"),
    ("avif-last-*", "truncated"),
    ("avif-*", "damaged"),
    ("heif-*", "damaged"),
)


# --- fuzz --------------------------------------------------------------------


def _fuzz() -> Iterator[Hostile]:
    for name in good():
        for seed in range(FUZZ_SEEDS):
            yield Hostile(
                "fuzz",
                f"fuzz-{name}-{seed}",
                EITHER,
                document=name.startswith("pdf"),
                make=partial(_scratched, name, seed),
            )


def _scratched(name: str, seed: int) -> bytes:
    """Turn bits over anywhere, write bytes into the head, or take out, double and swap runs; by turns."""
    dice = random.Random(f"{name} {seed}")  # noqa: S311  a fixed seed is the point
    data = bytearray(good()[name])
    if seed % 3 == 0:
        for _ in range(1 << dice.randrange(7)):
            data[dice.randrange(4, len(data))] ^= 1 << dice.randrange(8)
    elif seed % 3 == 1:
        for _ in range(dice.randrange(1, 9)):
            data[dice.randrange(4, min(400, len(data)))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    else:
        at, size = dice.randrange(4, len(data)), dice.randrange(1, 2000)
        run = data[at : at + size]
        to = dice.randrange(4, len(data))
        data[at : at + size] = b"" if dice.random() < 0.5 else run + run
        data[to:to] = run
    return bytes(data)
