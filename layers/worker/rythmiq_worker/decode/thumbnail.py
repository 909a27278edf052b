"""Small pictures for people to look at: of the upload as it came, and of the document."""

import io
from typing import Final

from PIL import Image

PREVIEW_SIDE_PX: Final = 480
_QUALITY: Final = 80


def small(image: Image.Image, side_px: int = PREVIEW_SIDE_PX) -> Image.Image:
    """A copy, gray or RGB, with a long side of at most `side_px`; what has less is not enlarged."""
    plain = image.convert("L") if image.mode in {"1", "L"} else image if image.mode == "RGB" else image.convert("RGB")
    shrink = max(plain.size) / side_px
    if shrink <= 1:
        return plain.copy()
    size = (max(1, round(plain.width / shrink)), max(1, round(plain.height / shrink)))
    return plain.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)


def small_jpeg(image: Image.Image, side_px: int = PREVIEW_SIDE_PX) -> bytes:
    """A JPEG with a long side of at most `side_px`; what has less is not enlarged."""
    out = io.BytesIO()
    small(image, side_px).save(out, "JPEG", quality=_QUALITY, subsampling="4:2:0")
    return out.getvalue()
