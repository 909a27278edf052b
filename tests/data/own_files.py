"""One's own pictures in place of the generated ones: `RYTHMIQ_PORTRAITS=dir` and `RYTHMIQ_PAGES=dir` with `make bench`.

A page's text stands beside it: `card.jpg` with `card.txt`, UTF-8, a text line a line, in reading order. A page without
it is conformed and judged, but not read. Nothing of these files leaves the machine or gets into docs/.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A picture of the user's.

    Attributes:
        name: its file's, without the ending.
        data: its bytes.
        lines: its text; empty when none was given.
    """

    name: str
    data: bytes
    lines: tuple[str, ...] = ()

    @property
    def jpeg(self) -> bytes:
        """Its bytes, whatever they are."""
        return self.data

    @property
    def image(self) -> Image.Image:
        """Decode: upright, RGB, full size; a new picture at each call."""
        with Image.open(io.BytesIO(self.data)) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")

    @property
    def pixels(self) -> int:
        """Width times height, by its header."""
        with Image.open(io.BytesIO(self.data)) as opened:
            return opened.width * opened.height


def own_portraits() -> tuple[OwnFile, ...]:
    """The pictures in RYTHMIQ_PORTRAITS, by name; none when it is not set.

    Raises:
        SystemExit: it names no folder with pictures.
    """
    return _pictures("RYTHMIQ_PORTRAITS")


def own_pages() -> tuple[OwnFile, ...]:
    """The pictures in RYTHMIQ_PAGES, by name, each with its text; none when it is not set.

    Raises:
        SystemExit: it names no folder with pictures.
    """
    return _pictures("RYTHMIQ_PAGES")


def is_private() -> bool:
    """Whether anything measured now comes from the user's own files."""
    return any(os.environ.get(name) for name in ("RYTHMIQ_PORTRAITS", "RYTHMIQ_PAGES"))


def _pictures(variable: str) -> tuple[OwnFile, ...]:
    folder = os.environ.get(variable)
    if not folder:
        return ()
    paths = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        raise SystemExit(f"{variable}={folder} holds no picture; known endings: {', '.join(sorted(ENDINGS))}")
    return tuple(OwnFile(path.stem, path.read_bytes(), _lines(path.with_suffix(".txt"))) for path in paths)


def _lines(path: Path) -> tuple[str, ...]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
