"""Labelled real pictures that are not ours: read from the folder that RYTHMIQ_REAL_PICTURES names, never kept or named.

`labels.json` in that folder has one entry a file; positions in it are shares of the upright picture's sides. What is
measured on these pictures is printed as counts only.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from rythmiq_worker.people.face import Box

VARIABLE = "RYTHMIQ_REAL_PICTURES"
GLANCE_PX = 1000
"""The long side of the copies that are looked at, about what the worker's `Picture.thumbnail` gives."""


@dataclass(frozen=True, slots=True)
class RealPicture:
    """A picture and what people saw in it.

    Attributes:
        path: of the file.
        label: its entry of labels.json.
    """

    path: Path
    label: Mapping[str, Any]

    def image(self) -> Image.Image:
        """Decode: upright, RGB, full size; a new picture at each call."""
        with Image.open(self.path) as opened:
            # Pillow warns of a palette with transparency; the detour gives the same pixels.
            plain = opened.convert("RGBA") if "transparency" in opened.info else opened
            return ImageOps.exif_transpose(plain).convert("RGB")

    def rgb(self, side_px: int = GLANCE_PX) -> NDArray[np.uint8]:
        """H x W x 3, uint8, with a long side of at most `side_px`."""
        image = self.image()
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        return np.asarray(image)

    def face_box(self, width_px: int, height_px: int) -> Box:
        """The labelled face in a copy of this size."""
        x, y, width, height = self.label["face_box"]
        return Box(x * width_px, y * height_px, width * width_px, height * height_px)

    def other_boxes(self, width_px: int, height_px: int) -> tuple[Box, ...]:
        """The other labelled faces, not always all, in a copy of this size."""
        shares = self.label["other_boxes"] or ()
        return tuple(Box(x * width_px, y * height_px, w * width_px, h * height_px) for x, y, w, h in shares)


def real_portraits() -> tuple[RealPicture, ...]:
    """The labelled portraits, by name; none where the variable is not set."""
    return _pictures("portraits/")


def real_pages() -> tuple[RealPicture, ...]:
    """The labelled pages, by name; none where the variable is not set."""
    return _pictures("pages/")


def real_signatures() -> tuple[RealPicture, ...]:
    """The labelled pictures of signatures, and of none, by name; none where the variable is not set."""
    return _pictures("signatures/")


Part = Callable[[tuple[RealPicture, ...]], list[dict[str, object]]]
"""Measures pictures and gives rows."""


def print_rows(name: str, description: str, parts: Mapping[str, Part], pictures: tuple[RealPicture, ...]) -> None:
    """Be the command of a bench: print the rows of the parts that are named, an empty list without pictures."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"some of {', '.join(parts)}; default: all")
    chosen = parser.parse_args().part or list(parts)
    cv2.setNumThreads(1)
    if not pictures:
        print(f"{name}: left out, {VARIABLE} names no folder of labelled pictures", file=sys.stderr)
    print(json.dumps([row for part in chosen for row in parts[part](pictures)] if pictures else []))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0.0, across) * max(0.0, down)
    return shared / (one.width * one.height + other.width * other.height - shared)


def _pictures(folder: str) -> tuple[RealPicture, ...]:
    root = os.environ.get(VARIABLE)
    if not root:
        return ()
    labels = json.loads((Path(root) / "labels.json").read_text(encoding="utf-8"))
    return tuple(
        RealPicture(Path(root) / name, label) for name, label in sorted(labels.items()) if name.startswith(folder)
    )
